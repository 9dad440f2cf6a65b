"""What rules have done and are about to do, as the journal has it: each deed is noted before it is done, and after.

A deed has the id of its firing and its place in the rule, so that who comes after a crash knows which are open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobwarden.actions.audit_keys import BY
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

RUN = "run"
"""The key of an event that asks for an end (a cancel, a signal) that holds the id of the run that is meant."""
SITE = "site"
"""The key of one that holds where that runs, whatever name the host has."""

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
SUBMITS = ("resubmit", "restart")
"""What submits a job again: what a rule does, and what one that restarts does (decision 0028)."""
KEPT = ("store_metric", "log_event")
"""Done by being noted, and by the thousand: of these no id is remembered."""


_RULE = "rule "


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
    by: str = ""
    """Who asked for it; empty: its rule did."""
    free: bool = False
    """A person's own act: it needs no grant and uses up none, and nobody but who asks for it goes on with it."""
    quiet: bool = False
    """Whoever asked for it is answered: what comes of it is no news."""
    step: str = INTENDED
    at: datetime
    due: datetime | None = None
    """Of a restart: the new run begins no earlier. It is submitted at once: Slurm keeps it, and forgets scripts."""
    ended: str = ""
    """Of a restart: how the run ended, for people."""
    number: int = 0
    """Of a restart: which one of this rule it is, from 1."""

    @property
    def who(self) -> str:
        """Say whose doing it is."""
        return self.by or f"{_RULE}{self.rule}"


def whose(deed: Deed) -> str:
    """Say whose doing it is, at a sentence's beginning."""
    return deed.who[0].upper() + deed.who[1:]


class After(BaseModel):
    """What came of a deed, a step further."""

    model_config = ConfigDict(frozen=True)

    id: str
    step: str
    at: datetime
    new_id: str = ""
    """The job that was submitted."""
    gpu_hours: float = 0.0
    changes: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """What was changed, where that was worked out from what the run had asked for."""


