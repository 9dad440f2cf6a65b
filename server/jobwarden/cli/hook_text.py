"""What an agent reads from a hook: facts, short, nothing that orders it about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jobwarden.cli.words import clean, event_line, state

if TYPE_CHECKING:
    from jobwarden.service.views import HookView, JobView
    from jobwarden_registry.events import Event

_MOST_JOBS = 6
_MOST_EVENTS = 12
_LINE_CHARS = 300


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
    return "\n".join(said)


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
    lines = [_line(event, now) for event in events[-_MOST_EVENTS:]]
    left = len(events) - len(lines)
    return [f"and {left} earlier", *lines] if left else lines


def _line(event: Event, now: datetime) -> str:
    code = (event.record or {}).get("exit_code")
    more = f"; exit code {code}" if isinstance(code, int) and code else ""
    return f"{event_line(event, now)}{more}"[:_LINE_CHARS]
