"""Everything that a user's sessions watch, at a glance, for people: reads the registry and the ledger, asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from anyio import to_thread

from jobwarden.actions.halting import Halt, halt_of
from jobwarden.identity import Caller
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service import stopping
from jobwarden.service.board_views import (
    BoardHost,
    BoardJob,
    BoardSession,
    BoardView,
    CountMetric,
    JobsMetric,
    MetricsView,
)
from jobwarden.service.compose import count
from jobwarden.service.control_views import ControlView
from jobwarden.service.controlling import Controlling
from jobwarden.service.desk import Desk
from jobwarden.service.health import watcher_view
from jobwarden.service.names import UID, Known, find_job
from jobwarden.service.tailing import Asked, tail_of
from jobwarden.service.views import CancelView, JobView, TailView
from jobwarden.sources.base import RESULT
from jobwarden.transport.tally import COUNTS, read_counts
from jobwarden.verdict.pausing import told
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.pauses import Paused
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

Deed = Literal["hold", "release", "pause_watching", "resume_watching"]
_MOST_JOBS = 1000
"""Shown at once; the last in the order of urgency are left out."""
_PROGRESS_CHARS = 300
_NAMES = 3
_SKEW_S = 86400.0
"""By so much the clocks of a file server and a scheduler may be wrong without hiding what ended lately."""
_URGENCY = (
    Phase.FAILED,
    Phase.LOST,
    Phase.UNKNOWN,
    Phase.RUNNING,
    Phase.SUSPENDED,
    Phase.PENDING,
    Phase.CANCELLED,
    Phase.SUCCEEDED,
)


@dataclass(frozen=True, slots=True)
class _Read:
    """One session as it was found.

    Attributes:
        session: Which.
        known: Its jobs that count: the living ones, and those that ended lately.
        trouble: Why it cannot be read.
        halt: What keeps its rules from acting.
    """

    session: Session
    known: Sequence[Known] = ()
    trouble: str = ""
    halt: Halt | None = None


class Board:
    """The board's questions and deeds. What only looks costs no scheduler a call."""

    def __init__(self, desk: Desk, controlling: Controlling) -> None:
        self._desk = desk
        self._controlling = controlling
        self._kept: dict[str, tuple[tuple[int, ...], Sequence[Known]]] = {}
        """By session, its jobs that counted when they were read, and the stamp that they had."""

    async def look(self, caller: Caller, *, wake: bool = False) -> BoardView:
        """Give the jobs of all the user's sessions as they were last known, and how old that is.

        Args:
            caller: Who looks; its own jobs are marked.
            wake: Make sure that the watcher runs where something lives, so that what is shown stays true.
        """
        read = await self._read_all()
        shown = sorted([one for each in read for one in each.known], key=_order)
        living = [one for one in shown if one.live]
        to_watch = len(await self._desk.paused(living)) < len(living)
        notes: list[str] = []
        if wake and to_watch and (trouble := await self._desk.ensure_watcher()):
            notes.append(trouble)
        watcher = watcher_view(self._desk)
        if to_watch and not watcher.running and not notes:
            notes.append("No watcher runs: these states are not looked at again. `jobwarden watch` starts it.")
        return BoardView(
            at=self._desk.world.clock(),
            version=self._desk.version,
            counts=count(one.record for one in shown),
            jobs=await self._jobs(shown[:_MOST_JOBS], caller),
            left_out=max(0, len(shown) - _MOST_JOBS),
            hosts=await self._hosts(living),
            sessions=await self._sessions(read),
            watcher=watcher,
            notes=(*notes, *_halted(read)),
        )

    async def tail(
        self, caller: Caller, uid: str, *, lines: int = 40, cursor: str | None = None, ask: bool = False
    ) -> TailView:
        """Show the end of a job's log, whichever session watches it; tells no news.

        Args:
            caller: Who looks.
            uid: `BoardJob.uid`.
            lines: At most so many.
            cursor: What the answer before ended with.
            ask: Whether the job's source may be asked which files it has, once a minute at most; else only what it
                has told already counts.

        Raises:
            JobNotFoundError: It is known no more.
            LogRefusedError, TransportError, CursorError: As `Service.tail`.
        """
        one = await self._find(uid)
        return await tail_of(self._desk, caller, one, Asked(lines=lines, cursor=cursor), ask=ask, telling=False)

    async def job(self, caller: Caller, uid: str) -> JobView:
        """Give one job, whichever session watches it.

        Raises:
            JobNotFoundError: It is known no more.
        """
        return await self._desk.view(await self._find(uid), caller)

    async def cancel(self, caller: Caller, uid: str, *, reason: str) -> CancelView:
        """Ask for the end of this one job, whichever session watches it, as `Service.cancel` with `force`.

        The person who sits before the board asks: a face lets nobody else come here, and asks back first.

        Raises:
            JobNotFoundError: It is known no more.
        """
        await self._find(uid)
        return await stopping.cancel(
            self._desk, caller, jobs=[UID + uid], all_jobs=False, reason=reason, dry_run=False, force=True, only={uid}
        )

    async def control(self, caller: Caller, uid: str, action: Deed, *, reason: str) -> ControlView:
        """Hold or release this one job, or pause or resume its watching, as `Service.control` with `force`.

        The person who sits before the board asks.

        Raises:
            JobNotFoundError: It is known no more.
        """
        await self._find(uid)
        return await self._controlling.control(
            caller, jobs=[UID + uid], action=action, reason=reason, force=True, only={uid}
        )

    async def metrics(self) -> MetricsView:
        """Give the numbers for a monitoring system."""
        world = self._desk.world
        read = await self._read_all()
        known = [one for each in read for one in each.known]
        jobs = Counter((one.record.phase, one.record.type, one.record.host) for one in known)
        counts = await to_thread.run_sync(read_counts, world.places.runtime / COUNTS)
        return MetricsView(
            at=world.clock(),
            version=self._desk.version,
            watcher=watcher_view(self._desk),
            jobs=tuple(
                JobsMetric(phase=phase, type=source, host=host, jobs=jobs[phase, source, host])
                for phase, source, host in sorted(jobs)
            ),
            hosts=await self._hosts([one for one in known if one.live]),
            counts=tuple(
                CountMetric(what=row.what, host=row.host, type=row.type, code=row.code, count=counts[row])
                for row in sorted(counts)
            ),
            unreadable=sum(bool(each.trouble) for each in read),
        )

    # -- reading

    async def _read_all(self) -> list[_Read]:
        """Read every session; one that cannot be read says so, and stops no other."""
        return [await self._read(session) for session in await self._desk.world.sessions.known()]

    async def _read(self, session: Session) -> _Read:
        try:
            known = await self._known(session)
            halt = await self._desk.world.sessions.call(session, halt_of)
        except JobwardenError as error:
            return _Read(session, trouble=str(error))
        horizon = self._horizon()
        return _Read(session, [one for one in known if one.live or _ended(one.record, horizon) >= horizon], halt=halt)

    def _horizon(self) -> datetime:
        return self._desk.world.clock() - timedelta(seconds=self._desk.world.config.clocks.recent_s)

    async def _known(self, session: Session) -> Sequence[Known]:
        """Give a session's living jobs and those that ended lately, read anew only when something was written."""
        stamp = await self._desk.world.sessions.call(session, Session.stamp)
        before, known = self._kept.get(session.entry.session_id, ((), []))
        if before != stamp:
            late = await self._desk.world.sessions.call(session, lambda session: self._late(session, stamp))
            known = await self._desk.known([session], late)
            self._kept[session.entry.session_id] = stamp, known
        return known

    def _late(self, session: Session, stamp: tuple[int, ...]) -> list[str]:
        """Give the uids of those that ended lately, without reading each of perhaps ten thousand whole."""
        horizon = self._horizon().timestamp()
        if stamp[-1] / 1e9 < horizon - _SKEW_S:  # the journal's own time: no end was written there since
            return []
        return [uid for uid, row in self._desk.history(session).rows(session).items() if row.when >= horizon - _SKEW_S]

    async def _find(self, uid: str) -> Known:
        known = [one for session in await self._desk.world.sessions.known() for one in await self._tried(session)]
        return find_job(known, UID + uid)

    async def _tried(self, session: Session) -> Sequence[Known]:
        try:
            return await self._known(session)
        except JobwardenError:  # the board says so
            return ()

    # -- showing

    async def _jobs(self, shown: Sequence[Known], caller: Caller) -> tuple[BoardJob, ...]:
        views = await self._desk.views(shown, caller)
        return tuple(
            BoardJob(
                uid=one.record.uid,
                session=one.session.entry.session_id,
                project=str(one.session.entry.project),
                job=view,
                progress=_progress(one.record),
            )
            for one, view in zip(shown, views, strict=True)
        )

    async def _hosts(self, living: Iterable[Known]) -> tuple[BoardHost, ...]:
        """Say how each source on each host stands; asks the ledger alone."""
        found: dict[LedgerKey, tuple[str, int]] = {}
        nowhere: Counter[tuple[str, str]] = Counter()
        for one in living:
            try:
                target = await self._desk.world.rounds.target(one.record)
            except JobwardenError:  # the job says why nobody asks about it
                nowhere[one.record.type, one.record.host] += 1
                continue
            name, jobs = found.get(target.key, (one.record.host, 0))
            found[target.key] = name, jobs + 1
        paused = await self._desk.world.rounds.paused()
        hosts = [self._host(key, host, jobs, paused) for key, (host, jobs) in found.items()]
        hosts += [
            BoardHost(type=source, host=host, jobs=jobs, asked_at=None, age_s=None, failure="the name leads nowhere")
            for (source, host), jobs in nowhere.items()
        ]
        return tuple(sorted(hosts, key=lambda one: (one.host, one.type)))

    def _host(self, key: LedgerKey, host: str, jobs: int, paused: Paused) -> BoardHost:
        world = self._desk.world
        snapshot = world.ledger.peek(key)
        failure, now = snapshot.failure, world.clock()
        pause = paused.of_host(host, key.site)
        notes = [f"not watched {told(pause)}"] if pause is not None else []
        notes += ["only jobwarden on that machine can look at these"] if world.rounds.elsewhere(key.site) else []
        return BoardHost(
            type=key.type,
            host=host,
            jobs=jobs,
            asked_at=snapshot.asked_at,
            age_s=None if snapshot.asked_at is None else max(0.0, (now - snapshot.asked_at).total_seconds()),
            failing_since=None if failure is None else failure.since,
            failure="" if failure is None else f"{failure.code}: {failure.text}",
            next_try_at=None if failure is None else failure.next_try_at,
            notes=tuple(notes),
        )

    async def _sessions(self, read: Sequence[_Read]) -> tuple[BoardSession, ...]:
        shown = [each for each in read if each.known or each.trouble or each.halt]
        gone = await self._desk.gone([each.session for each in shown])
        paused = (await self._desk.world.rounds.paused()).sessions
        views = [_session(each, paused, gone=each.session in gone) for each in shown]
        return tuple(sorted(views, key=lambda one: one.last_seen_at, reverse=True))


