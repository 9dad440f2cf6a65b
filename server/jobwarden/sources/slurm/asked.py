"""What was asked of one site in one observation, and what came back: the material of every verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from jobwarden.sources.slurm.answers import Row, Shown
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden_registry.model import Evidence

EVIDENCE_LINES = 20
EVIDENCE_CHARS = 2048

ACCOUNT_LAG = timedelta(seconds=15)
"""slurmctld tells accounting of a requeue at most 5 seconds later (22.05.8); three times that."""

_SAME_CLOCK_S = 60.0


class RowIndex:
    """Rows by the job that they speak for. Built once per answer, for any number of jobs."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = tuple(rows)
        by_base: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            by_base[row.id.id.base].append(row)
        self._by_base = {base: tuple(found) for base, found in by_base.items()}

    def of(self, wanted: SlurmId) -> tuple[Row, ...]:
        """Give the rows about a job, in the answer's order; a raw number of an array's element finds that element."""
        rows = self._by_base.get(wanted.base, ())
        if wanted.whole:
            return rows or self._by_raw.get(wanted.base, ())
        return tuple(row for row in rows if row.id.covers(wanted))

    @cached_property
    def _by_raw(self) -> Mapping[int, tuple[Row, ...]]:
        by_raw: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            by_raw[row.raw].append(row)
        return {raw: tuple(found) for raw, found in by_raw.items()}

    def cut_off(self, wanted: SlurmId) -> tuple[Row, ...]:
        """Give the rows from whose range an element that has no row may have been cut off."""
        return tuple(row for row in self._by_base.get(wanted.base, ()) if row.id.may_cover(wanted))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one program said.

    Attributes:
        question: The command, as it is shown.
        rows: Its rows; evidence even when the answer is not whole.
        trouble: Why what is missing in it cannot be believed missing; empty for a whole answer.
        code: The error code that goes with `trouble`.
        exists: False when the site has no such program or no accounting at all.
        ids: The ids it was asked about; None: about every job of the user.
    """

    question: str
    rows: RowIndex = field(default_factory=RowIndex)
    trouble: str = ""
    code: str = ""
    exists: bool = True
    ids: frozenset[int] | None = None

    @property
    def whole(self) -> bool:
        """Whether a job that is not in it is not there."""
        return self.exists and not self.trouble

    @property
    def complaint(self) -> str:
        """The trouble with the program's name before it, which its own messages have already."""
        program = self.question.split(maxsplit=1)[0]
        return self.trouble if self.trouble.startswith(f"{program}:") else f"{program}: {self.trouble}"


@dataclass(frozen=True)
class Asked:
    """Everything asked in one observation.

    Attributes:
        at: When, by our clock.
        now: When, by the cluster's clock.
        user: The login there.
        queue: squeue, for that user's jobs.
        account: sacct; None while it was not asked.
        by_id: squeue by id, whosever the jobs are; None where it was not asked.
        shown: `scontrol show job`, by the wanted id.
        unlisted: What scontrol said of ids that squeue does not have, on a site without accounting; empty text: that
            there is no such job.
        watched: The ids of all jobs that somebody watches here.
        host_names: Short host names of nodes.
    """

    at: datetime
    now: datetime
    user: str
    queue: Answer
    account: Answer | None = None
    by_id: Answer | None = None
    shown: Mapping[str, Shown] = field(default_factory=dict[str, Shown])
    host_names: Mapping[str, str] = field(default_factory=dict[str, str])
    unlisted: Mapping[int, str] = field(default_factory=dict[int, str])
    watched: frozenset[int] = frozenset()

    def about(self, wanted: str, job: SlurmId) -> Asked:
        """Narrow to what was asked about one job."""
        account, by_id = _about(self.account, job), _about(self.by_id, job)
        if wanted in self.shown:
            return replace(self, account=account, by_id=by_id, shown={wanted: self.shown[wanted]})
        parts = (account is None, by_id is None)
        if parts not in self._narrowed:
            self._narrowed[parts] = replace(self, account=account, by_id=by_id, shown={})
        return self._narrowed[parts]

    def queue_rows(self, wanted: SlurmId) -> tuple[Row, ...]:
        """Give slurmctld's rows about a job."""
        found = self.queue.rows.of(wanted)
        return found or (self.by_id.rows.of(wanted) if self.by_id else ())

    def rows_about(self, job: SlurmId) -> tuple[tuple[Row, ...], tuple[Row, ...] | None]:
        """Give both, of answers that were asked about the job; None where accounting was not."""
        ids = frozenset[int]() if self.account is None else self.account.ids
        return self.queue_rows(job), self.account_rows(job) if ids is None or job.base in ids else None

    def account_rows(self, wanted: SlurmId) -> tuple[Row, ...]:
        """Give accounting's rows about a job, oldest run first."""
        if self.account is None:
            return ()
        rows = self.account.rows.of(wanted) or self.account.rows.cut_off(wanted)
        return rows if len(rows) <= 1 else tuple(sorted(rows, key=_submitted))

    @property
    def no_accounting(self) -> bool:
        """Whether this site is known to have no accounting."""
        return self.account is not None and not self.account.exists

    @cached_property
    def ahead_s(self) -> float:
        """By how much the cluster's clock is ahead of ours; 0 below a minute, for the question has its way to go."""
        ahead_s = (self.now - self.at).total_seconds()
        return ahead_s if abs(ahead_s) > _SAME_CLOCK_S else 0.0

    def just_ended(self, row: Row) -> bool:
        """Whether accounting may not know yet that another run has followed this end."""
        return row.ended is not None and self.now - row.ended < ACCOUNT_LAG

    def evidence(self, rows: Sequence[Row], rule: str, *more: str) -> Evidence:
        """Write down what decided."""
        lines: list[str] = []
        left = EVIDENCE_CHARS
        for line in (*(row.line for row in rows), *more):
            if len(lines) == EVIDENCE_LINES or left <= 0:
                lines.append("…")
                break
            lines.append(line[:left])
            left -= len(line)
        return Evidence(asked_at=self.at, question=self._questions, lines=tuple(lines), rule=rule)

    @cached_property
    def _questions(self) -> tuple[str, ...]:
        programs = [one.question for one in (self.queue, self.account, self.by_id) if one]
        return (*programs, *(one.question for one in self.shown.values()))

    @cached_property
    def _narrowed(self) -> dict[tuple[bool, bool], Asked]:
        """By which of `account` and `by_id` have nothing to do with a job."""
        return {}


def _about(answer: Answer | None, job: SlurmId) -> Answer | None:
    return answer if answer and (answer.ids is None or job.base in answer.ids) else None


def _submitted(row: Row) -> float:
    return row.submitted.timestamp() if row.submitted else 0.0
