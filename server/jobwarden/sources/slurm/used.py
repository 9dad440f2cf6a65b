"""What a run that has ended used of what it had, by sacct: the figures that seff shows. Pure.

CPU time is sacct's `TotalCPU` of the job, which is its steps' sum; core time is run time times `AllocCPUS`. Memory is
the largest task of a step times the step's tasks, as seff estimates it: sacct keeps no true peak of a whole step.
Where no step was measured (a site without jobacct_gather, a run of a moment) nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobwarden.sources.slurm.sizes import count_of, gpus_of, memory_per_node, rss_of, time_of, tres_of
from jobwarden.sources.slurm.vocabulary import read_state
from jobwarden_registry.model import Used

Row = Mapping[str, str]


def used_of(jobs: Sequence[tuple[Row, Sequence[Row]]]) -> Used | None:
    """Put together what the elements, or parts, of one job used.

    Args:
        jobs: sacct's row of each, and those of its steps.

    Returns:
        None while one of them goes on, and where nothing was measured.
    """
    ran = [(row, steps) for row, steps in jobs if _elapsed(row)]
    if not ran or any(not read_state(row["State"]).ended for row, _ in jobs):
        return None
    measured = [(row, steps) for row, steps in ran if any(rss_of(step) for step in steps) or time_of(row["TotalCPU"])]
    if not measured:
        return None
    cpu = [time_of(row["TotalCPU"]) for row, _ in measured]
    core = [_core_s(row) for row, _ in measured]
    memory, limit = max((_memory(row, steps) for row, steps in measured), key=_share)
    return Used(
        cpu_s=None if None in cpu else sum(one or 0.0 for one in cpu),
        core_s=None if None in core else sum(one or 0.0 for one in core),
        memory_bytes=memory,
        memory_limit_bytes=limit,
        elapsed_s=max(_elapsed(row) for row, _ in measured),
        gpus=max(gpus_of(tres_of(row["AllocTRES"])) for row, _ in measured),
    )


def _elapsed(row: Row) -> float:
    return float(count_of(row["ElapsedRaw"]) or 0)


def _core_s(row: Row) -> float | None:
    cores = count_of(row["AllocCPUS"])
    return None if cores is None else _elapsed(row) * cores


def _memory(row: Row, steps: Sequence[Row]) -> tuple[int | None, int | None]:
    sizes = [size * (count_of(step["NTasks"]) or 1) for step in steps if (size := rss_of(step))]
    each, nodes = memory_per_node(row), count_of(row["NNodes"])
    return max(sizes, default=None), each * nodes if each and nodes else None


def _share(memory: tuple[int | None, int | None]) -> float:
    used, limit = memory
    return (used or 0) / limit if limit else 0.0
