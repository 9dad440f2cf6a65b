"""A job that a good answer lacks: how long, and when that closes it."""

from __future__ import annotations

from datetime import datetime

from jobwarden.config import Clocks
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden.verdict.staleness import answered, is_late
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Absence, Evidence, JobRecord
from jobwarden_registry.phases import Phase


def absent(record: JobRecord, evidence: Evidence, *, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    """Judge a good answer without the job. Never an end by itself: after long enough the job is `lost`.

    A job that has been lost for `lost_kept_s` is no longer watched.
    """
    if is_late(asked_at, record.observed_at, now):
        return Judgement(record)
    after = answered(record, asked_at, now)
    if record.phase is Phase.LOST:
        return _still_lost(record, after, evidence, asked_at, clocks)
    if not _in_grace(record, asked_at, now, clocks):
        after = after.changed(absence=_counted(record.absence, asked_at, now, clocks))
    if after == record:
        return Judgement(record)
    if _long_enough(after.absence, clocks):
        return _lost(after, evidence)
    return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=evidence),))


def _in_grace(record: JobRecord, asked_at: datetime, now: datetime, clocks: Clocks) -> bool:
    """Just after the submission a scheduler may know nothing. A moment to come is of another clock, and not counted."""
    moments = [moment for moment in (record.submitted_at, record.registered_at) if moment is not None and moment <= now]
    return any((asked_at - moment).total_seconds() < clocks.grace_s for moment in moments)


def _counted(absence: Absence | None, asked_at: datetime, now: datetime, clocks: Clocks) -> Absence:
    if absence is None or absence.last > now:
        return Absence(since=asked_at, last=asked_at)
    step_s = (asked_at - absence.last).total_seconds()
    if step_s > clocks.gap_ticks * clocks.poll_s:
        return Absence(since=asked_at, last=asked_at)
    if step_s <= 0:
        return absence  # a late or repeated answer
    return Absence(since=absence.since, last=asked_at, answers=absence.answers + 1)


def _long_enough(absence: Absence | None, clocks: Clocks) -> bool:
    if absence is None or absence.answers < clocks.lost_answers:
        return False
    return (absence.last - absence.since).total_seconds() >= clocks.lost_after_s


def _lost(record: JobRecord, evidence: Evidence) -> Judgement:
    lost = record.changed(phase=Phase.LOST)
    absence = record.absence
    assert absence is not None
    minutes = (absence.last - absence.since).total_seconds() / 60
    text = f"Nowhere in {absence.answers} whole answers over {minutes:.0f} min; no end was seen."
    return Judgement(lost, (Draft(EventKind.LOST, lost, text=text, evidence=evidence),))


def _still_lost(
    record: JobRecord, after: JobRecord, evidence: Evidence, asked_at: datetime, clocks: Clocks
) -> Judgement:
    if record.absence is None:  # written by somebody else: its time as lost begins now
        after = after.changed(absence=Absence(since=asked_at, last=asked_at))
    elif (asked_at - record.absence.last).total_seconds() > clocks.lost_kept_s:
        text = "Lost, and not found again: no longer watched. How it ended is not known."
        return Judgement(after, (Draft(EventKind.FINISHED, after, text=text, evidence=evidence),), finished=True)
    if after == record:
        return Judgement(record)
    return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=evidence),))
