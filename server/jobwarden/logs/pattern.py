"""Patterns that cannot hang: RE2, whose time is linear in the text whatever the pattern (decision 0015)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import re2  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs] -- it ships no types

from jobwarden_registry.errors import JobwardenError

_MOST_CHARS = 1000
_re2 = cast("Any", re2)


class PatternError(JobwardenError):
    """This cannot be searched for."""

    code: str = "log.bad_pattern"


class Pattern:
    """What is looked for in single lines: `^` and `$` are a line's ends, and nothing matches a line break."""

    def __init__(self, text: str) -> None:
        """Take the pattern, in RE2's syntax.

        Raises:
            PatternError: It is none, or asks for what cannot be done in linear time.
        """
        if not text or len(text) > _MOST_CHARS:
            raise PatternError(f"A pattern has 1 to {_MOST_CHARS} characters.")
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

    def lines(self, data: bytes) -> Iterator[int]:
        """Give where the lines that match begin, ascending."""
        at = 0
        while at <= len(data):
            found = self._compiled.search(data, at)
            if found is None:
                return
            start = data.rfind(b"\n", 0, int(found.start())) + 1
            yield start
            end = data.find(b"\n", start)
            if end < 0:
                return
            at = end + 1


_HINT = (
    "It takes RE2's syntax (https://github.com/google/re2/wiki/Syntax): groups, classes, (?i) and the like, but no "
    "backreferences and no look-around."
)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
