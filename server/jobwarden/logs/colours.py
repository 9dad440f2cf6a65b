"""Lines in colours: of all that a log can tell a terminal, only how the text looks.

What leaves here is written anew from what was understood (ECMA-48, SGR), so nothing of the log's own sequences can
reach a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Hidden (8) and blinking (5, 6) text and other fonts are not among them.
_SET = {
    1: "bold",
    2: "dim",
    3: "italic",
    4: "underline",
    7: "inverse",
    9: "strike",
    21: "underline",
    53: "over",
    **dict.fromkeys((*range(30, 38), *range(90, 98)), "fore"),
    **dict.fromkeys((*range(40, 48), *range(100, 108)), "back"),
}
_CLEAR = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("inverse",),
    29: ("strike",),
    39: ("fore",),
    49: ("back",),
    55: ("over",),
    59: ("line",),
}
_EXTENDED = {38: "fore", 48: "back", 58: "line"}
_COMPONENTS = {"5": 1, "2": 3}
_RESET = "\x1b[0m"


class Pen:
    """How text is being written: what SGR sequences have set and not taken back.

    Attributes:
        style: The parameters that set it, empty for plain text.
    """

    def __init__(self) -> None:
        self.style = ""
        self._set: dict[str, str] = {}

    def copy(self) -> Pen:
        """Give another one that writes so."""
        other = Pen()
        other.style, other._set = self.style, dict(self._set)
        return other

    def take(self, parameters: str) -> None:
        """Do what an SGR sequence says; what is unknown in it changes nothing."""
        words = parameters.split(";")
        while words:
            word = words.pop(0)
            head = word.partition(":")[0]
            if not head.isascii() or not (head.isdigit() or not head):
                return  # a private sequence (`>4;1m` sets keys), not a colour
            self._one(int(head or "0") if len(head) <= 3 else -1, word, words)
        self.style = ";".join(self._set.values())

    def _one(self, code: int, word: str, rest: list[str]) -> None:
        if code == 0:
            self._set.clear()
        elif code in _EXTENDED:
            value = word if ":" in word else _extended(word, rest)
            if value is not None and value.replace(":", "").replace(";", "").isdigit():
                self._put(_EXTENDED[code], value)
        elif code in _SET:
            self._put(_SET[code], word if word.replace(":", "").isdigit() else str(code))
        else:
            for slot in _CLEAR.get(code, ()):
                self._set.pop(slot, None)

    def _put(self, slot: str, value: str) -> None:
        self._set.pop(slot, None)
        self._set[slot] = value


def _extended(word: str, rest: list[str]) -> str | None:
    """Take the words of a colour by number or by red, green and blue from what follows; None for anything else."""
    count = _COMPONENTS.get(rest[0]) if rest else None
    if count is None or len(rest) <= count:
        rest.clear()
        return None
    taken = [word, *rest[: count + 1]]
    del rest[: count + 1]
    return ";".join(taken)


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a person.

    Attributes:
        cells: Pieces of text, each with its style (`Pen.style`). No control character is in any but the tab.
    """

    cells: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The text alone."""
        return "".join(text for _, text in self.cells)

    @property
    def coloured(self) -> str:
        """The text with its colours; afterwards the terminal writes plainly again."""
        now, parts = "", list[str]()
        for style, text in self.cells:
            if style != now:
                parts.append(f"\x1b[0;{style}m" if style else _RESET)
                now = style
            parts.append(text)
        return "".join(parts) + (_RESET if now else "")

    def part(self, start: int, end: int) -> Line:
        """Give its characters from one place to another."""
        return Line(_slice(self.cells, start, end))

    def saying(self, text: str) -> Line:
        """Give it with another text: the colours stay where it says the same at the beginning and at the end."""
        mine = self.text
        if text == mine:
            return self
        head = _same(mine, text)
        tail = _same(mine[head:][::-1], text[head:][::-1])
        middle = text[head : len(text) - tail]
        end = _slice(self.cells, len(mine) - tail, len(mine))
        return Line((*_slice(self.cells, 0, head), ("", middle), *end))


def _same(one: str, other: str) -> int:
    """Say how many characters two texts have in common at their beginnings."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _slice(cells: Sequence[tuple[str, str]], start: int, end: int) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    at = 0
    for style, text in cells:
        piece = text[max(0, start - at) : max(0, end - at)]
        if piece:
            found.append((style, piece))
        at += len(text)
    return tuple(found)
