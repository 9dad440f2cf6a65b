r"""From a log's bytes to lines that a reader can use: pure functions.

A terminal is imitated as far as progress bars need it (ECMA-48): `\r`, backspace, the cursor moved up, down or to
the first column. A row that is written again shows only its last state; tqdm's nested bars and rich's live displays
collapse to one copy. Every other control sequence is dropped, and so are the characters that no reader sees but that
turn text around or hide it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINE_CHARS = 1000
_MOST_ROWS_UP = 500
_CELL_CHARS = 4096
"""Rows are kept in pieces of this, so that a million backspaces do not copy a long row a million times."""
_SAMPLE_BYTES = 65536
_BINARY_SHARE = 0.25

_CSI = r"(?:\x1b\[|\x9b)(?P<parameters>[0-?]{0,64})[ -/]{0,8}(?P<final>[@-~])"
# Operating system commands, device control strings and their like end with BEL or ST. Of a torn one only the beginning
# goes, so that it swallows no line.
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n\r]*(?:\x07|\x1b\\|\x9c)"
_ESCAPE = r"\x1b(?:[ -/]{1,8}[0-~]|[0-~])?"
TOKEN = re.compile(
    rf"(?P<newline>[\n\x0b\x0c])|(?P<return>\r)|(?P<back>\x08+)|{_CSI}|(?P<string>{_STRING})|(?P<escape>{_ESCAPE})"
    r"|(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f]+)|(?P<other>.)",
    re.DOTALL,
)
"""What a log is made of, read as `decode` gives it; whoever shows a log takes only what is known to be harmless."""
_SURROGATE = re.compile("[\ud800-\udfff]")
# Text direction, invisible and tag characters: a line must not read otherwise than it is.
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_SEPARATOR = re.compile("[\u2028\u2029]")
_NOT_TEXT = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a log.

    Attributes:
        text: For the reader.
        start: Where it begins, in bytes from the beginning of what was rendered.
    """

    text: str
    start: int


def clean(data: bytes, *, line_chars: int = LINE_CHARS) -> str:
    """Give the text of a log for a reader; never fails, and cleaning its answer changes nothing.

    Args:
        data: Any bytes.
        line_chars: A longer line is shortened in its middle to this; at least 64.
    """
    rows = fold([Row(shorten(row.text, line_chars), row.start) for row in render(data)])
    return "\n".join(row.text for row in rows)


def render(data: bytes) -> list[Row]:
    """Give the rows that stand there in the end, without blank ones after the last."""
    text = decode(data)
    screen = _Screen()
    for token in TOKEN.finditer(text):
        screen.take(token)
    starts = _byte_offsets(text, screen.starts)
    rows = [Row(readable("".join(cells)).rstrip(), start) for cells, start in zip(screen.rows, starts, strict=True)]
    while rows and not rows[-1].text:
        rows.pop()
    return rows


def decode(data: bytes) -> str:
    """Give bytes as text without loss, so that offsets can be told; `readable` is for showing it."""
    return data.decode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """Put a mark for what is no UTF-8, and leave out what no reader sees."""
    return _SEPARATOR.sub(" ", _UNSEEN.sub("", _SURROGATE.sub("\ufffd", text)))


def is_binary(data: bytes) -> bool:
    """Say whether these bytes are no text: many control characters, or many that no UTF-8 text has.

    NUL does not count: a log that was truncated under its writer has a hole of NULs, and UTF-16 is half NUL.
    """
    sample = data[-_SAMPLE_BYTES:].replace(b"\0", b"")
    if not sample:
        return bool(data)
    # Up to three bytes at the edge may be a character cut in two.
    invalid = len(_SURROGATE.findall(sample.decode("utf-8", "surrogateescape"))) - 3
    return max(invalid, 0) + len(_NOT_TEXT.findall(sample)) > _BINARY_SHARE * len(sample)


def fold(rows: Sequence[Row]) -> list[Row]:
    """Show a run of three or more equal lines once, with its count below it; blank lines once and without a count."""
    before: list[Row] = list(rows)
    while True:  # a log may itself say "… 3 times" thrice
        after = list(_fold_once(before))
        if len(after) == len(before):
            return after
        before = after


def shorten(line: str, most: int) -> str:
    """Leave out the middle of a line that is longer than `most` characters, and say how much was left out."""
    if len(line) <= most:
        return line
    mark = f" [… {len(line)} characters left out …] "
    room = most - len(mark)
    if room < len(mark):
        return "…" + line[len(line) - most + 1 :] if most > 0 else ""
    head = room - room // 2
    mark = f" [… {len(line) - room} characters left out …] "
    return f"{line[:head]}{mark}{line[len(line) - room // 2 :]}"


class _Screen:
    """Rows of text and a cursor that knows its row, and whether what comes next overwrites it."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [[]]
        self.starts: list[int] = [0]
        self._row = 0
        self._overwrites = False

    def take(self, token: re.Match[str]) -> None:
        """Do what one token says."""
        match token.lastgroup:
            case "text":
                self._write(token.group())
            case "newline":
                self._down(1, token.end())
            case "return":
                self._overwrites = True
            case "back":
                self._erase(len(token.group()))
            case "final":
                self._control(token["parameters"], token["final"], token.end())
            case _:
                pass

    def _write(self, text: str) -> None:
        if self._overwrites:
            if not text.strip():
                return  # a bar wiped with blanks keeps its last state until something else is there
            self.rows[self._row] = []
            self._overwrites = False
        self.rows[self._row].extend(text[at : at + _CELL_CHARS] for at in range(0, len(text), _CELL_CHARS))

    def _erase(self, count: int) -> None:
        cells = self.rows[self._row]
        while count and cells:
            last = cells.pop()
            if len(last) > count:
                cells.append(last[: len(last) - count])
            count = max(0, count - len(last))

    def _down(self, count: int, at: int) -> None:
        self._overwrites = False
        for _ in range(min(count, _MOST_ROWS_UP)):
            self._row += 1
            if self._row == len(self.rows):
                self.rows.append([])
                self.starts.append(at)
            elif self.rows[self._row]:
                self._overwrites = True

    def _control(self, parameters: str, final: str, at: int) -> None:
        first = parameters.split(";")[0]
        count = int(first) if first.isdigit() and len(first) <= 4 else 1
        if final in "AF":
            self._row = max(0, self._row - min(count, _MOST_ROWS_UP))
            self._overwrites = True
        elif final in "BE":
            # Only over rows that are there already: a cursor that goes below the screen makes none.
            self._down(min(count, len(self.rows) - 1 - self._row), at)
        elif final == "G" and count <= 1:
            self._overwrites = True


def _byte_offsets(text: str, positions: Sequence[int]) -> Iterable[int]:
    """Turn positions in a text, ascending, into offsets in its bytes."""
    offset, last = 0, 0
    for position in positions:
        offset += len(text[last:position].encode("utf-8", "surrogateescape"))
        last = position
        yield offset


def _fold_once(rows: Sequence[Row]) -> Iterable[Row]:
    at = 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and rows[end].text == rows[at].text:
            end += 1
        run = end - at
        if not rows[at].text:
            yield rows[at]
        elif run > 2:
            yield rows[at]
            yield Row(f"… {run} times", rows[at + 1].start)
        else:
            yield from rows[at:end]
        at = end
