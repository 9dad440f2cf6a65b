"""Jobs whose submission is seen again after their end: hook and agent both register, or an output is read twice.

Schedulers give ids again, so such an id may be another job's. It is where it was submitted after that end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobwarden.service.desk import Desk
from jobwarden.sources.base import Seen
from jobwarden.sources.plugins import guarded
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of the ended jobs that had the ids of some new records.

    Attributes:
        now: When that was looked at.
        others: Id to the end after which another job of that id was submitted.
    """

    now: datetime
    others: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def is_over(self, session: Session, watched: Iterable[JobRecord], record: JobRecord) -> bool:
        """Say whether a record would be of a job that has ended, and is not known to be another one.

        Raises:
            RegistryError: The session cannot be read.
        """
        ended_at = _ended_at(session, watched, record, self.now)
        return ended_at is not None and self.others.get(record.id) != ended_at


async def look_before(desk: Desk, session: Session, records: Sequence[JobRecord]) -> Before:
    """Ask about those of these jobs, all of one host, that this session saw ending lately; about no others.

    Raises:
        RegistryError: The session cannot be read.
    """
    before = Before(desk.world.clock())
    for record in records:

        def ended_at(session: Session, record: JobRecord = record) -> datetime | None:
            return _ended_at(session, session.load(), record, before.now)

        over = await desk.world.sessions.call(session, ended_at)
        submitted_at = None if over is None else await _submitted_at(desk, record)
        if over is not None and submitted_at is not None and submitted_at > over:
            before.others[record.id] = over
    return before


def _ended_at(session: Session, watched: Iterable[JobRecord], record: JobRecord, now: datetime) -> datetime | None:
    """Say when a job ended, where this session journaled that within a day and does not watch it again."""
    if any(_is_same(one, record) for one in watched):
        return None
    for event in reversed(session.journal.read()):
        if now - event.timestamp > _LATELY:
            return None
        if event.event == EventKind.FINISHED and event.record is not None:
            ended = JobRecord.model_validate(event.record)
            if _is_same(ended, record):
                return ended.ended_at or event.timestamp
    return None


async def _submitted_at(desk: Desk, record: JobRecord) -> datetime | None:
    """Ask when the job was submitted that has this id now; None: that could not be found out."""
    rounds = desk.world.rounds
    if rounds.elsewhere(record.site):
        return None
    try:
        async with rounds.host(await rounds.target(record)) as host:
            with guarded(record.type):
                seen = (await rounds.source(record).observe(host, [wanted_of(record)])).get(record.id)
    except JobwardenError as error:
        log.info("whether %s %s is another job now is not known: %s", record.type, record.id, error)
        return None
    return seen.submitted_at if isinstance(seen, Seen) else None


def _is_same(known: JobRecord, record: JobRecord) -> bool:
    ids = {known.id, known.resubmitted_as, *(run.id for run in known.attempts)}
    if known.type != record.type or record.id not in ids:
        return False
    return known.site == record.site if known.site and record.site else known.host == record.host
