"""The job that was submitted becomes an attempt of the record whose rule did so; or nothing is noted at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from jobwarden.actions.book import Book
from jobwarden.actions.deeds import CLAIMED, RULES_OF, RULES_PAUSED, SUBMITTED, After, Deed, Known, note_after
from jobwarden.actions.errors import NotYetError
from jobwarden.actions.planning import run_of
from jobwarden.delivery.news import TOLD
from jobwarden.sources.base import Host, Seen, Wanted
from jobwarden.verdict.apply import write_draft
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.engine import judge
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Found:
    """The new job, as it was seen.

    Attributes:
        new_id: Its id.
        seen: What was seen.
        asked_at: When that was asked.
        text: Whose doing it is, for people.
    """

    new_id: str
    seen: Seen
    asked_at: datetime
    text: str


async def adopt(book: Book, record: JobRecord, deed: Deed, new_id: str, host: Host, *, text: str) -> None:
    """Make the new job an attempt of the same record, on the evidence of its own look; the engine decides.

    Args:
        book: The deed's.
        record: The job.
        deed: What was done.
        new_id: What it was submitted as.
        host: Where.
        text: Whose doing it is, for people.

    Raises:
        NotYetError: It is not seen yet, or no record would follow it.
        TransportError, SourceError: It could not be asked about.
        RegistryError: The session cannot be written.
    """
    asked_at = book.rounds.clock()
    seen = (await book.rounds.source(record).observe(host, [Wanted(id=new_id, user=record.user)]))[new_id]
    if not isinstance(seen, Seen):
        raise NotYetError(f"Job {new_id} was submitted and is not seen yet.")
    found = _Found(new_id, seen, asked_at, text)

    def work(transaction: Transaction, known: Known) -> None:
        before = known.after.get(deed.id) or After(id=deed.id, step=CLAIMED, at=asked_at)
        step = before.model_copy(update={"step": SUBMITTED, "new_id": new_id})
        note_after(transaction, deed, step, f"{deed.who}: submitted as {new_id}", told=False)
        _follow(transaction, _current(transaction, record, deed, known, found), deed, found, book)

    await book.write(work)


def _current(transaction: Transaction, record: JobRecord, deed: Deed, known: Known, found: _Found) -> JobRecord:
    """Give the record as it is watched; one that had ended is watched again, with its rules as they stand."""
    mine = transaction.jobs.get(record.uid)
    if mine is None:  # somebody may have registered the run anew
        alike = [one for one in transaction.jobs.values() if one.key[:2] == record.key[:2]]
        mine = next((one for one in alike if run_of(one) in (deed.run, found.new_id)), None)
    if mine is not None:
        return mine
    again = record.changed(attempts=_runs(record), phase=Phase.UNKNOWN, last_status="", registered_at=found.asked_at)
    again, new = transaction.register(_cleared(again), text=found.text)
    if new and again.rules:
        paused = [deed.rule] if deed.firing in known.paused else []
        extra: dict[str, JsonValue] = {**deed.about, RULES_OF: record.uid, RULES_PAUSED: [*paused], TOLD: False}
        transaction.note(f"rules: {len(again.rules)} came along", kind=EventKind.ACTION, uid=again.uid, extra=extra)
    return again


def _follow(transaction: Transaction, current: JobRecord, deed: Deed, found: _Found, book: Book) -> None:
    if run_of(current) == found.new_id:
        return
    if run_of(current) != deed.run:
        raise NotYetError(
            f"Job {found.new_id} was submitted, and its record goes on as {run_of(current)}: look at both."
        )
    runs = _runs(current)
    told = found.seen.model_copy(update={"attempts": (*runs, _run(found))})
    moved = _cleared(current).changed(resubmitted_as=found.new_id, attempts=runs)
    clocks, now = book.rounds.config.clocks, book.rounds.clock()
    judgement = judge(moved, told, asked_at=found.asked_at, now=now, clocks=clocks)
    for draft in judgement.drafts:
        said = f"{draft.text or ''} {found.text}".strip() if draft.kind is EventKind.ATTEMPT else draft.text
        made = type(draft)(draft.kind, draft.record, text=said, evidence=draft.evidence, extra=draft.extra)
        write_draft(transaction, made, Causes())
    after = transaction.jobs.get(current.uid)
    if after is not None and run_of(after) != found.new_id:
        raise NotYetError(f"Job {found.new_id} was submitted, and its record cannot follow it yet.")


def _cleared(record: JobRecord) -> JobRecord:
    """Take out what is of the earlier run alone; what was seen of that makes no news of this one late."""
    return record.changed(
        log=None, elements=None, absence=None, ended_at=None, cause=None, exit_code=None, signal=None,
        output_missing_since=None, observed_at=None, held=None, reason=None,
        used=None,
    )  # fmt: skip


def _runs(record: JobRecord) -> tuple[Attempt, ...]:
    return record.attempts or (Attempt(id=run_of(record), submitted_at=record.submitted_at),)


def _run(found: _Found) -> Attempt:
    seen = found.seen
    return Attempt(
        id=found.new_id,
        submitted_at=seen.submitted_at,
        started_at=None if seen.phase is Phase.PENDING else seen.started_at,
        status=seen.status,
        phase=seen.phase,
        node=seen.node,
    )
