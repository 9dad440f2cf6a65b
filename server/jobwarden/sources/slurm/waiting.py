"""Why a job waits, and whether it would wait for ever: what slurmctld's reasons mean to whoever submitted it.

The words are those of `man squeue`, JOB REASON CODES, and of `job_reason_string` (src/common/slurm_protocol_defs.c) of
Slurm 20 to 25. Only what nothing but somebody's deed can end is stuck: a job that waits for resources, its turn, a
time, a licence or other jobs is not, however long it takes. Nor is one that waits for a limit on a user or group: the
reason does not tell whether it would wait for others to end, or exceeds that limit alone.
"""

from __future__ import annotations

import re

from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.vocabulary import Word
from jobwarden_registry.phases import Phase

_RELEASE = "`scontrol release {id}` lets it go"
_NEVER = "it never starts as it is: cancel it, or change it with `scontrol update JobId={id} ...`"
_HELD = f"was requeued and is held: {_RELEASE}"
_TOO_BIG = f"asks for more than {{what}} allows: {_NEVER}"

_WORDS = {
    Word.REQUEUE_HOLD: _HELD,
    Word.SPECIAL_EXIT: _HELD,
    Word.RESV_DEL_HOLD: f"its reservation was deleted and it is held: {_RELEASE}, once it asks for no reservation",
}

_REASONS = {
    "JobHeldUser": f"is held by its user: {_RELEASE}",
    "JobHeldAdmin": "is held by an administrator, who alone can release it",
    "JobHoldMaxRequeue": f"was requeued too often and is held: {_RELEASE}",
    "job requeued in held state": _HELD,
    "launch failed requeued held": f"could not be launched and is held: {_RELEASE}",
    "DependencyNeverSatisfied": f"waits for a job that did not end as it demands: {_NEVER}",
    "PartitionDown": "its partition{partition} is down: it starts when an administrator puts that up again",
    "PartitionInactive": "its partition{partition} is inactive: it starts when an administrator puts that up again",
    "PartitionConfig": _TOO_BIG.replace("{what}", "its partition{partition}"),
    "PartitionNodeLimit": _TOO_BIG.replace("{what}", "its partition{partition} (nodes)"),
    "PartitionTimeLimit": _TOO_BIG.replace("{what}", "its partition{partition} (time)"),
    "AssociationTimeLimit": _TOO_BIG.replace("{what}", "its account (time)"),
    "QOSTimeLimit": _TOO_BIG.replace("{what}", "its QOS (time)"),
    "BadConstraints": f"no node can ever have the features that it asks for: {_NEVER}",
    "InvalidAccount": f"its account is not valid (any more): {_NEVER}",
    "InvalidQOS": f"its QOS is not valid (any more): {_NEVER}",
    "AccountNotAllowed": f"its account may not use this partition: {_NEVER}",
    "QOSNotAllowed": f"its QOS may not be used in this partition: {_NEVER}",
    "ReservationDeleted": f"its reservation was deleted: {_NEVER}",
}

_PER_JOB = re.compile(r"(?:Assoc|QOS)Max\w*Per(?:Job|Node)(?:Limit)?|QOSMin\w+")
"""Limits on one job alone: `QOSMaxWallDurationPerJobLimit`, `AssocMaxCpuPerJobLimit`, `QOSMinMemory`."""


def stuck_because(row: Row) -> str | None:
    """Say why a waiting job cannot go on unless somebody does something, and what; None when it merely waits."""
    if row.state.phase is not Phase.PENDING:
        return None
    text = (_WORDS.get(row.state.word) if row.state.word else None) or _of_reason(row.reason or "")
    partition = f" {row.partition}" if row.partition else ""
    return text.format(id=row.id.id, partition=partition) if text else None


def _of_reason(reason: str) -> str | None:
    # scontrol writes `job_requeued_in_held_state`, squeue the same with blanks.
    known = _REASONS.get(reason) or _REASONS.get(reason.replace("_", " "))
    if known is None and _PER_JOB.fullmatch(reason):
        return _TOO_BIG.replace("{what}", f"a limit on each job ({reason})")
    return known