def _session(read: _Read, paused: Mapping[str, Pause], *, gone: bool) -> BoardSession:
    entry = read.session.entry
    pause = paused.get(entry.session_id)
    notes = [f"not watched {told(pause)}"] if pause is not None else []
    notes += [f"rules {read.halt.said()}"] if read.halt is not None else []
    living = sum(one.live for one in read.known)
    return BoardSession(
        session=entry.session_id,
        agent=entry.agent,
        project=str(entry.project),
        last_seen_at=entry.last_seen_at,
        gone=gone,
        living=living,
        ended=len(read.known) - living,
        trouble=read.trouble,
        notes=tuple(notes),
    )


def _halted(read: Sequence[_Read]) -> list[str]:
    """Say which sessions' rules do nothing but tell."""
    names = [each.session.entry.session_id for each in read if each.halt is not None]
    return [f"The rules of {len(names)} session(s) are halted: {', '.join(names[:_NAMES])}."] if names else []


def _order(one: Known) -> tuple[int, float]:
    record = one.record
    moment = record.ended_at or record.started_at or record.submitted_at or record.registered_at
    return _URGENCY.index(record.phase), -(0.0 if moment is None else moment.timestamp())


def _ended(record: JobRecord, otherwise: datetime) -> datetime:
    return record.ended_at or record.observed_at or otherwise


def _progress(record: JobRecord) -> str:
    """Say how far a job is, or what it has come to: the words of sources that tell it."""
    result = record.facts.get(RESULT)
    if isinstance(result, str) and result:
        return result[:_PROGRESS_CHARS]
    running = record.phase is Phase.RUNNING and record.stuck is None
    return (record.reason or "")[:_PROGRESS_CHARS] if running and record.reason != "None" else ""
