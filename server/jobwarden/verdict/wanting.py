"""What a source is told about the jobs that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.sources.base import Wanted
from jobwarden_registry.model import Expectation, JobRecord


def wanted_of(record: JobRecord, *, expect: tuple[Expectation, ...] | None = None) -> Wanted:
    """Say what a source is told about a job that it is asked for; `expect` stands for the record's own."""
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
        expect=record.expect if expect is None else expect,
        elements=record.elements,
        absent_since=record.absence.since if record.absence is not None else None,
    )


def wanted_of_all(records: Sequence[JobRecord]) -> list[Wanted]:
    """Ask once for each id. Of two sessions that watch a job the later registration says what can be its answer."""
    latest: dict[str, JobRecord] = {}
    for record in records:
        known = latest.get(record.id)
        if known is None or _is_later(record, known):
            latest[record.id] = record
    expects: dict[str, list[Expectation]] = {}
    for record in records:
        expects.setdefault(record.id, []).extend(record.expect)
    return [wanted_of(record, expect=tuple(dict.fromkeys(expects[record.id]))) for record in latest.values()]


def _is_later(record: JobRecord, known: JobRecord) -> bool:
    if record.registered_at is None or known.registered_at is None:
        return known.registered_at is None
    return record.registered_at > known.registered_at
