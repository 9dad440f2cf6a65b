"""Time comes in: nothing but this module and the system boundary reads a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present as a timezone-aware UTC datetime."""


def utc_now() -> datetime:
    """Read the system's clock."""
    return datetime.now(UTC)  # noqa: TID251 -- the one place
