"""Which further questions one observation needs: as few as decide every job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import is_

from jobwarden.sources.base import Wanted
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.elements import is_many
from jobwarden.sources.slurm.identity import ours
from jobwarden.sources.slurm.ids import SlurmId, parse_id
from jobwarden.sources.slurm.logs import can_tell_log
from jobwarden.sources.slurm.vocabulary import Word
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase

SHOW_MOST = 50
"""`scontrol show job` is one question per id: the rest is asked next time."""
_WAITS = 3
_SHOW_WAITING = 5
"""So many of those that wait: a log that does not exist yet is in no hurry."""

_REQUEUE_WORDS = frozenset({Word.REQUEUED, Word.REQUEUE_FED, Word.REQUEUE_HOLD, Word.SPECIAL_EXIT, Word.EXPEDITING})
_REQUEUE_REASONS = ("BeginTime", "job requeued", "launch failed requeued")
_REQUEUED_AFTER = timedelta(seconds=90)
"""Where no submission is known, one this much later than the registration is taken for a requeue's."""


@dataclass(frozen=True, slots=True)
class Job:
    """A wanted job with its id read."""

    wanted: Wanted
    id: SlurmId


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is wanted, with all ids read.

    Attributes:
        wanted: What was given.
        readable: By id.
        unreadable: Why the others cannot be asked about.
        many: Those whose ended elements sacct is asked about whatever squeue says.
        watched: All, by number.
    """

    wanted: Sequence[Wanted]
    readable: Mapping[str, Job]
    unreadable: Mapping[str, InvalidIdError]
    many: Sequence[int]
    watched: frozenset[int]

    def are(self, wanted: Sequence[Wanted]) -> bool:
        """Whether this is what was made of them."""
        return len(wanted) == len(self.wanted) and all(map(is_, wanted, self.wanted))


def read_jobs(wanted: Sequence[Wanted]) -> Jobs:
    """Read the ids of what is wanted."""
    jobs: dict[str, Job] = {}
    unreadable: dict[str, InvalidIdError] = {}
    for one in wanted:
        try:
            jobs.setdefault(one.id, Job(one, parse_id(one.resubmitted_as or one.id)))
        except InvalidIdError as error:
            unreadable[one.id] = error
    many = sorted({job.id.base for job in jobs.values() if has_elements(job)})
    return Jobs(tuple(wanted), jobs, unreadable, many, frozenset(job.id.base for job in jobs.values()))


def has_elements(job: Job) -> bool:
    """Whether sacct is asked about it whatever squeue says: for its elements that have ended."""
    return job.id.whole and job.wanted.elements is not None


def wants_account(job: Job, asked: Asked) -> bool:
    """Whether squeue alone does not settle it."""
    rows = asked.queue_rows(job.id)
    if not rows or is_many(job.id, rows):
        return True
    row = deciding(rows)
    return not row.alive or _may_be_requeued(job.wanted, row)


def deciding(rows: tuple[Row, ...]) -> Row:
    """Give the row of an ordinary job that counts: the living one, else the last."""
    return next((row for row in rows if row.alive), rows[-1])


def _may_be_requeued(wanted: Wanted, row: Row) -> bool:
    if row.state.word in _REQUEUE_WORDS:
        return True
    if row.state.phase is Phase.PENDING and row.reason and row.reason.startswith(_REQUEUE_REASONS):
        return True
    if row.submitted is None:
        return False
    known = wanted.run_submitted_at or wanted.submitted_at
    if known is not None:
        return row.submitted != known
    return wanted.registered_at is not None and row.submitted > wanted.registered_at + _REQUEUED_AFTER


def wants_by_id(job: Job, asked: Asked) -> bool:
    """Whether squeue must be asked by id: the job may be another user's, or nobody knows it."""
    if not asked.queue.whole:
        return False
    found = asked.queue_rows(job.id)
    queue, rows = ours(job.wanted, found, asked.account_rows(job.id))
    if queue or (found and not (asked.account and asked.account.whole)):
        return False
    if not rows or any(row.alive for row in rows):
        return True
    return any(row.user != asked.user and (row.state.requeueable or asked.just_ended(row)) for row in rows)


def to_show(jobs: Mapping[str, Job], asked: Asked) -> dict[str, str]:
    """Choose for which jobs scontrol is asked, as {wanted id: id for scontrol}; most urgent first, at most SHOW_MOST.

    For a log's path, once a job, while slurmctld knows it; and for the exact exit code of a failure.
    """
    urgent: list[tuple[int, str]] = []
    for name, job in jobs.items():
        rank = urgency(job, asked)
        if rank is not None:
            urgent.append((rank, name))
    chosen = sorted(urgent)[:SHOW_MOST]
    waiting = [name for rank, name in chosen if rank == _WAITS]
    return {name: str(jobs[name].id) for _, name in chosen if name not in waiting[_SHOW_WAITING:]}


def urgency(job: Job, asked: Asked) -> int | None:
    """Say how urgently scontrol is to be asked about a job, 0 the most; None for not at all."""
    rows = asked.queue_rows(job.id)
    if not rows or job.id.part is not None or is_many(job.id, rows):
        return None
    row = deciding(rows)
    if row.state.word is Word.FAILED:
        return 0
    if job.wanted.log_known or not can_tell_log(row):
        return None
    return 1 if not row.alive else 2 if row.state.phase is not Phase.PENDING else _WAITS
