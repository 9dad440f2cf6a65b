"""What a source is told about the jobs that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.ledger.merging import merged
from jobwarden.sources.base import Wanted
from jobwarden_registry.model import JobRecord


def wanted_of(record: JobRecord) -> Wanted:
    """Say what a source is told about a job that it is asked for."""
    present_at = record.attempts[-1].submitted_at if record.attempts else None
    return Wanted(
        id=record.id,
        user=record.user,
        name=record.job_name,
        submitted_at=(present_at if record.resubmitted_as else None) or record.submitted_at,
        run_submitted_at=present_at,
        registered_at=record.registered_at,
        facts=record.facts,
        log_known=record.log is not None,
        resubmitted_as=record.resubmitted_as,
        work_dir=record.work_dir,
        expect=record.expect,
        elements=record.elements,
        absent_since=record.absence.since if record.absence is not None else None,
    )


def wanted_of_all(records: Sequence[JobRecord]) -> list[Wanted]:
    """Ask once for each id, with all that the sessions that watch it know."""
    wanted: dict[str, Wanted] = {}
    for record in records:
        one = wanted_of(record)
        known = wanted.get(one.id)
        wanted[one.id] = one if known is None else merged(known, one)
    return list(wanted.values())
