"""A log file that is read on and on while it grows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from anyio import to_thread

from jobwarden.logs.colours import Line
from jobwarden.logs.follow import Feed
from jobwarden.logs.position import Position, advance, position_in
from jobwarden.transport.base import Chunk, Transport

FIRST_BYTES = 65536
MOST_BYTES = 4 * 1024 * 1024
"""How far back the lines to begin with are looked for."""
_GROWTH = 4
_LOOK_BYTES = 1024 * 1024

Change = Literal["", "appeared", "truncated", "replaced", "missing"]


@dataclass(frozen=True, slots=True)
class Grown:
    """What one look showed.

    Attributes:
        lines: Those that are settled now (`jobwarden.logs.follow`).
        pending: Those after them that may change yet.
        grew: Whether anything was read.
        more: Whether there is more to read at once.
        change: What became of the file. `appeared`, `truncated` and `replaced`: nothing of what is in it now has been
            taken; whether it may be read must be decided anew, and it is begun anew then.
    """

    lines: tuple[Line, ...] = ()
    pending: tuple[Line, ...] = ()
    grew: bool = False
    more: bool = False
    change: Change = ""


class GrowingFile:
    """One file under one name.

    Args:
        transport: Where it is.
        path: Absolute, links resolved, and already allowed (`jobwarden.logs.allowed`).
    """

    def __init__(self, transport: Transport, path: PurePosixPath) -> None:
        self._transport = transport
        self._position = Position(str(path))
        self.path = path
        self._feed = Feed()
        self._seen = False

    async def begin(self, lines: int | None) -> Grown:
        """Read the last lines, or from the beginning on where `lines` is None.

        Raises:
            As `Transport.read`.
        """
        if lines is None:
            grown = await self._advance()
            self._seen = grown.change != "missing"
            return grown
        chunk = await self._last(lines)
        if chunk is None:
            return Grown(change="missing")
        self._seen = True
        self._position = position_in(chunk, str(self.path))
        grown = await self._take(chunk.data[_first_break(chunk.data) :] if chunk.start else chunk.data)
        most = lines - len(grown.pending)
        return replace(grown, lines=grown.lines[-most:] if most > 0 else ())

    async def look(self) -> Grown:
        """Read what is new.

        Raises:
            As `Transport.read`.
        """
        if self._seen:
            return await self._advance()
        there = await self._transport.read(self.path, start=0, max_bytes=0)
        return Grown(change="missing" if there is None else "appeared")

    async def look_aside(self, path: PurePosixPath) -> Grown:
        """Read on where the file was moved to; a `change` says that it is not that file.

        Args:
            path: As at the beginning.

        Raises:
            As `Transport.read`.
        """
        kept, self._position = self._position, replace(self._position, path=str(path))
        grown = await self._advance()
        if grown.change:
            self._position = kept
        return grown

    async def settle(self) -> tuple[Line, ...]:
        """Give the lines that have not settled: nothing comes after them, or not for long."""
        return await to_thread.run_sync(lambda: tuple(self._feed.settle()))

    async def _advance(self) -> Grown:
        step = await advance(self._transport, self._position, max_bytes=_LOOK_BYTES)
        if step.happened:
            return Grown(change=step.happened)
        self._position = step.position
        return await self._take(step.data) if step.data else Grown()

    async def _take(self, data: bytes) -> Grown:
        return await to_thread.run_sync(self._lines_of, data)

    def _lines_of(self, data: bytes) -> Grown:
        lines = tuple(self._feed.take(data))
        return Grown(lines, tuple(self._feed.pending()), grew=bool(data), more=len(data) >= _LOOK_BYTES)

    async def _last(self, lines: int) -> Chunk | None:
        reach = FIRST_BYTES
        while True:
            chunk = await self._transport.read(self.path, start=-reach, max_bytes=reach)
            if chunk is None or chunk.start == 0 or reach >= MOST_BYTES or chunk.data.count(b"\n") > lines:
                return chunk
            reach *= _GROWTH


def _first_break(data: bytes) -> int:
    """Say where the first line begins that is there whole; of a log without lines, the first state of a bar."""
    return (data.find(b"\n") + 1) or (data.find(b"\r") + 1)
