"""Looking for a pattern in a log of any size, from its end: a block at a time, so that memory stays bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import anyio
import anyio.to_thread

from jobwarden.logs.clean import LINE_CHARS, is_binary, render, shorten
from jobwarden.logs.pattern import Pattern
from jobwarden.logs.position import TAIL_BYTES, Happened, Position, advance, position_in
from jobwarden.logs.secrets import mask, mask_lines
from jobwarden.transport.base import Chunk, Transport

_FIRST_BYTES = 262_144
_BLOCK_BYTES = 4 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_COUNTED_BYTES = 64 * 1024 * 1024
"""So much is searched even when there are hits enough already, so that they can be counted."""
_COUNTED_S = 3.0
_MOST_BYTES = 2 * 1024 * 1024 * 1024
_MOST_S = 20.0
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
_COARSE_CHARS = 8192


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found.

    Attributes:
        text: At most as many characters as were asked for: as `grep -n` prints it where the lines' numbers are known,
            else with `> ` before hits when there is context. Data from the job.
        path: The file.
        size_bytes: Its size; None when there is none.
        count: Lines that match in what was searched.
        shown: So many of them, the last ones, are in the text.
        searched_bytes: How much was searched, from the end.
        wanted_bytes: How much there was to search: the file, or what is new in it.
        note: Why nothing was searched.
        position: Where to read on: before a last line that has no end yet.
        happened: As `Advance.happened`.
    """

    text: str
    path: str
    size_bytes: int | None
    count: int = 0
    shown: int = 0
    searched_bytes: int = 0
    wanted_bytes: int = 0
    note: str | None = None
    position: Position | None = None
    happened: Happened = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for.

    Attributes:
        pattern: In cleaned lines.
        context: So many lines before and after each hit.
        lines: At most so many lines in all, the last ones.
        max_chars: At most so many characters of text.
    """

    pattern: Pattern
    context: int
    lines: int
    max_chars: int


@dataclass(slots=True)
class _Search:
    """The lines found so far. Lines are counted from the end of what is searched: the last one is 0."""

    query: Query
    kept: dict[int, str] = field(default_factory=dict[int, str])
    hits: list[int] = field(default_factory=list[int])
    count: int = 0
    seen: int = 0
    """Lines searched."""
    torn: bool = False
    """Whether one of them was too long to be read whole, so that their number is not certain."""
    _wanted: set[int] = field(default_factory=set[int])
    _after: list[str] = field(default_factory=list[str])
    """The first lines of what was searched last: the context of a hit just before them."""

    def may_stop(self, searched: int, took_s: float) -> bool:
        """Whether what was found will do: all that can be shown, or all that can be had in a reasonable time."""
        if searched >= _MOST_BYTES or took_s > _MOST_S:
            return True
        enough = len(self.kept) >= self.query.lines and not self._wanted
        return enough and (searched >= _COUNTED_BYTES or took_s > _COUNTED_S)

    def take(self, block: bytes) -> None:
        """Search the whole lines that stand before all that was searched already."""
        lines = block.split(b"\n")
        if _CONTROL.search(block):
            lines = [_cleaned(line) if _CONTROL.search(line) else line for line in lines]
            block = b"\n".join(lines)
        last = self.seen + len(lines) - 1
        texts = mask_lines([_text(line) for line in lines]) if b"PRIVATE KEY" in block else None
        found = self._found(block, lines)
        self.count += len(found)
        room = self.query.lines - len(self.kept)
        chosen = [last - index for index in found[-room:]] if room > 0 else []
        self.hits += reversed(chosen)
        around = range(-self.query.context, self.query.context + 1)
        wanted = self._wanted | {hit + step for hit in chosen for step in around if hit + step >= 0}
        for number in wanted:
            index = last - number
            if 0 <= index < len(lines):
                self.kept[number] = texts[index] if texts else _text(lines[index])
            elif index >= len(lines) and index - len(lines) < len(self._after):
                self.kept.setdefault(number, self._after[index - len(lines)])
        self._wanted = {number for number in wanted if number > last}
        first = texts[: self.query.context] if texts else [_text(line) for line in lines[: self.query.context]]
        self._after = [*first, *self._after][: self.query.context]
        self.seen += len(lines)

    def text(self, *, total: int | None) -> tuple[str, int]:
        """Write down what was found, the end of it; and say how many hits are in that.

        Args:
            total: How many lines there are in the file, where that is known.
        """
        hits = set(self.hits)
        rows: list[str] = []
        room, shown, below = self.query.max_chars, 0, -1
        longest = max(64, min(LINE_CHARS, self.query.max_chars // 4))
        for number in sorted(self.kept):
            hit = number in hits
            line = self._line(number, total, hit=hit, longest=longest)
            gap = ["--"] if self.query.context and below >= 0 and number > below + 1 else []
            room -= len(line) + 1 + 3 * len(gap)
            if room < 0 or len(rows) + len(gap) >= self.query.lines:
                break
            rows += [*gap, line]
            below, shown = number, shown + hit
        return "\n".join(reversed(rows)), shown

    def _line(self, number: int, total: int | None, *, hit: bool, longest: int) -> str:
        text = shorten(mask(self.kept[number]), longest)
        if total is not None:
            return f"{total - number}{':' if hit else '-'} {text}"
        return f"{'> ' if hit else '  '}{text}" if self.query.context else text

    def _found(self, block: bytes, lines: Sequence[bytes]) -> list[int]:
        """Give the indices of the lines that match."""
        found: list[int] = []
        index, at = 0, 0
        for start in self.query.pattern.lines(block):
            while at < start:
                at += len(lines[index]) + 1
                index += 1
            found.append(index)
        return found


async def search_file(
    transport: Transport,
    position: Position,
    query: Query,
    *,
    whole: bool = False,
    now: Callable[[], float] = anyio.current_time,
) -> Hits:
    """Search a file from its end to a position: the beginning (`Position(path)`), or where a reader stands.

    Stops when there are hits enough and counting all would take long, or after some seconds; what was searched is said.

    Args:
        transport: Where the file is.
        position: Its path must be allowed (`jobwarden.logs.allowed`).
        query: What to look for.
        whole: Whether nothing more will be written, so that a last line without an end is whole.
        now: A clock, in seconds.

    Raises:
        As `Transport.read`.
    """
    path = PurePosixPath(position.path)
    got = await advance(transport, position, max_bytes=0)
    last = await transport.read(path, start=-_FIRST_BYTES, max_bytes=_FIRST_BYTES)
    if got.size_bytes is None or last is None:
        return Hits("", str(path), None, note=f"There is no file {path} yet.", position=position, happened="missing")
    floor = 0 if got.happened else got.position.offset
    if is_binary(last.data):
        note = f"{path} is binary ({last.size_bytes} bytes), so it is not searched."
        return Hits("", str(path), last.size_bytes, note=note, position=position_in(last, str(path)))
    settled = last.data.rfind(b"\n") + 1
    if whole or (settled < TAIL_BYTES and last.start > 0):
        settled = len(last.data)
    search = _Search(query)
    start = await _backwards(transport, path, search, last, floor=floor, now=now)
    total = search.seen if start == 0 and not search.torn else None
    text, shown = await anyio.to_thread.run_sync(lambda: search.text(total=total))
    return Hits(
        text=text,
        path=str(path),
        size_bytes=last.size_bytes,
        count=search.count,
        shown=shown,
        searched_bytes=max(0, last.start + len(last.data) - start),
        wanted_bytes=max(0, last.start + len(last.data) - floor),
        position=position_in(replace(last, data=last.data[:settled]), str(path)),
        happened=got.happened,
    )


async def _backwards(
    transport: Transport, path: PurePosixPath, search: _Search, last: Chunk, *, floor: int, now: Callable[[], float]
) -> int:
    """Search from the end to the floor; give where in the file it came to."""
    began, end = now(), last.start + len(last.data)
    start, carry = max(last.start, floor), b""
    if end <= start:
        return floor
    # The line break at the very end begins no line.
    data = last.data[start - last.start :].removesuffix(b"\n")
    while True:
        block = data + carry
        if start <= floor:
            await anyio.to_thread.run_sync(search.take, block)
            return floor
        carry, newline, lines = block.partition(b"\n")
        if newline:
            await anyio.to_thread.run_sync(search.take, lines)
        elif len(block) > _LONGEST_LINE:
            await anyio.to_thread.run_sync(search.take, block)
            carry, search.torn = b"", True
        if search.may_stop(end - start, now() - began):
            return start + len(carry)
        size = min(_BLOCK_BYTES, start - floor)
        before = await transport.read(path, start=start - size, max_bytes=size)
        if before is None or before.file_id != last.file_id or len(before.data) != size:
            return start + len(carry)
        data = before.data
        start -= size


def _cleaned(line: bytes) -> bytes:
    return " ".join(row.text for row in render(line)).encode("utf-8", "surrogateescape")


def _text(line: bytes) -> str:
    rows = render(line[: 2 * _LONGEST_LINE])
    return shorten(" ".join(row.text for row in rows), _COARSE_CHARS)
