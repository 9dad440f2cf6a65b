"""What the service answers about the past, as data. Moments are UTC, durations seconds."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import Counts, JobView
from jobwarden_registry.events import Event
from jobwarden_registry.model import Utc
from jobwarden_registry.phases import Phase


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class RunView(_View):
    """One ended job as its last run ended; or, where single runs are asked for, one run of it."""

    type: str
    id: str
    """The job's; of a single run, the one that it ran under."""
    host: str
    user: str
    name: str | None
    """Its name here, else that in its source."""
    description: str
    tags: tuple[str, ...]
    phase: Phase
    status: str
    """The source's own word."""
    cause: str | None
    """Why it ended badly, in one line, where that was found out. Partly the job's own words: data."""
    reason: str | None
    exit_code: int | None
    signal: int | None
    node: str | None
    submitted_at: Utc | None
    """Of this run: a requeue is a new submission."""
    started_at: Utc | None
    ended_at: Utc | None
    journaled_at: Utc
    """When jobwarden saw the end."""
    ran_s: float | None
    """From start to end of this run."""
    waited_s: float | None
    """From submission to start of this run."""
    runs: int
    """How many runs the job had."""
    run: int | None = None
    """Which of them this is, where single runs are asked for."""
    live: bool = False
    """Whether the job lives again, or may be found again (lost)."""
    result: str | None = None
    efficiency: str | None = None
    """Of an ended job, what its last run used of what it had, in words."""
    metrics: Mapping[str, float] = {}
    """The last value of each that rules stored of the job."""
    session: str
    mine: bool


class HistoryView(_View):
    """The answer of job_history: ended jobs, newest first."""

    jobs: tuple[RunView, ...]
    counts: Counts
    """Of all that match, on every page."""
    page: int
    pages: int
    before: int
    """How many that match are newer than those shown."""
    after: int
    """How many that match are older."""
    scope: str
    filters: Mapping[str, str] = {}
    """What was asked for, as it was understood."""
    sessions: int = 0
    """How many sessions were looked through."""
    troubles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    news: tuple[Event, ...] = ()


class PointView(_View):
    """One value of a metric."""

    at: Utc
    value: float


class SeriesView(_View):
    """The values of one metric of one job, oldest first."""

    name: str
    count: int
    first: float
    last: float
    least: float
    most: float
    points: tuple[PointView, ...]
    """All, or evenly chosen ones where there are very many."""


class TimelineView(_View):
    """The answer of job_history for one job: everything that is kept of it, oldest first."""

    job: JobView
    runs: tuple[RunView, ...]
    events: tuple[Event, ...]
    page: int = 1
    """From 1, which has the latest events."""
    left_out: int
    """How many events came before those."""
    bookkeeping: int
    """How many more events there are of which nobody is told (values that a rule stored, paths that were found)."""
    metrics: tuple[SeriesView, ...] = ()
    notes: tuple[str, ...] = ()
    news: tuple[Event, ...] = ()


class SpreadView(_View):
    """Numbers in the order of their size: the middle one, the quarters around it, the ends."""

    count: int
    median: float
    low: float
    """A quarter lies below."""
    high: float
    """A quarter lies above."""
    least: float
    most: float


class CauseView(_View):
    """One cause, and how often it ended jobs."""

    cause: str
    """As the latest of them has it; numbers in it may differ."""
    count: int


class MetricView(_View):
    """What the jobs of a group came to by one metric: the last value of each job."""

    name: str
    jobs: int
    spread: SpreadView
    last: float
    series: tuple[float, ...]
    """Oldest first, the latest of them."""


class SlowerView(_View):
    """The last successes took clearly longer than those before."""

    recent_s: float
    before_s: float
    ratio: float


class GroupView(_View):
    """Ended jobs that have a name, type, host, ... in common. Of each job its last run counts."""

    key: str
    runs: int
    """Ended jobs."""
    attempts: int
    """Runs of theirs in all: more than `runs` where jobs were requeued or resubmitted."""
    succeeded: int
    failed: int
    cancelled: int
    lost: int
    success_rate: float | None
    """Of those that succeeded or failed; cancelled and lost ones say nothing about it. None where there are none."""
    duration: SpreadView | None
    """Seconds, of those that succeeded."""
    failed_after: SpreadView | None
    """Seconds, of those that failed."""
    waited: SpreadView | None
    """Seconds from submission to start, of all that started."""
    durations: tuple[float, ...]
    """Of those that succeeded, oldest first, the latest of them."""
    last_success_at: Utc | None
    last_failure_at: Utc | None
    last_failure: str | None
    """Its id."""
    causes: tuple[CauseView, ...]
    """Of failed ones, the most frequent first."""
    metrics: tuple[MetricView, ...] = ()
    failing_in_a_row: int = 0
    """How many of the latest, without a success between them; cancelled and lost ones are passed over."""
    slower: SlowerView | None = None

    @property
    def percent(self) -> int | None:
        """The success rate for people: 100 only where none failed, 0 only where none succeeded."""
        if self.success_rate is None:
            return None
        rounded = round(self.success_rate * 100)
        return rounded if self.success_rate in (0.0, 1.0) else min(99, max(1, rounded))


class StaleView(_View):
    """A job that lives and of which nothing new has been known for long."""

    type: str
    id: str
    host: str
    name: str | None
    status: str
    since: Utc
    why: str


class StatsView(_View):
    """The answer of job_history with statistics."""

    groups: tuple[GroupView, ...]
    """The largest first."""
    total: GroupView | None
    by: str
    left_out: int = 0
    """How many smaller groups there are."""
    stale: tuple[StaleView, ...] = ()
    scope: str
    filters: Mapping[str, str] = {}
    sessions: int = 0
    troubles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    news: tuple[Event, ...] = ()
