"""Is a row about our job, or about another that has its id?

Ids start again at 1 when a controller loses its state (seen on 22.05.8), and a requeue gives the same job a new
submit time. A later submission under another name is another job unless accounting shows the requeue between; where
accounting could not be asked that is not known either way. Where nothing speaks against it, a row is taken for ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobwarden.sources.base import Wanted
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.ids import RowId
from jobwarden.sources.slurm.vocabulary import Word

TOLERANCE = timedelta(minutes=10)
"""By how much our clock and the cluster's may differ."""

_SKEW = timedelta(minutes=1)
"""By how much they differ where both are kept in step."""

_REQUEUE_GAP = timedelta(seconds=10)
"""A requeued run is submitted when the one before it ends."""

_REQUEUED = frozenset({Word.REQUEUED, Word.REQUEUE_HOLD, Word.SPECIAL_EXIT})
"""How accounting says that a run was followed by another."""

_NAME_CHARS = 200


def ours(wanted: Wanted, queue: Sequence[Row], account: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Leave out rows about other jobs that have had, or have got, this id.

    Args:
        wanted: What is known of our job.
        queue: slurmctld's rows about the id.
        account: Accounting's rows about the id, oldest first.
    """
    submitted = wanted.submitted_at
    if submitted is not None and account:
        # It had ended before ours was submitted.
        earliest = submitted - TOLERANCE
        account = [row for row in account if row.ended is None or row.ended >= earliest]
    known_by = _known_by(wanted)
    if known_by is None or not any(row.submitted and row.submitted > known_by for row in (*queue, *account)):
        return tuple(queue), tuple(account)
    kept: list[Row] = []
    runs: dict[RowId, list[Row]] = {}  # an array has thousands of rows: none is looked for among all
    for row in account:
        earlier = runs.setdefault(row.id, [])
        if _fits(row, earlier, known_by, wanted):
            kept.append(row)
            earlier.append(row)
    return tuple(row for row in queue if _fits(row, runs.get(row.id, ()), known_by, wanted)), tuple(kept)


def may_be_ours(wanted: Wanted, submitted: datetime | None, name: str) -> bool:
    """Whether accounting's latest record of an id may be of our job, by when and as what it was submitted alone."""
    known_by = _known_by(wanted)
    if known_by is None or submitted is None or submitted <= known_by:
        return True
    return not wanted.name or _lossy(name) == _lossy(wanted.name)


def _known_by(wanted: Wanted) -> datetime | None:
    """Give the latest moment at which it can have been submitted: by Slurm's own word, else by our clock.

    A requeue that was seen is a run of it. Who registers an id long after that means the job that has it then.
    """
    first, run, registered = wanted.submitted_at, wanted.run_submitted_at, wanted.registered_at
    if first is None and run is None:
        return None if registered is None else registered + TOLERANCE
    known = max(moment for moment in (first, run) if moment is not None)
    return registered + _SKEW if registered is not None and registered > known + TOLERANCE else known


def _fits(row: Row, earlier: Sequence[Row], known_by: datetime, wanted: Wanted) -> bool:
    if row.submitted is None or row.submitted <= known_by:
        return True
    return _follows(row, earlier, wanted) if earlier else not _named_otherwise(row, wanted)


def _named_otherwise(row: Row, wanted: Wanted) -> bool:
    """Whether it has another name than our job has in Slurm; the parts of a heterogeneous job have their own."""
    if row.stub or not wanted.name or row.id.id.part:
        return False
    return _lossy(row.name) != _lossy(wanted.name)


def _follows(row: Row, earlier: Sequence[Row], wanted: Wanted) -> bool:
    """Whether a later submission under the same id can be another run of the job that had these."""
    last = earlier[-1]
    if row.user != last.user:
        return False
    if last.stub:  # it tells no name: of a controller that has lost its state the job before may stay so for ever
        return not _named_otherwise(row, wanted)
    if row.stub or _lossy(row.name) == _lossy(last.name):
        return True
    # Renamed, then requeued. A controller that has lost its state has its jobs noted as CANCELLED.
    requeued = last.state.requeueable or last.state.word in _REQUEUED
    return bool(requeued and last.ended and row.submitted and abs(row.submitted - last.ended) <= _REQUEUE_GAP)


def _lossy(name: str) -> str:
    """Give a name as accounting keeps it: latin-1, `"` as a backquote, and `allocation` for none (22.05.8)."""
    kept = "".join(char if ord(char) < 256 else "?" for char in name.replace('"', "`"))
    return kept[:_NAME_CHARS] or "allocation"
