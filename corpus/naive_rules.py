"""Rules by which people tell whether a Slurm job has ended, for comparison. Each is a verdict function of few lines.

They are in our own words, and none is the code of any product; each stands for a way that is in use.
"""

from __future__ import annotations

from collections.abc import Callable

from emulated import Ask

_QUEUE = {
    "PENDING": "pending", "CONFIGURING": "pending", "RUNNING": "running", "COMPLETING": "running",
    "SUSPENDED": "suspended",
}  # fmt: skip
_END = {"COMPLETED": "succeeded", "FAILED": "failed", "TIMEOUT": "failed", "CANCELLED": "cancelled"}
_SEVEN = _END | {"PENDING": "pending", "RUNNING": "running", "COMPLETING": "running"}


def _queue_state(ask: Ask, job: str) -> str:
    """The state in squeue; empty when it is not there, whatever the reason."""
    lines = ask(["squeue", "-h", "-j", job, "-o", "%T"])[1].splitlines()
    return lines[0] if lines else ""


def _account_state(ask: Ask, job: str) -> str:
    """The first word of the last State in sacct; empty when there is none, whatever the reason."""
    lines = ask(["sacct", "-X", "-n", "-P", "-j", job, "-o", "State"])[1].splitlines()
    return lines[-1].partition(" ")[0] if lines else ""


def left_the_queue(ask: Ask, job: str) -> str:
    """Not in squeue: it has completed."""
    state = _queue_state(ask, job)
    return _QUEUE.get(state, "alive") if state else "succeeded"


def queue_exit_status(ask: Ask, job: str) -> str:
    """`squeue -j` fails: it has ended."""
    status, out, _ = ask(["squeue", "-h", "-j", job, "-o", "%T"])
    if status:
        return "ended"
    return _QUEUE.get(out.strip().partition("\n")[0], "alive") if out else "ended"


def own_queue_then_account(ask: Ask, job: str) -> str:
    """`squeue --me`; not there: what sacct says, by seven known words."""
    for line in ask(["squeue", "--me", "-h", "-o", "%i %T"])[1].splitlines():
        name, _, state = line.partition(" ")
        if name.partition("_")[0] == job.partition("_")[0]:
            return _QUEUE.get(state, "unknown")
    return _SEVEN.get(_account_state(ask, job), "unknown")


def account_alone(ask: Ask, job: str) -> str:
    """Whatever in sacct is neither RUNNING nor PENDING has ended."""
    state = _account_state(ask, job)
    if state in ("RUNNING", "PENDING", ""):
        return {"RUNNING": "running", "PENDING": "pending"}.get(state, "unknown")
    return _END.get(state, "failed")


def completed_or_failed(ask: Ask, job: str) -> str:
    """Sacct says COMPLETED: done. RUNNING or PENDING: alive. Anything else, and no answer: failed."""
    state = _account_state(ask, job)
    return {"COMPLETED": "succeeded", "RUNNING": "running", "PENDING": "pending"}.get(state, "failed")


def deny_list(ask: Ask, job: str) -> str:
    """Done is what is in no list of live words; then its exit code decides."""
    lines = ask(["sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode"])[1].splitlines()
    state, _, code = (lines[-1] if lines else "").partition("|")
    if state in ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING"):
        return _QUEUE.get(state, "alive")
    return "succeeded" if code in ("0:0", "") else "failed"


def first_word_allow_list(ask: Ask, job: str) -> str:
    """Sacct's first word in an allow-list of ends, requeueable ones among them; everything else runs."""
    return (_END | {"PREEMPTED": "failed", "NODE_FAIL": "failed", "OUT_OF_MEMORY": "failed"}).get(
        _account_state(ask, job), "alive"
    )


def exact_column(ask: Ask, job: str) -> str:
    """The State column as sacct prints it, compared whole: `CANCELLED+` is no word."""
    lines = ask(["sacct", "-n", "-j", job, "-o", "State"])[1].split("\n")
    return _SEVEN.get(lines[0].strip(), "unknown")


def controller_alone(ask: Ask, job: str) -> str:
    """The JobState of `scontrol show job`; forgotten: nobody can say."""
    status, out, _ = ask(["scontrol", "show", "job", job])
    state = out.partition("JobState=")[2].split()[:1] if status == 0 else []
    return (_END | _QUEUE).get(state[0], "unknown") if state else "unknown"


def queue_then_exit_code(ask: Ask, job: str) -> str:
    """In squeue it is alive; else an exit code of 0:0 in sacct is success, and any other failure."""
    if _queue_state(ask, job):
        return "alive"
    codes = ask(["sacct", "-X", "-n", "-P", "-j", job, "-o", "ExitCode"])[1].splitlines()
    return ("succeeded" if codes[0] == "0:0" else "failed") if codes else "unknown"


def queue_then_whole_account(ask: Ask, job: str) -> str:
    """In squeue it is alive; else sacct's word, by all the ends that its manual lists; else unknown."""
    state = _queue_state(ask, job)
    if state:
        return _QUEUE.get(state, "alive")
    others = ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY")
    return (_SEVEN | dict.fromkeys(others, "failed")).get(_account_state(ask, job), "unknown")


RULES: dict[str, Callable[[Ask, str], str]] = {
    "not in squeue: completed": left_the_queue,
    "`squeue -j` fails: ended": queue_exit_status,
    "`squeue --me`, else sacct by seven words": own_queue_then_account,
    "squeue, else sacct by all words of its manual": queue_then_whole_account,
    "squeue, else sacct's exit code": queue_then_exit_code,
    "sacct: neither RUNNING nor PENDING is ended": account_alone,
    "sacct: COMPLETED is done, all else failed": completed_or_failed,
    "sacct: done is what is in no list of live words": deny_list,
    "sacct: a list of ends, all else runs": first_word_allow_list,
    "sacct's column compared whole": exact_column,
    "`scontrol show job` alone": controller_alone,
}
