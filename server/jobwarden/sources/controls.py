"""What a source can do to its living jobs beside ending them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from jobwarden.sources.base import CancelOutcome, Host, Wanted


class Control(StrEnum):
    """What can be done to a living job beside ending it."""

    HOLD = "hold"
    """Have it wait, though it could begin."""
    RELEASE = "release"
    """Let it wait no longer."""
    SUSPEND = "suspend"
    """Hold it up where it is; it keeps what it has."""
    RESUME = "resume"
    """Let it go on."""
    REQUEUE = "requeue"
    """End its run and have it begin again; what it has done is lost, but for what it has saved."""
    SIGNAL = "signal"
    """Send it a signal."""
    TOP = "top"
    """Put it before the user's other waiting jobs."""
    TIME_LIMIT = "time_limit"
    """Give it less time."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to jobs.

    Attributes:
        action: Which.
        value: Of a signal its name without `SIG`, before it `B:` for the batch script alone; of a time limit its
            minutes; of a requeue `hold`, for one that waits then until it is released; else empty.
        elements: Of an array these elements alone: `3`, `1-4,7`; empty: all of it.
    """

    action: Control
    value: str = ""
    elements: str = ""


@runtime_checkable
class Controls(Protocol):
    """A source whose jobs can be controlled."""

    @property
    def controls(self) -> frozenset[Control]:
        """What it can do; `control` is called with nothing else."""
        ...

    @property
    def cannot(self) -> Mapping[Control, str]:
        """Why it cannot do the others, and what helps instead: whole sentences."""
        ...

    async def control(self, host: Host, wanted: Sequence[Wanted], change: Change) -> Mapping[str, CancelOutcome]:
        """Ask for this of these jobs, after a live look that each is the user's own, and look what came of it.

        Returns:
            One outcome for every id asked. An accepted one says in its text what is seen of it now, and in `seen`
            whether that is what was asked for.

        Raises:
            As `Cancels.cancel`.
        """
        ...
