"""events.jsonl: the truth about a session, one object a line, only ever added to."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from jobwarden_registry.disk import Folder, MovedError
from jobwarden_registry.events import Event
from jobwarden_registry.rawjson import Raw, read_object, write_json

EVENTS = "events.jsonl"
_MARK_EVERY = 64
_TAIL_FIRST = 1 << 16


class Line(NamedTuple):
    """One whole, readable line."""

    raw: Raw
    text: bytes
    end: int
    """Where the next line begins, in bytes."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What stands in the journal from some place on.

    Attributes:
        start: Where reading began.
        lines: The readable lines.
        end: Where the last whole line ends.
        torn: What stands after it: the beginning of a line whose writer died, or writes just now.
    """

    start: int
    lines: tuple[Line, ...]
    end: int
    torn: bytes


def split_lines(data: bytes, start: int) -> Lines:
    """Read lines that begin at byte `start` of the journal; unreadable ones are passed over."""
    whole, _, torn = data.rpartition(b"\n")
    end = start + len(data) - len(torn)
    lines: list[Line] = []
    at = start
    for text in whole.split(b"\n") if end > start else ():
        at += len(text) + 1
        raw = read_line(text)
        if raw is not None:
            lines.append(Line(raw, text, at))
    return Lines(start, tuple(lines), end, torn)


def read_line(text: bytes) -> Raw | None:
    """Read one line, or give None when it is not an event."""
    raw = read_object(text)
    if raw is None or type(raw.get("seq")) is not int or not isinstance(raw.get("event"), str):
        return None
    return raw


def seq_of(event: Raw) -> int:
    """Give a line's number; a line without one is no event (`read_line`)."""
    seq = event["seq"]
    assert isinstance(seq, int)
    return seq


def read_event(raw: Raw) -> Event | None:
    """Read what can be read of a line: a field that does not fit is left out, unless an event cannot be without it."""
    fields = dict(raw)
    while True:
        try:
            return Event.model_validate(fields)
        except ValidationError as error:
            bad = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]} & fields.keys()
            if not bad:
                return None
            fields = {key: value for key, value in fields.items() if key not in bad}


def lines_from(folder: Folder, offset: int) -> Lines:
    """Read the journal from a place where a line began.

    Where no line begins there (the journal was cut or replaced), it is read from its beginning.
    """
    start = max(0, offset - 1)
    data = folder.read(EVENTS, start=start) or b""
    if offset > 0 and not data.startswith(b"\n"):
        return split_lines(folder.read(EVENTS) or b"", 0)
    return split_lines(data[offset - start :], offset)


def append_lines(folder: Folder, known: Lines, events: Sequence[Raw], now: datetime) -> int | None:
    """Add events, after mending what a dead writer left; call it under the lock only.

    Args:
        folder: The session's state folder.
        known: What was read of the journal under this lock.
        events: Already numbered.
        now: Names the file in which torn bytes are kept.

    Returns:
        Where the journal ends now, or None when another writer appended at the same moment.

    Raises:
        MovedError: The journal is not as it was read; nothing was written.
        OSError: It cannot be written, and is as it was.
    """
    data = b"".join(write_json(event) + b"\n" for event in events)
    size = known.end
    if known.torn:
        size = _mend(folder, known, now)
    return size + len(data) if folder.append(EVENTS, data, size=size) else None


def _mend(folder: Folder, known: Lines, now: datetime) -> int:
    """Keep torn bytes aside and cut them off.

    A line is whole only with its newline, even when all else is there: a reader that passed it over must not find it
    later under a number that it has seen.
    """
    if folder.read(EVENTS, start=known.end) != known.torn:
        raise MovedError(EVENTS)
    folder.replace(f"{EVENTS}.torn-{now:%Y%m%dT%H%M%SZ}-{known.end}-{len(known.torn)}", known.torn)
    folder.truncate(EVENTS, known.end)
    return known.end


class _Mark(NamedTuple):
    """A place where reading can go on: after one line, by which the place is known again."""

    highest: int = 0
    """Of the numbers so far."""
    end: int = 0
    text: bytes = b""
    """That line."""


_BEGINNING = _Mark()


class Journal:
    """Reads a session's events; what was read once is not read again. Safe in several threads."""

    def __init__(self, opened: Callable[[], Folder | None]) -> None:
        self._opened = opened
        self._mutex = threading.Lock()
        self._marks: list[_Mark] = [_BEGINNING]
        """`highest` and `end` grow."""

    def read(self, after_seq: int = 0, *, limit: int | None = None) -> tuple[Event, ...]:
        """Give the events numbered above `after_seq`, in their order, at most `limit` of them."""
        return tuple(self._events(after_seq, limit))

    def last_seq(self) -> int:
        """Give the highest number so far; 0 for an empty journal."""
        with self._mutex:
            for _ in self._walk(self._marks[-1].highest):
                pass
            return self._marks[-1].highest

    def tail(self, limit: int) -> tuple[Event, ...]:
        """Give the last events, at most `limit` of them, in their order."""
        folder = self._opened()
        if folder is None or limit <= 0:
            return ()
        with folder:
            signature = folder.signature(EVENTS)
            size = signature[2] if signature else 0
            reach = _TAIL_FIRST
            while True:
                start = max(0, size - reach)
                data = folder.read(EVENTS, start=start) or b""
                skipped = data.find(b"\n") + 1 if start else 0
                lines = split_lines(data[skipped:], start + skipped).lines
                if len(lines) >= limit or start == 0:
                    break
                reach *= 4
        return tuple(event for line in lines[-limit:] if (event := read_event(line.raw)) is not None)

    def _events(self, after_seq: int, limit: int | None) -> Iterator[Event]:
        left = limit
        with self._mutex:
            for raw in self._walk(after_seq):
                if left is not None and left <= 0:
                    return
                event = read_event(raw)
                if event is not None:
                    left = None if left is None else left - 1
                    yield event

    def _walk(self, after_seq: int) -> Iterator[Raw]:
        folder = self._opened()
        if folder is None:
            self._marks = [_BEGINNING]
            return
        with folder:
            index = bisect_right(self._marks, after_seq, key=lambda mark: mark.highest) - 1
            mark = self._marks[max(index, 0)]
            found = _lines_after(folder, mark)
        highest = mark.highest if found.start == mark.end else 0
        if found.start != mark.end or found.end < self._marks[-1].end:
            self._marks = [_BEGINNING]  # it was cut or replaced
        for number, line in enumerate(found.lines, start=1):
            seq = seq_of(line.raw)
            highest = max(highest, seq)
            if line.end > self._marks[-1].end and (number % _MARK_EVERY == 0 or number == len(found.lines)):
                self._note(_Mark(highest, line.end, line.text))
            if seq > after_seq:
                yield line.raw

    def _note(self, mark: _Mark) -> None:
        # The end of the journal moves at every read: of the marks close together only the last is kept.
        if len(self._marks) > 1 and mark.highest - self._marks[-2].highest < _MARK_EVERY:
            self._marks.pop()
        self._marks.append(mark)


def _lines_after(folder: Folder, mark: _Mark) -> Lines:
    """Read on from a mark; from the beginning where its line stands there no more: the journal was compacted or cut.

    That some line begins there is not enough: in a compacted journal it may be a later one.
    """
    if mark.end == 0:
        return split_lines(folder.read(EVENTS) or b"", 0)
    known = mark.text + b"\n"
    data = folder.read(EVENTS, start=mark.end - len(known)) or b""
    if not data.startswith(known):
        return split_lines(folder.read(EVENTS) or b"", 0)
    return split_lines(data[len(known) :], mark.end)
