"""An anonymised recording of what a site's Slurm answers: doctor --record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import anyio
from anyio import to_thread
from pydantic import JsonValue

from jobwarden.service.desk import Desk
from jobwarden.service.views import RecordingView
from jobwarden.sources.base import Host
from jobwarden.sources.errors import SourceError
from jobwarden.sources.slurm.anonymous import Anonymiser
from jobwarden.sources.slurm.ids import SlurmId, parse_id
from jobwarden.sources.slurm.recording import Look, Tape, as_text, bases, document, look
from jobwarden.transport.errors import TransportError
from jobwarden_registry.errors import InvalidIdError, JobwardenError, UnwritableError
from jobwarden_registry.session import Session

_SAYS = "Recorded at a site by jobwarden doctor --record; what was true meanwhile is for a person to add."


class RecordingError(JobwardenError):
    """Nothing was recorded, and nothing was written."""

    code: str = "recording.impossible"


async def record(desk: Desk, *, host: str, path: Path, for_s: float) -> RecordingView:
    """See `Service.record`."""
    if await to_thread.run_sync(os.path.lexists, path):
        raise RecordingError(f"{path} is there already; a recording overwrites nothing.", hint="Name another file.")
    tape = await _listen(desk, host, await _watched(desk, host), for_s)
    anonymiser = Anonymiser(tape.looks)
    jobs = sorted({one for kept in tape.looks for one in bases(kept)})
    recording = document(
        [anonymiser.look(one) for one in tape.looks],
        case="site",
        says=_SAYS,
        how="site",
        jobs=[anonymiser.job_id(str(one)) for one in jobs],
        observed_s=tape.last_began - tape.looks[0].began,
    )
    size = await to_thread.run_sync(_write, path, recording)
    return RecordingView(path=str(path), host=host, jobs=len(jobs), moments=len(tape.looks), size_bytes=size)


async def _watched(desk: Desk, host: str) -> set[int]:
    """The Slurm jobs on that host that somebody watches: accounting is asked about them, though they have ended."""
    ids: set[int] = set()
    site = (await desk.world.transports.resolve(host)).key
    for session in await desk.world.sessions.known():
        try:
            records = await desk.world.sessions.call(session, Session.load)
            ids |= {_base(one.id) for one in records if one.type == "slurm" and site == one.site}
        except (InvalidIdError, JobwardenError):
            continue  # doctor itself says so
    return ids


def _base(text: str) -> int:
    job: SlurmId = parse_id(text)
    return job.base


async def _listen(desk: Desk, host: str, ids: set[int], for_s: float) -> Tape:
    """Look again and again; never more often than the host may be asked for anything else."""
    config = desk.world.config
    settings = config.host(host)
    pause_s = max(config.clocks.floor_s, settings.min_interval_s)
    tape = Tape()
    async with desk.world.transports.lease(host) as transport:
        there = Host(
            transport=transport,
            machine_id=desk.world.machine_id,
            cluster=settings.cluster,
            timeout_s=config.clocks.ask_timeout_s,
        )
        last = await look(there, ids)  # who is there: accounting can be asked about it only from now on
        _refuse(last, host)
        end = anyio.current_time() + for_s
        while True:
            last = await _again(there, ids, last)
            ids |= bases(last)
            tape.add(last)
            if anyio.current_time() + pause_s > end:
                return tape
            await anyio.sleep(pause_s)


async def _again(host: Host, ids: set[int], before: Look) -> Look:
    """Look once more. A connection that was lost is no answer of the cluster's: the last one stands."""
    try:
        return await look(host, ids, before)
    except (TransportError, SourceError):
        return before


def _refuse(first: Look, host: str) -> None:
    if first.squeue.failure is not None and first.squeue.failure.status == 127:
        raise RecordingError(f"There is no squeue on {host}.", hint=f"jobwarden doctor --host {host}")


def _write(path: Path, recording: Mapping[str, JsonValue]) -> int:
    data = as_text(recording).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UnwritableError(f"{path} cannot be written: {error.strerror}.") from error
    return len(data)
