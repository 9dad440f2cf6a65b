"""What an agent reads from a hook: facts, short, nothing that orders it about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jobwarden.cli.words import clean, event_line, state
from jobwarden.delivery.news import is_urgent
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase

if TYPE_CHECKING:
    from jobwarden.service.views import HookView, JobView
    from jobwarden_registry.events import Event

_MOST_JOBS = 6
_MOST_EVENTS = 24
_LINE_CHARS = 300
_MOST_CHARS = 9500
"""Claude Code 2.1.328 takes 10,000 characters from a hook."""


def hook_text(view: HookView, now: datetime) -> str:
    """Write what a session is told; empty where there is nothing."""
    said: list[str] = []
    if view.jobs:
        said.append(f"jobwarden watches {_jobs(view.jobs)} for this session.")
    if view.orphans:
        said.append(
            f"{view.orphans} watched job(s) of this project belong to sessions that are gone: check_status with "
            "scope=project shows them, register_job takes one over."
        )
    if view.news:
        said.append("Since you were last told:" if view.jobs else "jobwarden, news of watched jobs:")
        said += _events(view.news, now)
    for offer in view.offers:
        named = ", ".join(clean(one) for one in offer.ids[:_MOST_JOBS])
        more = f" and {len(offer.ids) - _MOST_JOBS} more" if len(offer.ids) > _MOST_JOBS else ""
        said.append(
            f"{len(offer.ids)} {offer.type} job(s) of this user on {clean(offer.host)} are watched by nobody: "
            f"{named}{more}. discover_jobs with adopt watches those that are meant; this is said once."
        )
    return "\n".join(said)[:_MOST_CHARS]


def _jobs(jobs: Sequence[JobView]) -> str:
    named = [f"{_label(job)} {state(job)}" for job in jobs[:_MOST_JOBS]]
    if len(jobs) > _MOST_JOBS:
        named.append(f"{len(jobs) - _MOST_JOBS} more")
    return f"{len(jobs)} job(s) ({', '.join(named)})"


def _label(job: JobView) -> str:
    name = f" {clean(job.name)}" if job.name else ""
    where = "" if job.host == "localhost" else f" on {clean(job.host)}"
    return f"{job.type} {clean(job.id)}{name}{where}"


def _events(events: Sequence[Event], now: datetime) -> list[str]:
    """Write the events, of too many those that matter most, in their order: all count as told after this."""
    by_weight = sorted(range(len(events)), key=lambda at: (_weight(events[at]), at))
    lines = [_line(events[at], now) for at in sorted(by_weight[-_MOST_EVENTS:])]
    left = len(events) - len(lines)
    more = (
        f"and {left} more, which weigh less: check_status shows where all jobs stand, resource events://recent has all"
    )
    return [more, *lines] if left else lines


def _weight(event: Event) -> int:
    """Say how much is missed with an event: a job's good end is more than its beginning, and less than a bad one."""
    if not is_urgent(event):
        return 0
    return 1 if event.event == EventKind.FINISHED and event.phase == Phase.SUCCEEDED else 2


def _line(event: Event, now: datetime) -> str:
    code = (event.record or {}).get("exit_code")
    more = f"; exit code {code}" if isinstance(code, int) and code else ""
    return f"{event_line(event, now)}{more}"[:_LINE_CHARS]
