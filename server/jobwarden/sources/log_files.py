"""Which log files a job has: an optional part of a source's contract.

Without it a job's logs are what `Seen.log` tells, and nothing is asked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jobwarden.sources.base import Host, Wanted
from jobwarden_registry.model import LogPaths

Hosts: TypeAlias = Callable[[str], AbstractAsyncContextManager[Host]]
"""Lends a host by the name that ssh knows it by; an empty name: the job's own."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file that a job writes, or will write.

    Attributes:
        stream: `stdout`, `stderr`, or the source's own word for what is in it: `server`.
        path: Absolute.
        host: Where it is, as ssh knows it; empty: on the job's own host.
    """

    stream: str
    path: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class SlurmLogs:
    """These are the logs of a Slurm job: who asks us asks Slurm's source about it.

    Attributes:
        id: Slurm's.
        host: Where that Slurm is; empty: on the job's own host.
        beside: A glob for more of its files, which count where they are in the folder of Slurm's own; the newest first.
    """

    id: str
    host: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class JobLogs:
    """The log files of a job, or of one of its tasks.

    Attributes:
        files: First what is shown where nothing else is asked for. Only what the source or its scheduler says itself,
            never what a caller claimed. They need not exist yet. Empty: not known.
        work_dir: Below which they are, where the source knows it.
        task: Whose they are, of a job with several tasks; None: of the whole.
        tasks: The names of its tasks that can be asked for, as far as they are known.
        why: Why this task: `the first that failed`. Empty where it was asked for, or there is no other.
        slurm: Where the files are those of a Slurm job.
        note: What else a reader should know, as why no file is known.
    """

    files: Sequence[LogFile] = ()
    work_dir: str | None = None
    task: str | None = None
    tasks: Sequence[str] = ()
    why: str = ""
    slurm: SlurmLogs | None = None
    note: str = ""


def files_of(log: LogPaths | None) -> tuple[LogFile, ...]:
    """Give the files of what `Seen.log` told; none where it told nothing."""
    if log is None:
        return ()
    both = (("stdout", log.stdout), ("stderr", log.stderr))
    return tuple(LogFile(stream, path, log.host or "") for stream, path in both if path)


@runtime_checkable
class KeepsLogs(Protocol):
    """A source that knows more about its jobs' logs than `Seen.log` tells: tasks, other files, forgotten jobs."""

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:
        """Say which log files a job has. Asked when somebody reads them, so what is known needs no question.

        Args:
            hosts: Where to ask.
            wanted: The job, living or ended.
            known: What `Seen.log` told last.
            task: One of its tasks, as a person names it; None: the first that failed, else the one that matters most.

        Raises:
            InvalidIdError: It has no such task; the hint lists those that it has.
            TransportError, SourceError: As `Source.observe`.
        """
        ...
