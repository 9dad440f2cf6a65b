"""From one ledger answer to one session's records: judge, and write once, only when something has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.rules import ended
from jobwarden.ledger.snapshot import Snapshot
from jobwarden.sources.base import Seen
from jobwarden.verdict.efficiency import remark
from jobwarden.verdict.end_asked import is_prompt, who_asked
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.engine import judge
from jobwarden.verdict.holding import as_it_ended
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden.verdict.pausing import is_paused
from jobwarden.verdict.staleness import is_catching_up, is_late, unanswered
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import RECORD_VERSION, JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

Quiet = dict[str, tuple[JobRecord, Seen]]
"""By uid: a record and a sighting of it of which nothing came."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of one answer for one session.

    Attributes:
        changed: Records that changed, bookkeeping included.
        finished: Records that left the watched ones.
        events: The kinds of the events written, in order.
    """

    changed: int = 0
    finished: int = 0
    events: tuple[EventKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger knows of one source on one host.

    Attributes:
        type: The source's name.
        site: The resolved host.
        hosts: Only jobs registered under one of these names, where one host serves several clusters.
        snapshot: `Ledger.ask` or `peek` of it.
        now: The present.
        clocks: The configured times; with a `poll_s` that is the pace at which this host is really asked.
    """

    type: str
    site: str
    hosts: Collection[str] | None
    snapshot: Snapshot
    now: datetime
    clocks: Clocks

    def concerns(self, record: JobRecord) -> bool:
        """Whether it can say anything about this record."""
        if record.type != self.type or (record.site or record.host) != self.site:
            return False
        if record.paused is not None:  # what another session asks about it, that one is told
            return False
        if record.v > RECORD_VERSION:  # a newer jobwarden's, which alone may judge it
            return False
        return self.hosts is None or record.host in self.hosts

    def living(self, record: JobRecord) -> Seen | None:
        """Give the sighting of a job that lives, where time decides nothing: judging it rests on nothing else."""
        sighting, asked_at = self.snapshot.answered.get(record.id), self.snapshot.asked.get(record.id)
        looping = record.stuck is not None and len(record.attempts) > self.clocks.requeue_loop_count
        timed = record.stale_since is not None or record.absence is not None or looping
        timeless = not timed and self.snapshot.failure is None
        if not timeless or not isinstance(sighting, Seen) or sighting.phase.closed or asked_at is None:
            return None
        return None if is_late(asked_at, record.observed_at, self.now) else sighting

    def repeats(self, record: JobRecord, seen: Seen) -> bool:
        """Whether this answer says what `living` gave of the same record before."""
        sighting, asked_at = self.snapshot.answered.get(record.id), self.snapshot.asked.get(record.id)
        if asked_at is None or self.snapshot.failure is not None or is_late(asked_at, record.observed_at, self.now):
            return False
        return sighting is seen or (isinstance(sighting, Seen) and _alike(sighting, seen))

    def judge(self, record: JobRecord) -> Judgement:
        """Apply what was answered about this job, then what has failed since."""
        judgement = Judgement(record)
        sighting, asked_at = self.snapshot.answered.get(record.id), self.snapshot.asked.get(record.id)
        if sighting is not None and asked_at is not None:
            judgement = judge(record, sighting, asked_at=asked_at, now=self.now, clocks=self.clocks)
        failure = self.snapshot.failure
        if judgement.finished or failure is None or not self._counts():
            return judgement
        answered_at = self.snapshot.asked_at
        # The first failure of a row, but for a row that others' answers have interrupted.
        at = failure.since if answered_at is None or failure.since > answered_at else failure.at
        more = unanswered(judgement.record, code=failure.code, text=failure.text, at=at, now=self.now)
        return Judgement(more.record, (*judgement.drafts, *more.drafts))

    def _counts(self) -> bool:
        """Whether the failure says that the jobs are not watched.

        What this process alone cannot do says so only when nobody else has had an answer for some time.
        """
        failure, asked_at = self.snapshot.failure, self.snapshot.asked_at
        if failure is None or failure.shared or asked_at is None:
            return failure is not None
        return abs((self.now - asked_at).total_seconds()) > self.clocks.gap_ticks * self.clocks.poll_s


def apply_answer(
    session: Session,
    *,
    type: str,  # noqa: A002 -- the field's own term
    site: str,
    snapshot: Snapshot,
    now: datetime,
    clocks: Clocks,
    lease: str | None,
    hosts: Collection[str] | None = None,
    quiet: Quiet | None = None,
    causes: Causes | None = None,
) -> Applied:
    """Apply what the ledger knows of one source on one host to all of a session's jobs there.

    Reads first; takes the lock and writes only when something would change, and judges again under the lock. Per
    session there is one `unreachable` event for an outage and one `reachable` when it is over, however many jobs.

    Args:
        session: Whose jobs.
        type: The source's name.
        site: The resolved host.
        snapshot: `Ledger.ask` or `peek` of it.
        now: The present.
        clocks: The configured times; with a `poll_s` that is the pace at which this host is really asked.
        lease: The watcher's lease token; a lost lease writes nothing.
        hosts: Only jobs registered under one of these names, where one host serves several clusters.
        quiet: What is remembered from one answer to the next, to judge no job anew of which the same was seen.
        causes: Why those failed that end now, and what they used, as far as that was found out. Decides nothing.

    Raises:
        RegistryError: The session cannot be read or written. Nothing was changed, or all of it.
    """
    answer = Answer(type, site, hosts, snapshot, now, clocks)
    if not _brings_news(answer, session.load(), {} if quiet is None else quiet):
        return Applied()
    # What was written by hand is taken in by a call of the session itself, not by whoever polls.
    with session.transaction(lease=lease, own=False) as transaction:
        return _write(transaction, answer, causes or Causes())


