"""What a source is told about the jobs that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

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
        after_end=record.held is not None,
        absent_since=record.absence.since if record.absence is not None else None,
    )


@dataclass(slots=True)
class Made:
    """What was made of which records: of one that has not changed nothing is made anew.

    Attributes:
        records: The records.
        each: What each of them wants.
        wanted: All that together.
    """

    records: Sequence[JobRecord] = ()
    each: Sequence[Wanted] = ()
    wanted: Sequence[Wanted] = ()


def wanted_of_all(records: Sequence[JobRecord], made: Made | None = None) -> Sequence[Wanted]:
    """Ask once for each id, with all that the sessions that watch it know.

    Args:
        records: What is watched.
        made: What is remembered from one call to the next; of the very same records the very same is given again.
    """
    made = Made() if made is None else made
    if len(records) == len(made.records) and all(map(is_, records, made.records)):
        return made.wanted
    known = dict(zip(map(id, made.records), made.each, strict=True))
    each = [known.get(id(record)) or wanted_of(record) for record in records]
    wanted: dict[str, Wanted] = {}
    for one in each:
        before = wanted.get(one.id)
        wanted[one.id] = one if before is None else merged(before, one)
    made.records, made.each, made.wanted = tuple(records), each, list(wanted.values())
    return made.wanted
