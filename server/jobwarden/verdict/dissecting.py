"""What can be found out about a failed job on its host: asked of its source, and read from its logs.

For whoever wants to know (service.diagnosing) and for the line that is told unasked (verdict.causes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobwarden.diagnosis.gathering import Gathered, Place, read_logs
from jobwarden.diagnosis.pieces import Reach
from jobwarden.logs.allowed import Readable
from jobwarden.sources.base import Concludes, DependsOn, Source, Wanted
from jobwarden.sources.plugins import guarded
from jobwarden.sources.post_mortem import Accounts, PostMortem
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.model import JobRecord

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds


@dataclass(frozen=True, slots=True)
class Where:
    """Where a job's logs are.

    Attributes:
        host: As ssh knows it.
        places: The files.
        readable: What may be read there.
    """

    host: str
    places: tuple[Place, ...]
    readable: Readable


async def post_mortems(
    rounds: Rounds, target: Target, records: Sequence[JobRecord], *, timeout_s: float
) -> Mapping[str, PostMortem]:
    """Ask the source about these jobs of one target; of those that consist of Slurm jobs, Slurm. By the record's id.

    Raises:
        TransportError, SourceError: Nothing is known.
    """
    source = rounds.sources.get(target.key.type)
    if not isinstance(source, Accounts):
        return {}
    async with rounds.host(target) as host:
        near = replace(host, timeout_s=min(timeout_s, host.timeout_s))
        with guarded(target.key.type):
            told = await source.post_mortem(near, wanted_of_all(records))
    hanging = {job: one.depends for job, one in told.items() if one.depends is not None}
    return {**told, **(await _of_slurm(rounds, target, source, hanging, timeout_s) if hanging else {})}


async def _of_slurm(
    rounds: Rounds, target: Target, source: Source, hanging: Mapping[str, DependsOn], timeout_s: float
) -> dict[str, PostMortem]:
    slurm = rounds.sources.get(SLURM)
    assert isinstance(slurm, Accounts)
    found: dict[str, PostMortem] = {}
    for name in sorted({one.host for one in hanging.values()}):
        here = {job: one for job, one in hanging.items() if one.host == name}
        there = await rounds.slurm_target(name or target.host)
        async with rounds.host(there) as host:
            near = replace(host, timeout_s=min(timeout_s, host.timeout_s))
            if isinstance(source, Concludes):
                here = dict(await source.look_there(near, here))
            ids = sorted({slurm_id for one in here.values() for slurm_id in one.slurm_ids})
            told = await slurm.post_mortem(near, [Wanted(id=one) for one in ids])
        for job, one in here.items():
            if (worst := _worst([(each, told[each]) for each in one.slurm_ids if each in told])) is not None:
                found[job] = worst
    return found


def _worst(parts: Sequence[tuple[str, PostMortem]]) -> PostMortem | None:
    """Give the first that ended badly, else the last."""
    bad = [one for one in parts if not one[1].state.startswith(("COMPLETED", "RUNNING", "PENDING"))]
    if not parts:
        return None
    slurm_id, told = bad[0] if bad else parts[-1]
    return replace(told, part=told.part or slurm_id)


def where_logs_are(rounds: Rounds, record: JobRecord, told: PostMortem | None) -> Where:
    """Name a job's logs, and what may be read of its host."""
    log = record.log
    host = (log.host if log is not None else None) or record.host
    places: list[Place] = []
    if log is not None and log.stderr and log.stderr != log.stdout:
        places.append(Place(log.stderr, "stderr"))
        places += [Place(log.stdout, "stdout")] if log.stdout else []
    elif log is not None and log.stdout:
        places.append(Place(log.stdout))
    # Of a job that lives on under another id the caller's path is the earlier attempt's.
    if record.log_path is not None and record.resubmitted_as is None:
        places.append(Place(record.log_path))
    places += [Place(one.path, one.label) for one in (told.written if told is not None else ())]
    folder = record.facts.get("folder")
    readable = Readable(
        log=log,
        work_dir=record.work_dir,
        folders=rounds.config.host(host).read,
        kept=folder if isinstance(folder, str) and rounds.here(record.site) and host == record.host else None,
    )
    return Where(host, tuple(places), readable)


async def read_where(rounds: Rounds, where: Where, reach: Reach, *, timeout_s: float) -> Gathered:
    """Read them; nothing where it is not known what there is.

    Raises:
        TransportError: The host could not be asked.
        UnreadableAnswerError: Its answer is torn.
    """
    if not where.places:
        return Gathered(notes=("It is not known where it writes its log.",))
    async with rounds.transports.lease(where.host) as transport:
        return await read_logs(transport, where.places, where.readable, reach, timeout_s=timeout_s)
