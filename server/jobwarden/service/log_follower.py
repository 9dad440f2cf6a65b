"""One job's log as it grows, through all files that it has, until the job has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TypeVar

import anyio

from jobwarden.identity import Caller
from jobwarden.logs.allowed import LogRefusedError, allowed_path
from jobwarden.logs.growing import Change, GrowingFile, Grown
from jobwarden.service.desk import Desk
from jobwarden.service.ends import Ends
from jobwarden.service.log_files import Chosen, choose, readable_of
from jobwarden.service.told import Ended, Noted, Tell, Wrote
from jobwarden.sources.errors import SourceError
from jobwarden.sources.log_files import JobLogs, LogFile
from jobwarden.transport.base import Transport
from jobwarden.transport.errors import TransportError
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase

_T = TypeVar("_T")

FAST_S = 0.15
"""Between the beginnings of two looks at a log that grows; the growing logs of one host take turns at this pace."""
SLOW_S = 2.0
WAITING_S = 5.0
"""The longest pause while the job does not run."""
_LEAST_PAUSE_S = 0.03
_SLOWER = 1.5
_LAST_LOOK_S = 0.5
_LAST_LOOKS = 2
"""After a job's end its log is read until so many looks in a row have found nothing."""
_SILENT_S = 3.0
_SETTLE_S = 30.0
_RETRY_FIRST_S, _RETRY_MOST_S = 1.0, 30.0
_LAST_TRIES = 3
_ANEW: dict[Change, str] = {
    "appeared": "",
    "truncated": "its log was truncated; what follows is from the new beginning",
    "replaced": "its log was replaced by a new file; what follows is from there",
}


@dataclass(slots=True)
class Pacing:
    """How often logs are looked at.

    Attributes:
        busy: By host, the numbers of the jobs whose logs grow.
    """

    busy: dict[str, set[int]] = field(default_factory=dict[str, set[int]])

    def after(self, host: str, number: int, last_s: float, *, grew: bool, most_s: float) -> float:
        """Give the seconds between the look that was and the next.

        Args:
            host: Where.
            number: Whose log.
            last_s: What was given before.
            grew: Whether the look found something.
            most_s: The most to give.
        """
        growing = self.busy.setdefault(host, set())
        if grew:
            growing.add(number)
        elif last_s > SLOW_S / 2:
            growing.discard(number)
        least_s = FAST_S * max(1, len(growing))
        return least_s if grew else max(least_s, min(most_s, last_s * _SLOWER))

    def leave(self, host: str, number: int) -> None:
        """Count a log no more."""
        self.busy.get(host, set[int]()).discard(number)


@dataclass(frozen=True, slots=True)
class Which:
    """Whose log is followed: the job's number in `Began`, its `uid`, and which of its logs."""

    number: int
    uid: str
    stream: str
    task: str | None


