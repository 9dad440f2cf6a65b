"""Ids of nemo-evaluator-launcher: an invocation of 16 hex digits, one of its tasks (`.0`), or the beginning of either.

Seen with 0.2.6: `secrets.token_hex(8)`, and any prefix is accepted that only one invocation begins with.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from jobwarden_registry.errors import InvalidIdError

_ID = re.compile(r"(?P<invocation>[0-9a-f]{1,16})(?:\.(?P<task>0|[1-9][0-9]{0,3}))?")
_WHOLE = 16
_HINT = "Give the invocation id that `nel run` printed (16 hex digits), or one of its tasks: 0b1d99ac8d04df09.0."
_LISTED = 10


class NelId(NamedTuple):
    """One id in canonical form."""

    invocation: str
    """In full, or a beginning."""
    task: int | None
    """None: the invocation with all its tasks."""

    def __str__(self) -> str:
        return self.invocation if self.task is None else f"{self.invocation}.{self.task}"

    @property
    def whole(self) -> bool:
        """Whether the invocation is named in full."""
        return len(self.invocation) == _WHOLE


def parse_id(text: str) -> NelId:
    """Read an id as a person or agent gives it.

    Raises:
        InvalidIdError: It cannot be one.
    """
    found = _ID.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidIdError(f"{text[:80]!r} is not the id of a nel run.", hint=_HINT)
    return NelId(found["invocation"], None if found["task"] is None else int(found["task"]))


def completed(wanted: NelId, invocations: Collection[str]) -> NelId | None:
    """Give the id in full; None when no known invocation begins like it.

    Raises:
        InvalidIdError: Several do; the text lists them.
    """
    if wanted.whole:
        return wanted
    found = sorted({one for one in invocations if one.startswith(wanted.invocation)})
    if len(found) > 1:
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise InvalidIdError(
            f"{wanted} may be any of {len(found)} nel runs: {', '.join(found[:_LISTED])}{more}.",
            hint="Give more of its digits.",
            code="nel.ambiguous",
        )
    return NelId(found[0], wanted.task) if found else None
