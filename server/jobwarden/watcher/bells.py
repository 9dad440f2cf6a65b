"""Rings for agents that rest and have not been told what they would act on: `jobwarden.delivery.codex`."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio

from jobwarden.delivery import codex, news
from jobwarden.delivery.codex import Thread
from jobwarden.verdict.world import World
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.processes import is_alive
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

AGENT = "codex"
_AGAIN_S = 600.0
"""A program that could not be run, or hung, is tried again after this long, not at each look: others wait for it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An idle thread that has not been told all it would act on.

    Attributes:
        thread: Which.
        count: How many events.
        since: When its last turn ended, in seconds since 1970.
        refusal: Why its program must not be run.
        changed: Its program's last change.
    """

    thread: Thread
    count: int
    since: float
    refusal: str
    changed: int


class Bells:
    """One bell for each resting thread. A fault in one session is that one's alone, and costs a line in the log."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._able: dict[str, bool] = {}
        """Program and its last change -> whether it has the command."""
        self._rests: dict[str, float] = {}
        """The same, and the loop's time before which it is not tried again."""
        self._said: dict[str, str] = {}
        self._looking = anyio.Lock()

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await anyio.sleep(self._world.config.clocks.scan_s)
            await self.look()

    async def look(self) -> bool:
        """Ring where it is time; gives whether somebody's time is still to come, for which the watcher stays."""
        if not self._world.config.waking.codex:
            return False
        async with self._looking:
            return await self._look_at_all()

    async def _look_at_all(self) -> bool:
        waits = False
        try:
            sessions = await self._world.sessions.known()
        except (JobwardenError, OSError) as error:
            self._say("", str(error))
            return False
        for session in sessions:
            if session.entry.agent == AGENT:
                waits |= await self._look(session)
        return waits

    async def _look(self, session: Session) -> bool:
        """See to one session; gives whether its time is still to come."""
        try:
            found = await self._world.sessions.call(session, _waiting)
            if found is None or not await self._may_ring(session, found):
                return False
            if self._world.clock().timestamp() - found.since < self._world.config.waking.after_s:
                return True
            await self._world.sessions.call(session, lambda session: codex.note_rung(session, found.thread))
            session_id = session.entry.session_id
            await codex.ring(found.thread, self._world.env, session_id=session_id, count=found.count)
        except (JobwardenError, OSError) as error:
            self._say(session.entry.session_id, str(error))
        except Exception:  # one session's fault, whatever it is, stops no other
            log.exception("session %s cannot be woken", session.entry.session_id)
        else:
            log.info("session %s was told that there is news", session.entry.session_id)
        return False

    async def _may_ring(self, session: Session, found: _Waiting) -> bool:
        if found.refusal:
            self._say(session.entry.session_id, f"it is not woken: {found.refusal}")
            return False
        key = f"{found.thread.program} {found.changed}"
        if anyio.current_time() < self._rests.get(key, 0.0):
            return False
        if key not in self._able:
            try:
                self._able[key] = await codex.can_queue(found.thread, self._world.env)
            except codex.WakingError:
                self._rests[key] = anyio.current_time() + _AGAIN_S
                raise
        return self._able[key]

    def _say(self, session_id: str, text: str) -> None:
        if self._said.get(session_id) != text:
            self._said[session_id] = text
            log.warning("session %s: %s", session_id, text)


def _waiting(session: Session) -> _Waiting | None:
    thread = codex.thread_of(session)
    if thread is None or thread.idle_since is None or is_alive(thread.process) is not True:
        return None
    if codex.is_rung(session, thread):
        return None
    clients = session.cursors.get(news.ROOT).clients
    told = news.unseen(session, consumer=news.ROOT, client=clients[-1] if clients else "")
    urgent = [one for one in told.events if news.is_urgent(one)]
    if not urgent:
        return None
    refusal = codex.refusal(thread, session.entry.project)
    changed = 0 if refusal else thread.program.stat().st_mtime_ns
    return _Waiting(thread, len(urgent), thread.idle_since, refusal, changed)
