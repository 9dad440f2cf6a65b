"""What nel says and keeps: `status --json`, `kill`, and its list of runs. Pure.

Of a run's record only what is named here is read. Its `config` holds the whole configuration, secrets in the clear:
it is cut off where the file is read, and no model here has a place for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.framing import sample
from jobwarden.sources.nel.ids import NelId
from jobwarden.transport.base import Completed

_TASK_ID = re.compile(r"[0-9a-f]{16}\.\d{1,4}")
_SLURM_ID = re.compile(r"[0-9]{1,12}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")
_EXECUTOR = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_LATEST_S = 253402300000.0  # in year 9999, beyond which datetime cannot go
_SAID_CHARS = 300


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Task(_Read):
    """One task of an invocation, as nel last told of it."""

    id: str
    """`<invocation>.<n>`."""
    status: str = ""
    """nel's word; empty: it was not asked yet."""
    progress: int | None = None
    """Requests done."""
    slurm: str | None = None
    """The id of its first Slurm job; of one that was resumed nel still gives this one."""
    host: str = ""
    """Where that Slurm is, as ssh knows it."""
    folder: str = ""
    """Where it writes: on that host, or on nel's own."""
    killed: bool = False
    """Whether `nel kill` has noted that it killed it."""
    chain: tuple[str, ...] = ()
    """The Slurm jobs that have run for it, oldest first."""

    @property
    def on_slurm(self) -> bool:
        """Whether Slurm runs it."""
        return self.slurm is not None

    @property
    def name(self) -> str:
        """What is evaluated: the run folder is named after it (`lm-evaluation-harness.ifeval.0`)."""
        return PurePosixPath(self.folder).name.rpartition(".")[0].rpartition(".")[2] or self.id


class Trouble(_Read):
    """What nel could not find out."""

    id: str | None
    """The invocation or task; None where nel does not say."""
    word: str
    text: str


