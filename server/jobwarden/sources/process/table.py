"""The process table of this machine: who is who, told apart across reused pids.

On Linux from /proc (proc(5): state, session and start time in ticks since boot are fields 3, 6 and 22 of `stat`);
elsewhere, best effort, from `ps`. Reading is blocking and takes microseconds a process on Linux.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jobwarden.sources.errors import SourceUnavailableError

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it stood when asked for.

    Attributes:
        pid: Its number; means nothing without `start_time`.
        start_time: What tells it from a later process of the same number; compare for equality only.
        state: The kernel's letter: R, S, D, T (stopped), Z (ended, not yet waited for), ...
        uid: Whose it is (the real user), -1 where that was not told.
        line: The raw line that says so.
    """

    pid: int
    start_time: str
    state: str
    uid: int
    line: str

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP or the like holds it."""
        return self.state == "T"

    @property
    def ended(self) -> bool:
        """Whether it has ended and only waits to be reaped."""
        return self.state in {"Z", "X"}


def can_look() -> bool:
    """Say whether there is a process table to look into."""
    return sys.platform != "linux" or (_PROC / "self" / "stat").exists()


def process_at(pid: int) -> Process | None:
    """Give whatever process has this pid now.

    Raises:
        SourceUnavailableError: The process table cannot be read; nothing is known.
    """
    try:
        return _from_proc(pid) if sys.platform == "linux" else _from_ps(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceUnavailableError(
            f"The process table cannot be read: {error}.", code="process.no_process_table"
        ) from error


def find_process(pid: int, start_time: str) -> Process | None:
    """Give the process of this pid and start time, or None when it is not there (or another has its pid now).

    Raises:
        As `process_at`.
    """
    process = process_at(pid)
    return process if process is not None and process.start_time == start_time else None


def command_of(pid: object) -> str:
    """Give a living process's command line as one would type it; empty where that cannot be read (not Linux)."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").decode("utf-8", "replace").split("\0")
    except OSError:
        return ""
    return shlex.join(words)


def _from_proc(pid: int) -> Process:
    line = (_PROC / str(pid) / "stat").read_bytes()
    status = (_PROC / str(pid) / "status").read_bytes()
    fields = line.rpartition(b")")[2].split()
    uid = next((int(row.split()[1]) for row in status.splitlines() if row.startswith(b"Uid:")), -1)
    return Process(
        pid=pid,
        start_time=fields[19].decode(),
        state=fields[0].decode(),
        uid=uid,
        line=line.decode("utf-8", "replace").strip(),
    )


def _from_ps(pid: int) -> Process | None:
    environment = {"LC_ALL": "C", "TZ": "UTC"}
    command = ("/bin/ps", "-o", "state=,uid=,lstart=", "-p", str(pid))
    done = subprocess.run(command, env=environment, capture_output=True, timeout=10, check=False)
    line = done.stdout.decode("utf-8", "replace").strip()
    fields = line.split(None, 2)
    if not fields:
        return None
    return Process(pid=pid, start_time=fields[2].strip(), state=fields[0][0], uid=int(fields[1]), line=line)
