"""One look for whether services are up, beside a round: asked through the ledger, written as the event `ready`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from jobwarden.ledger.ledger import Snapshot
from jobwarden.sources.base import Seen, Sighting, Wanted
from jobwarden.verdict.readiness import UP, is_awaited, look, question_of
from jobwarden.verdict.targets import Group, Target
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds


async def note_readiness(rounds: Rounds, group: Group, leases: Mapping[str, str]) -> None:
    """Look for what is awaited of this group's running jobs, and note what has come up.

    Raises:
        UnwritableError, LeaseLostError, ...: As `Session.transaction`.
    """
    if not any(record.ready is not None for record in group.records):
        return
    key = group.target.key
    awaited: dict[Session, list[JobRecord]] = {}
    for session in group.sessions:
        for record in await rounds.sessions.call(session, Session.load):
            if is_awaited(record) and (await rounds.target(record)).key == key:
                awaited.setdefault(session, []).append(record)
    if not awaited:
        return
    target = Target(replace(key, type=f"{key.type} ready"), group.target.host)
    rounds.intervals.note(target)
    wanted = [question_of(record) for records in awaited.values() for record in records]
    clocks = rounds.config.clocks
    snapshot = await rounds.ledger.ask(target.key, wanted, partial(_ask, rounds, target), max_age_s=clocks.floor_s)
    for session, records in awaited.items():
        up = {record.uid: seen for record in records if (seen := seen_up(record, snapshot)) is not None}
        if up:
            lease = leases.get(session.entry.session_id)
            await rounds.sessions.call(session, partial(_write, up=up, lease=lease))


async def _ask(rounds: Rounds, target: Target, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
    async with rounds.host(target) as host:
        return await look(host, wanted, folders=rounds.config.host(target.host).read, clock=rounds.clock)


def seen_up(record: JobRecord, snapshot: Snapshot) -> Seen | None:
    """Give the sighting of this run of it, if it is up."""
    seen = snapshot.answered.get(record.uid)
    if not isinstance(seen, Seen) or seen.status != UP:
        return None
    of_this_run = record.started_at is None or seen.evidence.asked_at >= record.started_at
    return seen if of_this_run else None


def _write(session: Session, *, up: Mapping[str, Seen], lease: str | None) -> None:
    with session.transaction(lease=lease, own=False) as transaction:
        for uid, seen in up.items():
            record = transaction.jobs.get(uid)
            if record is not None and is_awaited(record):
                evidence = seen.evidence
                after = record.changed(ready_at=evidence.asked_at)
                transaction.change(uid, after, EventKind.READY, evidence=evidence, text=evidence.rule)
