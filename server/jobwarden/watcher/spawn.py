"""Seeing to it that the watcher runs, whoever asks, and that it outlives them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from jobwarden.programs import on_path
from jobwarden.watcher.presence import is_older, is_running, log_path, read_info, ring
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.paths import Places

# The shell is the middle process of the double fork: it is waited for here, and the watcher it leaves is init's.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 &'
STARTING = "JOBWARDEN_STARTING"
"""Tells the new process which descriptor holds the lock of its start; it is closed once it is the watcher."""
_SYSTEMD_KEEPS = ("HOME", "PATH", "USER", "LOGNAME", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "KRB5CCNAME")


class SpawnError(JobwardenError):
    """The watcher could not be started; jobs are looked at only while somebody asks."""

    code: str = "watcher.spawn_failed"
    retryable: bool = True


def ensure_watcher(places: Places, env: Mapping[str, str], *, version: str) -> bool:
    """Start the watcher unless one runs, or wake the one that does; answers whether it was started here. Blocks.

    An older one is asked to hand over, and ours is started at once: it waits until the other has gone.

    Raises:
        SpawnError: The process could not be made.
    """
    try:
        if is_running(places):
            older = is_older(read_info(places), version)
            ring(places, "handover" if older else "wake")
            if not older:
                return False
        return _start(places, env)
    except (OSError, subprocess.SubprocessError) as error:
        raise SpawnError(f"The watcher could not be started: {error}.", hint="Run: jobwarden doctor") from error


def _start(places: Places, env: Mapping[str, str]) -> bool:
    command = [sys.executable, "-m", "jobwarden.watcher.main"]
    starting = _begin_start(places)
    if starting is None:
        return False
    # The watcher has no use for a server's tokens, and everybody on the machine reads a command line.
    env = {name: value for name, value in env.items() if not (_ours(name) and name.endswith("_TOKEN"))}
    try:
        if not _by_systemd(command, env, log_path(places)):
            _by_fork(command, {**env, STARTING: str(starting)}, log_path(places), starting)
    finally:
        os.close(starting)
    return True


def _begin_start(places: Places) -> int | None:
    """Take the lock of a start that is under way, which the new process inherits; None: somebody else has it."""
    descriptor = os.open(places.runtime / "watcher.starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _by_fork(command: list[str], env: Mapping[str, str], log: Path, starting: int) -> None:
    subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log), *command],
        env=dict(env),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(starting,),
        check=True,
        timeout=10,
    )


def _by_systemd(command: list[str], env: Mapping[str, str], log: Path) -> bool:
    """Try the user's own service manager, which keeps a process at the end of a login session."""
    runtime = env.get("XDG_RUNTIME_DIR")
    program = on_path("systemd-run", env)
    if not runtime or program is None or not (Path(runtime) / "systemd" / "private").exists():
        return False
    kept = [f"--setenv={name}={value}" for name, value in env.items() if name in _SYSTEMD_KEEPS or _ours(name)]
    made = subprocess.run(
        [
            program,
            "--user",
            "--collect",
            "--quiet",
            "--description=jobwarden: watches your cluster jobs",
            f"--property=StandardOutput=append:{log}",
            f"--property=StandardError=append:{log}",
            *kept,
            *command,
        ],
        env=dict(env),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
        timeout=10,
    )
    return made.returncode == 0


def _ours(name: str) -> bool:
    return name.startswith(("XDG_", "JOBWARDEN_"))
