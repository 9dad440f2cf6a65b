"""Asking for the end of jobs: intent is journaled before the deed, and what came of it after."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
from pydantic import JsonValue

from jobwarden.actions.audit_keys import BY, DID, RESULT, WHY
from jobwarden.actions.hanging import cancelled_in_slurm
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
    able: list[Doomed] = []
    for one in doomed:
        refusal = await why_not(rounds, one.record)
        if refusal is None:
            able.append(one)
        else:
            reports[one.record.uid] = CancelReport("refused", refusal)
    unnoted = await _note_intents(rounds, able, order, lease)
    groups: dict[Target, list[Doomed]] = {}
    for one in able:
        if one.record.uid in unnoted:
            reports[one.record.uid] = CancelReport("refused", unnoted[one.record.uid])
        else:
            groups.setdefault(await rounds.target(one.record), []).append(one)
    for target, group in groups.items():
        made = await _cancel_group(rounds, target, group)
        reports |= await _note_outcomes(rounds, group, order, lease, made)
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


async def _note_intents(rounds: Rounds, doomed: Sequence[Doomed], order: Order, lease: str | None) -> dict[str, str]:
    """Journal what is going to be done; answers, by uid, why nothing may be done where that cannot be."""
    text = f"by {order.by}: {order.reason or 'no reason given'}"
    unnoted: dict[str, str] = {}
    for group in _by_session(doomed):
        lines: _Lines = {one.record.uid: (text, {}) for one in group}
        try:
            await _journal(rounds, group[0].session, EventKind.CANCEL_REQUESTED, lines, order, lease)
        except JobwardenError as error:
            why = f"It cannot be noted who asked for it, so nothing was done: {error}"
            unnoted |= dict.fromkeys(lines, why)
    return unnoted


async def _note_outcomes(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, lease: str | None, made: Reports
) -> Reports:
    noted = dict(made)
    for group in _by_session(doomed):
        reports = {one.record.uid: made[one.record.uid] for one in group}
        lines = {
            uid: (f"cancel by {order.by}: {report.outcome}: {report.text}", {RESULT: report.outcome})
            for uid, report in reports.items()
        }
        try:
            await _journal(rounds, group[0].session, EventKind.ACTION, lines, order, lease)
        except JobwardenError as error:  # it is done; to say that it failed would be wrong
            log.warning("session %s: %s", group[0].session.entry.session_id, error)
            for uid, report in reports.items():
                noted[uid] = CancelReport(report.outcome, f"{report.text} (That could not be journaled: {error.text})")
    return noted


def _by_session(doomed: Sequence[Doomed]) -> list[list[Doomed]]:
    groups: dict[str, list[Doomed]] = {}
    for one in doomed:
        groups.setdefault(one.session.entry.session_id, []).append(one)
    return list(groups.values())


_Lines = Mapping[str, tuple[str, Mapping[str, JsonValue]]]
"""By uid: a text, and what else the event says."""


async def _journal(
    rounds: Rounds, session: Session, kind: EventKind, lines: _Lines, order: Order, lease: str | None
) -> None:
    """Write one event for each job, all at once: a hundred jobs are one write."""
    about: dict[str, JsonValue] = {BY_SESSION: order.session_id, DID: "cancel", BY: order.by, WHY: order.reason}

    def write(session: Session) -> None:
        with session.transaction(lease=lease, own=False) as transaction:
            for uid, (text, extra) in lines.items():
                transaction.note(text, kind=kind, uid=uid, extra={**about, **extra})

    await rounds.sessions.call(session, write)
