"""The watcher: one process per user and machine, for all sessions of the index.

Each session is watched by the one watcher that holds its lease, so that two login nodes over one home never both act.
A fault in one source, host or session is that one's alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
from anyio.abc import TaskGroup

from jobwarden.ledger.cadence import Cadence, Due, KeyState
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.rules.looking import Looker
from jobwarden.service.retention import Retention
from jobwarden.verdict.targets import Group
from jobwarden.verdict.world import World
from jobwarden.watcher.bells import Bells
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.measuring import Measuring
from jobwarden.watcher.presence import Presence, WatcherInfo
from jobwarden.watcher.ruling import Ruling
from jobwarden.watcher.survey import Board, Surveyor
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_STEP_S = 5.0
"""Longest sleep between two looks at the clock, so that a suspended laptop is noticed soon after it wakes."""


_REST_S = 1.0
"""Before the next look at a target for which nobody could be asked just now: another process is asking, for one."""
_TAKE_TRIES = 10
_CLEAN_S = 3600.0
"""Between two looks whether a day is over."""
_FAULT = "jobwarden.fault"


class Watcher:
    """The loop. Time and the outside come in with the world."""

    def __init__(self, world: World, presence: Presence, leasing: Leasing, *, info: WatcherInfo) -> None:
        self._world = world
        self._presence = presence
        self._leasing = leasing
        self._info = info
        self._cadence = Cadence(world.config.clocks, seed=world.machine_id)
        self._surveyor = Surveyor(world, leasing)
        self._bells = Bells(world)
        self._ruling = Ruling(
            Looker(world.rounds, world.env),
            leasing,
            retry_s=world.config.clocks.backoff_first_s,
            wake=self._stir,
        )
        self._measuring = Measuring(world, leasing)
        self._board = Board()
        self._busy: set[LedgerKey] = set()
        self._rest: dict[LedgerKey, float] = {}
        self._told: dict[tuple[str, LedgerKey], str] = {}
        self._wake = anyio.Event()
        self._ending: str | None = None

    async def run(self) -> None:
        """Watch until nothing is left, or until told to stop; the lock is held when this begins, and not after."""
        log.info("watcher %s begins, pid %d", self._info.version, self._info.pid)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            tasks.start_soon(self._beat)
            tasks.start_soon(self._bells.run)
            tasks.start_soon(self._clean)
            await self._watch(tasks)
            tasks.cancel_scope.cancel()
        await self._leasing.release_all()
        self._presence.leave()
        log.info("watcher ends: %s", self._ending)

    def stop(self, why: str) -> None:
        """End soon, in order."""
        self._ending = self._ending or why
        self._wake.set()

    def _stir(self) -> None:
        self._wake.set()

    async def _watch(self, tasks: TaskGroup) -> None:
        clocks = self._world.config.clocks
        idle_since: float | None = None
        while self._ending is None:
            self._board = await self._surveyor.survey()
            for key, due in self._dues().items():
                if self._wait_s(key, due) <= 0:
                    self._busy.add(key)
                    tasks.start_soon(self._check, self._board.groups[key], due, self._board.tokens)
            self._ruling.begin(tasks, self._board)
            self._measuring.begin(tasks, self._board)
            if self._busy or self._ruling.busy or not self._board.empty:
                idle_since = None
            else:
                idle_since = anyio.current_time() if idle_since is None else idle_since
                lingered = anyio.current_time() - idle_since >= clocks.linger_s
                if lingered and not await self._bells.look() and await self._nothing_left():
                    return
            await self._sleep()

    async def _nothing_left(self) -> bool:
        """Free the lock, and look once more: who registered just before saw it held, and started nobody."""
        self._presence.let_go()
        self._board = await self._surveyor.survey()
        if self._board.empty:
            self._ending = "nothing is left to watch"
            return True
        for _ in range(_TAKE_TRIES):  # who only looks whether there is a watcher holds the lock for an instant
            if self._presence.take_again(self._info):
                return False
            await anyio.sleep(0.05)
        self._ending = "another watcher has begun"
        return True

    async def _sleep(self) -> None:
        waits = [self._wait_s(key, due) for key, due in self._dues().items()]
        wait_s = min([_STEP_S, self._world.config.clocks.scan_s, *waits])
        with anyio.move_on_after(max(0.02, min(wait_s, self._ruling.wait_s()))):
            await self._wake.wait()
        self._wake = anyio.Event()

    def _wait_s(self, key: LedgerKey, due: Due) -> float:
        """How long until this target's turn; while it is asked about, for ever."""
        if key in self._busy:
            return float("inf")
        rest_s = self._rest.get(key, 0.0) - anyio.current_time()
        return max(rest_s, (due.at - self._world.clock()).total_seconds())

    def _dues(self) -> dict[LedgerKey, Due]:
        now = self._world.clock()
        return {key: self._cadence.due_at(self._state(key, group), now) for key, group in self._board.groups.items()}

    def _state(self, key: LedgerKey, group: Group) -> KeyState:
        return KeyState(
            key,
            self._world.ledger.peek(key),
            registrations=[record.registered_at for record in group.records if record.registered_at is not None],
            lost_only=all(record.phase is Phase.LOST for record in group.records),
            interval_s=max(self._world.rounds.intervals.of(key), group.pace_s),
        )

    async def _check(self, group: Group, due: Due, tokens: Mapping[str, str]) -> None:
        """Ask and judge once.

        Args:
            group: What to ask about.
            due: How.
            tokens: The leases as they were when it was decided: one that is lost meanwhile must write nothing.
        """
        key = group.target.key
        before = self._world.ledger.peek(key).tried_at
        try:
            result = await self._world.rounds.check(group, max_age_s=due.max_age_s, quick=due.quick, leases=tokens)
        except Exception as error:  # one target's fault, whatever it is, stops no other
            log.exception("%s on %s", key.type, group.target.host)
            text = f"watching {key.type} on {group.target.host} failed: {type(error).__name__}: {error}"
            for session in group.sessions:
                await self._tell(session, key, text, tokens)
            # Without an answer in the ledger nothing else would hold back the next try.
            self._rest[key] = anyio.current_time() + self._world.config.clocks.backoff_first_s
        else:
            self._log_changes(group, result.changed, result.finished)
            await self._note_broken(group, result.broken, tokens)
            if result.snapshot.tried_at == before:
                rest_s = self._world.config.clocks.scan_s if result.broken else _REST_S
                self._rest[key] = anyio.current_time() + rest_s
        finally:
            self._busy.discard(key)
            self._wake.set()

    async def _note_broken(self, group: Group, broken: Mapping[str, JobwardenError], tokens: Mapping[str, str]) -> None:
        key = group.target.key
        for session in group.sessions:
            session_id = session.entry.session_id
            error = broken.get(session_id)
            if error is None:
                self._told.pop((session_id, key), None)
            elif error.code == "lease.lost":
                self._leasing.lost(session_id)
            elif error.code == _FAULT:
                await self._tell(session, key, str(error), tokens)
            else:
                self._surveyor.say(session_id, str(error))

    def _log_changes(self, group: Group, changed: int, finished: int) -> None:
        if changed or finished:
            log.info(
                "%s on %s: %d of %d changed, %d ended",
                group.target.key.type,
                group.target.host,
                changed,
                len(group.records),
                finished,
            )

    async def _tell(self, session: Session, key: LedgerKey, text: str, tokens: Mapping[str, str]) -> None:
        """Journal a fault in a session that it concerns, once until it is over."""
        session_id = session.entry.session_id
        if self._told.get((session_id, key)) == text:
            return
        self._told[session_id, key] = text

        def note(session: Session) -> None:
            with session.transaction(lease=tokens.get(session_id), own=False) as transaction:
                transaction.note(text)

        try:
            await self._world.sessions.call(session, note)
        except (JobwardenError, OSError) as error:
            log.warning("session %s: %s", session_id, error)

    async def _listen(self) -> None:
        while True:
            bell = self._presence.bell
            if bell is None:
                return
            await anyio.wait_readable(bell)
            for word in self._presence.rung():
                if word in ("stop", "handover"):
                    self.stop("told to stop" if word == "stop" else "a newer version takes over")
            self._wake.set()

    async def _clean(self) -> None:
        """Drop what is old, once a day."""
        retention = Retention(self._world)
        while True:
            await anyio.sleep(self._world.config.clocks.scan_s)
            try:
                view = await retention.daily()
            except (JobwardenError, OSError) as error:
                log.warning("old journals were not looked at: %s", error)
            except Exception:  # what is old harms nobody: no verdict may wait for it
                log.exception("old journals")
            else:
                if view is not None and view.freed_bytes:
                    log.info("%d bytes of old journals and files were dropped", view.freed_bytes)
            await anyio.sleep(_CLEAN_S)

    async def _beat(self) -> None:
        while True:
            await anyio.sleep(self._world.config.clocks.beat_s)
            await self._leasing.beat()
