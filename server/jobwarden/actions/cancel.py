"""Asking something of jobs, their end above all: intent is journaled before the deed, and what came of it after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
from pydantic import JsonValue

from jobwarden.actions.audit_keys import BY, DID, RESULT, WHY
from jobwarden.actions.deeds import RUN, SITE
from jobwarden.actions.hanging import Ask, done_in_slurm
from jobwarden.delivery.news import BY_SESSION
from jobwarden.sources.base import CancelOutcome, Cancels, Host, Source, Wanted
from jobwarden.sources.plugins import guarded
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.errors import JobNotFoundError, JobwardenError, NewerRecordError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import EndAsked, JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

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
        seen: Of what was accepted: whether a look has shown it since; None where none can, or will.
    """

    outcome: str
    text: str
    seen: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of jobs.

    Attributes:
        verb: `cancel`, `hold`, as the audit has it.
        ask: How a source is asked.
        cannot: Why this source cannot do it; None where it can.
        kind: The event that tells of the intent.
        ends: Whether it asks for the end of a run: then that end tells who did.
        extra: For that event.
    """

    verb: str
    ask: Ask
    cannot: Callable[[Source, JobRecord], str | None]
    kind: EventKind
    ends: bool = False
    extra: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


Reports = dict[str, CancelReport]
"""By the record's `uid`."""


