"""Who did what: every deed that changed something, read out of the journals, which are the only record of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import cast

import anyio

from jobwarden.actions.audit_keys import BY, DID, RESULT, WHY
from jobwarden.actions.deeds import AFTER, CLAIMED, DEED, DONE, FAILED, INTENDED, KEPT, SUBMITTED
from jobwarden.actions.planning import MESSAGES
from jobwarden.plans.state import INTENDED as PLAN_INTENDED
from jobwarden.plans.state import JOB, NEVER, PLAN, RUNS
from jobwarden.plans.state import SUBMITTED as PLAN_SUBMITTED
from jobwarden.service.auditing_views import DeedView
from jobwarden.service.desk import Desk
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

BEGUN = "begun"
_LOOK_S = 1.0
_PLANNED = {PLAN_SUBMITTED: DONE, NEVER: FAILED}
"""What came of a plan's submission; refused and unsure are called so."""
_TAKEN = "taken over from session "
_SESSION = re.compile(
    r"(?P<agent>[\w-]+) session (?P<id>[\w.-]+)(?: \((?:named by session (?P<named_by>[\w.-]+)|[^)]*)\))?"
    r"(?:, sub-agent (?P<sub>\S+))?"
)
_SAID = re.compile(r"(?:cancel )?by (?P<who>[^:]*?): (?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deeds.

    Attributes:
        since: None: all there are.
        job: An id, a name, or both as they stand in a line.
        by: A part of who did it.
        action: One word.
    """

    since: datetime | None = None
    job: str | None = None
    by: str | None = None
    action: str | None = None

    def fits(self, deed: DeedView) -> bool:
        """Whether it is one of these."""
        if self.since is not None and deed.at < self.since:
            return False
        names = (deed.job, deed.name, deed.job.partition(":")[2].rpartition("@")[0])
        return (
            (self.job is None or self.job in names)
            and (self.by is None or self.by in deed.by)
            and (self.action is None or self.action == deed.action)
        )


class Auditing:
    """Reads who did what."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def deeds(self, wanted: Wanted) -> tuple[DeedView, ...]:
        """Give the deeds of all sessions of this user, oldest first; each once, with what came of it.

        Raises:
            UnreadableError: A journal cannot be read: an audit with holes is none.
        """
        found: list[DeedView] = []
        for session in await self._desk.world.sessions.known():
            found += await self._desk.world.sessions.call(session, _all)
        return tuple(sorted((one for one in found if wanted.fits(one)), key=lambda one: (one.at, one.session, one.seq)))

    async def follow(self, wanted: Wanted) -> AsyncIterator[DeedView]:
        """Give what is done from now on, or since a moment, as it is done; of some first that they begin."""
        seen: dict[str, int] = {}
        readers: dict[str, Reader] = {}
        old: set[str] | None = set() if wanted.since is not None else None
        while True:
            sessions = await self._desk.world.sessions.known()
            if old is None:
                old = {session.entry.session_id for session in sessions}
            for session in sessions:
                name = session.entry.session_id
                try:
                    if name in old:
                        seen[name] = await self._desk.world.sessions.call(session, lambda one: one.journal.last_seq())
                        old.discard(name)
                    events = await self._desk.world.sessions.call(session, partial(_after, seq=seen.get(name, 0)))
                except JobwardenError:  # it is read again
                    continue
                reader = readers.setdefault(name, Reader())
                for event in events:
                    seen[name] = max(seen.get(name, 0), event.seq)
                    deed = reader.take(event)
                    if deed is not None and wanted.fits(deed):
                        yield deed
            await anyio.sleep(_LOOK_S)


@dataclass(slots=True)
class Reader:
    """Reads the deeds out of one session's events, in their order."""

    begun: dict[str, DeedView] = field(default_factory=dict[str, DeedView])
    """What has begun, by what its end will be known by."""
    ended: int = 0
    """The number of the event with which that began whose end was read last."""

    def take(self, event: Event) -> DeedView | None:
        """Give the deed that an event tells of; None: it is none."""
        extra = event.model_extra or {}
        if DEED in extra:
            return self._rule_deed(event, extra[DEED])
        if AFTER in extra:
            return self._rule_after(event, extra[AFTER])
        if event.event == EventKind.REGISTERED:
            return _registered(event)
        if event.event == EventKind.REMOVED:
            by, text = "file", event.text or ""
            if text.startswith("taken over by session "):
                by = f"session/{text.rpartition(' ')[2]}"
            return _deed(event, "remove", by, DONE, text)
        if event.event == EventKind.RULE_FIRED and extra.get("manual") is True:
            return _deed(event, "trigger", _owner(event), DONE, str(extra.get("rule", "")))
        if event.event == EventKind.CANCEL_REQUESTED or DID in extra:
            return self._said(event, extra)
        if PLAN in extra:
            return self._plan_deed(event, extra)
        if event.event == EventKind.ACTION and event.text:
            return _by_text(event, event.text)
        return None

    def _said(self, event: Event, extra: dict[str, object]) -> DeedView:
        """Read an event that says what was done and by whom; what came before it of the same name is its beginning."""
        action = str(extra.get(DID) or "cancel")
        by, text = str(extra.get(BY) or ""), str(extra.get(WHY) or "")
        if not by and (found := _SAID.match(event.text or "")):
            by, text = found["who"], found["rest"]
        key = f"{action}:{event.uid}"
        result = str(extra.get(RESULT) or "")
        if event.event == EventKind.CANCEL_REQUESTED or not result:
            self.begun[key] = deed = _deed(event, action, who_of(by), BEGUN, text)
            return deed
        before = self._end(key)
        if before is not None:
            text = text or before.text
        what = (event.text or "").partition(f"{result}: ")[2]
        return _deed(event, action, who_of(by), result, "; ".join(part for part in (text, what) if part))

    def _end(self, key: str) -> DeedView | None:
        before = self.begun.pop(key, None)
        self.ended = before.seq if before is not None else self.ended
        return before

    def _plan_deed(self, event: Event, extra: dict[str, object]) -> DeedView:
        """Read how a plan, or a job of it, got on; a submission has begun before it is tried."""
        by, text = who_of(str(extra.get(BY) or f"session {event.session}")), event.text or ""
        runs = extra.get(RUNS)
        if not isinstance(runs, list) or not runs:
            return _deed(event, "plan", by, DONE, text)
        run = _fields(cast("list[object]", runs)[-1])
        step, key = str(run.get("step", "")), f"plan:{extra[PLAN]}:{extra.get(JOB)}:{run.get('token')}"
        if step == PLAN_INTENDED:
            self.begun[key] = deed = _deed(event, "submit", by, BEGUN, text)
            return deed
        if self._end(key) is not None or step != PLAN_SUBMITTED:
            return _deed(event, "submit", by, _PLANNED.get(step, step), text)
        return _deed(event, "plan", by, DONE, text)

    def _rule_deed(self, event: Event, raw: object) -> DeedView | None:
        fields = _fields(raw)
        action = str(fields.get("action", ""))
        if action in KEPT or (action in MESSAGES and not fields.get("target")):
            return None  # it is noted or told, and changes nothing
        step = str(fields.get("step", ""))
        result = BEGUN if step == INTENDED else step
        deed = _deed(event, _word(action), f"rule/{fields.get('rule', '')}", result, event.text or "")
        if result == BEGUN:
            self.begun[f"deed:{fields.get('id')}"] = deed
        return deed

    def _rule_after(self, event: Event, raw: object) -> DeedView | None:
        fields = _fields(raw)
        step, key = str(fields.get("step", "")), f"deed:{fields.get('id')}"
        if step in (CLAIMED, SUBMITTED):
            return None
        before = self._end(key)
        if before is None or (before.action == "cancel_job" and step == DONE):
            return None  # the cancellation itself tells it
        return _deed(event, before.action, before.by, step, event.text or "")


def whole(events: Iterable[Event]) -> list[DeedView]:
    """Give each deed once: of one that has ended not that it began."""
    reader = Reader()
    deeds: dict[int, DeedView] = {}
    for event in events:
        deed = reader.take(event)
        deeds.pop(reader.ended, None)
        if deed is not None:
            deeds[deed.seq] = deed
    return list(deeds.values())


def _all(session: Session) -> list[DeedView]:
    return whole(session.journal.read())


def who_of(by: str) -> str:
    """Write who did it as one word: `codex session 01ab, sub-agent x` as `codex/01ab/x`, `rule loss` as `rule/loss`."""
    found = _SESSION.match(by)
    if found is not None:
        # Whoever names another session is not in it.
        return "/".join(part for part in (found["agent"], found["named_by"] or found["id"], found["sub"]) if part)
    return "/".join(by.split()[:2]) or "-"


def _registered(event: Event) -> DeedView:
    extra, text = event.model_extra or {}, event.text or ""
    if extra.get("adopted") is True:
        return _deed(event, "adopt", "file", DONE, text or "found in active_jobs.json")
    return _deed(event, "take_over" if text.startswith(_TAKEN) else "register", _owner(event), DONE, text)


def _owner(event: Event) -> str:
    fields = _fields((event.record or {}).get("owner"))
    parts = (fields.get("agent") or "session", fields.get("session_id") or event.session, fields.get("detail"))
    return "/".join(str(part) for part in parts if part)


def _by_text(event: Event, text: str) -> DeedView | None:
    """Read what only its text tells: how the rules of a job were changed."""
    word, _, rest = text.partition(": ")
    if word == "rules":
        return _deed(event, "rules", _owner(event), DONE, rest)
    if word.startswith("rule "):
        return _deed(event, f"rule-{_word(rest)}", _owner(event), DONE, word.removeprefix("rule "))
    found = _SAID.match(text)
    if found is not None:
        result, _, what = found["rest"].partition(": ")
        return _deed(event, _word(text), who_of(found["who"]), _word(result), what)
    return _deed(event, _word(word), _owner(event), DONE, text)


def _fields(raw: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", raw) if isinstance(raw, dict) else {}


def _one(text: str) -> str:
    """Write it as one word, for whoever reads a line by its columns."""
    return "_".join(text.split()) or "-"


def _word(text: str) -> str:
    return (text.split() or ["?"])[0].rstrip(":,;").lower()


def _deed(event: Event, action: str, by: str, result: str, text: str) -> DeedView:
    job = f"{event.type}:{event.job_id}@{event.host}" if event.job_id else "-"
    return DeedView(
        at=event.timestamp,
        action=_one(action),
        by=_one(by),
        job=_one(job),
        result=_one(result),
        text=" ".join(text.split()),
        session=event.session,
        seq=event.seq,
        name=event.name,
    )


def _after(session: Session, *, seq: int) -> Sequence[Event]:
    return session.journal.read(seq)
