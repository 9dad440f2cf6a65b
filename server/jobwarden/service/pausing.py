"""Pausing and resuming the watching of jobs, of a session, of a host. The jobs themselves go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anyio import to_thread
from pydantic import JsonValue

from jobwarden.actions.audit_keys import BY, DID, RESULT, WHY
from jobwarden.actions.cancel import Order
from jobwarden.delivery.news import BY_SESSION
from jobwarden.identity import Caller
from jobwarden.service.control_views import ControlRow, ControlView, PausedView
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known, describe
from jobwarden.service.stopping import choose, owns
from jobwarden.verdict.pausing import hanging, told
from jobwarden.watcher.presence import ring
from jobwarden_registry.errors import InvalidIdError, JobwardenError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.pauses import HostPause, Paused
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

_PERSON = "manual"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be paused or resumed.

    Attributes:
        jobs: These; none: what follows.
        host: This host, for all sessions; empty: the caller's session.
        force: Although it is another session's, or others watch that host, too.
        pause: Or resume.
    """

    jobs: tuple[str, ...]
    host: str
    force: bool
    pause: bool


@dataclass(frozen=True, slots=True)
class _Doing:
    desk: Desk
    caller: Caller
    order: Order
    wish: Wish

    @property
    def pause(self) -> Pause:
        return Pause(since=self.desk.world.clock(), by=self.order.by, reason=self.order.reason)

    @property
    def verb(self) -> str:
        return "paused" if self.wish.pause else "resumed"

    def audit(self, what: str) -> dict[str, JsonValue]:
        action = "pause_watching" if self.wish.pause else "resume_watching"
        told: dict[str, JsonValue] = {DID: action, BY: self.order.by, WHY: self.order.reason, RESULT: "done"}
        return {**told, "action": action, "value": what, BY_SESSION: self.order.session_id}

    def text(self, what: str) -> str:
        return f"watching of {what} {self.verb} by {self.order.by}: {self.order.reason or 'no reason given'}"


async def set_watching(desk: Desk, caller: Caller, order: Order, wish: Wish) -> ControlView:
    """See `Controlling.control`: pause_watching and resume_watching.

    Raises:
        InvalidIdError: Both jobs and a host are named, or others watch that host and `force` is not given.
        JobNotFoundError, AmbiguousJobError: As `choose`.
        UnwritableError: Nothing was changed.
    """
    if wish.jobs and wish.host:
        raise InvalidIdError("Jobs, or a host?", hint="Name one of the two.")
    doing = _Doing(desk, caller, order, wish)
    if wish.jobs:
        rows, notes = await _jobs(doing)
    elif wish.host:
        rows, notes = [], await _host(doing)
    else:
        rows, notes = [], await _session(doing)
    await to_thread.run_sync(ring, desk.world.places, "wake")
    if not wish.pause:
        notes += await _look(doing)
    async with desk.news.telling(await desk.session(caller), caller) as news:
        sessions = list({one.session.entry.session_id: one.session for one, *_ in rows}.values())
        known = {one.record.uid: one for one in await desk.known(sessions)}
        made = [
            ControlRow(job=await desk.view(known.get(one.record.uid, one), caller), outcome=outcome, text=text)
            for one, outcome, text in rows
        ]
        action = "pause_watching" if wish.pause else "resume_watching"
        return ControlView(action=action, rows=tuple(made), notes=tuple(notes), news=news)


async def listed(desk: Desk) -> tuple[PausedView, ...]:
    """See `Controlling.paused`."""
    paused = await desk.world.rounds.paused()
    found = [PausedView(kind="host", what=one.host, since=told(one)) for one in paused.hosts]
    found += [PausedView(kind="session", what=name, since=told(one)) for name, one in paused.sessions.items()]
    for session in await desk.world.sessions.known():
        try:
            records = await desk.world.sessions.call(session, Session.load)
        except JobwardenError:  # what cannot be read is not watched either, and its own commands say why
            continue
        found += [
            PausedView(kind="job", what=describe(record), since=told(record.paused))
            for record in records
            if record.paused is not None
        ]
    return tuple(found)


async def _jobs(doing: _Doing) -> tuple[list[tuple[Known, str, str]], list[str]]:
    rows: list[tuple[Known, str, str]] = []
    for one in await choose(doing.desk, doing.caller, doing.wish.jobs, force=doing.wish.force):
        if not owns(doing.caller, one) and not doing.wish.force:
            owner = one.session.entry.session_id
            rows.append((one, "refused", f"Session {owner} watches it; pass force=true to do it all the same."))
        elif not one.live:
            rows.append((one, "already ended", f"It ended: {one.record.last_status or one.record.phase}."))
        else:
            rows.append((one, *await _job(doing, one)))
    return rows, []


