"""What the board shows: one snapshot that the screen, the page, the JSON and the metrics share."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError

from jobwarden.service.views import Counts, JobView, WatcherView
from jobwarden_registry.model import Utc
from jobwarden_registry.phases import Phase


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


def json_text(view: BaseModel, *, indent: int | None = None) -> str:
    """Write a view as JSON, also where a name is no UTF-8 (half of a surrogate pair, which only JSON's escapes say)."""
    try:
        return view.model_dump_json(indent=indent)
    except PydanticSerializationError:
        return json.dumps(view.model_dump(mode="json"), indent=indent)


class BoardJob(_View):
    """One job of whichever session."""

    uid: str
    """Names it to `Board.tail` and `Board.cancel`."""
    session: str
    project: str
    job: JobView
    progress: str = ""
    """What it has come to, or how far it is, in its source's words. Partly the job's own: data."""
    notes: tuple[str, ...] = ()
    """What was done to it that it does not show itself."""


class BoardHost(_View):
    """One source on one host, as its last answer left it."""

    type: str
    host: str
    jobs: int
    """Living ones."""
    asked_at: Utc | None
    age_s: float | None
    """Of the last whole answer; None: there was none, or not since this machine started."""
    failing_since: Utc | None = None
    failure: str = ""
    """Why it could not be asked the last time: `code: text`."""
    next_try_at: Utc | None = None
    notes: tuple[str, ...] = ()


class BoardSession(_View):
    """One session that watches something, or has lately."""

    session: str
    agent: str
    project: str
    last_seen_at: Utc
    gone: bool
    """Whether its client is known to be gone: another session may take its jobs over."""
    living: int = 0
    ended: int = 0
    trouble: str = ""
    """Why it cannot be read; its jobs are not shown then."""
    notes: tuple[str, ...] = ()


class BoardView(_View):
    """All that this user's sessions watch, from the registry and the ledger; no host was asked for it."""

    at: Utc
    version: str
    counts: Counts
    """Of the jobs, the left out ones among them."""
    jobs: tuple[BoardJob, ...]
    """What ended badly first, then what lives, then the rest; within that the latest first."""
    left_out: int = 0
    hosts: tuple[BoardHost, ...]
    sessions: tuple[BoardSession, ...]
    watcher: WatcherView
    notes: tuple[str, ...] = ()
    """What the reader must know about all of it."""


class JobsMetric(_View):
    """How many jobs stand so."""

    phase: Phase
    type: str
    host: str
    jobs: int


class CountMetric(_View):
    """A count of `transport.tally`, of all processes since this machine started."""

    what: str
    host: str
    type: str
    code: str
    count: int


class MetricsView(_View):
    """What a monitoring system wants to know."""

    at: Utc
    version: str
    watcher: WatcherView
    jobs: tuple[JobsMetric, ...]
    hosts: tuple[BoardHost, ...]
    counts: tuple[CountMetric, ...]
    unreadable: int
    """Sessions that cannot be read."""
