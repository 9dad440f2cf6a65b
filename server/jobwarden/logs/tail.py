"""The end of a log, cleaned, cut and masked for a reader; of a file of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import anyio.to_thread

from jobwarden.logs.clean import LINE_CHARS, Row, fold, is_binary, render, shorten
from jobwarden.logs.position import Happened, Position, advance, position_in
from jobwarden.logs.secrets import mask_lines
from jobwarden.transport.base import Chunk, Transport

FIRST_BYTES = 65536
MOST_BYTES = 4 * 1024 * 1024
_GROWTH = 4
_CONTEXT_ROWS = 100
"""A private key is recognised by its first or last line: so many rows above the shown ones are looked at."""
_COARSE_CHARS = 8192
"""A line is cut to this before secrets are looked for; what the cut tears is in the middle, and not shown."""


_PENDING_BYTES = 16384
"""A last line without an end is read again with the next answer, unless it is longer than this."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log.

    Attributes:
        text: At most as many characters as were asked for; lines separated by newlines. Data from the job.
        path: The file.
        size_bytes: Its size when it was read; None when there is no such file.
        omitted_bytes: Bytes before the first line shown: of the file, or of what is new in it.
        note: Why there is no text, or why less than was asked for; None when there is nothing to say.
        omitted_lines: The lines in these bytes; None where that would need them to be read.
        partial: The last line shown has no end yet.
        position: Where to read on. A last line without an end comes again, whole; nothing else does.
        happened: As `Advance.happened`, when it was read from a position.
    """

    text: str
    path: str
    size_bytes: int | None
    omitted_bytes: int
    note: str | None
    omitted_lines: int | None = None
    partial: bool = False
    position: Position | None = None
    happened: Happened = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """What was read of a file.

    Attributes:
        chunk: The bytes.
        floor: Where in the file that begins which is wanted.
        before: The bytes before the chunk, as far as they are known.
        whole: Whether the writer is done, so that the last line has its end.
    """

    chunk: Chunk
    floor: int = 0
    before: bytes = b""
    whole: bool = False

    @property
    def settled(self) -> int:
        """Give how many of the bytes need not be read again: all but a last line, or state of a bar, without an end."""
        data = self.chunk.data
        if self.whole:
            return len(data)
        body = data.rstrip(b"\r")
        end = max(body.rfind(b"\n"), body.rfind(b"\r")) + 1
        return end if len(data) - end <= _PENDING_BYTES else len(data)

    def position(self, path: str) -> Position:
        """Give where to read on."""
        known = self.before + self.chunk.data[: self.settled]
        start = self.chunk.start - len(self.before)
        return position_in(Chunk(known, start, self.chunk.size_bytes, self.chunk.file_id), path)


async def tail_file(
    transport: Transport, path: PurePosixPath, *, lines: int, max_chars: int, whole: bool = False
) -> Tail:
    """Show the end of a file.

    The last line is always there, be it complete or not; a limit cuts the beginning.

    Args:
        transport: Where the file is.
        path: Absolute, and already allowed (`jobwarden.logs.allowed`).
        lines: At most so many lines, counted as they are shown.
        max_chars: At most so many characters of text.
        whole: Whether nothing more will be written, so that a last line without an end is whole.

    Raises:
        As `Transport.read`.
    """
    chunk = await transport.read(path, start=-FIRST_BYTES, max_bytes=FIRST_BYTES)
    if chunk is None:
        position = Position(str(path))
        return Tail("", str(path), None, 0, f"There is no file {path} yet.", position=position, happened="missing")
    return await _end_of(transport, path, _Part(chunk, whole=whole), lines=max(1, lines), max_chars=max_chars)


async def tail_since(
    transport: Transport, position: Position, *, lines: int, max_chars: int, whole: bool = False
) -> Tail:
    """Show what has come after a position: all of it, or its end. Costs what is new, and at most a few megabytes.

    Of a file that was truncated or replaced all is new. Args and Raises are those of `tail_file`.
    """
    got = await advance(transport, position, max_bytes=FIRST_BYTES)
    path = PurePosixPath(position.path)
    if got.size_bytes is None:
        note = f"The file {path} is not there any more." if position.file_id else f"There is no file {path} yet."
        return Tail("", position.path, None, 0, note, position=position, happened=got.happened)
    floor = got.position.offset - len(got.data)
    chunk = Chunk(got.data, floor, got.size_bytes, got.position.file_id)
    part = _Part(chunk, floor, got.before, whole)
    if got.position.offset < got.size_bytes:
        end = await transport.read(path, start=-FIRST_BYTES, max_bytes=FIRST_BYTES)
        if end is not None and end.file_id == chunk.file_id and end.start > floor:
            part = _Part(end, floor, whole=whole)
        elif end is not None and end.start + len(end.data) > got.position.offset:
            joined = got.data[: max(0, end.start - floor)] + end.data[max(0, floor - end.start) :]
            part = _Part(Chunk(joined, floor, end.size_bytes, end.file_id), floor, got.before, whole)
    shown = await _end_of(transport, path, part, lines=max(1, lines), max_chars=max_chars)
    return replace(shown, happened=got.happened)


async def _end_of(transport: Transport, path: PurePosixPath, part: _Part, *, lines: int, max_chars: int) -> Tail:
    """Show the end of a part, and read more before it until there are lines enough."""
    while True:
        chunk = part.chunk
        rows = await anyio.to_thread.run_sync(_rows, part)
        if rows is None:
            note = f"{path} is binary ({chunk.size_bytes} bytes), so it is not shown."
            omitted = chunk.start + len(chunk.data) - part.floor
            return Tail("", str(path), chunk.size_bytes, omitted, note, position=part.position(str(path)))
        reach = len(chunk.data)
        if len(rows) >= lines or chunk.start <= part.floor or reach >= MOST_BYTES:
            break
        longer = await _read_before(transport, path, part, min(reach * _GROWTH, MOST_BYTES))
        if longer is None:
            break
        part = replace(part, chunk=longer)
    return _show(rows, part, str(path), lines, max_chars)


async def _read_before(transport: Transport, path: PurePosixPath, part: _Part, reach: int) -> Chunk | None:
    """Put what stands before a chunk in front of it; None when the file was replaced or cut meanwhile."""
    chunk = part.chunk
    size = min(chunk.start - part.floor, reach - len(chunk.data))
    before = await transport.read(path, start=chunk.start - size, max_bytes=size)
    if before is None or before.file_id != chunk.file_id or len(before.data) != size:
        return None
    return Chunk(before.data + chunk.data, before.start, chunk.size_bytes, chunk.file_id)


def _rows(part: _Part) -> list[Row] | None:
    """Give the rows of a part, without the first when it is only the end of a line; None for no text."""
    chunk = part.chunk
    if is_binary(chunk.data):
        return None
    cut = _first_break(chunk.data) if chunk.start > part.floor else 0
    rows = render(chunk.data[cut:])
    if rows and part.before[-1:] not in (b"", b"\n", b"\r"):
        rows[0] = Row(f"…{rows[0].text}", rows[0].start)  # of a line whose beginning was shown before
    return fold([Row(shorten(row.text, _COARSE_CHARS), row.start + cut) for row in rows])


def _first_break(data: bytes) -> int:
    """Say where the first line, or the first state of a progress bar, begins that is there whole; else 0."""
    ends = [at for at in (data.find(b"\n"), data.find(b"\r")) if 0 <= at < len(data) - 1]
    if not ends:
        return 0
    at = min(ends)
    return at + 2 if data[at : at + 2] == b"\r\n" else at + 1


def _show(rows: Sequence[Row], part: _Part, path: str, lines: int, max_chars: int) -> Tail:
    chunk, position = part.chunk, part.position(path)
    near = rows[-lines - _CONTEXT_ROWS :]
    longest = max(64, min(LINE_CHARS, max_chars // 4))
    masked = [
        Row(shorten(text, longest), row.start)
        for text, row in zip(mask_lines([row.text for row in near]), near, strict=True)
    ]
    shown = _fit(fold(masked)[-lines:], max_chars)
    if not shown:
        return Tail("", path, chunk.size_bytes, chunk.start - part.floor, _why_nothing(part), 0, position=position)
    cut_short = len(shown) < lines and chunk.start > part.floor and len(shown) == len(rows)
    note = f"Only the last {len(chunk.data)} bytes were looked at." if cut_short else None
    return Tail(
        text="\n".join(row.text for row in shown),
        path=path,
        size_bytes=chunk.size_bytes,
        omitted_bytes=chunk.start + shown[0].start - part.floor,
        note=note,
        omitted_lines=chunk.data.count(b"\n", 0, shown[0].start) if chunk.start == part.floor else None,
        partial=part.settled < len(chunk.data),
        position=position,
    )


def _why_nothing(part: _Part) -> str:
    if part.chunk.size_bytes == 0:
        return "It is empty."
    return "There is nothing to read in its last part." if part.chunk.data else "Nothing new."


def _fit(rows: Sequence[Row], max_chars: int) -> list[Row]:
    """Keep as many of the last rows as fit; the very last always, shortened if it must be."""
    fitting: list[Row] = []
    room = max_chars
    for row in reversed(rows):
        if len(row.text) > room:
            break
        fitting.append(row)
        room -= len(row.text) + 1
    if not fitting and rows:
        return [Row(shorten(rows[-1].text, max_chars), rows[-1].start)]
    return fitting[::-1]
