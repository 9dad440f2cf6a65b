"""Where the jobs stand: check_status and wait_for_change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from jobwarden.identity import Caller
from jobwarden.service.compose import count
from jobwarden.service.desk import Asked, Desk
from jobwarden.service.names import Known, find_jobs
from jobwarden.service.taking_over import orphans_note
from jobwarden.service.views import StatusView
from jobwarden.verdict.readiness import is_ready
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

Until = Literal["change", "ready", "terminal", "all_terminal"]
Scope = Literal["session", "project"]
Progress = Callable[[float, str], Awaitable[None]]

_WATCHER_CHECK_S = 5.0
_FIRST_LOOK_S = 1.0
"""A wait gives a fresh look this long; what comes later is seen as it comes, and one slow host holds up no other."""
_BEHIND_POLLS = 2.0
"""An answer this many polls old shows that nobody asks, whatever the watcher does: then a wait asks itself."""
_NOTHING = "Nothing is being watched in this session; register_job watches a job."
_ENDS = frozenset({EventKind.FINISHED, EventKind.LOST})
_UPS = _ENDS | {EventKind.READY}


async def status(desk: Desk, caller: Caller, *, jobs: Sequence[str], refresh: bool, scope: Scope) -> StatusView:
    """See `Service.status`."""
    asked = Asked()
    sessions = await desk.in_scope(caller, project=scope == "project", troubles=asked.troubles)
    wanted = await _choose(desk, sessions, jobs)
    if refresh and sessions:
        looked = await desk.refresh(sessions, about=_live(wanted))
        looked.troubles[:0] = asked.troubles
        asked = looked
    if any(one.live for one in await desk.known(sessions)) and (trouble := await desk.ensure_watcher()):
        asked.troubles.append(trouble)
    asked.troubles += await orphans_note(desk, caller, sessions)
    return await _view(desk, caller, sessions, wanted, asked)


async def wait(
    desk: Desk,
    caller: Caller,
    *,
    jobs: Sequence[str],
    until: Until,
    timeout_s: float,
    progress: Progress | None,
) -> StatusView:
    """See `Service.wait`."""
    began = anyio.current_time()
    sessions = await desk.in_scope(caller, project=False)
    wanted = await _choose(desk, sessions, jobs)
    met, asked = False, Asked()
    if sessions:
        goal = _goal(wanted, until, named=bool(jobs))
        waiting = _Waiting(desk, caller, sessions[0], goal, began, began + timeout_s)
        met, asked = await waiting.wait(progress)
    view = await _view(desk, caller, sessions, wanted, asked)
    return view.model_copy(update={"waited_s": anyio.current_time() - began, "met": met})


@dataclass(frozen=True, slots=True)
class _Goal:
    """What is waited for.

    Attributes:
        until: Of what kind.
        named: Whether the caller named the jobs: then only news of these counts.
        watched: Their `uid`s; of the default, those that have not ended.
        open: Those of them that can still bring news.
        places: Their types and hosts.
    """

    until: Until
    named: bool
    watched: frozenset[str]
    open: frozenset[str]
    places: frozenset[tuple[str, str]]

    def concerns(self, event: Event) -> bool:
        """Whether news is of these jobs, of a host that they hang on, or of the session itself."""
        if not self.named or event.uid in self.watched:
            return True
        if event.uid:
            return False
        return not event.type or any((event.type, host) in self.places for host in event.host.split(", "))


def _goal(wanted: Sequence[Known], until: Until, *, named: bool) -> _Goal:
    still_open = frozenset(one.record.uid for one in wanted if one.live and not one.record.phase.closed)
    return _Goal(
        until,
        named,
        frozenset(one.record.uid for one in wanted) if named else still_open,
        still_open,
        frozenset((one.record.type, one.record.host) for one in wanted),
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One wait; its times are those of `anyio.current_time`."""

    desk: Desk
    caller: Caller
    session: Session
    goal: _Goal
    began: float
    deadline: float

    async def wait(self, progress: Progress | None) -> tuple[bool, Asked]:
        """Wait until it is met, nothing can come any more, or the time is up; answers whether it was met."""
        await self.desk.news.greet(self.session, self.caller)
        asked = await self._look(_FIRST_LOOK_S, self.desk.world.config.clocks.floor_s)
        while True:
            stamp = await self._stamp()  # before the look: what changes after it ends the sleep
            if await self._met():
                return True, asked
            if not self.goal.open or anyio.current_time() >= self.deadline:
                return False, asked
            if not await self._changes(stamp):
                await self._tend(progress)

    async def _changes(self, stamp: tuple[int, ...]) -> bool:
        """Sleep until the session's files change, or for a while; answers which."""
        step_s = self.desk.world.config.clocks.wait_step_s
        until = min(self.deadline, anyio.current_time() + _WATCHER_CHECK_S)
        while anyio.current_time() < until:
            await anyio.sleep(min(step_s, until - anyio.current_time()))
            if await self._stamp() != stamp:
                return True
        return False

    async def _tend(self, progress: Progress | None) -> None:
        """See to it that somebody asks, and say that we are still here."""
        clocks = self.desk.world.config.clocks
        trouble = await self.desk.ensure_watcher()
        await self._look(_FIRST_LOOK_S, clocks.floor_s if trouble else _BEHIND_POLLS * clocks.poll_s)
        if progress is not None:
            waited_s = anyio.current_time() - self.began
            await progress(waited_s, f"waited {waited_s:.0f} s, nothing new")

    async def _look(self, patience_s: float, max_age_s: float) -> Asked:
        left_s = max(0.0, self.deadline - anyio.current_time())
        patience_s = min(patience_s, left_s)
        return await self.desk.refresh([self.session], about=self.goal.open, patience_s=patience_s, max_age_s=max_age_s)

    async def _stamp(self) -> tuple[int, ...]:
        return await self.desk.world.sessions.call(self.session, Session.stamp)

    async def _met(self) -> bool:
        goal = self.goal
        if goal.until == "change" or not goal.named:
            fresh = [
                event
                for event in (await self.desk.news.unseen(self.session, self.caller)).events
                if goal.concerns(event)
            ]
            if goal.until == "change":
                return bool(fresh)
            # One that ended between two waits of this caller has ended in this one.
            if goal.until == "terminal" and any(event.event in _ENDS for event in fresh):
                return True
            if goal.until == "ready" and any(event.event in _UPS for event in fresh):
                return True
        known = {one.record.uid: one for one in await self.desk.known([self.session])}
        over = [uid not in known or not known[uid].live or known[uid].record.phase.closed for uid in goal.watched]
        if goal.until == "ready":  # one that has ended will not be
            return any(over) or any(is_ready(one.record) for uid, one in known.items() if uid in goal.watched)
        return any(over) if goal.until == "terminal" else all(over)


