"""Waiting for jobs: wait_for_change, in one call or in pieces that outlive the process that began it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from jobwarden.identity import Caller
from jobwarden.service.desk import Asked, Desk
from jobwarden.service.looking import choose, status_view
from jobwarden.service.names import Known
from jobwarden.service.views import StatusView
from jobwarden.verdict.pausing import hanging
from jobwarden.verdict.readiness import is_ready
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

Until = Literal["change", "ready", "terminal", "all_terminal"]
Progress = Callable[[float, str], Awaitable[None]]

_WATCHER_CHECK_S = 5.0
_FIRST_LOOK_S = 1.0
"""A wait gives a fresh look this long; what comes later is seen as it comes, and one slow host holds up no other."""
_BEHIND_POLLS = 2.0
"""An answer this many polls old shows that nobody asks, whatever the watcher does: then a wait asks itself."""
_NO_SERVICE = 'Register it again with ready="8000" (a port), or wait until="terminal".'
_ENDS = frozenset({EventKind.FINISHED, EventKind.LOST})
_UPS = _ENDS | {EventKind.READY}
_OVER = _ENDS | {EventKind.REMOVED}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is waited for, in words that mean the same in another process.

    Attributes:
        until: Of what kind.
        uids: The jobs that the caller named; None: those of its session that had not ended.
        since: The latest event of its session when the wait began.
    """

    until: Until
    uids: tuple[str, ...] | None
    since: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A wait as it stands.

    Attributes:
        view: As the answer of `wait`; while it is not over, without news.
        over: Whether it was met, nothing can come any more, or the time is up.
    """

    view: StatusView
    over: bool


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
    wanted = await choose(desk, sessions, jobs)
    _check(wanted, until, named=bool(jobs))
    met, asked = False, Asked()
    if sessions:
        goal = _goal(wanted, until, named=bool(jobs))
        waiting = _Waiting(desk, caller, sessions[0], goal, began, began + timeout_s)
        met, asked = await waiting.wait(progress)
    view = await status_view(desk, caller, sessions, wanted, asked)
    return view.model_copy(update={"waited_s": anyio.current_time() - began, "met": met})


async def begin(desk: Desk, caller: Caller, *, jobs: Sequence[str], until: Until) -> Wish | StatusView:
    """Begin a wait; answers what is waited for, or as `wait` where that is over already.

    Raises:
        JobNotFoundError, AmbiguousJobError: As `wait`.
    """
    began = anyio.current_time()
    sessions = await desk.in_scope(caller, project=False)
    wanted = await choose(desk, sessions, jobs)
    _check(wanted, until, named=bool(jobs))
    met, asked = False, Asked()
    if sessions:
        session = sessions[0]
        since = await desk.world.sessions.call(session, lambda session: session.journal.last_seq())
        goal = _goal(wanted, until, named=bool(jobs))
        waiting = _Waiting(desk, caller, session, goal, began, began + _FIRST_LOOK_S)
        asked = await waiting.first_look()
        met = await waiting.met()
        if not met and goal.open and not await waiting.stands_still():
            return Wish(until, tuple(one.record.uid for one in wanted) if jobs else None, since)
    view = await status_view(desk, caller, sessions, wanted, asked)
    return view.model_copy(update={"waited_s": anyio.current_time() - began, "met": met})


async def look_again(desk: Desk, caller: Caller, wish: Wish, *, waited_s: float, last: bool) -> Standing:
    """Look how a wait that was begun stands; with `last` its time is up."""
    sessions = await desk.in_scope(caller, project=False)
    wanted, goal = await _remembered(desk, sessions, wish)
    met, asked = False, Asked()
    if sessions:
        now = anyio.current_time()
        waiting = _Waiting(desk, caller, sessions[0], goal, now, now + _FIRST_LOOK_S)
        asked = await waiting.tend()
        met = await waiting.met()
        last = last or await waiting.stands_still()
    over = met or last or not goal.open
    view = await status_view(desk, caller, sessions, wanted, asked, telling=over)
    return Standing(view.model_copy(update={"waited_s": waited_s, "met": met}), over)


async def is_met(desk: Desk, caller: Caller, wish: Wish) -> bool:
    """Whether the next look at a wait that was begun will find it met; tells nothing and asks nobody."""
    sessions = await desk.in_scope(caller, project=False)
    if not sessions:
        return False
    _, goal = await _remembered(desk, sessions, wish)
    now = anyio.current_time()
    return await _Waiting(desk, caller, sessions[0], goal, now, now).met()


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


def _check(wanted: Sequence[Known], until: Until, *, named: bool) -> None:
    """Refuse to wait for what cannot be seen.

    Raises:
        InvalidIdError: None of these jobs is known to be a service.
    """
    left = [one for one in wanted if one.live and not one.record.phase.closed]
    over = named and len(left) < len(wanted)
    if until == "ready" and left and not over and all(one.record.ready is None for one in left):
        raise InvalidIdError("Of none of these jobs it was said what shows that it is up.", hint=_NO_SERVICE)


async def _remembered(desk: Desk, sessions: Sequence[Session], wish: Wish) -> tuple[list[Known], _Goal]:
    """Give a wish's jobs as they are now, and its goal as it was when the wait began."""
    if wish.uids is not None:
        wanted = [one for one in await desk.known(sessions) if one.record.uid in wish.uids]
        return wanted, replace(_goal(wanted, wish.until, named=True), watched=frozenset(wish.uids))
    wanted = await desk.current(sessions)
    goal = _goal(wanted, wish.until, named=False)
    events: tuple[Event, ...] = ()
    for session in sessions:
        events += await desk.world.sessions.call(session, lambda session: session.journal.read(wish.since))
    ended = {event.uid for event in events if event.event in _OVER}
    later = {event.uid for event in events if event.event == EventKind.REGISTERED}
    return wanted, replace(goal, watched=(goal.watched | ended) - later)


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
        asked = await self.first_look()
        while True:
            stamp = await self._stamp()  # before the look: what changes after it ends the sleep
            if await self.met():
                return True, asked
            if not self.goal.open or anyio.current_time() >= self.deadline or await self.stands_still():
                return False, asked
            if not await self._changes(stamp):
                await self.tend()
                if progress is not None:
                    waited_s = anyio.current_time() - self.began
                    await progress(waited_s, f"waited {waited_s:.0f} s, nothing new")

    async def stands_still(self) -> bool:
        """Whether nobody watches any of the jobs that could bring news: to wait for them would be to wait for ever."""
        known = await self.desk.known([self.session])
        left = [one for one in known if one.live and one.record.uid in self.goal.open and not one.record.phase.closed]
        unwatched = {one.record.uid for one in await self.desk.paused(left)}
        paused = await self.desk.world.rounds.paused()
        return bool(left) and all(one.record.uid in unwatched or hanging(one.record, paused) for one in left)

    async def first_look(self) -> Asked:
        """Let a new sub-agent's news begin, and look at the jobs."""
        await self.desk.news.greet(self.session, self.caller)
        return await self._look(_FIRST_LOOK_S, self.desk.world.config.clocks.floor_s)

    async def _changes(self, stamp: tuple[int, ...]) -> bool:
        """Sleep until the session's files change, or for a while; answers which."""
        step_s = self.desk.world.config.clocks.wait_step_s
        until = min(self.deadline, anyio.current_time() + _WATCHER_CHECK_S)
        while anyio.current_time() < until:
            await anyio.sleep(min(step_s, until - anyio.current_time()))
            if await self._stamp() != stamp:
                return True
        return False

    async def tend(self) -> Asked:
        """See to it that somebody asks."""
        clocks = self.desk.world.config.clocks
        trouble = await self.desk.ensure_watcher()
        return await self._look(_FIRST_LOOK_S, clocks.floor_s if trouble else _BEHIND_POLLS * clocks.poll_s)

    async def _look(self, patience_s: float, max_age_s: float) -> Asked:
        left_s = max(0.0, self.deadline - anyio.current_time())
        patience_s = min(patience_s, left_s)
        return await self.desk.refresh([self.session], about=self.goal.open, patience_s=patience_s, max_age_s=max_age_s)

    async def _stamp(self) -> tuple[int, ...]:
        return await self.desk.world.sessions.call(self.session, Session.stamp)

    async def met(self) -> bool:
        """Whether what is waited for has happened."""
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
