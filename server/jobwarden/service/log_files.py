"""Which file of which task is meant by a job and a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobwarden.logs.allowed import Readable
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.sources.log_files import JobLogs, LogFile, files_of
from jobwarden.verdict.log_files import file_of, logs_of, readable_at, with_claimed
from jobwarden_registry.errors import InvalidIdError

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


async def choose(desk: Desk, one: Known, *, stream: str, task: str | None, ask: bool = True) -> Chosen:
    """Find the files that are meant; without `ask` among those on record, and no source is asked.

    Raises:
        InvalidIdError: The job has no such stream or task; the hint lists what it has.
    """
    known = JobLogs(files=files_of(one.record.log), work_dir=one.record.work_dir)
    logs = with_claimed(one.record, await logs_of(desk.world.rounds, one.record, task) if ask else known)
    wanted = ("stdout", "stderr") if stream == BOTH else (stream,)
    found = [file_of(logs.files, name) for name in wanted]
    files = [file for file in found if file is not None]
    streams = {file.stream for file in logs.files} | {"stdout", "stderr", BOTH}
    if not files and stream not in streams:
        raise InvalidIdError(f"This job has no stream {stream!r}.", hint=f"It has: {', '.join(sorted(streams))}.")
    return Chosen(logs, list(dict.fromkeys(replace(file, stream="") for file in files)), stream)


def readable_of(desk: Desk, one: Known, chosen: Chosen, file: LogFile) -> Readable:
    """Say where this file of the job's may lie."""
    return readable_at(desk.world.rounds, one.record, chosen.logs, file, desk.world.env)
