"""What a job's state rests on: whether an answer is newer, and since when there has been none."""

from __future__ import annotations

from datetime import datetime

from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence, JobRecord


def is_late(asked_at: datetime, known_at: datetime | None, now: datetime) -> bool:
    """Whether a question is no newer than what is known already.

    What is known from a moment to come was known by a clock that has been set back since: it makes nothing late.
    """
    return known_at is not None and asked_at <= known_at <= now


def is_catching_up(record: JobRecord) -> bool:
    """Whether the source answers and only needs a moment: its code ends in `_behind`. That is no outage."""
    return (record.stale_because or "").split(":")[0].endswith("_behind")


def answered(record: JobRecord, asked_at: datetime, now: datetime) -> JobRecord:
    """Clear the staleness, unless the answer was asked for before it began."""
    if record.stale_since is None or is_late(asked_at, record.stale_since, now):
        return record
    return record.changed(stale_since=None, stale_because=None)


def unanswered(
    record: JobRecord,
    *,
    code: str,
    text: str,
    at: datetime,
    now: datetime | None = None,
    evidence: Evidence | None = None,
) -> Judgement:
    """Note that nobody could be asked: the state stays as it was, and is marked as old.

    Args:
        record: The job.
        code: The error's code.
        text: The error's text.
        at: When the question was asked that failed.
        now: The present; `at` when left out.
        evidence: What the source said, where it said anything.
    """
    if record.phase.final or is_late(at, record.observed_at, now or at):
        return Judgement(record)
    if record.stale_since is not None and (record.stale_because or "").split(":")[0] == code:
        return Judgement(record)
    stale = record.changed(stale_since=record.stale_since or at, stale_because=f"{code}: {text}")
    return Judgement(stale, (Draft(EventKind.UPDATED, stale, evidence=evidence),))
