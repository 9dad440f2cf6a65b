"""Which file of which task is meant by a job and a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.sources.base import Wanted
from jobwarden.sources.log_files import JobLogs, KeepsLogs, LogFile, SlurmLogs
from jobwarden.sources.plugins import guarded
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.errors import InvalidIdError, JobwardenError
from jobwarden_registry.model import LogPaths

BOTH = "both"
_SLURM = "slurm"
_BESIDE_MOST = 20
_FIND = (
    'cd -- "$1" 2>/dev/null && '
    r"""find . -maxdepth 1 -type f -name "$2" -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2-"""
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be read.

    Attributes:
        logs: What the job has.
        files: One file; two for both streams, where they are two; none: not known.
        stream: What these are.
    """

    logs: JobLogs
    files: Sequence[LogFile]
    stream: str


async def choose(desk: Desk, one: Known, *, stream: str, task: str | None) -> Chosen:
    """Find the files that are meant.

    Raises:
        InvalidIdError: The job has no such stream or task; the hint lists what it has.
    """
    logs = _claimed(one, await _logs(desk, one, task))
    wanted = ("stdout", "stderr") if stream == BOTH else (stream,)
    found = [_file(logs.files, name) for name in wanted]
    files = [file for file in found if file is not None]
    known = {file.stream for file in logs.files} | {"stdout", "stderr", BOTH}
    if not files and stream not in known:
        raise InvalidIdError(f"This job has no stream {stream!r}.", hint=f"It has: {', '.join(sorted(known))}.")
    return Chosen(logs, list(dict.fromkeys(replace(file, stream="") for file in files)), stream)


def _file(files: Sequence[LogFile], stream: str) -> LogFile | None:
    found = next((file for file in files if file.stream == stream), None)
    if found is None and stream in ("stdout", "stderr") and files:
        # Slurm writes both into one file where no other was named.
        return next((file for file in files if file.stream == "stdout"), files[0])
    return found


async def _logs(desk: Desk, one: Known, task: str | None) -> JobLogs:
    record, rounds = one.record, desk.world.rounds
    known = _known(record.log)
    try:
        source = rounds.source(record)
        if not isinstance(source, KeepsLogs):
            return _without_tasks(JobLogs(files=known, work_dir=record.work_dir), task)
        target = await rounds.target(record)
        with guarded(record.type):
            logs = await source.logs(rounds.hosts(target), wanted_of(record), known=record.log, task=task)
            logs = replace(logs)  # what is no answer of that kind is the plug-in's fault, not ours
        return logs if logs.slurm is None else await _with_slurm(desk, target, logs, logs.slurm)
    except InvalidIdError:
        raise
    except JobwardenError as error:
        if task is not None or not known:
            raise
        return JobLogs(files=known, work_dir=record.work_dir, note=f"Its logs could not be asked for: {error.text}")


def _without_tasks(logs: JobLogs, task: str | None) -> JobLogs:
    if task is not None:
        raise InvalidIdError("This kind of job has no tasks whose logs could be told apart.")
    return logs


def _known(log: LogPaths | None) -> tuple[LogFile, ...]:
    if log is None:
        return ()
    both = (("stdout", log.stdout), ("stderr", log.stderr))
    return tuple(LogFile(stream, path, log.host or "") for stream, path in both if path)


def _claimed(one: Known, logs: JobLogs) -> JobLogs:
    """Put the path first that the caller gave when the job was registered; it is read only where it may be."""
    record = one.record
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if record.log_path is None or record.resubmitted_as is not None or logs.task is not None:
        return logs
    others = [file for file in logs.files if file.stream != "stdout"]
    host = record.log.host if record.log is not None else None
    return replace(logs, files=(LogFile("stdout", record.log_path, host or ""), *others))


async def _with_slurm(desk: Desk, target: Target, logs: JobLogs, slurm: SlurmLogs) -> JobLogs:
    """Fill in the files of the Slurm job that runs a task."""
    rounds = desk.world.rounds
    source = rounds.sources.get(_SLURM)
    if not isinstance(source, KeepsLogs):
        return logs
    hosts = rounds.hosts(target)
    told = await source.logs(lambda name: hosts(name or slurm.host), Wanted(id=slurm.id), known=None, task=None)
    files = [replace(file, host=slurm.host) for file in told.files]
    stdout = _file(files, "stdout")
    beside: list[LogFile] = []
    if stdout is not None and slurm.beside:
        async with hosts(slurm.host) as host:
            folder, pattern = PurePosixPath(stdout.path).parent, PurePosixPath(slurm.beside).name
            argv = ["/bin/sh", "-c", _FIND, "sh", str(folder), pattern]
            done = await host.transport.run(argv, timeout_s=host.timeout_s)
        names = [name for name in done.stdout.decode("utf-8", "surrogateescape").split("\n") if name]
        paths = [str(folder / name.removeprefix("./")) for name in names[:_BESIDE_MOST]]
        beside = [LogFile("stdout", path, slurm.host) for path in paths if path != stdout.path]
        files = [*beside[:1], *(replace(file, stream=_SLURM) for file in files[:1])] if beside else files
    work_dir = str(PurePosixPath(stdout.path).parent) if stdout is not None else told.work_dir
    note = " ".join(part for part in (logs.note, told.note) if part)
    return replace(logs, files=(*files, *logs.files), work_dir=work_dir, note=note)
