"""What is answered about jobs that were controlled, and about watching that was paused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import JobView
from jobwarden_registry.events import Event


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ControlRow(_View):
    """What became of one job."""

    job: JobView
    outcome: str
    """`done` (a look has shown it), `accepted` (nothing has shown it yet, or can), `already ended`, `refused`, `failed`
    (not known), `open` (a resubmission that is not over; the same call goes on with it) or `not asked about`."""
    text: str
    """What is seen of it, or why it is not done and what helps instead."""


class ControlView(_View):
    """The answer of control_job."""

    action: str
    rows: tuple[ControlRow, ...]
    notes: tuple[str, ...] = ()
    news: tuple[Event, ...] = ()


class PausedView(_View):
    """One host, session or job that is not watched."""

    kind: str
    """`host`, `session` or `job`."""
    what: str
    since: str
    """Since when, why, and who wanted that, in words."""
