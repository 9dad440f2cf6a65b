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


Made = dict[int, tuple[JobRecord, Wanted]]
"""By the `id` of a record: the record itself, and what was made of it."""


def wanted_of_all(records: Sequence[JobRecord], made: Made | None = None) -> list[Wanted]:
    """Ask once for each id, with all that the sessions that watch it know.

    Args:
        records: What is watched.
        made: What is remembered from one call to the next, to make nothing anew of a record that has not changed.
    """
    before: Made = {} if made is None else made.copy()
    now: Made = {id(record): _again(record, before) for record in records}
    if made is not None:
        made.clear()
        made.update(now)
    wanted: dict[str, Wanted] = {}
    for _, one in now.values():
        known = wanted.get(one.id)
        wanted[one.id] = one if known is None else merged(known, one)
    return list(wanted.values())


def _again(record: JobRecord, made: Made) -> tuple[JobRecord, Wanted]:
    known = made.get(id(record))
    return known if known is not None and known[0] is record else (record, wanted_of(record))
