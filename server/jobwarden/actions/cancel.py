"""Asking for the end of jobs: intent is journaled before the deed, and what came of it after."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
from pydantic import JsonValue

from jobwarden.actions.deeds import RUN
from jobwarden.actions.hanging import cancelled_in_slurm
from jobwarden.actions.planning import run_of
from jobwarden.delivery.news import BY_SESSION
from jobwarden.sources.base import CancelOutcome, Cancels
from jobwarden.sources.plugins import guarded
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doomed:
    """One job to be ended, and whose registry it stands in."""

    session: Session
    record: JobRecord


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants it, and why; for the audit.

    Attributes:
        by: `codex session 01ab…`.
        session_id: The asking session.
        reason: In the asker's words.
    """

    by: str
    session_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancelReport:
    """What became of one request.

    Attributes:
        outcome: `accepted`, `refused` or `failed` (nothing is known of what it did).
        text: What the source said.
    """

    outcome: str
    text: str


Reports = dict[str, CancelReport]
"""By the record's `uid`."""


async def why_not(rounds: Rounds, record: JobRecord) -> str | None:
    """Say why nobody here could cancel this job, or None. Asks nothing and changes nothing."""
    try:
        source = rounds.source(record)
        target = await rounds.target(record)
    except JobwardenError as error:
        return str(error)
    if not isinstance(source, Cancels):
        return f"{record.type} jobs cannot be cancelled."
    if rounds.elsewhere(target.key.site):
        return "It runs on another machine; cancel it there."
    return None


async def request_cancel(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, *, lease: str | None = None
) -> list[CancelReport]:
    """Ask each job's source for its end; one report for each job, in order. One host's failure is its own.

    Args:
        rounds: How to reach the sources.
        doomed: The jobs, live ones.
        order: Who asks, and why.
        lease: The watcher's token; a lost lease cancels nothing.
    """
    reports: Reports = {}
    groups: dict[Target, list[Doomed]] = {}
    for asked in doomed:
        uid = asked.record.uid
        one, called_off = await _called_off(rounds, asked, order, lease)
        if called_off:
            reports[uid] = CancelReport("accepted", "Its run has ended; it is not started again.")
            continue
        refusal = await why_not(rounds, one.record) or await _note_intent(rounds, one, order, lease)
        if refusal is not None:
            reports[uid] = CancelReport("refused", refusal)
            continue
        groups.setdefault(await rounds.target(one.record), []).append(one)
    for target, group in groups.items():
        made = await _cancel_group(rounds, target, group)
        for one in group:
            reports[one.record.uid] = await _note_outcome(rounds, one, order, lease, made[one.record.uid])
    return [reports[one.record.uid] for one in doomed]


async def _cancel_group(rounds: Rounds, target: Target, group: Sequence[Doomed]) -> Reports:
    wanted = wanted_of_all([one.record for one in group])
    clocks = rounds.config.clocks
    limit_s = 2 * clocks.ask_timeout_s + clocks.connect_timeout_s + clocks.cancel_grace_s
    source = rounds.source(group[0].record)
    outcomes: Mapping[str, CancelOutcome] = {}
    silence = f"No answer within {limit_s:.0f} s; whether it was cancelled is not known."
    try:
        with guarded(target.key.type), anyio.move_on_after(limit_s) as scope:
            assert isinstance(source, Cancels)  # `why_not` looked
            async with rounds.host(target) as host:
                outcomes = await source.cancel(host, wanted)
            outcomes = await cancelled_in_slurm(rounds, target, source, outcomes)
        if not scope.cancelled_caught:
            silence = "The source said nothing about it."
    except JobwardenError as error:
        silence = str(error)
    return {one.record.uid: _report(outcomes.get(one.record.id), silence) for one in group}


def _report(outcome: CancelOutcome | None, silence: str) -> CancelReport:
    if outcome is None:
        return CancelReport("failed", silence)
    if outcome.failed and not outcome.accepted:
        return CancelReport("failed", outcome.text)
    return CancelReport("accepted" if outcome.accepted else "refused", outcome.text)


async def _called_off(rounds: Rounds, one: Doomed, order: Order, lease: str | None) -> tuple[Doomed, bool]:
    """Note that a job whose run has failed is not to be started again; answers the job as it stands, and whether so."""
    if one.record.held is None:
        return one, False

    def write(session: Session) -> JobRecord | None:
        with session.transaction(lease=lease, own=False) as transaction:
            now = transaction.jobs.get(one.record.uid)
            if now is not None and now.held is not None:
                text = f"by {order.by}: {order.reason or 'no reason given'}"
                extra: dict[str, JsonValue] = {BY_SESSION: order.session_id, RUN: now.held.run}
                transaction.note(text, kind=EventKind.CANCEL_REQUESTED, uid=now.uid, extra=extra)
            return now

    now = await rounds.sessions.call(one.session, write)
    return Doomed(one.session, now or one.record), now is not None and now.held is not None


async def _note_intent(rounds: Rounds, one: Doomed, order: Order, lease: str | None) -> str | None:
    """Journal what is going to be done; answers why nothing may be done when that cannot be."""
    text = f"by {order.by}: {order.reason or 'no reason given'}"
    try:
        await _journal(rounds, one, EventKind.CANCEL_REQUESTED, text, order, lease)
    except JobwardenError as error:
        return f"It cannot be noted who asked for it, so nothing was done: {error}"
    return None


async def _note_outcome(
    rounds: Rounds, one: Doomed, order: Order, lease: str | None, report: CancelReport
) -> CancelReport:
    text = f"cancel by {order.by}: {report.outcome}: {report.text}"
    try:
        await _journal(rounds, one, EventKind.ACTION, text, order, lease)
    except JobwardenError as error:  # it is done; to say that it failed would be wrong
        log.warning("session %s: %s", one.session.entry.session_id, error)
        return CancelReport(report.outcome, f"{report.text} (That could not be journaled: {error.text})")
    return report


async def _journal(rounds: Rounds, one: Doomed, kind: EventKind, text: str, order: Order, lease: str | None) -> None:
    def write(session: Session) -> None:
        with session.transaction(lease=lease, own=False) as transaction:
            extra: dict[str, JsonValue] = {BY_SESSION: order.session_id, RUN: run_of(one.record)}
            transaction.note(text, kind=kind, uid=one.record.uid, extra=extra)

    await rounds.sessions.call(one.session, write)
