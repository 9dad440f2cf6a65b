"""Which process is meant, so that a reused pid or another machine's pid is never taken for it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, for good: a pid alone is given again to others.

    Attributes:
        boot_id: Names one boot of one kernel.
        pid_namespace: Names the namespace in which `pid` counts; empty where there is none.
        pid: As its own namespace numbers it.
        start_time: Clock ticks after boot (`man 5 proc_pid_stat`, field 22); elsewhere what `ps -o lstart=` prints.
    """

    boot_id: str
    pid_namespace: str
    pid: int
    start_time: str


def this_process() -> ProcessId:
    """Name the calling process. Never kept over a fork: the child is another."""
    pid = os.getpid()
    seen = _stat(pid)
    return ProcessId(_boot_id(), _pid_namespace(), pid, seen[1] if seen else "")


def process_of(pid: int) -> ProcessId | None:
    """Name a process that runs now in our own namespace, or give None when there is none."""
    seen = _stat(pid)
    if seen is None or seen[0] in _DEAD:
        return None
    return ProcessId(_boot_id(), _pid_namespace(), pid, seen[1])


def is_alive(process: ProcessId) -> bool | None:
    """Say whether that process still runs.

    Returns:
        None where it cannot be judged from here: it ran on another machine, in another boot's namespace, or in
        another container. A zombie has ended.
    """
    boot_id = _boot_id()
    if not boot_id or (process.boot_id, process.pid_namespace) != (boot_id, _pid_namespace()):
        return None
    seen = _stat(process.pid)
    return seen is not None and seen[0] not in _DEAD and seen[1] == process.start_time


def is_stopped(process: ProcessId) -> bool:
    """Say whether the process stands still under SIGSTOP or a debugger: alive, and yet it cannot go on."""
    seen = _stat(process.pid)
    return seen is not None and seen[0] in _STOPPED


_DEAD = frozenset("ZXx")
_STOPPED = frozenset("Tt")


def _stat(pid: int) -> tuple[str, str] | None:
    """Give a process's state letter and start time, or None when there is no such process."""
    if sys.platform != "linux":
        return _ps(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may itself hold both spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]


def _ps(pid: int) -> tuple[str, str] | None:
    """Ask `ps`, where there is no /proc (POSIX `ps -o`; `lstart` is in the BSDs, macOS and procps)."""
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
    )
    state, _, started = done.stdout.strip().partition(" ")
    return (state[0], started.strip()) if done.returncode == 0 and state else None


def _boot_id() -> str:
    """Name this boot; empty where nobody tells, and then no process can be judged."""
    if sys.platform == "linux":
        try:
            return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""
    done = subprocess.run(
        ["sysctl", "-n", "kern.boottime"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
