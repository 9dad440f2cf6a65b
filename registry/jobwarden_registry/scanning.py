"""Lines of a long journal that hold certain words: only those are parsed, which costs a hundredth of parsing all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobwarden_registry.disk import Opened
from jobwarden_registry.journal import read_line
from jobwarden_registry.rawjson import Raw

_PIECE = 4 << 20


class Found(NamedTuple):
    """One line, whole and readable."""

    raw: Raw
    start: int
    """Where it begins in the journal, in bytes."""
    length: int
    """Without its newline."""


class Scan:
    """Goes once over the lines of a journal that hold one of some words.

    A word is looked for as it stands in the file, so what comes may also hold it somewhere else than meant: the reader
    looks at what was parsed. Lines that cannot be read are passed over; one without its newline is not there yet.

    Args:
        journal: Held open.
        words: As `write_json` writes them, such as `b'"finished"'`.
        start: Where a line begins.

    Attributes:
        end: Where the last whole line ends; true when all has been read.
    """

    def __init__(self, journal: Opened, words: Sequence[bytes], start: int = 0) -> None:
        self._journal = journal
        self._words = words
        self.end = start

    def __iter__(self) -> Iterator[Found]:
        """Give the lines in their order."""
        held = b""
        while piece := self._journal.read(self.end + len(held), _PIECE):
            data = held + piece
            whole = data.rfind(b"\n") + 1
            for start, stop in _lines(data, whole, self._words):
                raw = read_line(data[start:stop])
                if raw is not None:
                    yield Found(raw, self.end + start, stop - start)
            held = data[whole:]
            self.end += whole


def _lines(data: bytes, whole: int, words: Sequence[bytes]) -> list[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for word in words:
        at = data.find(word, 0, whole)
        while at >= 0:
            stop = data.find(b"\n", at)
            found.add((data.rfind(b"\n", 0, at) + 1, stop))
            at = data.find(word, stop, whole)
    return sorted(found)
