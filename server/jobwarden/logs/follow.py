r"""A log as it grows, for a person: each line once and in order, whatever pieces it comes in. Pure.

The same imitation of a terminal as in `clean`, but of one that scrolls: what can still be written again (the last
row; of a program that has moved the cursor up, so many rows more) is pending, all above it is settled, and settled
rows never come again.
"""

from __future__ import annotations

import re

from jobwarden.logs.clean import TOKEN, decode, readable
from jobwarden.logs.colours import Line, Pen
from jobwarden.logs.secrets import ends_in_key, mask_lines

ROW_CHARS = 65536
"""A longer line is broken here."""
_MOST_PENDING = 100
_REST_BYTES = 65536
_CALM_ROWS = 8
"""A block of rows that is written again and again scrolls by few rows in between; this many more, and it has ended."""
# What becomes something else with the bytes that come next: a character, or an escape sequence, without its end.
_UNDONE = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2}"
    rb"|(?:\x1b\[|\xc2\x9b)[0-?]{0,64}[ -/]{0,8}|\x1b[ -/]{0,8}"
    rb"|(?:\x1b[\]PX^_]|\xc2[\x90\x98\x9d-\x9f])[^\x07\x1b]{0,4096}\x1b?)\Z"
)
_UNDONE_BYTES = 4100


class Feed:
    """Makes lines of a log's bytes. Secrets in them are masked, and of what moves a terminal only colours are left."""

    def __init__(self) -> None:
        self._screen = _Scroll()
        self._masker = _Masker()
        self._rest = b""

    def take(self, data: bytes) -> list[Line]:
        """Take what comes next, and give the lines that are settled by it."""
        whole, self._rest = _split(self._rest + data)
        self._screen.take(decode(whole))
        return self._masker.mask(self._screen.settled())

    def pending(self) -> list[Line]:
        """Give the lines that may yet change, as they look now; without empty ones at the end."""
        seen = self._screen.copy()
        seen.take(decode(self._rest[: len(self._rest) - _undone(self._rest)]))
        lines = self._masker.peek(seen.settled() + seen.pending())
        while lines and not lines[-1].text:
            lines.pop()
        return lines

    def settle(self) -> list[Line]:
        """Give all lines there are: nothing more comes, or nothing has come for long. An open line ends with this."""
        self._screen.take(decode(self._rest))
        self._rest = b""
        return self._masker.mask(self._screen.settled() + self._screen.end())


class _Masker:
    """Masks secrets in lines that come little by little."""

    def __init__(self) -> None:
        self._in_key = False

    def mask(self, lines: list[Line]) -> list[Line]:
        """Mask the next lines."""
        masked = self.peek(lines)
        self._in_key = ends_in_key([line.text for line in lines], in_key=self._in_key)
        return masked

    def peek(self, lines: list[Line]) -> list[Line]:
        """Mask lines that will come again."""
        texts = mask_lines([line.text for line in lines], in_key=self._in_key)
        return [line.saying(text) for line, text in zip(lines, texts, strict=True)]


class _Row:
    """Cells of one row, and how long they are together."""

    __slots__ = ("cells", "chars")

    def __init__(self, cells: list[tuple[str, str]] | None = None, chars: int = 0) -> None:
        self.cells = cells or []
        self.chars = chars

    def copy(self) -> _Row:
        return _Row(list(self.cells), self.chars)

    def add(self, style: str, text: str) -> None:
        if text:
            self.cells.append((style, text))
            self.chars += len(text)

    def erase(self, count: int) -> None:
        while count and self.cells:
            style, text = self.cells.pop()
            if len(text) > count:
                self.cells.append((style, text[: len(text) - count]))
            self.chars -= min(count, len(text))
            count = max(0, count - len(text))


