"""The end of a log, cleaned, cut and masked for a reader; of a file of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import anyio.to_thread

from jobwarden.logs.clean import LINE_CHARS, Row, fold, is_binary, render, shorten
from jobwarden.logs.secrets import mask_lines
from jobwarden.transport.base import Chunk, Transport

FIRST_BYTES = 65536
MOST_BYTES = 4 * 1024 * 1024
_GROWTH = 4
_CONTEXT_ROWS = 100
"""A private key is recognised by its first or last line: so many rows above the shown ones are looked at."""
_COARSE_CHARS = 8192
"""A line is cut to this before secrets are looked for; what the cut tears is in the middle, and not shown."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log.

    Attributes:
        text: At most as many characters as were asked for; lines separated by newlines. Data from the job.
        path: The file.
        size_bytes: Its size when it was read; None when there is no such file.
        omitted_bytes: Bytes of the file before the first line shown.
        note: Why there is no text, or why less than was asked for; None when there is nothing to say.
    """

    text: str
    path: str
    size_bytes: int | None
    omitted_bytes: int
    note: str | None


async def tail_file(transport: Transport, path: PurePosixPath, *, lines: int, max_chars: int) -> Tail:
    """Show the end of a file.

    The last line is always there, be it complete or not; a limit cuts the beginning.

    Args:
        transport: Where the file is.
        path: Absolute, and already allowed (`jobwarden.logs.allowed`).
        lines: At most so many lines, counted as they are shown.
        max_chars: At most so many characters of text.

    Raises:
        As `Transport.read`.
    """
    chunk = await transport.read(path, start=-FIRST_BYTES, max_bytes=FIRST_BYTES)
    if chunk is None:
        return Tail("", str(path), None, 0, f"There is no file {path} yet.")
    want, reach = max(1, lines), FIRST_BYTES
    while True:
        rows = await anyio.to_thread.run_sync(_rows, chunk)
        if rows is None:
            note = f"{path} is binary ({chunk.size_bytes} bytes), so it is not shown."
            return Tail("", str(path), chunk.size_bytes, chunk.size_bytes, note)
        if len(rows) >= want or chunk.start == 0 or reach >= MOST_BYTES:
            break
        reach = min(reach * _GROWTH, MOST_BYTES)
        longer = await _read_before(transport, path, chunk, reach)
        if longer is None:
            break
        chunk = longer
    return _show(rows, chunk, str(path), want, max_chars)


async def _read_before(transport: Transport, path: PurePosixPath, chunk: Chunk, reach: int) -> Chunk | None:
    """Put what stands before a chunk in front of it; None when the file was replaced or cut meanwhile."""
    size = min(chunk.start, reach - len(chunk.data))
    before = await transport.read(path, start=chunk.start - size, max_bytes=size)
    if before is None or before.file_id != chunk.file_id or len(before.data) != size:
        return None
    return Chunk(before.data + chunk.data, before.start, chunk.size_bytes, chunk.file_id)


def _rows(chunk: Chunk) -> list[Row] | None:
    """Give the rows of a chunk, without the first when it is only the end of a line; None for no text."""
    if is_binary(chunk.data):
        return None
    cut = _first_break(chunk.data) if chunk.start > 0 else 0
    rows = render(chunk.data[cut:])
    return fold([Row(shorten(row.text, _COARSE_CHARS), row.start + cut) for row in rows])


def _first_break(data: bytes) -> int:
    """Say where the first line, or the first state of a progress bar, begins that is there whole; else 0."""
    ends = [at for at in (data.find(b"\n"), data.find(b"\r")) if 0 <= at < len(data) - 1]
    if not ends:
        return 0
    at = min(ends)
    return at + 2 if data[at : at + 2] == b"\r\n" else at + 1


def _show(rows: Sequence[Row], chunk: Chunk, path: str, lines: int, max_chars: int) -> Tail:
    near = rows[-lines - _CONTEXT_ROWS :]
    longest = max(64, min(LINE_CHARS, max_chars // 4))
    masked = [
        Row(shorten(text, longest), row.start)
        for text, row in zip(mask_lines([row.text for row in near]), near, strict=True)
    ]
    shown = _fit(fold(masked)[-lines:], max_chars)
    if not shown:
        empty = "It is empty." if chunk.size_bytes == 0 else "There is nothing to read in its last part."
        return Tail("", path, chunk.size_bytes, chunk.start, empty)
    cut_short = len(shown) < lines and chunk.start > 0 and len(shown) == len(rows)
    note = f"Only the last {len(chunk.data)} bytes were looked at." if cut_short else None
    return Tail(
        text="\n".join(row.text for row in shown),
        path=path,
        size_bytes=chunk.size_bytes,
        omitted_bytes=chunk.start + shown[0].start,
        note=note,
    )


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