class LogFollower:
    """Follows one job."""

    def __init__(self, desk: Desk, caller: Caller, ends: Ends, pacing: Pacing, which: Which, tell: Tell) -> None:
        self._desk = desk
        self._caller = caller
        self._ends = ends
        self._pacing = pacing
        self._number, self._uid, self._stream, self._task = which.number, which.uid, which.stream, which.task
        self._tell = tell
        self._runs = max(1, len(ends.now(self._uid).record.attempts))
        self._chosen: Chosen | None = None
        self._chosen_of: object = None
        self._begun = False
        self._shut: LogFile | None = None
        self._said = ""
        self._unread = False
        self._pending = 0
        self._grew_at = anyio.current_time()
        self._doubt_s = _SILENT_S
        self._asked = False

    async def run(self, lines: int) -> Ended:
        """Tell the last lines and what comes after them, until the job has ended.

        Raises:
            InvalidIdError: It has no such stream or task.
            LogRefusedError, TransportError: The log cannot be read to begin with; later that is told, and tried again.
        """
        first: int | None = lines
        if self._desk.world.rounds.elsewhere(self._ends.now(self._uid).record.site):
            self._unread = True
            await self._note("it runs on another machine; only there its log can be read")
            return await self._end()
        while True:
            over, file = self._ends.over(self._uid), await self._choose()
            if file is None or file == self._shut:
                if file is None:
                    self._unread = over
                    await self._note(f"it is not known{'' if over else ' yet'} where it writes its {self._stream}")
                if over:
                    return await self._end()
                await self._pause(SLOW_S)
            elif await self._follow(file, first):
                return await self._end()
            else:
                first = None
                await anyio.sleep(FAST_S)

    async def _end(self) -> Ended:
        ended = Ended(self._number, await self._desk.view(self._ends.now(self._uid), self._caller), self._unread)
        await self._tell(ended)
        return ended

    async def _follow(self, file: LogFile, lines: int | None) -> bool:
        """Follow one file; answers whether that was all, as far as it can be read."""
        host = file.host or self._ends.now(self._uid).record.host
        try:
            async with self._desk.world.transports.lease(host) as transport:
                return await self._read(transport, file, lines)
        except LogRefusedError as error:
            await self._give_up(file, error)
            return False
        finally:
            self._pacing.leave(host, self._number)

    async def _read(self, transport: Transport, file: LogFile, lines: int | None) -> bool:
        over, began = self._ends.over(self._uid), anyio.current_time()
        opened = await self._tried(file, lambda: self._open(transport, file, lines))
        if opened is None:
            return False
        growing, grown = opened
        self._begun = True
        still, pause_s = 0, FAST_S
        while True:
            still = 0 if grown.grew else still + 1
            moved = await self._choose() not in (None, file)
            if grown.change in _ANEW or ((over or moved) and still >= _LAST_LOOKS):
                if grown.change == "replaced":
                    await self._take_rest(transport, file, growing)
                await self._settle(growing)
                await self._note(_ANEW.get(grown.change, ""))
                return over and not moved and grown.change not in _ANEW
            await self._tell_of(grown, file, over=over)
            pause_s = self._next(grown, transport.host, pause_s)
            if self._pending > 1 and began - self._grew_at > _SETTLE_S:
                await self._settle(growing)
            if over or moved:
                await anyio.sleep(_LAST_LOOK_S)
            else:
                await self._pause(0.0 if grown.more else pause_s - (anyio.current_time() - began))
            over, began = self._ends.over(self._uid), anyio.current_time()
            looked = await self._tried(file, growing.look)
            if looked is None:
                return False
            grown = looked

    def _next(self, grown: Grown, host: str, pause_s: float) -> float:
        """Give the seconds between two looks, and doubt whether a job that has fallen silent still runs."""
        now = anyio.current_time()
        if grown.grew:
            self._grew_at, self._asked = now, False
            self._ends.trust(self._uid)
        silent_s = now - self._grew_at
        if self._asked and not self._ends.doubted(self._uid):
            self._doubt_s, self._asked = 2 * silent_s, False
        elif silent_s >= self._doubt_s and not self._ends.waits(self._uid):
            self._asked = True
            self._ends.doubt(self._uid)
        most_s = WAITING_S if self._ends.waits(self._uid) else SLOW_S
        return self._pacing.after(host, self._number, pause_s, grew=grown.grew, most_s=most_s)

    async def _open(self, transport: Transport, file: LogFile, lines: int | None) -> tuple[GrowingFile, Grown]:
        growing = GrowingFile(transport, await self._allowed(transport, file))
        return growing, await growing.begin(lines)

    async def _take_rest(self, transport: Transport, file: LogFile, growing: GrowingFile) -> None:
        """Tell what was still written into a file before rotation moved it aside, where it lies at `.1` now."""
        try:
            aside = await self._allowed(transport, replace(file, path=f"{growing.path}.1"))
            while (grown := await growing.look_aside(aside)).grew:
                await self._tell_of(grown, file, over=False)
        except (LogRefusedError, TransportError):
            return

    async def _allowed(self, transport: Transport, file: LogFile) -> PurePosixPath:
        assert self._chosen is not None
        readable = readable_of(self._desk, self._ends.now(self._uid), self._chosen, file)
        return await allowed_path(
            transport, file.path, readable, timeout_s=self._desk.world.config.clocks.ask_timeout_s
        )

    async def _tried(self, file: LogFile, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """Do it, again and again where its host does not answer; None when it is given up for good."""
        pause_s, tries = _RETRY_FIRST_S, 0
        while True:
            try:
                done = await work()
            except TransportError as error:
                tries += 1
                if not self._begun or (self._ends.over(self._uid) and tries >= _LAST_TRIES):
                    await self._give_up(file, error)
                    return None
                await self._note(f"{error.text} Trying again.")
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MOST_S)
            else:
                if tries:
                    await self._note("its log can be read again")
                return done

    async def _give_up(self, file: LogFile, error: JobwardenError) -> None:
        """Leave a file alone. One that cannot be read to begin with is an error."""
        if not self._begun:
            raise error
        self._shut, self._unread = file, True
        await self._note(error.text)

    # -- telling

    async def _tell_of(self, grown: Grown, file: LogFile, *, over: bool) -> None:
        if grown.grew:
            self._pending = len(grown.pending)
            await self._tell(Wrote(self._number, grown.lines, grown.pending))
        elif grown.change == "missing":
            await self._note(f"there is no file {file.path}" + ("" if over else " yet"))

    async def _settle(self, growing: GrowingFile) -> None:
        self._pending = 0
        if lines := await growing.settle():
            await self._tell(Wrote(self._number, lines))

    async def _note(self, text: str) -> None:
        if text and text != self._said:
            self._said = text
            await self._tell(Noted(self._number, text))

    # -- the job

    async def _choose(self) -> LogFile | None:
        """Find the file to follow; looked for anew when something about the job has changed."""
        one = self._ends.now(self._uid)
        record = one.record
        now = (record.log, record.resubmitted_as, len(record.attempts), record.phase, record.elements)
        if now != self._chosen_of:
            self._chosen_of = now
            try:
                self._chosen = await choose(self._desk, one, stream=self._stream, task=self._task)
            except (TransportError, SourceError) as error:
                if not self._begun:
                    raise
                await self._note(error.text)
            else:
                await self._say_which(self._chosen.logs)
        return self._chosen.files[0] if self._chosen is not None and self._chosen.files else None

    async def _say_which(self, logs: JobLogs) -> None:
        """Say which task it is, and stay with one that has begun."""
        if logs.task is not None and self._task is None:
            await self._note(f"task {logs.task}" + (f" ({logs.why})" if logs.why else ""))
            self._task = logs.task if self._ends.now(self._uid).record.phase is not Phase.PENDING else None
        if logs.note:
            await self._note(logs.note)

    async def _pause(self, pause_s: float) -> None:
        """Wait, but not when there is news of the job; then say what has become of it."""
        with anyio.move_on_after(max(_LEAST_PAUSE_S, pause_s)):
            await self._ends.change()
        record = self._ends.now(self._uid).record
        runs = max(1, len(record.attempts))
        if runs > self._runs:
            self._runs = runs
            other = f" as {record.resubmitted_as}" if record.resubmitted_as else ""
            await self._note(f"it was requeued: run {runs}{other}")
