"""Why a job is in its state, and which job is meant."""

from __future__ import annotations

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known, find_job
from jobwarden.service.past.story import events_of
from jobwarden.service.views import ExplainView
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.events import Event, EventKind

_STALENESS = {"stale_since", "stale_because"}


async def explain(desk: Desk, caller: Caller, job: str) -> ExplainView:
    """See `Service.explain`."""
    one = await find(desk, caller, job)
    events = await desk.world.sessions.call(one.session, lambda session: events_of(session, one.record.uid))
    now = next((event.evidence for event in reversed(events) if _decides(event)), None)
    return ExplainView(job=await desk.view(one, caller), events=events, now=now)


async def find(desk: Desk, caller: Caller, job: str) -> Known:
    """Find one job of the caller's session, or else of its project.

    Raises:
        JobNotFoundError, AmbiguousJobError: As `find_job`.
    """
    try:
        return find_job(await desk.known(await desk.in_scope(caller, project=False)), job)
    except JobNotFoundError:
        return find_job(await desk.known(await desk.in_scope(caller, project=True)), job)


def _decides(event: Event) -> bool:
    """Whether a state rests on this event's evidence; a question that got no answer decides none."""
    if event.evidence is None:
        return False
    return event.event != EventKind.UPDATED or not set(event.change or {}) <= _STALENESS