def endings(session: Session, answer: Answer) -> list[JobRecord]:
    """Give the session's jobs whose end this answer is, as they end; changes nothing.

    Raises:
        RegistryError: The session cannot be read.
    """
    over = ended(answer.snapshot)
    records = [record for record in session.load() if record.id in over and answer.concerns(record)]
    judged = [(record, answer.judge(record)) for record in records]
    return [
        as_it_ended(judgement.record)
        for record, judgement in judged
        if judgement.finished or (judgement.record.held is not None and record.held is None)
    ]


def _brings_news(answer: Answer, records: Iterable[JobRecord], quiet: Quiet) -> bool:
    still: Quiet = {}
    news = False
    for record in records:
        known = quiet.get(record.uid)
        if known is not None and known[0] is record and answer.repeats(*known):
            still[record.uid] = known
        elif not answer.concerns(record):
            continue
        elif answer.judge(record).drafts:
            news = True
        elif (seen := answer.living(record)) is not None:
            still[record.uid] = record, seen
    quiet.clear()
    quiet.update(still)
    return news


def _alike(one: Seen, other: Seen) -> bool:
    return {**one.__dict__, "evidence": None} == {**other.__dict__, "evidence": None}


def _judged(answer: Answer, records: Iterable[JobRecord]) -> list[Judgement]:
    return [answer.judge(record) for record in records if answer.concerns(record)]


def _write(transaction: Transaction, answer: Answer, causes: Causes) -> Applied:
    before = [record for record in transaction.jobs.values() if answer.concerns(record)]
    judgements = _judged(answer, before)
    after = [judgement.record for judgement in judgements if not judgement.finished]
    outage = _outage(answer, before, after)
    kinds: list[EventKind] = []
    if outage is not None:
        kinds.append(outage.kind)
        extra: dict[str, JsonValue] = {"type": answer.type, "host": outage.host, "site": answer.site}
        extra["jobs"] = outage.jobs
        transaction.note(outage.text, kind=outage.kind, extra=extra)
    for draft in (draft for judgement in judgements for draft in judgement.drafts):
        write_draft(transaction, draft, causes)
        kinds.append(draft.kind)
    return Applied(
        changed=sum(1 for judgement in judgements if judgement.drafts),
        finished=sum(1 for judgement in judgements if judgement.finished),
        events=tuple(kinds),
    )


def write_draft(transaction: Transaction, draft: Draft, causes: Causes) -> None:
    """Write what was decided of one job, and with its end what was found out about it."""
    uid = draft.record.uid
    if draft.kind is EventKind.FINISHED:
        bad = draft.record.phase in (Phase.FAILED, Phase.CANCELLED)
        before = transaction.jobs.get(uid)
        held = before.held if before is not None else None
        # A cause that stands there already was written by hand, but for what was found out when the end was held.
        used = causes.used.get(uid, before.used if before is not None and held is not None else None)
        why = causes.why.get(uid, held.cause if held is not None else None)
        record = draft.record.changed(cause=why if bad else None, used=used)
        text, asked = draft.text, who_asked(record)
        if asked and record.phase is Phase.CANCELLED and is_prompt(record):
            record = record.changed(cause=f"cancelled by {asked}")
        elif asked and record.end_asked is not None:
            long_ago = "" if is_prompt(record) else f" on {record.end_asked.at:%Y-%m-%d %H:%M} UTC"
            text = " ".join(filter(None, (text, f"Its end was asked for{long_ago} by {asked}.")))
        text = " ".join(filter(None, (text, remark(used) if used is not None else ""))) or None
        transaction.finish(uid, record, evidence=draft.evidence, text=text, extra=draft.extra)
        return
    record = draft.record
    if record.held is not None and record.held.cause is None and uid in {*causes.why, *causes.used}:
        end = record.held.model_copy(update={"cause": causes.why.get(uid)})
        record = record.changed(held=end, used=causes.used.get(uid))
    transaction.change(uid, record, draft.kind, evidence=draft.evidence, text=draft.text, extra=draft.extra)


@dataclass(frozen=True, slots=True)
class _Outage:
    kind: EventKind
    host: str
    jobs: int
    text: str


def _outage(answer: Answer, before: list[JobRecord], after: list[JobRecord]) -> _Outage | None:
    """Find the beginning or the end of an outage in the records themselves: from none stale to some, or back."""
    # Of what is asked about no more nobody knows that it answers again.
    left_alone = {record.uid for record in after if is_paused(record)}
    was, stale = [record for record in _stale(before) if record.uid not in left_alone], _stale(after)
    if bool(was) == bool(stale):
        return None
    first = min(stale or was, key=lambda record: record.stale_since or answer.now)
    since = first.stale_since or answer.now
    hosts = ", ".join(sorted({record.host for record in stale or was}))
    if stale:
        because = (first.stale_because or "").rstrip(".")
        kept = f"{len(stale)} {'job keeps its' if len(stale) == 1 else 'jobs keep their'} last known state."
        text = f"{answer.type} on {hosts}: no answer since {since:%H:%M:%S} UTC, {because}. {kept}"
        return _Outage(EventKind.UNREACHABLE, hosts, len(stale), text)
    minutes = max(0.0, (answer.now - since).total_seconds() / 60)
    text = f"{answer.type} on {hosts} answers again, after {minutes:.0f} min."
    return _Outage(EventKind.REACHABLE, hosts, len(was), text)


def _stale(records: list[JobRecord]) -> list[JobRecord]:
    stale = [record for record in records if record.stale_since is not None]
    return [record for record in stale if not is_catching_up(record) and not is_paused(record)]
