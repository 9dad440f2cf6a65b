"""A job that was submitted again under another id while nobody watched: the same job, one attempt more.

Followed only where nothing else can be meant: it was seen before, its end (not a success) or its absence is news of a
time when nobody watched, and exactly one living job that nobody watches has its name, user and working directory and
was submitted after it, and no other ended job could be continued by it. Anything less is said, and not guessed
(decision 0011).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, Seen
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase

_UNDONE = frozenset({Phase.FAILED, Phase.CANCELLED})


def observed_late(seen: Seen, asked_at: datetime, clocks: Clocks) -> bool:
    """Whether a job ended so long before it was asked about that nobody can have been watching."""
    if not seen.phase.final or seen.ended_at is None:
        return False
    since_s = (asked_at - seen.ended_at).total_seconds() + seen.clock_ahead_s
    return since_s > clocks.gap_ticks * clocks.poll_s


def successor(record: JobRecord, sighting: Seen | Absent, asked_at: datetime, clocks: Clocks) -> Seen | None:
    """Give the sighting of the job that continues this one, with both as its attempts; None where there is none."""
    known = {record.id, record.resubmitted_as, *(run.id for run in record.attempts)}
    newer = [one for one in _after(sighting) if one.attempts[-1].id not in known]
    if record.observed_at is None or len(newer) != 1 or newer[0].contested:
        return None
    if isinstance(sighting, Seen) and not (sighting.phase in _UNDONE and observed_late(sighting, asked_at, clocks)):
        return None
    (found,) = newer
    return found.model_copy(update={"attempts": (*_before(record, sighting), *found.attempts)})


def told_of(record: JobRecord, found: Seen, sighting: Seen | Absent) -> str:
    """Say for people why the other job is taken for this one."""
    old, new = record.resubmitted_as or record.id, found.attempts[-1].id
    gone = f"ended as {sighting.status}" if isinstance(sighting, Seen) else "is nowhere any more"
    return f"{old} {gone}; {new}, with its name and working directory, was submitted after it: the same job goes on."


def said_of(newer: Sequence[Seen]) -> str:
    """Say which living jobs may continue one that is over; empty for none."""
    ids = ", ".join(one.attempts[-1].id for one in newer)
    if not ids:
        return ""
    they = "lives" if len(newer) == 1 else "live"
    return f"Unwatched, with its name and working directory, {they}: {ids}. Register what continues it."


def _after(sighting: Seen | Absent) -> Sequence[Seen]:
    """Leave out what was submitted while the job still lived: a chain of jobs is no resubmission."""
    if isinstance(sighting, Absent) or sighting.ended_at is None:
        return sighting.newer
    ended_at = sighting.ended_at
    return [one for one in sighting.newer if one.submitted_at is not None and one.submitted_at >= ended_at]


def _before(record: JobRecord, sighting: Seen | Absent) -> Sequence[Attempt]:
    if isinstance(sighting, Absent):
        return ()
    if sighting.attempts:
        return sighting.attempts
    return (
        Attempt(
            id=record.attempts[-1].id if record.attempts else record.id,
            submitted_at=sighting.submitted_at,
            started_at=sighting.started_at,
            ended_at=sighting.ended_at,
            status=sighting.status,
            phase=sighting.phase,
            exit_code=sighting.exit_code,
            signal=sighting.signal,
            node=sighting.node,
        ),
    )
