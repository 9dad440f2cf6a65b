"""When a job is started again: in which ways its run must have failed. Pure.

A way is a word of the scheduler (`TIMEOUT`), `failed` (however), `exit:75`, `exit:64-78`, `signal:KILL`,
`cause:out_of_memory` (the categories of diagnose_job) or `pattern:...`, seen in the log of the run that failed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from jobwarden.actions.call import ActionCall
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.substitution import Value
from jobwarden.diagnosis.model import Category
from jobwarden.sources.slurm.vocabulary import PHASES
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

RESTART: Final = "restart"
PATTERN: Final = "pattern:"
CAUSE: Final = "cause:"
_EXIT, _SIGNAL = "exit:", "signal:"
_CODES = re.compile(r"(?P<first>\d{1,3})(?:-(?P<last>\d{1,3}))?")
_DOUBTED = re.compile(r"or exit (?P<code>\d{3}): sacct subtracts 128")
_NO_CAUSE = (Category.CANCELLED, Category.NONE, Category.UNKNOWN)
_CAUSES = tuple(one.value for one in Category if one not in _NO_CAUSE)
_WORDS = tuple(str(word) for word, phase in PHASES.items() if phase is Phase.FAILED)
_WAYS_MOST = 20
_HINT = 'Write: restart=[TIMEOUT, exit:75, signal:KILL, cause:out_of_memory, pattern:"NCCL.*timeout"] times=3'
_SLURM = "restart=[...] is for plain Slurm jobs."
_OTHERS: Mapping[str, str] = {
    "nel": "nel resumes its tasks itself, and two of one may not run.",
    "launcher": "its launcher submits its tasks; start the experiment again with that.",
    "process": "nothing submits a process; start it again with `jobwarden run`.",
}
_NEVER: Mapping[str, str] = {
    "lost": "A job that is lost may still run, and two of it may not.",
    "cancelled": "Who cancels a job wants its end, so it is never started again.",
    "succeeded": "What has succeeded is not started again.",
    "completed": "What has succeeded is not started again.",
    "end": "Only a failure is followed by another run; `failed` is any.",
    "any": "Only a failure is followed by another run; `failed` is any.",
}


def check_ways(ways: Sequence[str]) -> tuple[str, ...]:
    """Check and write alike the ways in which a run may fail.

    Raises:
        InvalidRuleError: One of them can be none, or may not be.
    """
    if not ways or len(ways) > _WAYS_MOST:
        raise InvalidRuleError(f"restart names 1 to {_WAYS_MOST} ways to fail.", hint=_HINT)
    return tuple(dict.fromkeys(_checked(one) for one in ways))


def pattern_of(ways: Sequence[str]) -> str:
    """Give one pattern for all that are looked for in its log; empty for none."""
    patterns = [one.removeprefix(PATTERN) for one in ways if one.startswith(PATTERN)]
    return "|".join(f"(?:{one})" for one in patterns) if len(patterns) > 1 else "".join(patterns)


def needs_cause(ways: Sequence[str]) -> bool:
    """Whether it matters why it failed."""
    return any(one.startswith(CAUSE) for one in ways)


def way_of(ways: Sequence[str], ended: JobRecord, *, cause: str | None, matched: bool) -> str | None:
    """Say which of these ways it was; None: none of them.

    Args:
        ways: From `check_ways`.
        ended: The job as its run ended.
        cause: The category that is known of it.
        matched: Whether a line of that run's log has matched the patterns.
    """
    if ended.phase is not Phase.FAILED:
        return None
    true = {"failed", ended.last_status.split()[0] if ended.last_status else "", f"{CAUSE}{cause}"}
    for one in ways:
        if one in true or (matched and one.startswith(PATTERN)) or _is_exit(one, ended) or _is_signal(one, ended):
            return one
    return None


def check_job(job_type: str, job_id: str) -> None:
    """Refuse a restart rule for a job that nobody here may start again.

    Raises:
        InvalidRuleError: Who starts it, and why it is not us.
    """
    if job_type != "slurm":
        why = _OTHERS.get(job_type, f"{job_type} jobs cannot be submitted again.")
        raise InvalidRuleError(f"A job of the type {job_type} is not started again by a rule: {why}", hint=_SLURM)
    if not job_id.isdecimal():
        raise InvalidRuleError(f"{job_id[:40]!r} is a part of a job, and only whole ones are submitted.", hint=_SLURM)


def restart_call(values: Mapping[str, Value]) -> ActionCall:
    """Give what is done.

    Args:
        values: times, wait_s, backoff, wait_most_s and modifications, as far as they are given.
    """
    return ActionCall(RESTART, dict(values))


def _checked(way: str) -> str:
    if way.startswith(PATTERN):
        if not way.removeprefix(PATTERN).strip():
            raise InvalidRuleError("A pattern of restart is empty.", hint=_HINT)
        return way
    kind, colon, value = way.partition(":")
    if colon:
        checked = _valued(f"{kind.strip().lower()}:", value.strip())
    else:
        checked = next((word for word in ("failed", *_WORDS) if way.strip() == word), "")
    if checked:
        return checked
    if why := _NEVER.get(way.strip().lower()):
        raise InvalidRuleError(f"restart cannot name {way[:40]!r}. {why}", hint=_HINT)
    there = f"There is: failed (however), {', '.join(_WORDS)}, exit:N, signal:NAME, cause:NAME, pattern:TEXT."
    raise InvalidRuleError(f"{way[:60]!r} is no way in which a run can fail.", hint=there)


def _valued(kind: str, value: str) -> str:
    if kind == CAUSE:
        if value in _CAUSES:
            return kind + value
        raise InvalidRuleError(f"{value[:40]!r} is no cause to start a job again for.", hint=f"{', '.join(_CAUSES)}.")
    if kind == _EXIT and (found := _CODES.fullmatch(value)) is not None:
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if 1 <= first <= last <= 255:
            return f"{kind}{value}"
        raise InvalidRuleError(f"No failure has the exit code {value}.", hint="1 to 255: exit:75, or exit:64-78.")
    if kind == _SIGNAL and (number := _number(value)):
        return f"{kind}{signal.Signals(number).name.removeprefix('SIG')}"
    return ""


def _number(value: str) -> int:
    """Give a signal's number; 0 for what is none."""
    name = value.upper() if value.upper().startswith("SIG") else f"SIG{value.upper()}"
    known = {one.name: one.value for one in signal.Signals}
    number = int(value) if value.isdecimal() else known.get(name, 0)
    return number if number in known.values() else 0


def _is_exit(way: str, ended: JobRecord) -> bool:
    found = _CODES.fullmatch(way.removeprefix(_EXIT)) if way.startswith(_EXIT) else None
    if found is None:
        return False
    return any(int(found["first"]) <= code <= int(found["last"] or found["first"]) for code in _codes(ended))


def _is_signal(way: str, ended: JobRecord) -> bool:
    number = _number(way.removeprefix(_SIGNAL)) if way.startswith(_SIGNAL) else 0
    return bool(number) and (ended.signal == number or 128 + number in _codes(ended))


def _codes(ended: JobRecord) -> Iterator[int]:
    """Give its exit code, and the other one that it may be."""
    if ended.exit_code is None:
        return
    yield ended.exit_code
    if doubted := _DOUBTED.search(ended.reason or ""):
        yield int(doubted["code"])
