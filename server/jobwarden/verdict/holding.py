"""The end of a run whose job may be started again is no end of the job before that is decided (decision 0028). Pure.

Such a record stays watched, as pending, with the word of its run; what the end was is kept in `JobRecord.held`. Only a
failure is held, never what was cancelled or has succeeded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Seen, Sighting
from jobwarden.verdict.attempts import Run, which_run
from jobwarden.verdict.end_asked import who_asked
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import HeldEnd, JobRecord
from jobwarden_registry.phases import Phase

UNDECIDED = "failed; whether it is started again is being decided"
RUN_FAILED = "run_failed"
"""In the extra fields of the event that holds an end."""
_LIVES = frozenset({Phase.PENDING, Phase.RUNNING, Phase.SUSPENDED})
_LONG_OVER = timedelta(minutes=2)
_NOBODY = "Whether it is to be started again was not decided in time: no watcher looked at it."


def may_go_on(record: JobRecord) -> bool:
    """Whether this end is one after which a job is started again: a failure, and not of long before the registration.

    Never one that somebody asked for: a program that catches the signal may end with an exit code of its own.

    Args:
        record: As it ends.
    """
    if not record.restarts or record.phase is not Phase.FAILED or who_asked(record):
        return False
    known = record.ended_at, record.registered_at
    return None in known or known[0] + _LONG_OVER >= known[1]  # type: ignore[operator]  # neither is None here


def held(finish: Draft, asked_at: datetime) -> Judgement:
    """Keep the job in the place of its end.

    Args:
        finish: The end that is not told.
        asked_at: When it was seen.
    """
    over = finish.record
    end = HeldEnd(
        run=over.attempts[-1].id if over.attempts else over.resubmitted_as or over.id,
        at=asked_at,
        status=over.last_status,
        phase=over.phase,
        reason=over.reason,
        ended_at=over.ended_at,
        started_at=over.started_at,
        text=finish.text,
        evidence=finish.evidence,
    )
    after = over.changed(
        phase=Phase.PENDING, reason=UNDECIDED, ended_at=None, started_at=None, held=end, stuck=None, stale_since=None,
        stale_because=None,
    )  # fmt: skip
    # The run's failure is in the journal at once, for rules that look for its state; nobody is told yet.
    extra = {RUN_FAILED: True}
    return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=finish.evidence, extra=extra),))


def as_it_ended(record: JobRecord) -> JobRecord:
    """Give a held record as it would have ended; any other as it is."""
    end = record.held
    if end is None:
        return record
    return record.changed(
        phase=end.phase, last_status=end.status, reason=end.reason, ended_at=end.ended_at, started_at=end.started_at,
        cause=record.cause or end.cause, held=None,
    )  # fmt: skip


def told_end(record: JobRecord, why: str = "") -> Draft:
    """Give the event that tells a held end after all.

    Args:
        record: A held one.
        why: Why it is not started again, for people.
    """
    end = record.held
    text = " ".join(part for part in (end.text if end else "", why) if part)
    return Draft(EventKind.FINISHED, as_it_ended(record), text=text or None, evidence=end.evidence if end else None)


def still_held(record: JobRecord, sighting: Sighting, now: datetime, clocks: Clocks) -> JobRecord | Judgement:
    """Say what an answer makes of a held record: nothing, mostly.

    Returns:
        A record that lives again, to be judged on (Slurm has requeued it); or the judgement.
    """
    end = record.held
    assert end is not None  # its caller looked
    if isinstance(sighting, Seen):
        new = which_run(record, sighting) is Run.NEW
        if sighting.phase in _LIVES or (new and sighting.phase.final):
            return record.changed(held=None, reason=None, used=None)
    if now <= end.at + timedelta(seconds=clocks.restart_held_s):
        return Judgement(record)
    draft = told_end(record, _NOBODY)
    return Judgement(draft.record, (draft,), finished=True)
