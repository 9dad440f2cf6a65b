"""Is a row about our job, or about another that has its id?

Ids start again at 1 when a controller loses its state (seen on 22.05.8), and a requeue gives the same job a new
submit time. Where it cannot be told, a row is taken for ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobwarden.sources.base import Wanted
from jobwarden.sources.slurm.answers import Row

TOLERANCE = timedelta(minutes=10)
"""By how much our clock and the cluster's may differ."""

_REQUEUE_GAP = timedelta(seconds=10)
"""A requeued run is submitted when the one before it ends."""

_NAME_CHARS = 200


def ours(wanted: Wanted, queue: Sequence[Row], account: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Leave out rows about other jobs that have had, or have got, this id.

    Args:
        wanted: What is known of our job.
        queue: slurmctld's rows about the id.
        account: Accounting's rows about the id, oldest first.
    """
    submitted = wanted.submitted_at
    if submitted is not None:
        # It had ended before ours was submitted.
        account = [row for row in account if row.ended is None or row.ended >= submitted - TOLERANCE]
    known_by = submitted or wanted.registered_at
    if known_by is None or not account:
        return tuple(queue), tuple(account)
    kept: list[Row] = []
    for row in account:
        earlier = [one for one in kept if one.id == row.id]
        if row.submitted is None or row.submitted <= known_by + TOLERANCE or _follows(row, earlier):
            kept.append(row)
    first = kept or list(account)
    return tuple(row for row in queue if _fits(row, first, wanted=wanted)), tuple(first)


def _fits(row: Row, account: Sequence[Row], *, wanted: Wanted) -> bool:
    known_by = wanted.submitted_at or wanted.registered_at
    if row.submitted is None or known_by is None or row.submitted <= known_by + TOLERANCE:
        return True
    return _follows(row, [one for one in account if one.id == row.id])


def _follows(row: Row, earlier: Sequence[Row]) -> bool:
    """Whether a later submission under the same id can be another run of the same job."""
    if not earlier:
        return True
    last = earlier[-1]
    if row.user != last.user:
        return False
    if last.stub or row.stub or _lossy(row.name) == _lossy(last.name):
        return True
    return bool(last.ended and row.submitted and abs(row.submitted - last.ended) <= _REQUEUE_GAP)


def _lossy(name: str) -> str:
    """Give a name as accounting keeps it: latin-1, `"` as a backquote, and `allocation` for none (22.05.8)."""
    kept = "".join(char if ord(char) < 256 else "?" for char in name.replace('"', "`"))
    return kept[:_NAME_CHARS] or "allocation"
