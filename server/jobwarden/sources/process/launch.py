"""Starting a local program under a supervisor that outlives us."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
from pydantic import JsonValue

from jobwarden.sources.process import supervisor
from jobwarden.sources.process.state import JobFile, StartFile, check_root, read_state, write_file
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import JobwardenError, UnwritableError
from jobwarden_registry.model import LogPaths
from jobwarden_registry.processes import this_process

_START_TIMEOUT_S = 60.0
"""For Python to start and two files to be written; a busy machine and a home on NFS are slow."""


class ProcessStartError(JobwardenError):
    """The program was not started, and there is no job.

    Codes `process.not_found`, `process.not_executable`, `process.bad_cwd`, `process.bad_log`, `process.bad_command`,
    `process.start_failed`.
    """

    code: str = "process.start_failed"


@dataclass(frozen=True, slots=True)
class Started:
    """A program that runs under its supervisor.

    Attributes:
        id: The job's id, `p-` and twelve hex digits; a pid is no id, for pids are reused.
        facts: For `JobRecord.facts`.
        log: Where its output goes, stdout and stderr in one file.
        work_dir: Where it runs.
        started_at: When.
    """

    id: str
    facts: Mapping[str, JsonValue]
    log: LogPaths
    work_dir: str
    started_at: datetime


async def start_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    folder: Path,
    machine_id: str,
    log_path: Path | None = None,
    clock: Clock = utc_now,
) -> Started:
    """Start a program, and return once it really runs.

    Args:
        argv: The program, found by the PATH in `env`, and its arguments.
        cwd: Where it runs.
        env: Its whole environment; written nowhere.
        folder: Where supervised processes are kept (`processes_folder`); made when missing.
        machine_id: This machine's, the same as in `Host.machine_id`.
        log_path: Where its output is appended; by default a file in the job's own folder.
        clock: Gives the time of submission.

    Raises:
        ProcessStartError: It could not be started; there is no job and nothing of it on disk.
        UnwritableError: The folder cannot be written; there is no job.
        UntrustedError: The folder is not the user's own.
    """
    order = _Order(
        argv=tuple(argv),
        cwd=_absolute(cwd),
        env=dict(env),
        root=_absolute(folder),
        log=None if log_path is None else _absolute(cwd / log_path),
        machine_id=machine_id,
        submitted_at=clock().timestamp(),
    )
    _check(order)
    return await anyio.to_thread.run_sync(_start, order)


def supervised(folder: Path) -> tuple[Started, ...]:
    """List every program kept below this folder, ended or not, oldest first; what cannot be read is passed over.

    A starter that died before it could register its job is found so.
    """
    if not check_root(folder):
        return ()
    found: list[Started] = []
    for path in folder.iterdir():
        try:
            state = read_state(folder, path.name)
        except JobwardenError:
            continue
        if state is not None and state.start is not None:
            found.append(_started(state.job, state.start, state.folder))
    return tuple(sorted(found, key=lambda one: one.started_at))


@dataclass(frozen=True, slots=True)
class _Order:
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    root: Path
    log: Path | None
    machine_id: str
    submitted_at: float


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 -- links stay as the person wrote them


def _check(order: _Order) -> None:
    if not order.argv or not order.argv[0]:
        raise ProcessStartError(
            "There is no command.", code="process.bad_command", hint="Write it after `--`: jobwarden run -- COMMAND."
        )
    words = (*order.argv, *order.env, *order.env.values(), str(order.cwd), str(order.log or ""))
    if any("\0" in word for word in words) or any("=" in name or not name for name in order.env):
        raise ProcessStartError("No program can be given a NUL character.", code="process.bad_command")
    try:
        os.fsencode("".join(words))
        str(order.log or "").encode()
    except UnicodeEncodeError as error:
        raise ProcessStartError(f"That cannot be written down: {error}.", code="process.bad_command") from error


def _start(order: _Order) -> Started:
    job_id = f"p-{secrets.token_hex(6)}"
    folder = order.root / job_id
    log = order.log or folder / "output.log"
    us = this_process()
    job = JobFile(
        id=job_id,
        machine_id=order.machine_id,
        boot_id=us.boot_id,
        pid_namespace=us.pid_namespace,
        uid=os.getuid(),
        work_dir=os.fsencode(order.cwd).decode("utf-8", "replace"),
        log=str(log),
        submitted_at=order.submitted_at,
    )
    try:
        order.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_root(order.root)
        folder.mkdir(mode=0o700)
        write_file(folder, "job.json", job.model_dump_json() + "\n")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UnwritableError(f"{folder} cannot be written: {error.strerror}.", hint="Nothing was started.") from error
    answer = _supervise(order, folder, log)
    if not answer.startswith("ok "):
        shutil.rmtree(folder, ignore_errors=True)
        raise _explain(order, log, answer)
    return _started(job, StartFile.model_validate_json(answer.removeprefix("ok ")), folder)


def _supervise(order: _Order, folder: Path, log: Path) -> str:
    """Start the supervisor and give the one line that it answers; empty when it died without a word."""
    words = [str(folder), str(order.cwd), str(log), str(len(order.argv)), *order.argv]
    words.extend(f"{name}={value}" for name, value in order.env.items())
    command = (sys.executable, "-I", "-S", supervisor.__file__, folder.name)
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with child:
        try:
            sent = b"".join(os.fsencode(word) + b"\0" for word in words)
            answer, _ = child.communicate(sent, timeout=_START_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            child.kill()  # it has not detached yet, or this finds nobody
            raise ProcessStartError(
                f"The supervisor did not answer in {_START_TIMEOUT_S:.0f} s; whether the program runs is not known.",
                hint=f"Look into {folder}, or register {folder.name}, before starting it again.",
                code="process.start_unknown",
            ) from error
    return answer.decode("utf-8", "replace")


_EXPLAINED = {
    ("exec", "ENOENT"): ("process.not_found", "There is no command {command!r} (in {path})."),
    ("exec", "ENOTDIR"): ("process.not_found", "There is no command {command!r}."),
    ("exec", "EACCES"): ("process.not_executable", "{command!r} may not be executed."),
    ("exec", "ENOEXEC"): (
        "process.not_executable",
        "{command!r} is no program: it has no `#!` line or is binary junk.",
    ),
    ("exec", "E2BIG"): ("process.bad_command", "The arguments and the environment are too long for one program."),
    ("cwd", "*"): ("process.bad_cwd", "It cannot run in {cwd}: {reason}."),
    ("log", "*"): ("process.bad_log", "Its output cannot go to {log}: {reason}."),
}


def _explain(order: _Order, log: Path, answer: str) -> ProcessStartError:
    words = answer.split()
    stage, number = (words[1], int(words[2])) if len(words) == 3 else ("", 0)
    reason = os.strerror(number) if number else "the supervisor died"
    name = errno.errorcode.get(number, "")
    code, text = _EXPLAINED.get((stage, name)) or _EXPLAINED.get((stage, "*")) or ("process.start_failed", "{reason}.")
    where = order.env.get("PATH", "") if "/" not in order.argv[0] else str(order.cwd)
    return ProcessStartError(
        text.format(command=order.argv[0], path=where, cwd=order.cwd, log=log, reason=reason),
        code=code,
        hint="Nothing was started.",
    )


def _started(job: JobFile, start: StartFile, folder: Path) -> Started:
    facts: dict[str, JsonValue] = {
        "pid": start.pid,
        "start_time": start.start_time,
        "supervisor_pid": start.supervisor_pid,
        "supervisor_start_time": start.supervisor_start_time,
        "boot_id": job.boot_id,
        "pid_namespace": job.pid_namespace,
        "machine_id": job.machine_id,
        "folder": str(folder),
    }
    return Started(
        id=job.id,
        facts=facts,
        log=LogPaths(stdout=job.log, stderr=job.log),
        work_dir=job.work_dir,
        started_at=datetime.fromtimestamp(start.started_at, UTC),
    )
