"""Jobs that live and get nowhere: those that their source calls stuck, and those that are requeued over and over."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Seen
from jobwarden_registry.model import JobRecord

_MOVES = timedelta(minutes=5)


def stuck_because(after: JobRecord, seen: Seen, asked_at: datetime, clocks: Clocks) -> str | None:
    """Say why the job cannot go on by itself, with the runs that are known now; None when it can."""
    if seen.phase.final:
        return None
    return seen.stuck or _in_a_loop(after, asked_at, clocks)


def _in_a_loop(record: JobRecord, asked_at: datetime, clocks: Clocks) -> str | None:
    """A run is submitted when the one before it is requeued; of a loop that has stopped it is said no more."""
    same_id = [run for run in record.attempts if run.id == record.attempts[-1].id]
    requeues = [run.submitted_at for run in same_id[1:] if run.submitted_at is not None]
    if len(requeues) < clocks.requeue_loop_count:
        return None
    window = timedelta(seconds=clocks.requeue_loop_s)
    if requeues[-1] - requeues[-clocks.requeue_loop_count] > window or asked_at - requeues[-1] > window:
        return None
    times, minutes = clocks.requeue_loop_count, clocks.requeue_loop_s / 60
    return f"was requeued {times} times or more within {minutes:.0f} min: find out why before it goes on"


def expected_start(record: JobRecord, seen: Seen) -> datetime | None:
    """Give the expected start; one that has moved by little stays as it was, for it moves with every schedule."""
    old, new = record.expected_start_at, seen.expected_start_at
    if old is not None and new is not None and abs(new - old) < _MOVES:
        return old
    return new
