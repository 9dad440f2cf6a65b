"""Ending jobs: cancel_job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import anyio

from jobwarden.actions.cancel import CancelReport, Doomed, Order, Reports, request_cancel, why_not
from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import UID, Known, find_jobs
from jobwarden.service.views import CancelRow, CancelView, JobView
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError
from jobwarden_registry.phases import Phase

_REASON_CHARS = 300
_LOOKS_S = (1.0, 2.0, 3.0, 4.0)
"""Waits between looks for the end: each look counts against the quick budget of its host."""
_UNWATCHED = "Its watching is paused: its end is told when that is resumed."
NOT_ASKED_ABOUT = CancelReport("not asked about", "It was not among the jobs that the person was asked about.")


async def cancel(
    desk: Desk,
    caller: Caller,
    *,
    jobs: Sequence[str],
    all_jobs: bool,
    reason: str,
    dry_run: bool,
    force: bool,
    only: Collection[str] | None = None,
) -> CancelView:
    """See `Service.cancel`."""
    if bool(jobs) == all_jobs:
        raise InvalidIdError("Which jobs?", hint="Name them, or pass all=true for this session's; not both.")
    chosen = await choose(desk, caller, jobs, force=force)
    reports: Reports = {}
    doomed: list[Doomed] = []
    for one in chosen:
        report = await _before(desk, caller, one, dry_run=dry_run, force=force)
        if report is None and only is not None and one.record.uid not in only:
            report = NOT_ASKED_ABOUT
        if report is None:
            doomed.append(Doomed(one.session, one.record))
        else:
            reports[one.record.uid] = report
    order = order_of(caller, reason)
    made = await request_cancel(desk.world.rounds, doomed, order)
    reports |= {one.record.uid: report for one, report in zip(doomed, made, strict=True)}
    if any(report.outcome in ("accepted", "failed") for report in made):
        await see_the_end(desk, doomed)
    return await _view(desk, caller, chosen, reports)


async def to_cancel(
    desk: Desk, caller: Caller, *, jobs: Sequence[str], all_jobs: bool, force: bool
) -> dict[str, JobView]:
    """See `Service.to_cancel`."""
    if bool(jobs) == all_jobs:
        return {}
    chosen = await choose(desk, caller, jobs, force=force)
    living = [one for one in chosen if one.live and not one.record.phase.closed]
    doomed = [one for one in living if force or owns(caller, one)]
    views = await desk.views(doomed, caller)
    return {one.record.uid: view for one, view in zip(doomed, views, strict=True)}


def owns(caller: Caller, one: Known) -> bool:
    """Whether the caller's own session watches it."""
    return caller.owns(one.session.entry.session_id)


async def _before(desk: Desk, caller: Caller, one: Known, *, dry_run: bool, force: bool) -> CancelReport | None:
    """Say what becomes of a job for which nothing is asked; None for one that is to be cancelled."""
    owner = one.session.entry.session_id
    if not one.live or one.record.phase.closed:
        return CancelReport("already ended", f"It ended: {one.record.last_status or one.record.phase}.")
    if not owns(caller, one) and not force:
        return CancelReport("refused", f"Session {owner} watches it; pass force=true to end it all the same.")
    if not dry_run:
        return None
    refusal = await why_not(desk.world.rounds, one.record)
    if refusal is not None:
        return CancelReport("refused", refusal)
    return CancelReport("would cancel", "Nothing was done (dry run).")


def order_of(caller: Caller, reason: str) -> Order:
    """Say who asks, and why, for the audit."""
    detail = f", sub-agent {caller.detail}" if caller.detail else ""
    claimed = " (claimed)" if caller.claimed else ""
    if caller.borrower is not None:
        claimed = f" (named by session {caller.borrower})"
    by = f"{caller.agent} session {caller.session_id}{claimed}{detail}"
    return Order(by, caller.borrower or caller.session_id, " ".join(reason.split())[:_REASON_CHARS])


async def choose(desk: Desk, caller: Caller, jobs: Sequence[str], *, force: bool) -> list[Known]:
    """Give the jobs that are named, also of the caller's project, and with `force` of any session; none: all its own.

    Raises:
        JobNotFoundError, AmbiguousJobError: As `find_jobs`.
    """
    # By their uids they are found without the whole past of every session.
    uids = {job.removeprefix(UID) for job in jobs} if all(job.startswith(UID) for job in jobs) else None
    own = await desk.known(await desk.in_scope(caller, project=False), uids)
    if not jobs:
        return [one for one in own if one.live]
    try:
        return find_jobs(own, jobs)
    except JobNotFoundError:
        if not force:
            everyone = await desk.known(await desk.in_scope(caller, project=True), uids)
            return find_jobs(everyone, jobs)
        return find_jobs(await desk.known(await desk.in_scope(caller, project=True, everyone=True), uids), jobs)


async def see_the_end(desk: Desk, doomed: Sequence[Doomed]) -> None:
    """Look until all have ended, for a while: an accepted request is not an end."""
    sessions = list({one.session.entry.session_id: one.session for one in doomed}.values())
    groups = await desk.world.rounds.groups(sessions, also_paused=True)
    wanted = {one.record.uid for one in doomed if one.record.paused is None}  # of that one nothing is taken in
    concerned = [group for group in groups.values() if any(record.uid in wanted for record in group.records)]
    with anyio.move_on_after(desk.world.config.clocks.cancel_grace_s):
        for wait_s in _LOOKS_S if wanted else ():
            await anyio.sleep(wait_s)
            for group in concerned:
                await desk.check(group, max_age_s=0.0, quick=True)
            live = {
                one.record.uid for one in await desk.known(sessions, ()) if one.live and not one.record.phase.closed
            }
            if not wanted & live:
                return


async def _view(desk: Desk, caller: Caller, chosen: Sequence[Known], reports: Reports) -> CancelView:
    sessions = list({one.session.entry.session_id: one.session for one in chosen}.values())
    async with desk.news.telling(await desk.session(caller), caller) as told:
        uids = {one.record.uid for one in chosen}
        now = {one.record.uid: one for one in await desk.known(sessions, uids)}
        rows: list[CancelRow] = []
        for one in chosen:
            fresh = now.get(one.record.uid, one)
            ended = not fresh.live or fresh.record.phase.closed
            report = _after(reports[one.record.uid], fresh, ended=ended)
            job = await desk.view(fresh, caller)
            if job.paused_because is not None and report.outcome == "accepted" and not ended:
                report = replace(report, text=f"{report.text} {_UNWATCHED}".strip())
            rows.append(CancelRow(job=job, outcome=report.outcome, text=report.text, ended=ended))
        return CancelView(rows=tuple(rows), news=told)


def _after(report: CancelReport, fresh: Known, *, ended: bool) -> CancelReport:
    """Say what became of a request whose outcome was not known, when the job's own end has told."""
    if report.outcome != "failed" or not ended:
        return report
    outcome = "accepted" if fresh.record.phase is Phase.CANCELLED else "already ended"
    return CancelReport(outcome, f"It has ended: {fresh.record.last_status}. (At first: {report.text})")
