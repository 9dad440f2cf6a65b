"""From a job's record, and what its source says beyond it, to the facts of its end. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from jobwarden.diagnosis.model import Outcome
from jobwarden.sources.post_mortem import PostMortem
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

_BY = re.compile(r"\bCANCELLED by (?P<uid>\d+)")
_EXIT = re.compile(r"(?P<code>\d+):(?P<signal>\d+)")
_ROOT = "0"
_LAST_SIGNAL = 64
_NO_OUTPUT_FILE = 53
"""Slurm's own number in the signal's place (0:53)."""
_GOOD = ("COMPLETED", "RUNNING", "PENDING")
_STATES_WITH_A_PROGRAMS_EXIT = ("FAILED", "COMPLETED")


def outcome_of(record: JobRecord, told: PostMortem | None = None, *, quiet_s: float | None = None) -> Outcome:
    """Put together what is known.

    Args:
        record: The job as it stands, or as it ended. Its state holds: accounting may be behind.
        told: What its source says; of a job with elements or tasks, of the first that failed.
        quiet_s: Since its log last grew.
    """
    outcome = _recorded(record, quiet_s)
    if told is None:
        return outcome
    if told.part and not told.state.startswith(_GOOD):
        outcome = _of_part(outcome, told)
    elif told.part and outcome.ended:
        return outcome  # accounting has not heard yet of the part that ended badly
    return replace(
        outcome,
        reason=outcome.reason or told.reason,
        slurm_exit=_exit(outcome, told.exit),
        cancelled_by=told.cancelled_by or outcome.cancelled_by,
        time_limit_s=told.time_limit_s,
        elapsed_s=outcome.elapsed_s if told.elapsed_s is None else told.elapsed_s,
        memory_limit_bytes=told.memory_limit_bytes,
        max_rss_bytes=told.max_rss_bytes,
        nodes=told.nodes or outcome.nodes,
    )


def _recorded(record: JobRecord, quiet_s: float | None) -> Outcome:
    ended = record.phase.closed
    elapsed = None
    if record.started_at is not None and record.ended_at is not None:
        elapsed = max(0.0, (record.ended_at - record.started_at).total_seconds())
    # Counts of elements, or a success without its expected output: the word that comes first is not what it came to.
    hidden = record.phase is Phase.FAILED and record.last_status.startswith(_GOOD)
    return Outcome(
        state=f"FAILED ({record.last_status})" if hidden else record.last_status,
        ended=ended,
        reason=record.reason or record.stuck or "",
        exit_code=record.exit_code,
        signal=record.signal,
        cancelled_by=cancelled_by(record.last_status),
        elapsed_s=elapsed,
        nodes=record.node or "",
        quiet_s=None if ended else quiet_s,
    )


def _exit(outcome: Outcome, told: str) -> str:
    """Write Slurm's `code:signal`, with the program's own code where the record has it: sacct subtracts 128."""
    found = _EXIT.fullmatch(told)
    if found is None or outcome.exit_code is None or int(found["code"]) + 128 != outcome.exit_code:
        return told
    return f"{outcome.exit_code}:{found['signal']}"


def _of_part(outcome: Outcome, told: PostMortem) -> Outcome:
    """Speak of one element instead of the whole, which has only counts for a state and no exit of its own."""
    found = _EXIT.fullmatch(told.exit)
    code, signal = (int(found["code"]), int(found["signal"])) if found else (0, 0)
    of_program = told.state.startswith(_STATES_WITH_A_PROGRAMS_EXIT)
    real = of_program and signal <= _LAST_SIGNAL and signal != _NO_OUTPUT_FILE
    return replace(
        outcome,
        state=told.state or outcome.state,
        reason=told.reason,
        exit_code=outcome.exit_code if outcome.exit_code is not None else (code or None) if of_program else None,
        signal=outcome.signal if outcome.signal is not None else (signal or None) if real else None,
    )


def cancelled_by(status: str) -> str:
    """Say who, by a state's own words (`CANCELLED by 0`); empty where they do not tell."""
    found = _BY.search(status)
    if found is None:
        return ""
    return "root" if found["uid"] == _ROOT else f"uid {found['uid']}"
