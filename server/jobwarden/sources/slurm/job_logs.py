"""Which log files a Slurm job has: of which element, and where, when slurmctld has forgotten it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.framing import Part, new_nonce, read_parts
from jobwarden.sources.log_files import JobLogs, files_of
from jobwarden.sources.slurm.answers import Row, read_shown
from jobwarden.sources.slurm.commands import ACCOUNT_FIELDS, queue_format, slurm_argv
from jobwarden.sources.slurm.elements import is_many, latest
from jobwarden.sources.slurm.identity import ours
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.log_paths import LogNames
from jobwarden.sources.slurm.logs import log_of
from jobwarden.sources.slurm.reading import read_account_part, read_queue_part
from jobwarden.sources.slurm.stored import script_of, stored_log
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths
from jobwarden_registry.phases import Phase

_ROWS = r"""
ask squeue squeue -h -a -t all -u "$(id -u)" -o "$2"
ask sacct sacct -n -P -X -D "--delimiter=$jw_nonce" -o "$3" -j "$1"
jw_done
"""
_PATHS = r"""
ask job scontrol show job "$1"
ask line sacct -n -P -X -D -o SubmitLine -j "$1"
ask script sacct -B -j "$1"
jw_done
"""
_ORDER = (
    (Phase.FAILED, "the first that failed"),
    (Phase.RUNNING, "the first that runs"),
    (Phase.SUSPENDED, "the first that is suspended"),
    (Phase.SUCCEEDED, "the first that succeeded"),
    (Phase.CANCELLED, "the first that was cancelled"),
)
_TASK = re.compile(r"(?:\d+[_+])?(\d{1,7})")
_TASKS_LISTED = 1000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def logs_of(host: Host, wanted: Wanted, job: SlurmId, *, known: LogPaths | None, task: str | None) -> JobLogs:
    """See `KeepsLogs.logs`. Asks nothing about an ordinary job whose log is known."""
    if known is not None and task is None and wanted.elements is None:
        return JobLogs(files_of(known), wanted.work_dir)
    rows, trouble = await _rows(host, wanted, job)
    elements = latest(rows) if is_many(job, rows) else {}
    if task is not None and not elements:
        if trouble:
            raise SourceUnavailableError(f"Its elements are not known: {trouble}.", code="slurm.unavailable")
        raise InvalidIdError(f"Slurm job {job} is no array, or Slurm has forgotten its elements: it has no tasks.")
    if not rows:
        note = f"Its log was not asked for: {trouble}." if trouble else "Slurm does not know this job any more."
        return JobLogs(files_of(known), wanted.work_dir, note=note)
    key, why = _chosen(elements, task) if elements else (None, "")
    row = rows[-1] if key is None else elements[key]
    one = job if key is None else _part(row, job, key)
    failed = [name for name, each in elements.items() if each.state.phase is Phase.FAILED]
    names = tuple(str(name) for name in dict.fromkeys([*sorted(failed), *sorted(elements)]))[:_TASKS_LISTED]
    log, note = await _paths(host, row, one) if not row.id.ranges else (None, "It has not started yet.")
    if log is None and key is None:
        log = known
    return JobLogs(
        files=files_of(log),
        work_dir=row.work_dir or wanted.work_dir,
        task=None if key is None else str(key),
        tasks=names,
        why=why,
        note=note,
    )


def _chosen(elements: Mapping[int, Row], task: str | None) -> tuple[int, str]:
    if task is None:
        for phase, why in _ORDER:
            fitting = [key for key, row in elements.items() if row.state.phase is phase]
            if fitting:
                return min(fitting), why
        return min(elements), "none has started"
    found = _TASK.fullmatch(task.strip())
    if found is None or int(found[1]) not in elements:
        few = ", ".join(str(key) for key in sorted(elements)[:20])
        raise InvalidIdError(f"It has no element {ascii(task)[:60]}.", hint=f"It has: {few}.")
    return int(found[1]), ""


def _part(row: Row, job: SlurmId, key: int) -> SlurmId:
    return SlurmId(job.base, part=key) if row.id.id.part is not None else SlurmId(job.base, element=key)


async def _rows(host: Host, wanted: Wanted, job: SlurmId) -> tuple[Sequence[Row], str]:
    """Give accounting's rows, oldest run first, and then slurmctld's; none about another job that had this id.

    And what was not answered, where that is so: what is not in these rows may be there all the same.
    """
    nonce = new_nonce()
    words = (str(job), queue_format(nonce), ",".join(ACCOUNT_FIELDS))
    parts = await _run(host, slurm_argv(_ROWS, nonce, *words, cluster=host.cluster, limit_s=host.timeout_s / 2), nonce)
    squeue = read_queue_part(_part_of(parts, "squeue"), nonce, "squeue")
    sacct = read_account_part(_part_of(parts, "sacct"), nonce, "sacct")
    trouble = next((f"{one.question}: {one.trouble}" for one in (squeue, sacct) if one.trouble), "")
    oldest_first = sorted(sacct.rows.of(job), key=lambda row: row.submitted or _LONG_AGO)
    queue, account = ours(wanted, squeue.rows.of(job), oldest_first)
    return (*account, *queue), trouble


def _part_of(parts: Mapping[str, Part], name: str) -> Part:
    if name not in parts:
        raise UnreadableAnswerError(f"The answer has no part of {name}.")
    return parts[name]


async def _paths(host: Host, row: Row, job: SlurmId) -> tuple[LogPaths | None, str]:
    """Give where one job or element writes, and whether that is a conclusion."""
    nonce = new_nonce()
    argv = slurm_argv(_PATHS, nonce, str(job), cluster=host.cluster, limit_s=host.timeout_s / 2)
    parts = await _run(host, argv, nonce)
    shown = parts.get("job")
    node = (row.batch_host or row.nodes).partition(".")[0]
    plain = node if re.fullmatch(r"[A-Za-z0-9-]+", node) else None
    if shown is not None and shown.status == 0:
        found = log_of(row, read_shown(shown.stdout, row.name), {row.batch_host: plain} if plain else {})
        if found is not None:
            return found, ""
    names = LogNames(
        raw=row.raw,
        name=row.name,
        user=row.user,
        array=row.id.id.base if row.id.id.element is not None else None,
        element=row.id.id.element,
        host=plain,
    )
    line = (_text(parts, "line").strip("\n").split("\n") or [""])[-1]
    stored = stored_log(line, script_of(_text(parts, "script"), str(job)), row.work_dir, names)
    if stored is not None:
        return stored, "The path is by its submit line and script, as accounting keeps them."
    silent = parts.get("line")
    if silent is None or silent.status:
        why = silent.stderr.strip()[:200] if silent is not None else "no answer"
        return None, f"slurmctld does not tell where it wrote, and accounting did not answer: {why}."
    return None, "Slurm has forgotten where it wrote, and its submit line does not tell it."


async def _run(host: Host, argv: Sequence[str], nonce: str) -> Mapping[str, Part]:
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = read_parts(done.stdout, nonce)
    if not parts:
        raise UnreadableAnswerError("Slurm's programs gave no answer.")
    return parts


def _text(parts: Mapping[str, Part], name: str) -> str:
    part = parts.get(name)
    return part.stdout.decode("utf-8", "replace") if part is not None and part.status == 0 else ""
