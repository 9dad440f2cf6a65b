"""Start and end processes by pid, never mistaking a reused pid for one of ours."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

PAUSE_S = 0.02
# The shell notes its pid and start time and then becomes the daemon: at no moment is the process unknown.
NOTE_AND_BECOME = 'echo "$$ $(cut -d " " -f 22 /proc/$$/stat)" >"$1"; shift; exec "$@"'


@dataclass(frozen=True)
class Process:
    """A process of this boot, told from a later one with the same pid by its start time."""

    pid: int
    started: int
    """Clock ticks since boot: field 22 of /proc/PID/stat (proc(5))."""


def identify(pid: int) -> Process | None:
    """Return the living process with this pid; None for none and for a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def alive(process: Process | None) -> bool:
    """Say whether this very process still runs."""
    return process is not None and identify(process.pid) == process


def send(process: Process, number: signal.Signals) -> None:
    """Signal this very process; nothing happens when it is gone."""
    if alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def end(processes: Iterable[Process], *, patience_s: float) -> None:
    """End these processes: SIGTERM, and SIGKILL after `patience_s` seconds (0: at once); a stopped one is woken."""
    rest = [process for process in processes if alive(process)]
    for process in rest if patience_s else ():
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)
    if patience_s and wait_until(lambda: not any(map(alive, rest)), timeout_s=patience_s):
        return
    for process in rest:
        send(process, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, rest)), timeout_s=5)


def wait_until(condition: Callable[[], bool], *, timeout_s: float, pause_s: float = PAUSE_S) -> bool:
    """Wait for a condition; return whether it came within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True


def spawn(argv: Sequence[str], *, pid_file: Path, log: Path, environment: Mapping[str, str], cwd: Path) -> Process:
    """Start a daemon that belongs to nobody (its parent is init) and note who it is.

    Raises:
        ClusterError: it did not start.
    """
    pid_file.unlink(missing_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", NOTE_AND_BECOME, "sh", str(pid_file), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd=cwd,
            umask=0o022,
            check=True,
        )
    if not wait_until(lambda: _written(pid_file), timeout_s=10, pause_s=0.005):
        raise ClusterError(f"{argv[0]} was not started")
    process = recorded(pid_file)
    if process is None:
        raise ClusterError(f"{argv[0]} ended at once: {log}")
    return process


def recorded(pid_file: Path) -> Process | None:
    """Return the process of a pid file if that very process still runs; a stale file is nothing."""
    try:
        words = pid_file.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    if len(words) != 2:
        return None
    process = Process(int(words[0]), int(words[1]))
    return process if alive(process) else None


def with_descendants(roots: Iterable[Process]) -> set[Process]:
    """Return these processes and all below them, at this moment."""
    children = _children()
    found: set[Process] = set()
    todo = [root for root in roots if alive(root)]
    while todo:
        process = todo.pop()
        if process not in found:
            found.add(process)
            todo += filter(None, map(identify, children.get(process.pid, ())))
    return found


def marked(mark: str) -> set[Process]:
    """Return the processes whose environment holds this `NAME=value`."""
    wanted = mark.encode()
    found: set[Process] = set()
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and pid != os.getpid():
            found |= {process for process in (identify(pid),) if process}
    return found


def holding(folder: Path, name: str) -> set[Process]:
    """Return the processes of this program that have a file below a folder open."""
    found: set[Process] = set()
    for pid in _pids():
        process = identify(pid)
        if process is None or name_of(process) != name:
            continue
        with suppress(OSError):
            files = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
            if any(file.is_relative_to(folder) for file in files):
                found.add(process)
    return found


def name_of(process: Process) -> str:
    """Return the name of a process's program, cut to 15 bytes as the kernel keeps it; empty when it is gone."""
    try:
        return Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid in _pids():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(pid)
    return children


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _written(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").endswith("\n")
