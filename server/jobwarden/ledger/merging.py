"""What several sessions know of one job, put together: pure."""

from __future__ import annotations

from datetime import UTC, datetime

from jobwarden.sources.base import Wanted

_NEVER = datetime.min.replace(tzinfo=UTC)


def merged(one: Wanted, other: Wanted) -> Wanted:
    """Put together what two registrations of one id know; what only one of them knows is kept.

    Where they contradict, the later registration is right, for an id may have come round again: of a job that ended
    before its own was submitted it takes nothing. The order of the two matters only where nothing tells which is later.
    """
    earlier, later = sorted((one, other), key=_moments)
    both = {
        "registered_at": later.registered_at,
        "expect": tuple(dict.fromkeys((*one.expect, *other.expect))),
        "log_known": one.log_known and other.log_known,
        "after_end": one.after_end or other.after_end,
    }
    if _another_job(earlier, later):
        return later.model_copy(update=both)
    # Who has followed it to another id knows where it is, and of two the one that was submitted last.
    present = max((one, other), key=_followed)
    followed = present.resubmitted_as is not None
    absences = [moment for moment in (one.absent_since, other.absent_since) if moment is not None]
    return later.model_copy(
        update={
            **both,
            "user": later.user or earlier.user,
            "name": later.name or earlier.name,
            "work_dir": later.work_dir or earlier.work_dir,
            "facts": later.facts or earlier.facts,
            "resubmitted_as": present.resubmitted_as,
            "submitted_at": present.submitted_at if followed else later.submitted_at or earlier.submitted_at,
            "run_submitted_at": _latest_run(one, other, present),
            "elements": _elements(one, other, present),
            "absent_since": min(absences, default=None),
        }
    )


def _moments(one: Wanted) -> tuple[datetime, datetime]:
    return one.registered_at or _NEVER, one.submitted_at or _NEVER


def _followed(one: Wanted) -> tuple[bool, datetime, str]:
    if one.resubmitted_as is None:
        return False, _NEVER, ""
    return True, one.submitted_at or _NEVER, one.resubmitted_as


def _another_job(earlier: Wanted, later: Wanted) -> bool:
    """Whether the later one's job was submitted only after the other had been registered.

    Of one registration time with two submissions, the earlier submission is another session's word from before.
    """
    if later.resubmitted_as is not None or later.submitted_at is None or earlier.registered_at is None:
        return False
    before = None if earlier.resubmitted_as is not None else earlier.submitted_at
    if before == later.submitted_at:
        return False
    if earlier.registered_at == later.registered_at:
        return before is not None
    return later.submitted_at > earlier.registered_at


def _latest_run(one: Wanted, other: Wanted, present: Wanted) -> datetime | None:
    runs = [each.run_submitted_at for each in (one, other) if each.resubmitted_as == present.resubmitted_as]
    return max((moment for moment in runs if moment is not None), default=None)


def _elements(one: Wanted, other: Wanted, present: Wanted) -> int | None:
    """Give the most that were seen of the job under its present id: another submission may have fewer."""
    seen = [each.elements for each in (one, other) if each.resubmitted_as == present.resubmitted_as]
    return max((count for count in seen if count is not None), default=None)
