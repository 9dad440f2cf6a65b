"""The sessions that this process works on: opened once, used by one thread at a time, never on the event loop.

Session folders lie on the user's home, which may be a network file system that hangs: one hung folder must not stop
the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
from anyio import to_thread

from jobwarden.config.clocks import Clocks
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import UnreadableError
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.paths import Places
from jobwarden_registry.session import Session

_T = TypeVar("_T")


class SessionHangsError(UnreadableError):
    """The session's folder does not answer (a file system that hangs); nothing is known about what it holds."""

    code: str = "registry.hangs"


@dataclass(slots=True)
class _Lane:
    """One session's way to the disk.

    Attributes:
        guard: Held by whoever works there.
        working: Whether a thread is there, perhaps one that was given up.
    """

    guard: anyio.Lock = field(default_factory=anyio.Lock)
    working: bool = False


class Sessions:
    """Opens sessions by their index entry, and lends each to one caller at a time."""

    def __init__(self, places: Places, *, clock: Clock, clocks: Clocks) -> None:
        self.places = places
        self.index = Index(places, clock=clock)
        self._clock = clock
        self._clocks = clocks
        self._open: dict[str, Session] = {}
        self._lanes: dict[str, _Lane] = {}

    async def known(self) -> list[Session]:
        """Give every session of the user's index."""
        entries = await to_thread.run_sync(self.index.all)
        return [self.of(entry) for entry in entries]

    def of(self, entry: SessionEntry) -> Session:
        """Give the session of an entry; the same object each time while its project stays."""
        session = self._open.get(entry.session_id)
        if session is None or session.entry.project != entry.project:
            session = Session(
                self.places,
                entry,
                clock=self._clock,
                lock_timeout_s=self._clocks.lock_timeout_s,
                lock_stale_s=self._clocks.lock_stale_s,
            )
            self._open[entry.session_id] = session
        return session

    async def call(self, session: Session, work: Callable[[Session], _T]) -> _T:
        """Run `work` with the session, in a thread, while nobody else of this process uses it.

        What has begun is waited for even when the caller is cancelled: half of it could have happened.

        Raises:
            SessionHangsError: The disk does not answer. Whether `work` will be done is not known; no thread is spent
                on this session before that one comes back.
            Whatever `work` raises.
        """
        lane = self._lanes.setdefault(session.entry.session_id, _Lane())

        def run() -> _T:
            lane.working = True
            try:
                return work(session)
            finally:
                lane.working = False

        limit_s = self._clocks.lock_timeout_s + self._clocks.disk_timeout_s
        async with lane.guard:
            if not lane.working:
                with anyio.CancelScope(deadline=anyio.current_time() + limit_s, shield=True):
                    return await to_thread.run_sync(run, abandon_on_cancel=True)
        raise SessionHangsError(
            f"{session.active_path.parent} or {self.places.state} has not answered for {limit_s:.0f} s.",
            hint="Look whether that file system is there: ls -l " + str(session.entry.project),
        )
