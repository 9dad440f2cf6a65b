"""A job that a good answer lacks: how long, and when that closes it."""

from __future__ import annotations

from datetime import datetime

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent
from jobwarden.verdict.following import said_of
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden.verdict.outputs import GONE, decided_by_outputs
from jobwarden.verdict.staleness import answered, is_late
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Absence, Evidence, JobRecord
from jobwarden_registry.phases import Phase


def absent(record: JobRecord, sighting: Absent, *, asked_at: datetime, now: datetime, clocks: Clocks) -> Judgement:
    """Judge a good answer without the job. Never an end by itself: after long enough the job is `lost`.

    Unless its expected output is there: then it has succeeded. A job that has been lost for `lost_kept_s` is no longer
    watched.
    """
    evidence = sighting.evidence
    if is_late(asked_at, record.observed_at, now):
        return Judgement(record)
    after = answered(record, asked_at, now)
    if record.phase is Phase.LOST:
        return _still_lost(record, after, sighting, asked_at, clocks)
    if not in_grace(record, asked_at, now, clocks):
        after = after.changed(absence=_counted(record.absence, asked_at, now, clocks))
    if after == record:
        return Judgement(record)
    if _long_enough(after.absence, clocks) and (closed := _closed(after, sighting)) is not None:
        return closed
    return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=evidence),))


def in_grace(record: JobRecord, asked_at: datetime, now: datetime, clocks: Clocks) -> bool:
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


def _closed(record: JobRecord, sighting: Absent) -> Judgement | None:
    """Close it by its outputs, or as lost; None while its expected output has not been looked for."""
    absence = record.absence
    assert absence is not None
    minutes = (absence.last - absence.since).total_seconds() / 60
    nowhere = f"Nowhere in {absence.answers} whole answers over {minutes:.0f} min"
    decided = decided_by_outputs(record, sighting)
    if decided is None:
        return None
    phase, found, evidence = decided
    if phase is Phase.SUCCEEDED:
        return _forgotten(record, absence.since, f"{nowhere}. {found}", evidence)
    lost = record.changed(phase=Phase.LOST, stuck=None, stalled=None)
    text = " ".join(part for part in (f"{nowhere}; no end was seen.", found, said_of(sighting.newer)) if part)
    return Judgement(lost, (Draft(EventKind.LOST, lost, text=text, evidence=evidence),))


def _forgotten(record: JobRecord, ended_at: datetime, text: str, evidence: Evidence) -> Judgement:
    """Close it as succeeded: its output shows that."""
    reason = "its scheduler has forgotten it; all its expected output is there"
    over = record.changed(
        phase=Phase.SUCCEEDED, last_status=GONE, reason=reason, ended_at=ended_at, stuck=None, stalled=None
    )
    return Judgement(over, (Draft(EventKind.FINISHED, over, text=text, evidence=evidence),), finished=True)


def _still_lost(record: JobRecord, after: JobRecord, sighting: Absent, asked_at: datetime, clocks: Clocks) -> Judgement:
    evidence = sighting.evidence
    decided = decided_by_outputs(record, sighting)
    if record.absence is not None and decided is not None and decided[0] is Phase.SUCCEEDED:
        _, found, evidence = decided
        return _forgotten(after, record.absence.since, f"It was lost, and is still nowhere. {found}", evidence)
    if record.absence is None:  # written by somebody else: its time as lost begins now
        after = after.changed(absence=Absence(since=asked_at, last=asked_at))
    elif (asked_at - record.absence.last).total_seconds() > clocks.lost_kept_s:
        text = "Lost, and not found again: no longer watched. How it ended is not known."
        return Judgement(after, (Draft(EventKind.FINISHED, after, text=text, evidence=evidence),), finished=True)
    if after == record:
        return Judgement(record)
    return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=evidence),))