@dataclass(slots=True)
class Known:
    """The deeds of one session: what is open and what counts towards a limit; of the rest that they were done.

    Attributes:
        seq: The journal's latest event that was read.
        deeds: By id; those that are open, and the resubmissions that count.
        after: By id, of these; the latest step.
        said: By id, of those that are open; what was said of it last.
        ended: By id, the last step of the others. What is only kept (`KEPT`) is not in it.
        latest: By job, the firing that was noted last. All deeds of a firing are noted at once, and one firing of a
            job after the other: who comes after a crash is given this one again, and none before it.
        paused: The firings that paused their rule.
        unwanted: By job (its uid, and its type with its host or site) and run, whose end was wanted; whether a person
            or an agent did so, and not only a rule.
        hour: By action, when and to whom, those of the last hour that were not refused at once.
    """

    seq: int = 0
    deeds: dict[str, Deed] = field(default_factory=dict[str, Deed])
    after: dict[str, After] = field(default_factory=dict[str, After])
    said: dict[str, str] = field(default_factory=dict[str, str])
    ended: dict[str, str] = field(default_factory=dict[str, str])
    latest: dict[str, str] = field(default_factory=dict[str, str])
    paused: set[str] = field(default_factory=set[str])
    unwanted: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    hour: dict[str, deque[tuple[datetime, str]]] = field(default_factory=dict[str, deque[tuple[datetime, str]]])

    def step(self, deed: str) -> str | None:
        """Say how far a deed has come; None for one that nobody noted, and for one that is only kept."""
        after, noted = self.after.get(deed), self.deeds.get(deed)
        if noted is None:
            return self.ended.get(deed)
        return after.step if after is not None else noted.step

    def is_noted(self, deed: Deed) -> bool:
        """Whether the firing that a deed is of was noted before."""
        return self.latest.get(deed.uid) == deed.firing or self.step(deed.id) is not None

    def open(self, *, uid: str | None = None, firing: str | None = None) -> list[Deed]:
        """Give those that were begun and not ended, oldest first; of one job or firing, or all."""
        return [
            one
            for one in self.deeds.values()
            if uid in (None, one.uid) and firing in (None, one.firing) and self.step(one.id) in OPEN
        ]

    def is_unwanted(self, deed: Deed, places: Iterable[str] = ()) -> bool:
        """Whether a rule's submission is of a run that is to end; a rule may end one and submit it again.

        Args:
            deed: The submission.
            places: Where the run is, for another session's journal: there it has another uid.
        """
        wishes = [self.unwanted[key, deed.run] for key in (deed.uid, *places) if (key, deed.run) in self.unwanted]
        return bool(wishes) if deed.action == "restart" else not deed.by and any(wishes)

    def take_wish(self, event: Event) -> None:
        """Take in that the end of a run was asked for."""
        extra = event.model_extra or {}
        person = not str(extra.get(BY, "")).startswith(_RULE)
        run = str(extra.get(RUN, event.job_id))
        for key in (event.uid, f"{event.type}:{event.host}", f"{event.type}:{extra.get(SITE) or event.host}"):
            self.unwanted[key, run] = self.unwanted.get((key, run), False) or person

    def lately(self, actions: Iterable[str], now: datetime, *, target: str | None = None) -> int:
        """Count the deeds of an hour."""
        recent = (one for action in actions for one in self.hour.get(action, ()))
        return sum(now - at < HOUR and (target is None or told == target) for at, told in recent)

    def submissions(self) -> list[tuple[Deed, float]]:
        """Give every resubmission that was begun and not refused, with its GPU-hours."""
        return [
            (one, self.after[one.id].gpu_hours if one.id in self.after else 0.0)
            for one in self.deeds.values()
            if one.action in SUBMITS and self.step(one.id) in (*OPEN, DONE, UNSURE)
        ]

    def take_deed(self, deed: Deed, text: str) -> None:
        """Take in a deed that was noted."""
        if self.step(deed.id) is not None:
            return
        if not deed.by:
            self.latest[deed.uid] = deed.firing
        if deed.action == "pause":
            self.paused.add(deed.firing)
        if deed.step not in (REFUSED, FAILED):  # or a rule that fires too often would never be heard again
            hour = self.hour.setdefault(deed.action, deque())
            hour.append((deed.at, deed.target))
            while deed.at - hour[0][0] >= HOUR:
                hour.popleft()
        if deed.step in OPEN:
            self.deeds[deed.id], self.said[deed.id] = deed, text
        elif deed.action not in KEPT:
            self.ended[deed.id] = deed.step

    def take_after(self, after: After, text: str) -> None:
        """Take in what came of one."""
        deed = self.deeds.get(after.id)
        if deed is None:
            if after.id in self.ended:
                self.ended[after.id] = after.step
            return
        self.after[after.id], self.said[after.id] = after, text
        if after.step in OPEN:
            return
        del self.said[after.id]
        if deed.action not in SUBMITS or after.step in (REFUSED, FAILED):
            self.ended[after.id] = after.step
            del self.deeds[after.id], self.after[after.id]


class Deeds:
    """The deeds of every session that this process looks at; each line of a journal is read once.

    What it gives changes when somebody else reads on: walk it only in the session's own thread.
    """

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self.claiming = anyio.Lock()
        """Held from the look for another that does the same to the note that this one begins."""

    def of(self, session: Session) -> Known:
        """Read what is new. Under the session's lock nobody can add to it meanwhile."""
        known = self._known.setdefault(session.entry.session_id, Known())
        fresh = session.journal.read(known.seq)
        if not fresh and session.journal.last_seq() < known.seq:  # it was removed, and has begun anew
            known = self._known[session.entry.session_id] = Known()
            fresh = session.journal.read()
        for event in fresh:
            known.seq = max(known.seq, event.seq)
            if event.event == EventKind.ACTION:
                _take(known, event)
            elif event.uid and (
                event.event == EventKind.CANCEL_REQUESTED
                or (event.event == EventKind.CONTROL and RUN in (event.model_extra or {}))
            ):
                known.take_wish(event)
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
            known.take_deed(Deed.model_validate({**extra[DEED], "about": about}), event.text or "")
        elif AFTER in extra:
            known.take_after(After.model_validate(extra[AFTER]), event.text or "")
