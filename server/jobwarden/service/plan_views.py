"""What the service answers about plans, as data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import Counts
from jobwarden_registry.events import Event
from jobwarden_registry.model import Utc


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProblemView(_View):
    """Something that is wrong with a plan's file."""

    where: str
    """`job train: options`; empty for the file itself."""
    text: str
    hint: str = ""


class PlanCheckView(_View):
    """What is wrong with a plan; nothing was done."""

    name: str
    source: str
    jobs: tuple[str, ...]
    """In the order in which they would be submitted."""
    problems: tuple[ProblemView, ...]
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it can be submitted."""
        return not self.problems


class RunView(_View):
    """One attempt of a planned job."""

    id: str
    """Empty while it is not known."""
    how: str
    """`submitted`, `adopted`, `retried`, `file` (it stood in a session file), or how else it came about."""
    step: str
    """`intended`: its submission was begun, and what came of it is not known; `submitted`; `refused`."""
    at: Utc
    status: str = ""
    phase: str = ""
    exit_code: int | None = None


class PlannedView(_View):
    """One job of a plan."""

    name: str
    state: str
    """Its phase, or of one that is not submitted: `planned`, `blocked`, `on its way`, `unsure`, `refused`."""
    status: str = ""
    """The scheduler's own word."""
    id: str = ""
    """Under which it lives, or ended."""
    host: str
    type: str
    uid: str = ""
    """Of the record that watches it; empty: none does."""
    tags: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    runs: tuple[RunView, ...] = ()
    """All attempts that are known, oldest first."""
    text: str = ""
    """What is wrong with it, or what it waits for."""
    exit_code: int | None = None


class GroupView(_View):
    """Jobs that share the values of some tags."""

    tags: tuple[str, ...]
    total: int
    states: Mapping[str, int]


class PlanView(_View):
    """How a plan stands; the answer of submit, watch, resume, suspend and status."""

    name: str
    source: str
    session: str
    suspended: str | None = None
    """Why nothing of it is submitted; None: it is not suspended."""
    suspended_at: Utc | None = None
    counts: Counts
    """Of the jobs that were submitted."""
    planned: int = 0
    """Jobs that are not submitted."""
    jobs: tuple[PlannedView, ...]
    groups: tuple[GroupView, ...] = ()
    done: tuple[str, ...] = ()
    """What this call did, or with a dry run would do, one sentence each."""
    dry_run: bool = False
    news: tuple[Event, ...] = ()
    troubles: tuple[str, ...] = ()
    """What could not be asked or done now; the same call again goes on."""
    notes: tuple[str, ...] = ()


class PlanRow(_View):
    """One plan of a list."""

    name: str
    source: str
    session: str
    jobs: int
    submitted: int
    ended: int
    suspended: str | None = None
    changed_at: Utc | None = None


class PlanListView(_View):
    """All plans of a project."""

    plans: tuple[PlanRow, ...]