class _Scroll:
    """The last rows of a terminal, and what has scrolled out of them."""

    def __init__(self) -> None:
        self._rows: list[_Row | None] = [_Row()]  # None: it has settled, and was not written again
        self._settled: list[Line] = []
        self._at = 0
        self._overwrites = False
        self._height = 0
        self._rows_since_up = 0
        self._pen = Pen()

    def copy(self) -> _Scroll:
        """Give another one to try things out on."""
        other = _Scroll()
        other._rows = [None if row is None else row.copy() for row in self._rows]
        other._at, other._overwrites = self._at, self._overwrites
        other._height, other._rows_since_up = self._height, self._rows_since_up
        other._pen = self._pen.copy()
        return other

    def settled(self) -> list[Line]:
        """Give the rows that have settled since the last time."""
        found, self._settled = self._settled, []
        return found

    def pending(self) -> list[Line]:
        """Give the rows that have not."""
        return [Line(tuple(row.cells)) for row in self._rows if row is not None]

    def end(self) -> list[Line]:
        """Give the rows that have not settled, but no open one without text, and begin a new row."""
        last = self._rows[-1]
        if last is not None and not last.cells:
            self._rows.pop()
        rows = self.pending()
        self._rows = [_Row()]
        self._at, self._overwrites = 0, False
        self._height = self._rows_since_up = 0
        return rows

    def take(self, text: str) -> None:
        """Write what a program wrote."""
        for token in TOKEN.finditer(text):
            match token.lastgroup:
                case "text":
                    self._write(token.group())
                case "newline":
                    self._down(1)
                case "return":
                    self._overwrites = True
                case "back":
                    self._row().erase(len(token.group()))
                case "final":
                    self._control(token["parameters"], token["final"])
                case _:
                    pass

    def _row(self) -> _Row:
        row = self._rows[self._at]
        if row is None:
            row = self._rows[self._at] = _Row()
        return row

    def _write(self, text: str) -> None:
        if self._overwrites:
            if not text.strip():
                return  # a bar wiped with blanks keeps its last state until something else is there
            self._rows[self._at] = _Row()
            self._overwrites = False
        text = readable(text)
        while len(text) > (room := ROW_CHARS - self._row().chars):
            self._row().add(self._pen.style, text[:room])
            text = text[room:]
            self._down(1)
            self._overwrites = False
        self._row().add(self._pen.style, text)

    def _down(self, count: int) -> None:
        self._overwrites = False
        for _ in range(count):
            self._at += 1
            self._rows_since_up += 1
            if self._at == len(self._rows):
                self._rows.append(_Row())
            else:
                row = self._rows[self._at]
                self._overwrites = self._overwrites or bool(row is not None and row.cells)
        if self._rows_since_up > 3 * self._height + _CALM_ROWS:
            self._height = 0
        while self._at > 0 and len(self._rows) - 1 > self._height:
            first = self._rows.pop(0)
            self._at -= 1
            if first is not None:
                self._settled.append(Line(tuple(first.cells)))

    def _up(self, count: int) -> None:
        self._at -= min(count, _MOST_PENDING)
        if self._at < 0:
            self._rows[:0] = [None] * -self._at
            self._at = 0
        self._height = min(_MOST_PENDING, max(self._height, len(self._rows) - 1 - self._at))
        self._rows_since_up = 0
        self._overwrites = True

    def _control(self, parameters: str, final: str) -> None:
        first = parameters.split(";")[0]
        count = int(first) if first.isdigit() and len(first) <= 4 else 1
        if final == "m":
            self._pen.take(parameters)
        elif final in "AF":
            self._up(count)
        elif final in "BE":
            # Only over rows that are there already: a cursor that goes below the screen makes none.
            self._down(min(count, len(self._rows) - 1 - self._at))
        elif final == "G" and count <= 1:
            self._overwrites = True


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Split off what can be written now: to the last line's end or carriage return; of a long open line more."""
    at = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if len(data) - at > _REST_BYTES:
        at = len(data) - _undone(data[at:])
    return data[:at], data[at:]


def _undone(data: bytes) -> int:
    """Say how many bytes at the end may belong together with what comes next."""
    found = _UNDONE.search(data, max(0, len(data) - _UNDONE_BYTES))
    return len(data) - found.start() if found else 0