async def _job(doing: _Doing, one: Known) -> tuple[str, str]:
    pause = doing.pause
    said = "done", ""

    def work(transaction: Transaction) -> None:
        nonlocal said
        record = transaction.jobs.get(one.record.uid)
        if record is None:
            said = "already ended", "It has just ended."
        elif (record.paused is not None) is doing.wish.pause:
            said = "done", f"It was {doing.verb} already" + (f" {told(record.paused)}." if record.paused else ".")
        else:
            after = record.changed(paused=pause) if doing.wish.pause else _anew(record.changed(paused=None))
            what, extra = f"{record.type} {record.id}", doing.audit("")
            transaction.change(record.uid, after, EventKind.CONTROL, text=doing.text(what), extra=extra)
            said = "done", f"Its watching is {doing.verb}." + (" The job itself goes on." if doing.wish.pause else "")

    await _write(doing.desk, one.session, work)
    if not doing.wish.pause:
        paused = await doing.desk.world.rounds.paused()
        still = paused.of(one.session.entry.session_id, one.record.changed(paused=None))
        if still is not None:
            kind = f"host {still.host}" if isinstance(still, HostPause) else "session"
            return said[0], f"{said[1]} But its whole {kind} is not watched {told(still)}."
        if (why := hanging(one.record, paused)) is not None:
            return said[0], f"{said[1]} But it is not watched {why}."
    return said


async def _session(doing: _Doing) -> list[str]:
    desk, name = doing.desk, doing.caller.session_id
    session = await desk.session(doing.caller)
    if session is None or doing.caller.borrower is not None:
        raise InvalidIdError("This session watches nothing.", hint="Name the jobs, or the host.")
    known = (await desk.world.rounds.paused()).sessions.get(name)
    if doing.wish.pause and known is not None:
        return [f"The watching of session {name} is paused already {told(known)}."]
    if not doing.wish.pause and known is None:
        return [f"The watching of session {name} as a whole is not paused. Name the jobs, or the host, that are."]
    await _note(doing, session, f"session {name}", "session")

    def work(paused: Paused) -> Paused:
        others = {key: one for key, one in paused.sessions.items() if key != name}
        return paused.model_copy(update={"sessions": {**others, name: doing.pause} if doing.wish.pause else others})

    if not doing.wish.pause:
        await _begin_anew(desk, session, lambda _: True)
    await to_thread.run_sync(desk.world.rounds.pauses.change, work)
    return [f"Watching of all jobs of session {name} is {doing.verb}."]


async def _host(doing: _Doing) -> list[str]:
    desk, host = doing.desk, doing.wish.host
    site = (await desk.world.transports.resolve(host)).key
    touched: list[Session] = []
    for session in await desk.world.sessions.known():
        try:
            records = await desk.world.sessions.call(session, Session.load)
        except JobwardenError:  # its own commands say why
            continue
        if any(record.host == host or record.site == site for record in records):
            touched.append(session)
    others = [one for one in touched if one.entry.session_id != doing.caller.session_id]
    if others and doing.caller.agent != _PERSON and not doing.wish.force:
        raise InvalidIdError(
            f"{len(others)} other session(s) have jobs on {host}.",
            hint="Pause your own jobs or session, or pass force=true.",
        )
    before = await desk.world.rounds.paused()
    known = before.of_host(host, site)
    if doing.wish.pause and known is not None:
        return [f"Host {host} is paused already {told(known)}."]
    if not doing.wish.pause and known is None:
        return [f"Host {host} is not paused."]

    def work(paused: Paused) -> Paused:
        rest = tuple(one for one in paused.hosts if one.host != host and one.site != site)
        mine = HostPause(host=host, site=site, **doing.pause.model_dump())
        return paused.model_copy(update={"hosts": (*rest, mine) if doing.wish.pause else rest})

    for session in touched:
        await _note(doing, session, f"host {host}", host)
        if not doing.wish.pause:
            await _begin_anew(desk, session, lambda record: record.host == host or record.site == site)
    await to_thread.run_sync(desk.world.rounds.pauses.change, work)
    none = "" if touched else " No watched job was registered with that host."
    sessions = f"{len(touched)} session{'s' * (len(touched) != 1)}"
    return [f"Watching of host {host} is {doing.verb}, for {sessions}.{none}"]


async def _look(doing: _Doing) -> list[str]:
    """Have somebody watch again, and look at once: what has ended meanwhile is told with this answer."""
    desk = doing.desk
    trouble = await desk.ensure_watcher()
    sessions = await desk.in_scope(doing.caller, project=False)
    asked = await desk.refresh(sessions, max_age_s=0.0) if sessions else None
    return [*([trouble] if trouble else []), *(asked.notes() if asked is not None else [])]


async def _note(doing: _Doing, session: Session, what: str, value: str) -> None:
    """Journal it where it is about; of another session it is news to that one."""

    def work(transaction: Transaction) -> None:
        transaction.note(doing.text(what), kind=EventKind.CONTROL, extra=doing.audit(value))

    await _write(doing.desk, session, work)


async def _begin_anew(desk: Desk, session: Session, concerns: Callable[[JobRecord], bool]) -> None:
    """Let what was counted while somebody watched count no more: an absence begins with the next look."""

    def work(transaction: Transaction) -> None:
        for record in list(transaction.jobs.values()):
            if concerns(record) and record.absence is not None:
                transaction.change(record.uid, _anew(record), EventKind.UPDATED, text="Its watching is resumed.")

    await _write(desk, session, work)


def _anew(record: JobRecord) -> JobRecord:
    return record.changed(absence=None)


async def _write(desk: Desk, session: Session, work: Callable[[Transaction], None]) -> None:
    def write(session: Session) -> None:
        with session.transaction(own=False) as transaction:
            work(transaction)

    await desk.world.sessions.call(session, write)