async def _cancel(source: Source, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
    assert isinstance(source, Cancels)  # `cannot` looked
    return await source.cancel(host, wanted)


def _cannot_cancel(source: Source, record: JobRecord) -> str | None:
    return None if isinstance(source, Cancels) else f"{record.type} jobs cannot be cancelled."


CANCEL = Request("cancel", _cancel, _cannot_cancel, EventKind.CANCEL_REQUESTED, ends=True)


async def why_not(rounds: Rounds, record: JobRecord, request: Request = CANCEL) -> str | None:
    """Say why nobody here could do this to this job, or None. Asks nothing and changes nothing."""
    try:
        source = rounds.source(record)
        target = await rounds.target(record)
    except JobwardenError as error:
        return str(error)
    refusal = request.cannot(source, record)
    if refusal is None and rounds.elsewhere(target.key.site):
        return f"It runs on another machine; {request.verb} it there."
    return refusal


async def request_cancel(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, *, lease: str | None = None
) -> list[CancelReport]:
    """Ask each job's source for its end; see `carry_request`."""
    return await carry_request(rounds, doomed, order, CANCEL, lease=lease)


async def carry_request(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, request: Request, *, lease: str | None = None
) -> list[CancelReport]:
    """Ask each job's source for this; one report for each job, in order. One host's failure is its own.

    Args:
        rounds: How to reach the sources.
        doomed: The jobs, live ones.
        order: Who asks, and why.
        request: What for.
        lease: The watcher's token; a lost lease asks for nothing.
    """
    reports: Reports = {}
    able: list[Doomed] = []
    for asked in doomed:
        one, called_off = await _called_off(rounds, asked, order, request, lease)
        refusal = None if called_off else await why_not(rounds, one.record, request)
        if called_off:
            reports[one.record.uid] = CancelReport("accepted", "Its run has ended; it is not started again.")
        elif refusal is not None:
            reports[one.record.uid] = CancelReport("refused", refusal)
        else:
            able.append(one)
    reports |= await _note_intents(rounds, able, order, request, lease)
    groups: dict[Target, list[Doomed]] = {}
    for one in able:
        if one.record.uid not in reports:
            groups.setdefault(await rounds.target(one.record), []).append(one)
    for target, group in groups.items():
        made = await _ask_group(rounds, target, group, request)
        reports |= await _note_outcomes(rounds, group, order, request, lease, made)
    return [reports[one.record.uid] for one in doomed]


async def _ask_group(rounds: Rounds, target: Target, group: Sequence[Doomed], request: Request) -> Reports:
    wanted = wanted_of_all([one.record for one in group])
    clocks = rounds.config.clocks
    limit_s = 2 * clocks.ask_timeout_s + clocks.connect_timeout_s + clocks.cancel_grace_s
    source = rounds.source(group[0].record)
    outcomes: Mapping[str, CancelOutcome] = {}
    silence = f"No answer within {limit_s:.0f} s; whether it was done is not known."
    try:
        with guarded(target.key.type), anyio.move_on_after(limit_s) as scope:
            async with rounds.host(target) as host:
                outcomes = await request.ask(source, host, wanted)
            outcomes = await done_in_slurm(rounds, target, source, outcomes, request.ask)
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
    return CancelReport("accepted" if outcome.accepted else "refused", outcome.text, outcome.seen)


async def _called_off(
    rounds: Rounds, one: Doomed, order: Order, request: Request, lease: str | None
) -> tuple[Doomed, bool]:
    """Note that a job whose run has failed is not to be started again; answers the job as it stands, and whether so."""
    if not request.ends or one.record.held is None or await _note_intents(rounds, [one], order, request, lease):
        return one, False
    uid = one.record.uid
    now = await rounds.sessions.call(
        one.session, lambda session: next((each for each in session.load() if each.uid == uid), None)
    )
    return Doomed(one.session, now or one.record), now is not None and now.held is not None


async def _note_intents(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, request: Request, lease: str | None
) -> Reports:
    """Journal what is going to be done, a session's jobs at once; answers refusals where that cannot be."""
    text = f"by {order.by}: {order.reason or 'no reason given'}"
    if request.kind is EventKind.CONTROL:
        text = f"{request.verb} {text}"
    now = rounds.clock()

    def note(transaction: Transaction, one: Doomed) -> None:
        record = transaction.jobs.get(one.record.uid)
        extra: dict[str, JsonValue] = {**request.extra, **_about(order, request)}
        if request.ends:
            extra |= {RUN: _run(one.record), SITE: one.record.site}
        if record is not None and request.ends:
            asked = EndAsked(by=order.by, reason=order.reason, at=now, run=_run(one.record), runs=_runs(one.record))
            try:
                after = record.changed(end_asked=asked)
                transaction.change(record.uid, after, request.kind, text=text, extra=extra)
            except (JobNotFoundError, NewerRecordError):  # then its end will not tell who asked for it
                pass
            else:
                return
        transaction.note(text, kind=request.kind, uid=one.record.uid, extra=extra)

    refused: Reports = {}
    for group in _by_session(doomed):
        try:
            await _write(rounds, group, lease, note)
        except JobwardenError as error:
            why = f"It cannot be noted who asked for it, so nothing was done: {error}"
            refused |= {one.record.uid: CancelReport("refused", why) for one in group}
    return refused


async def _note_outcomes(
    rounds: Rounds, doomed: Sequence[Doomed], order: Order, request: Request, lease: str | None, made: Reports
) -> Reports:
    def note(transaction: Transaction, one: Doomed) -> None:
        report = made[one.record.uid]
        text = f"{request.verb} by {order.by}: {report.outcome}: {report.text}"
        record = transaction.jobs.get(one.record.uid)
        extra: dict[str, JsonValue] = {**_about(order, request), RESULT: report.outcome}
        refused = request.ends and report.outcome == "refused"
        if refused and record is not None and record.end_asked is not None and record.end_asked.by == order.by:
            # What was asked for earlier, and taken, is asked for still.
            after = record.changed(end_asked=one.record.end_asked)
            transaction.change(record.uid, after, EventKind.ACTION, text=text, extra=extra)
            return
        transaction.note(text, kind=EventKind.ACTION, uid=one.record.uid, extra=extra)

    noted = dict(made)
    for group in _by_session(doomed):
        try:
            await _write(rounds, group, lease, note)
        except JobwardenError as error:  # it is done; to say that it failed would be wrong
            log.warning("session %s: %s", group[0].session.entry.session_id, error)
            for uid in (one.record.uid for one in group):
                text = f"{made[uid].text} (That could not be journaled: {error.text})"
                noted[uid] = replace(made[uid], text=text)
    return noted


def _about(order: Order, request: Request) -> dict[str, JsonValue]:
    return {BY_SESSION: order.session_id, DID: request.verb, BY: order.by, WHY: order.reason}


def _by_session(doomed: Sequence[Doomed]) -> list[list[Doomed]]:
    groups: dict[str, list[Doomed]] = {}
    for one in doomed:
        groups.setdefault(one.session.entry.session_id, []).append(one)
    return list(groups.values())


def _run(record: JobRecord) -> str:
    return record.resubmitted_as or record.id


def _runs(record: JobRecord) -> int:
    return max(1, len(record.attempts))


async def _write(
    rounds: Rounds, group: Sequence[Doomed], lease: str | None, note: Callable[[Transaction, Doomed], None]
) -> None:
    """Write about all of these jobs of one session at once: a hundred are one write."""

    def write(session: Session) -> None:
        with session.transaction(lease=lease, own=False) as transaction:
            for one in group:
                note(transaction, one)

    await rounds.sessions.call(group[0].session, write)
