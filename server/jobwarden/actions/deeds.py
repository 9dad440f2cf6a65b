"""What rules have done and are about to do, as the journal has it: each deed is noted before it is done, and after.

A deed has the id of its firing and its place in the rule, so that who comes after a crash knows which are open.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobwarden.actions.call import Firing
from jobwarden.actions.substitution import harmless
from jobwarden.delivery.news import TOLD
from jobwarden.logs.secrets import mask
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

DEED = "deed"
"""The key of an ACTION event that holds a `Deed`."""
AFTER = "after"
"""The key of one that holds a later step of it, an `After`."""

RULES_OF = "rules_of"
"""The key of one that tells whose rules' states a job goes on with: another's uid."""
RULES_PAUSED = "rules_paused"
"""The key of those of them that are paused besides."""

INTENDED = "intended"
CLAIMED = "claimed"
"""Begun, by one: whoever comes after does not know whether it was done, and looks first."""
SUBMITTED = "submitted"
DONE = "done"
REFUSED = "refused"
FAILED = "failed"
UNSURE = "unsure"
"""Whether it was done is not known, and it is not done again."""

OPEN = frozenset({INTENDED, CLAIMED, SUBMITTED})
HOUR = timedelta(hours=1)


class Deed(BaseModel):
    """One deed, as it is journaled before it is done."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    id: str
    action: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Filled in and checked; what looked like a secret is masked."""
    rule: str
    firing: str
    uid: str
    """The record's."""
    run: str
    """The id under which the job lived then: a later run is not meant."""
    runs: int = 0
    """How many it had had."""
    lineage: str
    """The same for all runs of one job, whatever id they have."""
    about: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """The job, for the journal: of one that has ended its transactions know nothing any more."""
    target: str = ""
    """Whom it tells, for the limit."""
    step: str = INTENDED
    at: datetime


class After(BaseModel):
    """What came of a deed, a step further."""

    model_config = ConfigDict(frozen=True)

    id: str
    step: str
    at: datetime
    new_id: str = ""
    """The job that was submitted."""
    gpu_hours: float = 0.0


@dataclass(slots=True)
class Known:
    """All deeds of one session.

    Attributes:
        seq: The journal's latest event that was read.
        deeds: By id.
        after: By id; the latest step.
        said: By id; what was said of it last.
    """

    seq: int = 0
    deeds: dict[str, Deed] = field(default_factory=dict[str, Deed])
    after: dict[str, After] = field(default_factory=dict[str, After])
    said: dict[str, str] = field(default_factory=dict[str, str])

    def step(self, deed: str) -> str | None:
        """Say how far a deed has come; None for one that nobody noted."""
        if deed not in self.deeds:
            return None
        return self.after[deed].step if deed in self.after else self.deeds[deed].step

    def open(self) -> list[Deed]:
        """Give those that were begun and not ended, oldest first."""
        return [one for one in self.deeds.values() if self.step(one.id) in OPEN]

    def lately(self, actions: Iterable[str], now: datetime, *, target: str | None = None) -> int:
        """Count the deeds of an hour."""
        kinds = frozenset(actions)
        return sum(
            one.action in kinds and now - one.at < HOUR and (target is None or one.target == target)
            and self.step(one.id) != REFUSED
            for one in self.deeds.values()
        )  # fmt: skip

    def submissions(self) -> list[tuple[Deed, float]]:
        """Give every resubmission that was begun and not refused, with its GPU-hours."""
        return [
            (one, self.after[one.id].gpu_hours if one.id in self.after else 0.0)
            for one in self.deeds.values()
            if one.action == "resubmit" and self.step(one.id) in (*OPEN, DONE, UNSURE)
        ]


class Deeds:
    """The deeds of every session that this process looks at; each line of a journal is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self.claiming = anyio.Lock()
        """Held from the look for another that does the same to the note that this one begins."""

    def of(self, session: Session) -> Known:
        """Read what is new. Under the session's lock nobody can add to it meanwhile."""
        known = self._known.setdefault(session.entry.session_id, Known())
        for event in session.journal.read(known.seq):
            known.seq = max(known.seq, event.seq)
            if event.event == EventKind.ACTION:
                _take(known, event)
        return known


def intend(transaction: Transaction, deed: Deed, firing: Firing, text: str, *, told: bool = False) -> None:
    """Note a deed before it is done; one that is done by being noted has its end as its step."""
    extra: dict[str, JsonValue] = {
        **deed.about,
        DEED: deed.model_dump(mode="json", exclude={"about"}),
        "firing": _fired(firing),
        TOLD: told,
    }
    transaction.note(text, kind=EventKind.ACTION, uid=deed.uid, extra=extra)


def note_after(transaction: Transaction, deed: Deed, after: After, text: str, *, told: bool) -> None:
    """Note what came of a deed."""
    extra: dict[str, JsonValue] = {**deed.about, AFTER: after.model_dump(mode="json"), "rule": deed.rule, TOLD: told}
    transaction.note(text, kind=EventKind.ACTION, uid=deed.uid, extra=extra)


def _fired(firing: Firing) -> dict[str, JsonValue]:
    return {
        "id": firing.id,
        "rule": firing.rule,
        "at": firing.at.isoformat(),
        "line": mask(harmless(firing.line)),
        "stream": firing.stream,
        "captures": {name: mask(harmless(value)) for name, value in firing.captures.items()},
        "manual": firing.manual,
    }


def _take(known: Known, event: Event) -> None:
    extra = event.model_extra or {}
    with suppress(ValidationError):  # written by another version, whose deeds are not ours to go on with
        if DEED in extra:
            about = {"type": event.type, "host": event.host, "job_id": event.job_id, "name": event.name}
            deed = Deed.model_validate({**extra[DEED], "about": about})
            known.deeds.setdefault(deed.id, deed)
            known.said[deed.id] = event.text or ""
        elif AFTER in extra:
            step = After.model_validate(extra[AFTER])
            known.after[step.id] = step
            known.said[step.id] = event.text or ""
