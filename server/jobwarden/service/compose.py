"""From records to views: pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from jobwarden.service.views import Counts, JobView
from jobwarden.sources.base import RESULT
from jobwarden.verdict.efficiency import efficiency
from jobwarden.verdict.pausing import told
from jobwarden.verdict.readiness import is_ready
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.phases import Phase


def job_view(
    record: JobRecord,
    *,
    now: datetime,
    answered_at: datetime | None,
    mine: bool,
    absent: str | None = None,
    paused: Pause | None = None,
    hanging: str | None = None,
) -> JobView:
    """Show one job.

    Args:
        record: As it stands.
        now: The present.
        answered_at: When the latest whole answer about it was asked for, if that is known here.
        mine: Whether the calling session watches it.
        absent: What was asked and does not know it, if that is the latest answer.
        paused: Why it is not watched.
        hanging: Why it is not, where it hangs on a paused host.
    """
    why = told(paused) if paused is not None else hanging
    seen = max((moment for moment in (record.observed_at, answered_at) if moment is not None), default=None)
    return JobView(
        type=record.type,
        id=record.id,
        host=record.host,
        user=record.user,
        name=record.name,
        description=record.description,
        tags=record.tags,
        phase=record.phase,
        status=record.last_status,
        reason=f"not (or no longer) known to {absent}" if absent else record.reason,
        stuck=record.stuck,
        stalled=record.stalled,
        efficiency=efficiency(record.used) or None if record.used is not None else None,
        cause=record.cause if record.phase.closed else None,
        result=_result(record),
        exit_code=record.exit_code,
        signal=record.signal,
        node=record.node,
        submitted_at=record.submitted_at,
        expected_start_at=record.expected_start_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        elapsed_s=_elapsed(record, now),
        attempts=record.attempts,
        resubmitted_as=record.resubmitted_as,
        log_path=_log_path(record),
        observed_at=seen,
        age_s=None if seen is None or record.phase.final else max(0.0, (now - seen).total_seconds()),
        stale_since=record.stale_since,
        stale_because=record.stale_because,
        ready=is_ready(record) if record.ready is not None and record.phase is Phase.RUNNING else None,
        ready_at=record.ready_at,
        orphan=record.orphan,
        owner=record.owner,
        mine=mine,
        paused_since=paused.since if paused is not None else record.stale_since if why is not None else None,
        paused_because=why,
    )


def count(records: Iterable[JobRecord]) -> Counts:
    """Count jobs by phase."""
    phases = [record.phase for record in records]
    return Counts(
        total=len(phases),
        succeeded=phases.count(Phase.SUCCEEDED),
        failed=phases.count(Phase.FAILED),
        cancelled=phases.count(Phase.CANCELLED),
        lost=phases.count(Phase.LOST),
        running=phases.count(Phase.RUNNING),
        pending=phases.count(Phase.PENDING),
        suspended=phases.count(Phase.SUSPENDED),
        unknown=phases.count(Phase.UNKNOWN),
    )


def _result(record: JobRecord) -> str | None:
    result = record.facts.get(RESULT)
    return result if isinstance(result, str) and result and record.phase.final else None


def _log_path(record: JobRecord) -> str | None:
    if record.log_path is not None:
        return record.log_path
    return None if record.log is None else record.log.stdout or record.log.stderr


def _elapsed(record: JobRecord, now: datetime) -> float | None:
    if record.started_at is None:
        return None
    end = record.ended_at if record.phase.final else now
    return max(0.0, ((end or now) - record.started_at).total_seconds())
