"""What becomes of jobs while somebody follows them, as the ledger and the watcher have it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import anyio

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

_CHECK_S = 5.0
_DOUBT_S = 1.0
_PATIENCE_S = 1.0
_BEHIND_POLLS = 2.0

log = logging.getLogger(__name__)


class Ends:
    """Keeps an eye on jobs; nothing is asked that `wait` would not ask, but for doubts."""

    def __init__(self, desk: Desk, caller: Caller, jobs: Sequence[Known]) -> None:
        self._desk = desk
        self._caller = caller
        self._jobs = {one.record.uid: one for one in jobs}
        self._sessions = list({one.session.entry.session_id: one.session for one in jobs}.values())
        self._removed: set[str] = set()
        self._doubts: dict[str, datetime] = {}
        self._changed = anyio.Event()

    def now(self, uid: str) -> Known:
        """Give a job as it is known now."""
        return self._jobs[uid]

    def over(self, uid: str) -> bool:
        """Whether it has ended, or is not watched any more."""
        one = self._jobs[uid]
        return uid in self._removed or not one.live or one.record.phase.closed

    def waits(self, uid: str) -> bool:
        """Whether it does not run now, so that nothing is to be expected of it."""
        return self._jobs[uid].record.phase in (Phase.PENDING, Phase.SUSPENDED)

    def doubt(self, uid: str) -> None:
        """Ask about it anew as soon as the floor allows."""
        self._doubts.setdefault(uid, self._desk.world.clock())

    def doubted(self, uid: str) -> bool:
        """Whether that answer has not come yet."""
        return uid in self._doubts

    def trust(self, uid: str) -> None:
        """Forget a doubt."""
        self._doubts.pop(uid, None)

    async def change(self) -> None:
        """Wait until something is known that was not."""
        await self._changed.wait()

    async def watch(self) -> None:
        """Look until cancelled."""
        clocks = self._desk.world.config.clocks
        next_check = next_doubt = anyio.current_time()
        max_age_s = clocks.floor_s
        stamps: list[tuple[int, ...]] = []
        while True:
            try:
                if (now := await self._stamps()) != stamps:
                    await self.read()
                    stamps = now
                if anyio.current_time() >= next_check:
                    next_check = anyio.current_time() + _CHECK_S
                    await self._tend(max_age_s)
                    max_age_s = _BEHIND_POLLS * clocks.poll_s
                if self._doubts and anyio.current_time() >= next_doubt:
                    next_doubt = anyio.current_time() + _DOUBT_S
                    await self._ask()
            except JobwardenError as error:
                if not error.retryable:
                    raise
                log.warning("following: %s", error)
                await anyio.sleep(_CHECK_S)
            await anyio.sleep(clocks.wait_step_s)

    async def _stamps(self) -> list[tuple[int, ...]]:
        call = self._desk.world.sessions.call
        return [await call(session, Session.stamp) for session in self._sessions]

    async def read(self) -> None:
        """Read anew what is known."""
        known = {one.record.uid: one for one in await self._desk.known(self._sessions)}
        self._removed = self._jobs.keys() - known.keys()
        self._jobs |= {uid: one for uid, one in known.items() if uid in self._jobs}
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _tend(self, max_age_s: float) -> None:
        """See to it that somebody asks."""
        if all(self.over(uid) for uid in self._jobs):
            return
        trouble = await self._desk.ensure_watcher()
        floor_s = self._desk.world.config.clocks.floor_s
        await self._refresh(set(self._jobs), floor_s if trouble else max_age_s)

    async def _ask(self) -> None:
        await self._refresh(set(self._doubts), self._desk.world.config.clocks.floor_s)
        for uid, since in list(self._doubts.items()):
            answered_at = (await self._desk.view(self.now(uid), self._caller)).observed_at
            if self.over(uid) or (answered_at is not None and answered_at >= since):
                self._doubts.pop(uid, None)

    async def _refresh(self, uids: set[str], max_age_s: float) -> None:
        open_ = {uid for uid in uids if not self.over(uid)}
        if open_:
            await self._desk.refresh(self._sessions, about=open_, patience_s=_PATIENCE_S, max_age_s=max_age_s)
