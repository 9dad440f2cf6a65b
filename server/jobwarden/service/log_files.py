"""Which file of which task is meant by a job and a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobwarden.logs.allowed import Readable
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.sources.log_files import JobLogs, LogFile
from jobwarden.sources.process.state import processes_folder
from jobwarden.verdict.log_files import file_of, logs_of
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths

BOTH = "both"


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
    logs = _claimed(one, await logs_of(desk.world.rounds, one.record, task))
    wanted = ("stdout", "stderr") if stream == BOTH else (stream,)
    found = [file_of(logs.files, name) for name in wanted]
    files = [file for file in found if file is not None]
    known = {file.stream for file in logs.files} | {"stdout", "stderr", BOTH}
    if not files and stream not in known:
        raise InvalidIdError(f"This job has no stream {stream!r}.", hint=f"It has: {', '.join(sorted(known))}.")
    return Chosen(logs, list(dict.fromkeys(replace(file, stream="") for file in files)), stream)


def _claimed(one: Known, logs: JobLogs) -> JobLogs:
    """Put the path first that the caller gave when the job was registered; it is read only where it may be."""
    record = one.record
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if record.log_path is None or record.resubmitted_as is not None or logs.task is not None:
        return logs
    others = [file for file in logs.files if file.stream != "stdout"]
    host = record.log.host if record.log is not None else None
    return replace(logs, files=(LogFile("stdout", record.log_path, host or ""), *others))


def readable_of(desk: Desk, one: Known, chosen: Chosen, file: LogFile) -> Readable:
    """Say where this file of the job's may lie."""
    record, host = one.record, file.host or one.record.host
    known = record.log or LogPaths()
    claimed = file.path == record.log_path and file.path not in (known.stdout, known.stderr)
    local = desk.world.rounds.here(record.site) and host == record.host
    return Readable(
        log=known if claimed else LogPaths(stdout=file.path),
        work_dir=record.work_dir if claimed else chosen.logs.work_dir or record.work_dir,
        folders=desk.world.config.host(host).read,
        kept=str(processes_folder(desk.world.env)) if local else None,
    )
