"""Completion checks: what must be there when a job has succeeded, and what follows when it is not. Pure.

Looked for (verdict.looking) only when a source says that the job has succeeded, or when it is nowhere any more: old
output is not success.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, Output, Seen
from jobwarden.verdict.judgement import Draft, Judgement
from jobwarden.verdict.staleness import answered, unanswered
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence, JobRecord
from jobwarden_registry.phases import Phase

GONE = "GONE"
"""The word for a job that its scheduler has forgotten and that its output shows to have succeeded."""

OUTPUT_MISSING = "expected output is missing"
"""In the reason of a job that failed by its completion check alone."""


def with_outputs(record: JobRecord, seen: Seen, asked_at: datetime, now: datetime, clocks: Clocks) -> Seen | Judgement:
    """Say what a success is worth by the job's expected outputs; anything else is passed on.

    Returns:
        The sighting to go on with: the same, or that of a failure; or a judgement, while it is not decided.
    """
    if seen.phase is not Phase.SUCCEEDED or not record.expect:
        return seen
    looked = _of(record, seen)
    if looked is None:
        text = "Its source says that it has succeeded; its expected output has not been looked for yet."
        return unanswered(record, code="expect.looking_behind", text=text, at=asked_at, now=now)
    evidence = _evidence(seen.evidence, looked)
    missing = _missing(looked)
    if not missing:
        return seen.model_copy(update={"evidence": evidence, "reason": _reason(seen, looked)})
    since = record.output_missing_since
    if since is None or since > asked_at:
        after = answered(record.changed(output_missing_since=asked_at), asked_at, now)
        return Judgement(after, (Draft(EventKind.UPDATED, after, evidence=evidence),))
    if (asked_at - since).total_seconds() < clocks.expect_again_s:
        return Judgement(record)
    reason = f"{seen.status}, but {OUTPUT_MISSING}: {missing}"
    return seen.model_copy(update={"phase": Phase.FAILED, "reason": reason, "evidence": evidence})


def decided_by_outputs(record: JobRecord, absent: Absent) -> tuple[Phase, str, Evidence] | None:
    """Say what a job is that has been nowhere for long enough: succeeded if all its expected output is there, or lost.

    Returns:
        The phase, a sentence on the outputs (empty without any), and the evidence; None while nobody has looked.
    """
    looked = _of(record, absent)
    if looked is None:
        return None
    if not looked:
        return Phase.LOST, "", absent.evidence
    evidence = _evidence(absent.evidence, looked)
    if all(one.found for one in looked):
        return Phase.SUCCEEDED, "All its expected output is there, newer than its submission.", evidence
    missing = _missing(looked) or ", ".join(one.expect.path for one in looked if one.found is None)
    return Phase.LOST, f"Expected output that is not there: {missing}.", evidence


def _of(record: JobRecord, sighting: Seen | Absent) -> Sequence[Output] | None:
    """Give what was found of the record's own expectations; None when they were not all looked for."""
    found = {one.expect: one for one in sighting.outputs}
    if any(expect not in found for expect in record.expect):
        return None
    return [found[expect] for expect in record.expect]


def _missing(looked: Sequence[Output]) -> str:
    return ", ".join(one.expect.path for one in looked if one.found is False)


def _reason(seen: Seen, looked: Sequence[Output]) -> str | None:
    unseen = ", ".join(one.line for one in looked if one.found is None)
    return "; ".join(part for part in (seen.reason, unseen) if part) or None


def _evidence(evidence: Evidence, looked: Sequence[Output]) -> Evidence:
    rule = f"{evidence.rule} Expected output was looked for."
    return evidence.model_copy(update={"lines": (*evidence.lines, *(one.line for one in looked)), "rule": rule})
