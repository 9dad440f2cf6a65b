"""What is told while the logs of jobs are followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from jobwarden.logs.colours import Line
from jobwarden.service.views import JobView


@dataclass(frozen=True, slots=True)
class Began:
    """Told first, and once: the jobs, in the order by which all that follows counts them."""

    jobs: tuple[JobView, ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """A job's log has grown.

    Attributes:
        job: Which.
        lines: What comes next; each line once.
        pending: What stands after them now and may yet change; it replaces what was told before.
    """

    job: int
    lines: tuple[Line, ...]
    pending: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Noted:
    """Something is to be said about a job or its log; text of ours and of its host."""

    job: int
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job has ended, and its log was told to the last byte, unless `unread` says that it could not be read."""

    job: int
    view: JobView
    unread: bool


Told = Began | Wrote | Noted | Ended
Tell = Callable[[Told], Awaitable[None]]
