"""Which log files a run of nel has: of which task, and what each is for.

Seen with 0.2.6, in `logs/` of a task's run folder: on Slurm `slurm-ID.log` (the batch script), `client-ID.log` (the
evaluation) and `server-GROUP-ID-NODE.log` (the model's server, where one is deployed), for each Slurm job of the chain;
without Slurm `client_stdout.log` or `stdout.log`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.sources.base import Wanted
from jobwarden.sources.log_files import Hosts, JobLogs, LogFile, files_of
from jobwarden.sources.nel.answers import Task, read_kept
from jobwarden.sources.nel.asking import TASKS
from jobwarden.sources.nel.judging import links_of
from jobwarden.sources.nel.look import Found, look
from jobwarden.sources.nel.whole import FAILED
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths


async def logs_of(hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:
    """See `KeepsLogs.logs`: one look into the run folder of the task."""
    tasks = read_kept(wanted.facts.get(TASKS))
    if not tasks:
        return JobLogs(files_of(known), wanted.work_dir, note="nel has not told of its tasks yet.")
    failed = wanted.facts.get(FAILED)
    one, why = _chosen(tasks, failed if isinstance(failed, list) else [], task)
    async with hosts(one.host) as host:
        found = (await look(host, [one]))[one.id]
    links = links_of(one, found)
    job = links[-1] if links else None
    several = len(tasks) > 1
    return JobLogs(
        files=_files(one, found, job) or files_of(known),
        work_dir=one.folder or wanted.work_dir,
        task=one.id if several else None,
        tasks=tuple(each.id for each in tasks) if several else (),
        why=why if several else "",
    )


def _chosen(tasks: Sequence[Task], failed: Sequence[object], task: str | None) -> tuple[Task, str]:
    if task is None:
        first = next((one for one in tasks if one.id in failed), None)
        return (first, "the first that failed") if first is not None else (tasks[0], "the first")
    wanted = task.strip()
    for one in tasks:
        if wanted in (one.id, one.id.rpartition(".")[2], one.name):
            return one, ""
    listed = ", ".join(f"{one.id} ({one.name})" for one in tasks[:20])
    raise InvalidIdError(f"It has no task {ascii(wanted)[:60]}.", hint=f"It has: {listed}.")


def _files(task: Task, found: Found, job: str | None) -> tuple[LogFile, ...]:
    if not task.folder:
        return ()
    stdout, stderr = found.log_of(job, task.folder)
    named = {"stdout": stdout, "stderr": stderr, "server": found.server_log(job, task.folder)}
    if job is None:
        named["client"] = stdout
    else:
        # These two are there sooner or later; before that their paths are told.
        named |= {stream: f"{task.folder.rstrip('/')}/logs/{stream}-{job}.log" for stream in ("client", "slurm")}
        named["stdout"] = stdout or named["slurm"]
    return tuple(LogFile(stream, path, task.host) for stream, path in named.items() if path)
