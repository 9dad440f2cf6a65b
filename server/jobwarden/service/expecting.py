"""Completion checks as people write them: `results/*.json`, `model.pt >= 1G`, `train.log ~ Training complete`."""

from __future__ import annotations

import re

from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Expectation

_FORM = re.compile(
    r"(?P<path>.+?)(?:\s+>=\s*(?P<size>\d+(?:\.\d+)?)\s*(?P<unit>[kKMGT]?)i?[bB]?)?(?:\s+~\s(?P<pattern>.+))?"
)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_PATH_CHARS = 4096
_PATTERN_CHARS = 1000
_HINT = 'Write a path or glob, and after it, where wanted, ">= 10M" (size) or "~ PATTERN" (grep -E).'


def read_expectation(text: str) -> Expectation:
    """Read one completion check.

    Raises:
        InvalidIdError: It cannot be one; the hint says what one looks like.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or not text.isprintable() or len(text) > _PATH_CHARS:
        raise InvalidIdError(f"{text[:80]!r} cannot be an expected file.", hint=_HINT)
    path, pattern = found["path"], found["pattern"]
    parts = path.split("/")
    if ".." in parts or any(part.startswith(".") and part not in (".", "") for part in parts) or path.startswith("~"):
        why = "no `..`, no hidden files, no `~`"
        raise InvalidIdError(f"{path[:80]!r} is not looked for: {why}.", hint="Give it as the job's host has it.")
    if pattern is not None and (len(pattern) > _PATTERN_CHARS or re.search(r"\\[1-9]", pattern)):
        raise InvalidIdError(f"The pattern {pattern[:80]!r} is too long, or refers back.", hint=_HINT)
    size = float(found["size"] or 0) * _UNITS[(found["unit"] or "").lower()]
    return Expectation(path=path, min_bytes=int(size), pattern=pattern)
