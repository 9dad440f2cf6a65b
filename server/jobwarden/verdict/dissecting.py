"""What can be found out about a failed job on its host: asked of its source, and read from its logs.

For whoever wants to know (service.diagnosing) and for the line that is told unasked (verdict.causes).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobwarden.diagnosis.gathering import Gathered, Place, read_logs
from jobwarden.diagnosis.pieces import Reach
from jobwarden.logs.allowed import Readable
from jobwarden.sources.base import Wanted
from jobwarden.sources.log_files import JobLogs
from jobwarden.sources.plugins import guarded
from jobwarden.sources.post_mortem import Accounts, PostMortem
from jobwarden.sources.process.state import processes_folder
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.model import JobRecord

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds

_ONE_STREAM = "stdout"
_PLAIN = ("stdout", "stderr")


async def post_mortems(
    rounds: Rounds, target: Target, records: Sequence[JobRecord], *, timeout_s: float
) -> Mapping[str, PostMortem]:
    """Ask the source about these jobs of one target, in one question. By the record's id.

    Raises:
        TransportError, SourceError: Nothing is known.
    """
    source = rounds.sources.get(target.key.type)
    if not isinstance(source, Accounts):
        return {}
    async with rounds.host(target) as host:
        with guarded(target.key.type):
            near = replace(host, timeout_s=min(timeout_s, host.timeout_s))
            return await source.post_mortem(near, wanted_of_all(records))


async def of_slurm(
    rounds: Rounds, target: Target, logs: Mapping[str, JobLogs], *, timeout_s: float
) -> dict[str, PostMortem]:
    """Ask Slurm about the jobs that run others' tasks, in one question a host.

    Args:
        rounds: How to reach hosts.
        target: Where the jobs themselves are asked about.
        logs: By the record's id, what is known of a job's logs: they say which Slurm job ran its task.
        timeout_s: For each question.

    Raises:
        TransportError, SourceError: As `post_mortems`.
    """
    slurm = rounds.sources.get(SLURM)
    ids = {job: one.slurm for job, one in logs.items() if one.slurm is not None}
    found: dict[str, PostMortem] = {}
    if not isinstance(slurm, Accounts):
        return found
    for name in sorted({one.host for one in ids.values()}):
        here = {job: one.id for job, one in ids.items() if one.host == name}
        async with rounds.host(await rounds.slurm_target(name or target.host)) as host:
            near = replace(host, timeout_s=min(timeout_s, host.timeout_s))
            told = await slurm.post_mortem(near, [Wanted(id=one) for one in sorted(set(here.values()))])
        found |= {job: _part(told[one], logs[job], one) for job, one in here.items() if one in told}
    return found


def _part(told: PostMortem, logs: JobLogs, slurm_id: str) -> PostMortem:
    return replace(told, part=f"{logs.task} (Slurm {slurm_id})" if logs.task else f"Slurm {slurm_id}")


@dataclass(frozen=True, slots=True)
class Where:
    """Where a job's logs are, on one host.

    Attributes:
        host: As ssh knows it.
        places: The files.
        readable: What may be read there.
    """

    host: str
    places: tuple[Place, ...]
    readable: Readable


def where_logs_are(
    rounds: Rounds, record: JobRecord, logs: JobLogs, told: PostMortem | None = None
) -> tuple[Where, ...]:
    """Say where to read, host by host: the source's files, the caller's, and those that its steps name.

    The caller's and the steps' are read only below the working directory or where the configuration allows it.
    """
    own = (record.log.host if record.log is not None else None) or record.host
    found: dict[str, list[Place]] = {}
    # What complains comes first.
    for file in sorted(logs.files, key=lambda file: file.stream == _ONE_STREAM):
        label = "" if file.stream in _PLAIN else file.stream  # a cause is told with its label
        found.setdefault(file.host or own, []).append(Place(file.path, label))
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if record.log_path is not None and record.resubmitted_as is None:
        found.setdefault(own, []).append(Place(record.log_path))
    if told is not None and told.written:
        ran = (logs.slurm.host if logs.slurm is not None else "") or own
        found.setdefault(ran, []).extend(Place(one.path, one.label) for one in told.written)
    named = {file.path for file in logs.files}
    kept = str(processes_folder(os.environ)) if rounds.here(record.site) else None
    return tuple(
        Where(
            host,
            tuple(places),
            Readable(
                work_dir=logs.work_dir or record.work_dir,
                folders=rounds.config.host(host).read,
                others=sorted(named & {place.path for place in places}),
                kept=kept if host == record.host else None,
            ),
        )
        for host, places in found.items()
    )


async def read_all(rounds: Rounds, where: Sequence[Where], reach: Reach, *, timeout_s: float) -> Gathered:
    """Read them, host by host; nothing where it is not known what there is.

    Raises:
        TransportError: A host could not be asked.
        UnreadableAnswerError: Its answer is torn.
    """
    gathered = Gathered() if where else Gathered(notes=("It is not known where it writes its log.",))
    for one in where:
        async with rounds.transports.lease(one.host) as transport:
            gathered += await read_logs(transport, one.places, one.readable, reach, timeout_s=timeout_s)
    return gathered
