"""The user's living jobs, from squeue's rows alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jobwarden.sources.base import Found
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.elements import describe_living
from jobwarden_registry.phases import Phase

QUESTION = "squeue"


def list_jobs(asked: Asked, *, but: Collection[int] = ()) -> list[Found]:
    """List what is alive, an array or a heterogeneous job as one, in squeue's order; all but these."""
    jobs: dict[int, list[Row]] = {}
    for row in asked.queue.rows.rows:
        if row.alive and row.id.id.base not in but:
            jobs.setdefault(row.id.id.base, []).append(row)
    return [_found(asked, base, rows) for base, rows in jobs.items()]


def _found(asked: Asked, base: int, rows: Sequence[Row]) -> Found:
    row = rows[0]
    phase, status = row.state.phase, str(row.state.word or row.state.text)
    started_at = row.started if phase not in (Phase.PENDING, Phase.UNKNOWN) else None
    submitted_at = row.submitted
    if len(rows) > 1 or row.id.ranges or not row.id.id.whole:
        seen = describe_living(asked, rows)
        phase, status, submitted_at, started_at = seen.phase, seen.status, seen.submitted_at, seen.started_at
    return Found(
        id=str(base),
        phase=phase,
        status=status,
        name=row.name or None,
        what=", ".join(part for part in (row.partition and f"partition {row.partition}", row.work_dir) if part),
        question=QUESTION,
        submitted_at=submitted_at,
        started_at=started_at,
    )
