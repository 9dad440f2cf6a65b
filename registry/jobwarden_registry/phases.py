"""What a job's own word means to a reader who knows no scheduler."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a job stands. Ended is an allow-list: a phase that is not in it is alive.

    `LOST` is closed but correctable: the job was nowhere for long enough, and may be found again.
    `UNKNOWN` is a word that the source's vocabulary lacks, or no answer yet; it is never an end.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    UNKNOWN = "unknown"

    __hash__ = str.__hash__  # Enum's own is a function in Python, and asked for with every look at a phase

    @property
    def final(self) -> bool:
        """Whether the job has ended on positive evidence, for good."""
        return self in _FINAL

    @property
    def closed(self) -> bool:
        """Whether the job is no longer watched at the usual pace: final, or lost."""
        return self is Phase.LOST or self in _FINAL


_FINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})
