"""Which log files a job has, by its source, and where its tasks run on Slurm, by Slurm's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jobwarden.logs.allowed import Readable
from jobwarden.sources.base import Wanted
from jobwarden.sources.log_files import JobLogs, KeepsLogs, LogFile, SlurmLogs, files_of
from jobwarden.sources.plugins import guarded
from jobwarden.sources.process.state import processes_folder
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of
from jobwarden_registry.errors import InvalidIdError, JobwardenError
from jobwarden_registry.model import JobRecord, LogPaths

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds

LogsTold = dict[tuple[str, str, str | None], tuple[datetime, JobLogs]]
"""By uid, state and task: which logs a job has, and when that was asked."""
_TOLD_MOST = 200
_BESIDE_MOST = 20
_FIND = (
    'cd -- "$1" 2>/dev/null && '
    r"""find . -maxdepth 1 -type f -name "$2" -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2-"""
)


def file_of(files: Sequence[LogFile], stream: str) -> LogFile | None:
    """Give the file of a stream; None where there is none."""
    found = next((file for file in files if file.stream == stream), None)
    if found is None and stream in ("stdout", "stderr") and files:
        # Slurm writes both into one file where no other was named.
        return next((file for file in files if file.stream == "stdout"), files[0])
    return found


def with_claimed(record: JobRecord, logs: JobLogs) -> JobLogs:
    """Put the path first that the caller gave when the job was registered; it is read only where it may be."""
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if record.log_path is None or record.resubmitted_as is not None or logs.task is not None:
        return logs
    others = [file for file in logs.files if file.stream != "stdout"]
    host = record.log.host if record.log is not None else None
    return replace(logs, files=(LogFile("stdout", record.log_path, host or ""), *others))


def readable_at(rounds: Rounds, record: JobRecord, logs: JobLogs, file: LogFile, env: Mapping[str, str]) -> Readable:
    """Say where this file of the job's may lie."""
    host = file.host or record.host
    known = record.log or LogPaths()
    claimed = file.path == record.log_path and file.path not in (known.stdout, known.stderr)
    local = rounds.here(record.site) and host == record.host
    return Readable(
        log=known if claimed else LogPaths(stdout=file.path),
        work_dir=record.work_dir if claimed else logs.work_dir or record.work_dir,
        folders=rounds.config.host(host).read,
        kept=str(processes_folder(env)) if local else None,
    )


async def logs_of(rounds: Rounds, record: JobRecord, task: str | None = None) -> JobLogs:
    """Say which files a job has; of a job with tasks those of one, by default of the first that failed.

    Raises:
        InvalidIdError: It has no such task.
        JobwardenError: It could not be asked for, and nothing is known.
    """
    known = files_of(record.log)
    try:
        source = rounds.source(record)
        if not isinstance(source, KeepsLogs):
            return _without_tasks(JobLogs(files=known, work_dir=record.work_dir), task)
        return await _told(rounds, record, source, task)
    except InvalidIdError:
        raise
    except JobwardenError as error:
        if task is not None or not known:
            raise
        return JobLogs(files=known, work_dir=record.work_dir, note=f"Its logs could not be asked for: {error.text}")


async def _told(rounds: Rounds, record: JobRecord, source: KeepsLogs, task: str | None) -> JobLogs:
    """Ask a source once in a while: who reads on every few seconds must cost its scheduler nothing."""
    now, kept = rounds.clock(), rounds.logs_told
    key = (record.uid, record.last_status, task)
    told = kept.get(key)
    if told is not None and timedelta() <= now - told[0] < timedelta(seconds=rounds.config.clocks.poll_s):
        return told[1]
    target = await rounds.target(record)
    with guarded(record.type):
        logs = await source.logs(rounds.hosts(target), wanted_of(record), known=record.log, task=task)
        logs = replace(logs)  # what is no answer of that kind is the plug-in's fault, not ours
    if logs.slurm is not None:
        logs = await _with_slurm(rounds, target, logs, logs.slurm)
    if logs.files:
        while len(kept) >= _TOLD_MOST:
            kept.pop(next(iter(kept)))
        kept[key] = now, logs
    return logs


def _without_tasks(logs: JobLogs, task: str | None) -> JobLogs:
    if task is not None:
        raise InvalidIdError("This kind of job has no tasks whose logs could be told apart.")
    return logs


async def _with_slurm(rounds: Rounds, target: Target, logs: JobLogs, slurm: SlurmLogs) -> JobLogs:
    """Fill in the files of the Slurm job that runs a task."""
    source = rounds.sources.get(SLURM)
    if not isinstance(source, KeepsLogs):
        return logs
    hosts = rounds.hosts(target)
    told = await source.logs(lambda name: hosts(name or slurm.host), Wanted(id=slurm.id), known=None, task=None)
    files = [replace(file, host=slurm.host) for file in told.files]
    stdout = file_of(files, "stdout")
    beside: list[LogFile] = []
    if stdout is not None and slurm.beside:
        async with hosts(slurm.host) as host:
            folder, pattern = PurePosixPath(stdout.path).parent, PurePosixPath(slurm.beside).name
            argv = ["/bin/sh", "-c", _FIND, "sh", str(folder), pattern]
            done = await host.transport.run(argv, timeout_s=host.timeout_s)
        names = [name for name in done.stdout.decode("utf-8", "surrogateescape").split("\n") if name]
        paths = [str(folder / name.removeprefix("./")) for name in names[:_BESIDE_MOST]]
        beside = [LogFile("stdout", path, slurm.host) for path in paths if path != stdout.path]
        files = [*beside[:1], *(replace(file, stream=SLURM) for file in files[:1])] if beside else files
    work_dir = str(PurePosixPath(stdout.path).parent) if stdout is not None else told.work_dir
    note = " ".join(part for part in (logs.note, told.note) if part)
    return replace(logs, files=(*files, *logs.files), work_dir=work_dir, note=note)
