"""What a supervised process leaves on disk, and whether it may be believed.

Below `processes_folder` each job has a folder of its own (0700), named by its id:

    job.json      who, where, when; written by the starter before anything runs
    start.json    pids and start times; written by the supervisor before the program runs
    cancel        somebody asked for the end: the grace in seconds; `direct` after it when no supervisor was left
    result.json   how it ended; written whole, once, by the supervisor
    output.log    what it printed, unless another file was named

Only this folder is believed, never a path or pid from elsewhere: a registry inside a project can be written by
whoever works there, the user's state folder cannot.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden_registry.errors import InvalidIdError, UntrustedError
from jobwarden_registry.paths import user_places

ID_PATTERN = re.compile(r"p-[0-9a-f]{12}")
_MOST_BYTES = 65536


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class JobFile(_Kept):
    """`job.json`."""

    id: str
    machine_id: str
    boot_id: str
    pid_namespace: str
    uid: int
    work_dir: str
    log: str
    submitted_at: float


class StartFile(_Kept):
    """`start.json`."""

    pid: int
    start_time: str
    supervisor_pid: int
    supervisor_start_time: str
    started_at: float


class ResultFile(_Kept):
    """`result.json`."""

    exit_code: int | None
    signal: int | None
    core_dumped: bool = False
    cancelled: bool = False
    ended_at: float
    user_s: float = 0.0
    system_s: float = 0.0
    max_rss_bytes: int = 0


_F = TypeVar("_F", bound=_Kept)


@dataclass(frozen=True, slots=True)
class State:
    """One job's folder, read.

    Attributes:
        folder: The job's own folder.
        job: Who and where.
        start: Its pids; None when it never came so far.
        result: How it ended; None while that is not written.
        cancel: The text of the request to cancel, or None.
        lines: The raw files, for the evidence.
    """

    folder: Path
    job: JobFile
    start: StartFile | None
    result: ResultFile | None
    cancel: str | None
    lines: tuple[str, ...]


def processes_folder(env: Mapping[str, str]) -> Path:
    """Say where supervised processes are kept: `processes` in the user's state folder.

    Raises:
        As `user_places`.
    """
    return user_places(env).state / "processes"


def parse_process_id(text: str) -> str:
    """Give a process job's id in its canonical form; see `Source.parse_id`."""
    wanted = text.strip().lower()
    if ID_PATTERN.fullmatch(wanted) is None:
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise InvalidIdError(
            f"{shown!r} cannot be the id of a process.",
            hint="It looks like p-0123456789ab, and `jobwarden run -- COMMAND` gives it.",
        )
    return wanted


def check_root(root: Path) -> bool:
    """Look whether jobs are kept here at all.

    Returns:
        False when there is no such folder.

    Raises:
        SourceUnavailableError: It cannot be looked into.
        UntrustedError: Somebody else could have written here.
    """
    try:
        about = root.lstat()
        with os.scandir(root):
            pass
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SourceUnavailableError(
            f"{root} cannot be read: {error.strerror}.", code="process.unavailable", hint="Look at that folder."
        ) from error
    _check_own(root, about, strict=False)
    return True


def read_state(root: Path, job_id: str) -> State | None:
    """Read a job's folder, or give None when there is none.

    Raises:
        UntrustedError: Its folder or files are not the user's alone.
        UnreadableAnswerError: A file is not what the supervisor writes.
        SourceUnavailableError: A file cannot be read.
    """
    folder = root / parse_process_id(job_id)
    try:
        _check_own(folder, folder.lstat(), strict=True)
    except FileNotFoundError:
        return None
    # The result first: what is read after it can only be older news.
    result_text = _read(folder / "result.json")
    job_text, start_text, cancel = (_read(folder / name) for name in ("job.json", "start.json", "cancel"))
    if job_text is None:
        return None
    job = _parse(JobFile, job_text, folder / "job.json")
    if job.id != folder.name:
        raise UntrustedError(f"{folder} speaks of another job.", hint="Remove that folder.")
    return State(
        folder=folder,
        job=job,
        start=None if start_text is None else _parse(StartFile, start_text, folder / "start.json"),
        result=None if result_text is None else _parse(ResultFile, result_text, folder / "result.json"),
        cancel=cancel,
        lines=tuple(text.strip() for text in (start_text, result_text, cancel) if text is not None),
    )


def read_result(folder: Path) -> tuple[ResultFile, str] | None:
    """Read a job's result alone; None while there is none. Raises as `read_state`."""
    text = _read(folder / "result.json")
    return None if text is None else (_parse(ResultFile, text, folder / "result.json"), text.strip())


def agrees(state: State, facts: Mapping[str, JsonValue]) -> bool:
    """Say whether what a registry holds about a job is what its supervisor wrote; holding nothing is no quarrel."""
    job, start = state.job, state.start
    kept: dict[str, object] = {
        "machine_id": job.machine_id,
        "boot_id": job.boot_id,
        "pid_namespace": job.pid_namespace,
    }
    if start is not None:
        kept |= {"pid": start.pid, "start_time": start.start_time}
    return all(facts.get(key, value) == value for key, value in kept.items())


def was_direct(state: State) -> bool:
    """Say whether a canceller signalled the program itself, its supervisor being dead."""
    return state.cancel is not None and "direct" in state.cancel.split()


def write_file(folder: Path, name: str, text: str) -> None:
    """Write a file so that it is there whole or not at all, readable by the user alone.

    Raises:
        OSError: The disk is full or the folder gone; what was there before is as it was.
    """
    temporary = folder / f"{name}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(folder / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}.", code="process.unavailable") from error
    with os.fdopen(descriptor, "rb") as stream:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid():
            raise UntrustedError(f"{path} is not the user's own file.", hint="Remove it.")
        return stream.read(_MOST_BYTES).decode("utf-8", "replace")


def _parse(model: type[_F], text: str, path: Path) -> _F:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise UnreadableAnswerError(
            f"{path} is not what the supervisor writes: {text[:200]!r}.", code="process.unreadable", retryable=False
        ) from error


def _check_own(folder: Path, about: os.stat_result, *, strict: bool) -> None:
    others = 0o077 if strict else 0o022
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & others:
        raise UntrustedError(
            f"{folder} is not a folder of the user's alone, so nothing in it is believed.",
            hint=f"Look at it, then `chmod 700 {folder}` or remove it.",
        )