class Status(_Read):
    """A whole answer of `nel status --json`."""

    tasks: tuple[Task, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    def of(self, wanted: NelId) -> tuple[Task, ...]:
        """Give the tasks of an id, in their order."""
        found = [one for one in self.tasks if _is_of(one.id, wanted)]
        return tuple(sorted(found, key=lambda one: int(one.id.rpartition(".")[2])))

    def trouble_of(self, wanted: NelId) -> Trouble | None:
        """Give what nel could not find out about an id."""
        return next((one for one in self.troubles if one.id is not None and _is_of(one.id, wanted)), None)


def _is_of(task: str, wanted: NelId) -> bool:
    invocation, _, number = task.partition(".")
    return invocation == wanted.invocation and (wanted.task is None or number in {"", str(wanted.task)})


class _Data(_Read):
    slurm_job_id: str | int | None = None
    remote_rundir_path: str | None = None
    hostname: str | None = None
    username: str | None = None
    output_dir: str | None = None
    killed: bool | None = None
    resumed_at: float | None = None
    error: str | None = None
    result: str | None = None


class Noted(_Read):
    """One task as nel's list of runs has it."""

    task: Task
    executor: str
    """`local`, `slurm`, ...; empty where that is not told."""
    at: datetime
    """When it was started, or resumed last."""


class _Row(_Read):
    executor: str = ""
    timestamp: float = 0.0
    invocation: str | None = None
    invocation_id: str | None = None
    job_id: str | None = None
    status: str = ""
    progress: JsonValue = None
    data: _Data = _Data()


def read_status(done: Completed, troubles: frozenset[str]) -> Status:
    """Read what `nel status --json` printed. Its exit status and its other output say nothing of the tasks.

    Args:
        done: The finished command.
        troubles: The words that are no states.

    Raises:
        SourceUnavailableError: `nel.not_installed`, `nel.no_status` (another program of that name), `nel.failed`.
        UnreadableAnswerError: It is not of the known form.
    """
    tasks: list[Task] = []
    trouble: list[Trouble] = []
    for row in _rows(done, "status"):
        if row.status in troubles or row.job_id is None or not _TASK_ID.fullmatch(row.job_id):
            text = (row.data.error or f"nel says {row.status}.")[:_SAID_CHARS]
            trouble.append(Trouble(id=row.job_id or row.invocation, word=row.status or "unknown", text=text))
        else:
            tasks.append(_task(row))
    return Status(tasks=tuple(tasks), troubles=tuple(trouble))


def read_kill(done: Completed) -> tuple[bool, str]:
    """Read what `nel kill` printed: whether it killed anything, and what it said.

    Raises:
        As `read_status`.
    """
    rows = _rows(done, "kill")
    said = [row.data.error or row.data.result or row.status for row in rows]
    return any(row.status == "killed" for row in rows), "; ".join(dict.fromkeys(said))[:_SAID_CHARS]


def read_runs(lines: Iterable[str]) -> Status:
    """Read the lines of nel's list of runs (`exec.v1.jsonl`), `config` cut off or not; the last of a task holds.

    A line that cannot be read is passed over, as nel does.
    """
    return Status(tasks=tuple(one.task for one in read_noted(lines)))


def read_noted(lines: Iterable[str]) -> tuple[Noted, ...]:
    """As `read_runs`, with when each was noted; one that does not tell is very old."""
    tasks: dict[str, Noted] = {}
    for line in lines:
        try:
            row = _Row.model_validate_json(line)
        except ValidationError:
            continue
        if row.job_id is not None and _TASK_ID.fullmatch(row.job_id):
            task = _task(row.model_copy(update={"status": ""}))
            begun = max(row.timestamp, row.data.resumed_at or 0.0)
            at = datetime.fromtimestamp(begun if 0 < begun < _LATEST_S else 0.0, UTC)
            executor = row.executor if _EXECUTOR.fullmatch(row.executor) else ""
            tasks[row.job_id] = Noted(task=task, executor=executor, at=at)
    return tuple(tasks.values())


def kept(tasks: Sequence[Task]) -> JsonValue:
    """Write tasks for the record's facts."""
    return [one.model_dump(mode="json", exclude_defaults=True) for one in tasks]


def read_kept(value: JsonValue) -> tuple[Task, ...]:
    """Read tasks from the record's facts; nothing where these are not ours."""
    if not isinstance(value, list):
        return ()
    try:
        return tuple(Task.model_validate(one) for one in value)
    except ValidationError:
        return ()


def _task(row: _Row) -> Task:
    data = row.data
    slurm = None if data.slurm_job_id is None else str(data.slurm_job_id)
    slurm = slurm if slurm is not None and _SLURM_ID.fullmatch(slurm) else None
    folder = (data.remote_rundir_path if slurm is not None else data.output_dir) or ""
    return Task(
        id=row.job_id or "",
        status=row.status,
        progress=_progress(row.progress),
        slurm=slurm,
        host=_where(data) if slurm is not None else "",
        killed=bool(data.killed),
        folder=folder if folder.startswith("/") and folder.isprintable() else "",
    )


def _where(data: _Data) -> str:
    host, user = data.hostname or "", data.username or ""
    if not _HOST.fullmatch(host):
        return ""
    return f"{user}@{host}" if _USER.fullmatch(user) else host


def _progress(value: JsonValue) -> int | None:
    if isinstance(value, Mapping):
        value = value.get("progress")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _rows(done: Completed, command: str) -> Sequence[_Row]:
    text = done.stdout.decode("utf-8", "replace")
    found = _list_in(text)
    if found is None:
        raise _no_answer(done, command)
    try:
        return [_Row.model_validate(one) for one in found]
    except ValidationError as error:
        raise UnreadableAnswerError(f"`nel {command}` answered in a form that is not known: {_shown(done)}") from error


def _list_in(text: str) -> list[JsonValue] | None:
    """Find the list of objects; a login shell may print before it, and log lines begin with a bracket, too."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r"^\[", text, re.MULTILINE):
        try:
            value, _ = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        listed = cast("list[JsonValue]", value)
        if all(isinstance(one, dict) for one in listed):
            return listed
    return None


def _no_answer(done: Completed, command: str) -> SourceUnavailableError | UnreadableAnswerError:
    said = done.stderr.decode("utf-8", "replace")
    if done.status in {126, 127}:
        return not_installed(said)
    if "No such command" in said:
        return no_status()
    if done.status:
        last = said.strip().splitlines()[-1][:_SAID_CHARS] if said.strip() else "it said nothing"
        return SourceUnavailableError(f"`nel {command}` exited {done.status}: {last}", code="nel.failed")
    return UnreadableAnswerError(f"`nel {command}` did not answer with a list: {_shown(done)}")


_NAME_IT = (
    "A person names the program of nemo-evaluator-launcher (0.2) in jobwarden's configuration, below "
    '`[hosts.localhost]`: `nel = "/absolute/path/of/nel"`; or by NEL, or has it on PATH.'
)


def not_installed(said: str) -> SourceUnavailableError:
    """Say that there is no nel."""
    return SourceUnavailableError(
        f"nel is not there: {said.strip()[:_SAID_CHARS] or 'not found in PATH'}.",
        hint=f"A project's own environment is not searched. {_NAME_IT}",
        code="nel.not_installed",
    )


def no_status() -> SourceUnavailableError:
    """Say that this nel is another program: that of nemo-evaluator 0.3 and later has no `status` and other runs."""
    return SourceUnavailableError(
        "This `nel` has no `status`: it is the newer command of nemo-evaluator, not nemo-evaluator-launcher's.",
        hint=_NAME_IT,
        code="nel.no_status",
    )


def _shown(done: Completed) -> str:
    return repr(sample(done.stdout[-500:]))
