"""One look at what running Slurm jobs use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.sources.framing import Part, new_nonce
from jobwarden.sources.slurm.using import (
    GPU_JOBS_MOST,
    JOBS_MOST,
    Running,
    gpu_argv,
    of_jobs,
    read_gpus,
    read_running,
    read_stat,
    running_argv,
    stat_argv,
    use_of,
)
from jobwarden.sources.using import GpuUse, Use
from jobwarden.transport.errors import TransportError

Run = Callable[[Sequence[str], str], Awaitable[Mapping[str, Part]]]
"""Runs a question and reads its parts."""
_Gpus = Mapping[int, tuple[tuple[GpuUse, ...], str]]


async def measure(run: Run, host: Host, wanted: Sequence[Wanted], *, gpus: bool, limit_s: float) -> Mapping[str, Use]:
    """See `MeasuresUse.measure`."""
    if not wanted:
        return {}
    nonce = new_nonce()
    running = read_running(await run(running_argv(nonce, cluster=host.cluster, limit_s=limit_s), nonce))
    jobs = of_jobs(wanted, running)
    chosen = _few(jobs)
    if not chosen:
        return {}
    nonce, raws = new_nonce(), [row.raw for rows in chosen.values() for row in rows]
    stat = read_stat(await run(stat_argv(nonce, raws, cluster=host.cluster, limit_s=limit_s), nonce))
    # A step is added after sstat was asked: it would be one of the job's own to it. With `-M` srun knows no job.
    looked: _Gpus = {}
    if gpus and not host.cluster:
        looked = await _look_at_gpus(run, [row for rows in chosen.values() for row in rows if row.gpus], limit_s)
    return {name: use_of(rows, stat, looked) for name, rows in chosen.items()}


def _few(jobs: Mapping[str, Sequence[Running]]) -> dict[str, Sequence[Running]]:
    """Give the first jobs that come to no more than `JOBS_MOST` elements; of a larger array the first ones."""
    chosen: dict[str, Sequence[Running]] = {}
    room = JOBS_MOST
    for name, rows in jobs.items():
        if room > 0:
            chosen[name] = sorted(rows, key=lambda row: row.raw)[:room]
            room -= len(rows)
    return chosen


async def _look_at_gpus(run: Run, running: Sequence[Running], limit_s: float) -> _Gpus:
    some = running[:GPU_JOBS_MOST]
    if not some:
        return {}
    nonce = new_nonce()
    try:
        parts = await run(gpu_argv(nonce, some, limit_s=limit_s), nonce)
    except (SourceError, TransportError) as error:  # what sstat told holds without it
        return {row.raw: ((), f"Its GPUs could not be looked at: {error.text}"[:200]) for row in some}
    return {row.raw: read_gpus(parts[f"gpu.{row.raw}"], nodes=row.nodes) for row in some if f"gpu.{row.raw}" in parts}
