"""Runs of one job: telling a new run from more news of the old one.

Slurm gives a requeued run a new submission time under the old id, the same one in squeue, scontrol and sacct -D
(seen on 22.05.8); its start may move while nodes boot, so a start decides only where submissions are not known.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from jobwarden.sources.base import Seen
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase

_STARTED = frozenset({Phase.RUNNING, Phase.SUSPENDED})
_START_MOVES = timedelta(seconds=5)
"""A start that is worked out from the time since boot moves with every correction of the clock."""


class Run(Enum):
    """Which run of the job a sighting is about."""

    PRESENT = auto()
    NEW = auto()
    EARLIER = auto()


def which_run(record: JobRecord, seen: Seen) -> Run:
    """Say which run the sighting's state is about: the one that we know as the present, a new or an earlier one."""
    return _which(record, _run(record, seen), _with_told(record, seen)) if record.attempts else Run.PRESENT


def merged(record: JobRecord, seen: Seen) -> tuple[Attempt, ...]:
    """Give all runs that are known now, oldest first; the present one is last.

    A run that has ended keeps its end, and nothing that is known is forgotten because a later answer lacks it.
    """
    runs = _with_told(record, seen)
    run, which = _run(record, seen), which_run(record, seen)
    before = len(record.attempts) - 1
    if which is Run.NEW and run.submitted_at is None and not seen.attempts:
        present = _put(runs, run, None)  # without a submission time it looks like the old one: it is one more
    elif which is Run.PRESENT and record.attempts:
        present = _put(runs, run, _place(runs, run, before))
    else:
        present = _put(runs, run, _place(runs, run))
    return _in_order(runs, before if which is Run.EARLIER else present)


def _with_told(record: JobRecord, seen: Seen) -> list[Attempt]:
    """The known runs in their places, with what the sighting tells of each; runs it adds come after them."""
    runs = list(record.attempts)
    for told in seen.attempts:
        _put(runs, told, _place(runs, told))
    return runs


def _which(record: JobRecord, run: Attempt, runs: list[Attempt]) -> Run:
    present = runs[len(record.attempts) - 1]
    if run.id != present.id and any(_same(run, known) for known in record.attempts):
        return Run.EARLIER
    if run.submitted_at is not None and present.submitted_at is not None:
        return _in_time(present.submitted_at, run.submitted_at)
    if run.id != present.id:
        return Run.NEW
    if run.phase is Phase.PENDING:
        started = present.started_at is not None or present.phase in _STARTED
        return Run.NEW if started else Run.PRESENT
    if run.started_at is not None and present.started_at is not None:
        return _in_time(present.started_at, run.started_at, _START_MOVES)
    return Run.PRESENT


def is_of_replaced(record: JobRecord, seen: Seen) -> bool:
    """Whether a sighting is of a run that lived under an earlier id than the one that the job goes on under.

    The question was put before it was known to go on: of the present run it says nothing, not even that it is absent.
    """
    if record.resubmitted_as is None:
        return False
    run = _run(record, seen)
    return run.id != record.resubmitted_as and any(_same(run, known) for known in record.attempts[:-1])


def first_submission(record: JobRecord) -> datetime | None:
    """Give the earliest submission among the runs."""
    return min((run.submitted_at for run in record.attempts if run.submitted_at is not None), default=None)


def _run(record: JobRecord, seen: Seen) -> Attempt:
    """The run that the sighting's own fields are about."""
    last = seen.attempts[-1] if seen.attempts else None
    return Attempt(
        id=last.id if last else _id_of(record, seen.submitted_at),
        submitted_at=seen.submitted_at or (last.submitted_at if last else None),
        started_at=None if seen.phase is Phase.PENDING else seen.started_at,
        ended_at=seen.ended_at if seen.phase.final else None,
        status=seen.status,
        phase=seen.phase,
        exit_code=seen.exit_code,
        signal=seen.signal,
        node=seen.node,
    )


def _id_of(record: JobRecord, submitted_at: datetime | None) -> str:
    """Give the id of the run that was submitted then: one that was replaced may have had another."""
    runs = record.attempts
    if not runs:
        return record.id
    if submitted_at is not None and runs[-1].submitted_at != submitted_at:
        return next((run.id for run in runs if run.submitted_at == submitted_at), runs[-1].id)
    return runs[-1].id


def _in_time(present: datetime, other: datetime, tolerance: timedelta = timedelta(0)) -> Run:
    if abs(other - present) <= tolerance:
        return Run.PRESENT
    return Run.NEW if other > present else Run.EARLIER


def _same(one: Attempt, other: Attempt) -> bool:
    if one.id != other.id:
        return False
    if one.submitted_at is not None and other.submitted_at is not None:
        return one.submitted_at == other.submitted_at
    if one.started_at is not None and other.started_at is not None:
        return abs(one.started_at - other.started_at) <= _START_MOVES
    return True


def _place(runs: list[Attempt], told: Attempt, otherwise: int | None = None) -> int | None:
    """Where this run stands among those known; the latest, where nothing tells them apart."""
    return next((index for index in reversed(range(len(runs))) if _same(runs[index], told)), otherwise)


def _put(runs: list[Attempt], told: Attempt, place: int | None) -> int:
    if place is None:
        runs.append(told)
        return len(runs) - 1
    known = runs[place]
    ended = known.phase.final and not told.phase.final
    given = {name: value for name, value in told if value is not None and value != ""}
    if ended:  # it keeps its end, and learns at most what it lacked
        given = {name: value for name, value in given.items() if getattr(known, name) is None and name != "ended_at"}
    runs[place] = known.model_copy(update=given)
    return place


def _in_order(runs: list[Attempt], present: int) -> tuple[Attempt, ...]:
    """The present run last, whatever times are told of it; those before by submission, or as they were told."""
    before = [*runs[:present], *runs[present + 1 :]]
    submissions = [run.submitted_at for run in before if run.submitted_at is not None]
    if len(submissions) == len(before):
        before = [run for _, run in sorted(zip(submissions, before, strict=True), key=lambda pair: pair[0])]
    return (*before, runs[present])
