"""A job that has ended or is gone, and the living ones that may be its resubmission under another id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from jobwarden.sources.base import Absent, Seen, Sighting, Wanted
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.waiting import stuck_because
from jobwarden_registry.model import Attempt
from jobwarden_registry.phases import Phase

_MOST = 5
_COMMON = frozenset({"", "wrap", "interactive", "bash", "sh", "allocation", "sbatch"})
"""Names that nobody gave: `sbatch --wrap` is called `wrap`, `salloc` `interactive` or by the shell."""


def newer_jobs(
    wanted: Wanted, job: SlurmId, asked: Asked, *, name: str, work_dir: str, after: datetime | None
) -> tuple[Seen, ...]:
    """Find living jobs with its name, user and working directory, submitted after it, that nobody watches.

    Costs no question: squeue is asked for all jobs of the user anyway. None is given for a name that says nothing, for
    one element or part, and where it is not known what to compare.
    """
    if name in _COMMON or after is None or not work_dir or not job.whole or not asked.queue.whole:
        return ()
    found: dict[int, list[Row]] = {}
    for row in asked.queue.rows.rows:
        if row.alive and row.name == name and row.work_dir == work_dir and (wanted.user or row.user) == row.user:
            found.setdefault(row.id.id.base, []).append(row)
    newer = [
        _seen(rows, asked)
        for base, rows in found.items()
        if base not in asked.watched and all(row.submitted is not None and row.submitted > after for row in rows)
    ]
    return tuple(newer[:_MOST])


def twins(wanted: Wanted, job: SlurmId, asked: Asked) -> tuple[str, ...]:
    """Find living jobs of the user with its name and folder that were submitted after it: by hand, or by another.

    A name that nobody gave says nothing.
    """
    rows = (*asked.queue_rows(job), *asked.account_rows(job))
    mine = next((row for row in rows if row.name not in _COMMON and row.work_dir), None)
    after = wanted.run_submitted_at or wanted.submitted_at or (mine.submitted if mine else None)
    if mine is None or after is None:
        return ()
    return tuple(
        dict.fromkeys(
            str(row.id.id.base)
            for row in asked.queue.rows.rows
            if row.alive and row.id.id.base != job.base and (row.name, row.work_dir) == (mine.name, mine.work_dir)
            and row.submitted is not None and row.submitted > after
        )
    )  # fmt: skip


def contested(sightings: Mapping[str, Sighting]) -> dict[str, Sighting]:
    """Mark the candidates that are those of several jobs: which of them it continues, nobody can tell."""
    over = {name: one for name, one in sightings.items() if isinstance(one, Seen | Absent) and one.newer}
    if not over:
        return dict(sightings)
    claims = Counter(_id(other) for one in over.values() for other in one.newer)

    def marked(candidate: Seen) -> Seen:
        return candidate.model_copy(update={"contested": claims[_id(candidate)] > 1})

    return {
        **sightings,
        **{name: one.model_copy(update={"newer": tuple(map(marked, one.newer))}) for name, one in over.items()},
    }


def _id(candidate: Seen) -> str:
    return candidate.attempts[-1].id


def _seen(rows: Sequence[Row], asked: Asked) -> Seen:
    """Describe it shortly: the next question is about it and tells the rest."""
    row = next((one for one in rows if one.state.phase is not Phase.PENDING), rows[0])
    waiting = row.state.phase is Phase.PENDING
    run = Attempt(
        id=str(row.id.id.base),
        submitted_at=row.submitted,
        started_at=None if waiting else row.started,
        status=row.state.text,
        phase=row.state.phase,
        node=row.nodes or None,
    )
    return Seen(
        evidence=asked.evidence(rows, f"A living job of its name and working directory, {run.id}, came after it."),
        phase=row.state.phase,
        status=row.state.text,
        reason=row.reason,
        stuck=stuck_because(row),
        name=row.name,
        user=row.user or None,
        node=row.nodes or None,
        submitted_at=row.submitted,
        started_at=None if waiting else row.started,
        work_dir=row.work_dir or None,
        attempts=(run,),
    )
