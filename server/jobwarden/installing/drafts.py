"""A text that is being changed piece by piece, so that each piece can be taken back exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Splice:
    """One change: at this place, `cut` was there and `put` is there now."""

    at: int
    cut: str
    put: str


@dataclass(slots=True)
class Draft:
    """A text, and how it came to be.

    Attributes:
        text: As it is now.
        splices: What was done, in order; each is placed in the text that the ones before it left.
        made: Containers that were put in to hold something of ours, as paths of keys.
    """

    text: str
    splices: list[Splice] = field(default_factory=list[Splice])
    made: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def splice(self, start: int, end: int, put: str) -> None:
        """Replace what stands from `start` to `end`."""
        self.splices.append(Splice(start, self.text[start:end], put))
        self.text = self.text[:start] + put + self.text[end:]

    @property
    def newline(self) -> str:
        """How its lines end."""
        return "\r\n" if "\r\n" in self.text else "\n"


def taken_back(text: str, splices: Sequence[Splice]) -> str:
    """Give the text as it was before the splices, of which it is the result."""
    for one in reversed(splices):
        text = text[: one.at] + one.cut + text[one.at + len(one.put) :]
    return text
