"""Which log files an experiment has: its launcher's own output, and for each task those of its Slurm job."""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.sources.base import Wanted
from jobwarden.sources.launcher.conclude import FAILED
from jobwarden.sources.launcher.records import SlurmJob
from jobwarden.sources.launcher.see import kept_jobs
from jobwarden.sources.log_files import JobLogs, LogFile, SlurmLogs
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths

OWN = "launcher"


def logs_of(wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:
    """See `KeepsLogs.logs`; nothing is asked. The record of a task's logs is believed where Slurm says the same."""
    jobs = tuple(kept_jobs(wanted.facts))
    own = known.stdout if known is not None else None
    files = (LogFile(OWN, own), LogFile("stdout", own)) if own else ()
    failed = wanted.facts.get(FAILED)
    one, why = _chosen(jobs, failed if isinstance(failed, list) else [], task)
    if one is None:
        return JobLogs(files, wanted.work_dir, tasks=tuple(_name(job) for job in jobs))
    return JobLogs(
        files=files[:1],
        work_dir=wanted.work_dir,
        task=_name(one),
        tasks=tuple(_name(job) for job in jobs),
        why=why,
        slurm=SlurmLogs(one.id, one.host, one.logs),
    )


def _name(job: SlurmJob) -> str:
    return job.task or job.id


def _chosen(jobs: Sequence[SlurmJob], failed: Sequence[object], task: str | None) -> tuple[SlurmJob | None, str]:
    if task is None:
        first = next((job for job in jobs if job.id in failed), None)
        return (first, "the first that failed") if first is not None else (None, "")
    wanted = task.strip()
    for at, job in enumerate(jobs):
        if wanted in (job.id, job.task, str(at)):
            return job, ""
    listed = ", ".join(_name(job) for job in jobs[:20]) or "none on Slurm"
    raise InvalidIdError(f"It has no task {ascii(wanted)[:60]} on Slurm.", hint=f"It has: {listed}.")
