"""One answer per source and host, shared by every process of the user on this machine."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.agreeing import Agreed, agree
from jobwarden.ledger.encoding import Encoder
from jobwarden.ledger.files import AskingLock, Busy, KeyFiles
from jobwarden.ledger.rules import (
    Ask,
    Turn,
    answered,
    failed,
    must_renew,
    open_questions,
    renewed,
    spent,
    turn,
)
from jobwarden.ledger.snapshot import Failure, LedgerKey, Snapshot, Wants
from jobwarden.sources.base import Sighting, Wanted
from jobwarden.sources.errors import SourceError, SourceUnavailableError
from jobwarden.transport.errors import TransportError
from jobwarden_registry.clock import Clock

__all__ = ["Failure", "Ledger", "LedgerKey", "Question", "Snapshot"]

Question = Callable[[Sequence[Wanted]], Awaitable[Mapping[str, Sighting]]]
"""Asks once about all of these jobs: `Source.observe` on a leased host."""

_STEP_S = 0.05
"""Between two looks while somebody else asks."""
_TRIES = 100
"""To write down a want, a hundredth of a second apart: it is held for an instant at a time."""


def _no_interval(key: LedgerKey) -> float:  # noqa: ARG001 -- one of many possible answers to the same question
    return 0.0


@dataclass(frozen=True, slots=True)
class _Call:
    key: LedgerKey
    files: KeyFiles
    ask: Ask
    question: Question


class Ledger:
    """Who wants which ids, the last whole answer, what went wrong since, and who is asking now.

    Safe for many tasks and many processes over one folder, which must be on a local disk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        clocks: Clocks,
        rng: random.Random | None = None,
        host_interval: Callable[[LedgerKey], float] = _no_interval,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._clocks = clocks
        self._rng = rng if rng is not None else random.Random()  # noqa: S311 -- spreads load, guards nothing
        self._host_interval = host_interval
        self._sleep = sleep
        self._own: dict[LedgerKey, Failure] = {}
        """Why this process alone could not ask."""
        self._memory: dict[LedgerKey, Snapshot] = {}
        """Answers that could not be written."""
        self._encoders: dict[LedgerKey, Encoder] = {}
        self._seen: dict[LedgerKey, tuple[tuple[int, ...], Snapshot]] = {}
        """The file's signature when it was last read, and what it held."""
        self._wanted: dict[LedgerKey, tuple[tuple[int, ...], Wants]] = {}
        """The same of the file of wants."""
        self._agreed: dict[LedgerKey, Agreed] = {}

    @property
    def _keep_s(self) -> float:
        """How long a want lasts: through the longest pause, and then the gap that starts an absence anew."""
        return self._clocks.backoff_most_s + self._clocks.gap_ticks * self._clocks.poll_s

    @property
    def _stale_s(self) -> float:
        """A question has two parts (Slurm: squeue, sacct), each with its own limit; one that takes longer hangs."""
        return 2 * self._clocks.ask_timeout_s + self._clocks.connect_timeout_s

    def peek(self, key: LedgerKey) -> Snapshot:
        """Give what is known, of whatever age. Asks nothing; waits for nobody; does not fail."""
        return self._with_own(key, self._known(key, KeyFiles(self._folder, key)))

    async def ask(
        self,
        key: LedgerKey,
        wanted: Sequence[Wanted],
        ask: Question,
        *,
        max_age_s: float,
        person: bool = False,
        quick: bool = False,
    ) -> Snapshot:
        """Give an answer about these jobs that is young enough, asking only when nobody has.

        One question covers what every process wants, and these ids stay wanted for some minutes. The answer may be
        older than asked for, or lack an id: when somebody else is asking and takes long, in the pause after a
        failure, below the floor. Its moments say how old it is, its failure why.

        Args:
            key: Which source on which host.
            wanted: The jobs, at least those that the caller cares about.
            ask: Puts the question; called at most once.
            max_age_s: How old the answer may be; below the floor, the floor holds.
            person: Somebody waits for it: ask even in the pause after a failure, but not below the floor.
            quick: One of the first questions after a registration: below the floor too, while the budget lasts.

        Returns:
            The stored snapshot, after this question if there was one. A failure that says nothing about the far side
            (this process's credentials) is in it for this caller only.

        Raises:
            Whatever `ask` raises, but for TransportError and SourceError: those are in the snapshot.
        """
        call = _Call(
            key, KeyFiles(self._folder, key), Ask(wanted, max_age_s, person, quick, self._host_interval(key)), ask
        )
        await self._want(call)
        snapshot = await self._read(call)
        waited_s = 0.0
        while self._turn(call, snapshot).ask:
            try:
                lock = await to_thread.run_sync(call.files.lock, self._clock(), self._stale_s)
            except Busy:
                if waited_s >= self._clocks.ask_wait_s:
                    break
                await self._sleep(_STEP_S)
                waited_s += _STEP_S
                snapshot = await self._read(call)
                continue
            except OSError:  # the folder cannot be used: nothing is shared then, but there are answers
                return await self._ask_now(call, None)
            try:
                return await self._ask_now(call, lock)
            finally:
                lock.release()
        return self._with_own(key, snapshot)

    async def _ask_now(self, call: _Call, lock: AskingLock | None) -> Snapshot:
        """Ask, unless somebody did so just before the lock was ours."""
        snapshot = await self._read(call)
        wanted = await to_thread.run_sync(self._all_wanted, call)
        open_ones = open_questions(snapshot, wanted)
        its_turn = self._turn(call, snapshot)
        if not its_turn.ask or not open_ones:
            return self._with_own(call.key, snapshot)
        after = await self._put(call, snapshot, wanted, open_ones)
        if its_turn.quick:
            after = after.model_copy(update={"quick": (*after.quick, self._clock())})
        if after.failure is None or after.failure.shared:
            await to_thread.run_sync(self._keep, call, after, lock)
            return after
        self._own[call.key] = after.failure
        return self._with_own(call.key, snapshot)

    async def _put(self, call: _Call, before: Snapshot, wanted: Sequence[Wanted], asked: Sequence[Wanted]) -> Snapshot:
        """Put the question, and say what is known after it."""
        at = self._clock()
        quick = spent(before.quick, at, self._clocks)
        try:
            with anyio.fail_after(self._stale_s):
                answer = await call.question(asked)
        except (TransportError, SourceError) as error:
            failure = self._failed(call, before, error, at)
        except TimeoutError:
            text = f"No answer within {self._stale_s:.0f} s."
            failure = self._failed(call, before, SourceUnavailableError(text, code="source.timeout"), at)
        else:
            self._own.pop(call.key, None)
            return answered(before, wanted, asked, answer, at).model_copy(update={"quick": quick})
        return before.model_copy(update={"failure": failure, "quick": quick})

    def _failed(self, call: _Call, before: Snapshot, error: TransportError | SourceError, at: datetime) -> Failure:
        row = before.failure if error.shared else self._own.get(call.key)
        return failed(error, row, at=at, now=self._clock(), clocks=self._clocks, rng=self._rng)

    def _keep(self, call: _Call, snapshot: Snapshot, lock: AskingLock | None) -> None:
        try:
            if lock is not None:
                encoder = self._encoders.setdefault(call.key, Encoder(call.key))
                if call.files.write(snapshot, lock, encoder):
                    self._seen[call.key] = call.files.signature(), snapshot
                self._memory.pop(call.key, None)
                return
        except OSError:
            pass  # full disk: what follows
        self._memory[call.key] = snapshot

    async def _want(self, call: _Call) -> None:
        """Write down that these ids are wanted, when that is not written already."""
        if not call.ask.wanted:
            return
        for _ in range(_TRIES):
            try:
                await to_thread.run_sync(self._write_wants, call)
            except Busy:
                await self._sleep(_STEP_S / 5)
            except OSError:
                return  # asked about all the same, by this process
            else:
                return

    def _write_wants(self, call: _Call) -> None:
        now, wants = self._clock(), self._wants(call)
        if self._is_agreed(call, wants, now) or not must_renew(wants.wants, call.ask.wanted, now, self._keep_s):
            return

        def change(wants: Wants) -> Wants:
            return wants.model_copy(update={"wants": renewed(wants.wants, call.ask.wanted, now, self._keep_s)})

        self._wanted[call.key] = call.files.change_wants(change)

    def _all_wanted(self, call: _Call) -> Sequence[Wanted]:
        """Give what everybody wants, this call's own jobs among it even when they could not be written down."""
        now, wants = self._clock(), self._wants(call)
        if not self._is_agreed(call, wants, now):
            self._agreed[call.key] = agree(wants, call.ask.wanted, now, self._keep_s)
        return self._agreed[call.key].all

    def _is_agreed(self, call: _Call, wants: Wants, now: datetime) -> bool:
        agreed = self._agreed.get(call.key)
        return agreed is not None and agreed.holds(wants, call.ask.wanted, now)

    def _wants(self, call: _Call) -> Wants:
        """Read the wants, anew only when they were written."""
        signature = call.files.wants_signature()
        before, wants = self._wanted.get(call.key, ((), Wants(key=call.key.text)))
        if signature != before:
            wants = call.files.read_wants()
            self._wanted[call.key] = signature, wants
        return wants

    async def _read(self, call: _Call) -> Snapshot:
        return await to_thread.run_sync(self._known, call.key, call.files)

    def _known(self, key: LedgerKey, files: KeyFiles) -> Snapshot:
        """Give the stored answer, read anew only when it was written, or what could not be stored and is later."""
        signature = files.signature()
        before, stored = self._seen.get(key, ((), Snapshot()))
        if signature != before:
            stored = files.read()
            self._seen[key] = signature, stored
        kept = self._memory.get(key)
        return stored if kept is None or _later(stored, kept) else kept

    def _turn(self, call: _Call, snapshot: Snapshot) -> Turn:
        return turn(snapshot, call.ask, own=self._own.get(call.key), now=self._clock(), clocks=self._clocks)

    def _with_own(self, key: LedgerKey, snapshot: Snapshot) -> Snapshot:
        """Show this process why it could not ask, while nobody else has learned more since."""
        own = self._own.get(key)
        if own is None or (snapshot.tried_at is not None and snapshot.tried_at >= own.at):
            return snapshot
        return snapshot.model_copy(update={"failure": own})


def _later(one: Snapshot, other: Snapshot) -> bool:
    return one.tried_at is not None and (other.tried_at is None or one.tried_at > other.tried_at)
