"""Patterns that cannot hang: RE2, whose time is linear in the text whatever the pattern (decision 0015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import re2  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs] -- it ships no types

from jobwarden_registry.errors import JobwardenError

_MOST_CHARS = 1000
_re2 = cast("Any", re2)


class PatternError(JobwardenError):
    """This cannot be searched for."""

    code: str = "log.bad_pattern"


@dataclass(frozen=True, slots=True)
class Match:
    """One line that matches.

    Attributes:
        start: Where the line begins.
        end: Where it ends, without its line break.
        groups: The whole match, then each group; None for one that took no part.
    """

    start: int
    end: int
    groups: tuple[bytes | None, ...]


class Pattern:
    """What is looked for in single lines: `^` and `$` are a line's ends, and nothing matches a line break."""

    def __init__(self, text: str, *, most_chars: int = _MOST_CHARS) -> None:
        """Take the pattern, in RE2's syntax, of at most so many characters.

        Raises:
            PatternError: It is none, or asks for what cannot be done in linear time.
        """
        if not text or len(text) > most_chars:
            raise PatternError(f"A pattern has 1 to {most_chars} characters.")
        options = _re2.Options()
        options.log_errors = False
        options.never_nl = True
        try:
            # By itself first: `a)(b` would be well-formed between the parentheses that follow.
            _re2.compile(text, options)
            self._compiled = _re2.compile(f"(?m:{text})", options)
        except (_re2.error, UnicodeEncodeError) as error:
            raise PatternError(
                f"The pattern {ascii(text)[:200]} cannot be used: {_said(error)}.", hint=_HINT
            ) from error

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of its groups in their order; empty for one without a name."""
        names = {int(number): str(name) for name, number in self._compiled.groupindex.items()}
        return tuple(names.get(number, "") for number in range(1, int(self._compiled.groups) + 1))

    def matches(self, data: bytes) -> Iterator[Match]:
        """Give the first match of each line that has one, ascending."""
        for start, end, found in self._found(data):
            yield Match(start, end, (found.group(), *found.groups()))

    def lines(self, data: bytes) -> Iterator[int]:
        """Give where the lines that match begin, ascending."""
        return (start for start, _, _ in self._found(data))

    def _found(self, data: bytes) -> Iterator[tuple[int, int, Any]]:
        """Give where each line that matches begins and ends, and its first match; no match leaves its line."""
        at = 0
        while at <= len(data):
            found = self._compiled.search(data, at)
            if found is None:
                return
            start = data.rfind(b"\n", 0, int(found.start())) + 1
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            yield start, end, found
            at = end + 1


_HINT = (
    "It takes RE2's syntax (https://github.com/google/re2/wiki/Syntax): groups, classes, (?i) and the like, but no "
    "backreferences and no look-around."
)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
