"""What every exit code means: decided once, for all commands."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobwarden.service.once_views import OnceView
    from jobwarden.service.plan_views import PlanView
    from jobwarden.service.reconciling_views import ReconcileView
    from jobwarden.service.told import Ended
    from jobwarden.service.views import DiscoverView, JobView, RegisterView, StatusView
    from jobwarden_registry.errors import JobwardenError


class ExitCode(IntEnum):
    """A script reads these. 1 is never a statement about a job: it is also what a crash of ours gives."""

    OK = 0
    BROKEN = 1
    USAGE = 2
    JOB_FAILED = 3
    COULD_NOT_ASK = 4
    TIME_UP = 5
    NOT_FOUND = 6
    REFUSED = 7
    CHANGED = 8
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS: tuple[tuple[ExitCode, str], ...] = (
    (ExitCode.OK, "asked, and all is well; or what was waited for has happened"),
    (ExitCode.BROKEN, "jobwarden itself could not do it, or doctor found a problem"),
    (ExitCode.USAGE, "wrong arguments, or an id that cannot be one"),
    (ExitCode.JOB_FAILED, "a job failed, was cancelled, is lost, or lacks its output"),
    (ExitCode.COULD_NOT_ASK, "a host or scheduler gave no answer; a state shown is the last known"),
    (ExitCode.TIME_UP, "wait: the time was up; reconcile: it is not decided yet"),
    (ExitCode.NOT_FOUND, "no watched job has that name, or several have"),
    (ExitCode.REFUSED, "cancel, control, stop-all: refused, or it did not work"),
    (ExitCode.CHANGED, "watch --once: something has changed"),
    (ExitCode.INTERRUPTED, "interrupted with Ctrl-C"),
)
"""As shown by `jobwarden --help` and the README."""


def of_error(error: JobwardenError) -> ExitCode:
    """Give the exit code of an error that ends a command."""
    from jobwarden.logs.pattern import PatternError
    from jobwarden.logs.position import CursorError
    from jobwarden.plans.errors import PlanError
    from jobwarden.sources.errors import SourceError
    from jobwarden.sources.plugins import UnknownTypeError
    from jobwarden.transport.errors import TransportError
    from jobwarden_registry.errors import AmbiguousJobError, InvalidIdError, JobNotFoundError

    if isinstance(error, (JobNotFoundError, AmbiguousJobError)):
        return ExitCode.NOT_FOUND
    if isinstance(error, (InvalidIdError, UnknownTypeError, CursorError, PatternError, PlanError)):
        return ExitCode.USAGE
    if isinstance(error, (TransportError, SourceError)):
        return ExitCode.COULD_NOT_ASK
    return ExitCode.BROKEN


def of_status(view: StatusView) -> ExitCode:
    """Give the exit code of a status or wait: unmet first, then a bad end, then what could not be asked."""
    stale = bool(view.troubles) or any(job.stale_since is not None for job in view.jobs)
    if view.met is False:
        return ExitCode.COULD_NOT_ASK if stale else ExitCode.TIME_UP
    if any(ended_badly(job) for job in view.jobs):
        return ExitCode.JOB_FAILED
    if view.met is None and stale:
        return ExitCode.COULD_NOT_ASK
    return ExitCode.OK


def of_register(view: RegisterView) -> ExitCode:
    """Give the exit code of a registration: done, but a job whose host did not answer may not be there at all."""
    silent = any(job.stale_since is not None for job in view.jobs)
    return ExitCode.COULD_NOT_ASK if silent else ExitCode.OK


def of_discover(view: DiscoverView) -> ExitCode:
    """Give the exit code of a search: what a silent host has is not in the list."""
    return ExitCode.COULD_NOT_ASK if view.troubles else ExitCode.OK


def of_reconcile(view: ReconcileView) -> ExitCode:
    """Give the exit code of a look by hand: a bad end or a success without its output, then what nobody could say."""
    if any(ended_badly(row.job) or row.outcome == "contradicted" for row in view.rows):
        return ExitCode.JOB_FAILED
    if view.troubles or any(row.outcome == "not asked" for row in view.rows):
        return ExitCode.COULD_NOT_ASK
    return ExitCode.TIME_UP if any(row.outcome == "undecided" for row in view.rows) else ExitCode.OK


def of_follow(ends: Sequence[Ended]) -> ExitCode:
    """Give the exit code of logs that were followed to the end of their jobs."""
    if any(ended_badly(end.view) for end in ends):
        return ExitCode.JOB_FAILED
    unknown = any(end.unread or not end.view.phase.closed for end in ends)
    return ExitCode.COULD_NOT_ASK if unknown else ExitCode.OK


def of_once(view: OnceView) -> ExitCode:
    """Give the exit code of one pass: a change first, then what could not be asked."""
    if view.changes:
        return ExitCode.CHANGED
    return ExitCode.COULD_NOT_ASK if view.troubles else ExitCode.OK


def of_plan(view: PlanView) -> ExitCode:
    """Give the exit code of a plan's state: a bad end first, then what was refused, then what is not known."""
    states = {job.state for job in view.jobs}
    if states & {"failed", "cancelled", "lost"}:
        return ExitCode.JOB_FAILED
    if "refused" in states:
        return ExitCode.REFUSED
    if view.troubles or states & {"on its way", "unsure"}:
        return ExitCode.COULD_NOT_ASK
    return ExitCode.OK


def ended_badly(job: JobView) -> bool:
    """Whether the job ended in any way but well."""
    return job.phase in {"failed", "cancelled", "lost"}
