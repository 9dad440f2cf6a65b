"""What an end's own facts say: state, exit code and signal, reason, and what was used of what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobwarden.diagnosis.model import Category, Outcome, Retryable

_GOOD = re.compile(
    r"(?i)^\s*(?:completed|success(?:ful|fully)?|succeeded|ok|done|exited\s*\(?0\)?|exit(?:ed)? code 0|finished)\b"
)
_BAD = re.compile(
    r"(?i)fail|error|timeout|out_of_memory|oom|cancel|preempt|killed|deadline|revoked|crash|lost|exited|signal"
)
_STATES: tuple[tuple[str, Category, str], ...] = (
    ("OUT_OF_MEMORY", Category.OUT_OF_MEMORY, "cgroup"),
    ("OOMKILLED", Category.OUT_OF_MEMORY, "cgroup"),
    ("NODE_FAIL", Category.NODE_FAILURE, ""),
    ("BOOT_FAIL", Category.NODE_FAILURE, "boot"),
    ("LAUNCH_FAILED", Category.NODE_FAILURE, "launch"),
    ("PREEMPTED", Category.PREEMPTED, ""),
    ("TIMEOUT", Category.TIME_LIMIT, ""),
    ("TIMED_OUT", Category.TIME_LIMIT, ""),
    ("DEADLINE", Category.TIME_LIMIT, "deadline"),
    ("CANCEL", Category.CANCELLED, ""),
    ("REVOKED", Category.CANCELLED, ""),
)
_REASONS: tuple[tuple[str, Category, str], ...] = (
    ("OutOfMemory", Category.OUT_OF_MEMORY, "cgroup"),
    ("TimeLimit", Category.TIME_LIMIT, ""),
    ("NodeDown", Category.NODE_FAILURE, ""),
    ("launch failed requeued held", Category.NODE_FAILURE, "launch"),
    ("Preempted", Category.PREEMPTED, ""),
)
_NAMES = "  HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM"[1:].split(" ")
SIGNALS = {number: f"SIG{name}" for number, name in enumerate(_NAMES) if name} | {
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}
"""Linux, x86 and ARM (`man 7 signal`)."""
_BY_SIGNAL: dict[int, tuple[Category, str, str]] = {
    2: (Category.CANCELLED, "interrupt", "It was interrupted (SIGINT)"),
    4: (
        Category.NATIVE_CRASH,
        "illegal_instruction",
        "A program used an instruction that this processor does not have (SIGILL)",
    ),
    6: (Category.NATIVE_CRASH, "abort", "A program aborted itself (SIGABRT)"),
    7: (Category.NATIVE_CRASH, "bus_error", "A program crashed with a bus error (SIGBUS)"),
    8: (Category.NATIVE_CRASH, "arithmetic", "A program crashed on an arithmetic error (SIGFPE)"),
    9: (Category.OUT_OF_MEMORY, "host", "A process was killed (SIGKILL), most likely because memory ran out"),
    11: (Category.NATIVE_CRASH, "segmentation_fault", "A program crashed: segmentation fault (SIGSEGV)"),
    15: (Category.CANCELLED, "signal", "It was told to end (SIGTERM)"),
    24: (Category.TIME_LIMIT, "cpu", "It used up its CPU time (SIGXCPU)"),
    25: (Category.RESOURCE_LIMIT, "file_size", "A file grew beyond the limit for one file (SIGXFSZ)"),
    31: (Category.NATIVE_CRASH, "system_call", "A program made a forbidden system call (SIGSYS)"),
    53: (Category.MISSING, "file", "The job's working folder or output file could not be opened"),
    125: (Category.OUT_OF_MEMORY, "cgroup", "It used more memory than it had asked for"),
}
# Slurm shows 0:53 and 0:125 where a signal stands for what slurmd itself met (measured with 22.05.8).
_BY_CODE: dict[int, tuple[Category, str, str]] = {
    124: (Category.TIME_LIMIT, "program", "A command was ended by timeout (exit code 124)"),
    126: (Category.PERMISSION, "execute", "A command was found but could not be executed (exit code 126)"),
    127: (Category.ENVIRONMENT, "command", "A command was not found (exit code 127)"),
}
RETRY: dict[Category, Retryable] = {
    Category.NODE_FAILURE: Retryable.YES,
    Category.PREEMPTED: Retryable.YES,
    Category.CANCELLED: Retryable.NO,
    Category.UNKNOWN: Retryable.NO,
}
_REAL_TIME = 128


@dataclass(frozen=True, slots=True)
class Fact:
    """What an exit alone tells.

    Attributes:
        category: Of what it most likely was.
        kind: Of the category.
        cause: For a person.
        sure: Whether the scheduler says so itself.
    """

    category: Category
    kind: str
    cause: str
    sure: bool = False


def failed(outcome: Outcome) -> bool | None:
    """Say whether it failed, as far as the facts of its end tell; None: they do not."""
    code, signal = exit_of(outcome)
    if (code not in {None, 0}) or (signal not in {None, 0}):
        return True
    if outcome.state:
        if _GOOD.match(outcome.state):
            return False
        if _BAD.search(outcome.state):
            return True
    return False if code == 0 and outcome.ended else None


def exit_of(outcome: Outcome) -> tuple[int | None, int | None]:
    """Give exit code and signal, from whichever field has them."""
    code, signal = outcome.exit_code, outcome.signal
    if found := re.fullmatch(r"\s*(\d{1,5}):(\d{1,4})\s*", outcome.slurm_exit):
        code = int(found[1]) if code is None else code
        signal = int(found[2]) or None if signal is None else signal
    if code is None and (found := re.search(r"(?i)exit(?:ed)?(?: code| status)?\s*\(?(-?\d{1,5})", outcome.state)):
        code = int(found[1])
    if code is not None and code < 0:
        return None, -code
    if code is not None and _REAL_TIME < code <= _REAL_TIME + 64 and not signal:
        return code, code - _REAL_TIME
    return code, signal


def said_by_scheduler(outcome: Outcome) -> Fact | None:
    """Give the cause that the scheduler itself names in its state or reason.

    Of a living job none: what it waits for (`PartitionTimeLimit`) has ended nothing.
    """
    if not outcome.ended:
        return None
    state = outcome.state.upper().replace(" ", "_")
    for word, category, kind in _STATES:
        if word in state:
            return Fact(category, kind, _words(category, kind, outcome), sure=True)
    if outcome.cancelled_by:  # a program's own word for it is the signal that ended it
        return Fact(Category.CANCELLED, "", _words(Category.CANCELLED, "", outcome), sure=True)
    for word, category, kind in _REASONS:
        if word.lower() in outcome.reason.lower():
            return Fact(category, kind, _words(category, kind, outcome), sure=True)
    if exit_of(outcome)[1] in {53, 125} and outcome.slurm_exit:
        return of_signal(exit_of(outcome)[1] or 0)
    return None


def said_by_exit(outcome: Outcome) -> Fact | None:
    """Give what the exit code or the signal most often means; None where they say nothing."""
    code, signal = exit_of(outcome)
    if signal and (fact := of_signal(signal)):
        return fact
    return of_code(code) if code else None


def of_signal(signal: int) -> Fact | None:
    """Say what a signal most often means."""
    known = _BY_SIGNAL.get(signal)
    return Fact(*known) if known else None


def of_code(code: int) -> Fact | None:
    """Say what an exit code of a program means, where there is a rule."""
    if code > _REAL_TIME and (fact := of_signal(code - _REAL_TIME)):
        return fact
    known = _BY_CODE.get(code)
    return Fact(*known) if known else None


def describe(outcome: Outcome) -> str:
    """Write the facts of an end in one line; empty where there are none."""
    code, signal = exit_of(outcome)
    parts = [
        f"state {outcome.state}" if outcome.state else "",
        f"exit code {code}" if code is not None else "",
        f"signal {signal} ({SIGNALS.get(signal, 'real-time or internal')})" if signal else "",
        f"reason {outcome.reason}" if outcome.reason and outcome.reason.lower() != "none" else "",
    ]
    return ", ".join(part for part in parts if part)


def _words(category: Category, kind: str, outcome: Outcome) -> str:
    match category:
        case Category.OUT_OF_MEMORY:
            return "It used more memory than it had asked for, and was killed"
        case Category.TIME_LIMIT:
            return "The job's deadline came before its end" if kind == "deadline" else "The job reached its time limit"
        case Category.NODE_FAILURE:
            return "A node of the job failed" + (f" (it ran on {outcome.nodes})" if outcome.nodes else "")
        case Category.PREEMPTED:
            return "A job of higher priority took its place"
        case _:
            found = re.search(r"(?i)\bby[_ ](\w{1,64})", outcome.state)
            by = outcome.cancelled_by or (f"user {found[1]}" if found else "")
            return "The job was cancelled" + (f" by {by}" if by else "")
