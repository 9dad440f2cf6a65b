"""Where the jobs stand: check_status, and what every wait ends with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from jobwarden.identity import Caller
from jobwarden.service.compose import count
from jobwarden.service.desk import Asked, Desk
from jobwarden.service.halted import halted_notes
from jobwarden.service.names import Known, describe, find_jobs
from jobwarden.service.taking_over import orphans_note
from jobwarden.service.views import StatusView
from jobwarden.verdict.pausing import hanging, is_paused, told
from jobwarden_registry.session import Session

Scope = Literal["session", "project"]
_NOTHING = "Nothing is being watched in this session; register a job first."


async def status(desk: Desk, caller: Caller, *, jobs: Sequence[str], refresh: bool, scope: Scope) -> StatusView:
    """See `Service.status`."""
    asked = Asked()
    sessions = await desk.in_scope(caller, project=scope == "project", troubles=asked.troubles)
    wanted = await choose(desk, sessions, jobs)
    if refresh and sessions:
        looked = await desk.refresh(sessions, about=_live(wanted))
        looked.troubles[:0] = asked.troubles
        asked = looked
    live = [one for one in await desk.known(sessions) if one.live]
    if len(await desk.paused(live)) < len(live) and (trouble := await desk.ensure_watcher()):
        asked.troubles.append(trouble)
    asked.troubles += await orphans_note(desk, caller, sessions)
    return await status_view(desk, caller, sessions, wanted, asked)


async def choose(desk: Desk, sessions: Sequence[Session], jobs: Sequence[str]) -> list[Known]:
    """Give the jobs named, or those of "2 of 4".

    Raises:
        JobNotFoundError, AmbiguousJobError: As `find_jobs`.
    """
    if jobs:
        return find_jobs(await desk.known(sessions), jobs)
    return await desk.current(sessions)


def _live(known: Sequence[Known]) -> set[str]:
    return {one.record.uid for one in known if one.live}


async def status_view(
    desk: Desk,
    caller: Caller,
    sessions: Sequence[Session],
    chosen: Sequence[Known],
    asked: Asked,
    *,
    telling: bool = True,
) -> StatusView:
    """Show jobs as they are now; with what this caller has not been told yet, which is then noted as shown.

    Args:
        desk: Shared by the use cases.
        caller: Who is told.
        sessions: Where the jobs are; the caller's own first, if it has one.
        chosen: The jobs.
        asked: What became of the look at them.
        telling: False tells no news, and notes none as shown.
    """
    own = sessions[0] if telling and sessions and sessions[0].entry.session_id == caller.session_id else None
    async with desk.news.telling(own, caller) as fresh_news:
        # Read after the news, so that no row is older than what is told of it.
        now = {one.record.uid: one for one in await desk.known(sessions)}
        fresh = [now.get(one.record.uid, replace(one, live=False)) for one in chosen]
        return StatusView(
            counts=count(one.record for one in fresh),
            news=fresh_news,
            jobs=await desk.views(fresh, caller),
            troubles=_troubles(fresh, {one.record.uid for one in await desk.paused(fresh)}),
            notes=(
                *asked.notes(),
                *await halted_notes(desk, sessions),
                *await paused_notes(desk, fresh),
                *([] if fresh else [_NOTHING]),
            ),
        )


async def paused_notes(desk: Desk, chosen: Sequence[Known]) -> list[str]:
    """Say which of these nobody watches, one sentence for each reason."""
    paused = await desk.world.rounds.paused()
    found: dict[str, list[Known]] = {}
    for one in await desk.paused(chosen):
        pause = paused.of(one.session.entry.session_id, one.record)
        assert pause is not None  # `Desk.paused` looked
        found.setdefault(told(pause), []).append(one)
    known = {one.record.uid for jobs in found.values() for one in jobs}
    for one in chosen:
        if one.live and one.record.uid not in known and (why := hanging(one.record, paused)) is not None:
            found.setdefault(why, []).append(one)
    return [
        f"{_named(jobs)} not watched {why}: the last known state is shown, and no news comes until watching is resumed."
        for why, jobs in found.items()
    ]


def _named(jobs: Sequence[Known]) -> str:
    if len(jobs) == 1:
        return f"{describe(jobs[0].record)} is"
    return f"{len(jobs)} jobs ({', '.join(one.record.id for one in jobs[:5])}{', ...' if len(jobs) > 5 else ''}) are"


def _troubles(known: Sequence[Known], paused: Collection[str]) -> tuple[str, ...]:
    """One sentence for each host and cause that keeps jobs stale; what is paused, by its uid, is none."""
    found: dict[tuple[str, str], list[Known]] = {}
    for one in known:
        if one.record.uid in paused or is_paused(one.record):
            continue
        if one.live and one.record.stale_because is not None:
            found.setdefault((one.record.host, one.record.stale_because), []).append(one)
    sentences: list[str] = []
    for (host, because), jobs in found.items():
        since = min(one.record.stale_since for one in jobs if one.record.stale_since is not None)
        sentences.append(
            f"{host} could not be asked since {since:%Y-%m-%d %H:%M:%S}Z about {len(jobs)} job(s): {because}"
        )
    return tuple(sentences)
