"""What reconcile answers, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import JobView
from jobwarden_registry.events import Event
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class OutputView(_View):
    """One expected output, and what was seen of it."""

    expect: str
    """As it is written: `m.pt >= 1024`, `log ~ done`."""
    found: bool | None
    """None: it could not be looked for; the line says why."""
    line: str


class ReconciledRow(_View):
    """What became of one job."""

    job: JobView
    """As it is now."""
    was: Phase
    was_status: str
    """As it was before this look."""
    outcome: str
    """`as it was`, `changed`, `undecided` (nowhere, and not for long enough), `contradicted` (its end is recorded, and
    what is there now does not fit it), or `not asked` (who would know did not answer)."""
    text: str
    expects: bool
    """Whether any output was expected, by its registration or by this call."""
    outputs: tuple[OutputView, ...] = ()
    seen: Evidence | None = None
    """What its source was asked and answered now."""


class ReconcileView(_View):
    """The answer of reconcile."""

    rows: tuple[ReconciledRow, ...]
    troubles: tuple[str, ...] = ()
    """What could not be asked, one sentence each."""
    notes: tuple[str, ...] = ()
    news: tuple[Event, ...] = ()