async def _choose(desk: Desk, sessions: Sequence[Session], jobs: Sequence[str]) -> list[Known]:
    if jobs:
        return find_jobs(await desk.known(sessions), jobs)
    return await desk.current(sessions)


def _live(known: Sequence[Known]) -> set[str]:
    return {one.record.uid for one in known if one.live}


async def _view(
    desk: Desk, caller: Caller, sessions: Sequence[Session], chosen: Sequence[Known], asked: Asked
) -> StatusView:
    own = sessions[0] if sessions and sessions[0].entry.session_id == caller.session_id else None
    async with desk.news.telling(own, caller) as told:
        # Read after the news, so that no row is older than what is told of it.
        now = {one.record.uid: one for one in await desk.known(sessions)}
        fresh = [now.get(one.record.uid, replace(one, live=False)) for one in chosen]
        return StatusView(
            counts=count(one.record for one in fresh),
            news=told,
            jobs=await desk.views(fresh, caller),
            troubles=_troubles(fresh),
            notes=(*asked.notes(), *([] if fresh else [_NOTHING])),
        )


def _troubles(known: Sequence[Known]) -> tuple[str, ...]:
    """One sentence for each host and cause that keeps jobs stale."""
    found: dict[tuple[str, str], list[Known]] = {}
    for one in known:
        if one.live and one.record.stale_because is not None:
            found.setdefault((one.record.host, one.record.stale_because), []).append(one)
    sentences: list[str] = []
    for (host, because), jobs in found.items():
        since = min(one.record.stale_since for one in jobs if one.record.stale_since is not None)
        sentences.append(
            f"{host} could not be asked since {since:%Y-%m-%d %H:%M:%S}Z about {len(jobs)} job(s): {because}"
        )
    return tuple(sentences)
