"""What running Slurm jobs use: squeue for what they have, sstat for CPU time and memory, a step of their own for GPUs.

One squeue and one sstat for all jobs of a look. sstat asks slurmctld and the nodes of each step, so it is asked rarely
and about `JOBS_MOST` jobs at most. It prints what slurmstepd sampled last (`JobAcctGatherFrequency`, 30 s by default);
a job of somebody else it refuses (22.05.8: `Invalid user id`, exit 0). GPUs show in `nvidia-smi` on the node alone:
that takes a step (`srun --overlap`, Slurm 20.11 and later), which accounting keeps; only where the user's
configuration says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobwarden.sources.base import Wanted
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.answers import read_time
from jobwarden.sources.slurm.ids import RowId, parse_id, parse_row_id
from jobwarden.sources.slurm.sizes import count_of, gpus_of, size_of, time_of, tres_of
from jobwarden.sources.using import GpuUse, PartUse, Use
from jobwarden_registry.errors import InvalidIdError

JOBS_MOST = 50
"""So many are measured in one look."""
GPU_JOBS_MOST = 4
"""To so many a step is added in one look."""
_STEP_S = 8
"""So long a step may wait for its turn, and run."""

_QUEUE = "JobID:24,JobArrayID:80,StartTime:24,tres-alloc:400,tres-per-node:80"
STAT_FIELDS = ("JobID", "NTasks", "TRESUsageInTot", "TRESUsageOutTot")
"""All known to sstat of Slurm 20.11 and later."""
GPU_FIELDS = ("index", "name", "utilization.gpu", "memory.used", "memory.total")

_RUNNING = r"""
plain_part clock "$(date +%s)"
ask squeue squeue -h -a -t R -r -u "$(id -u)" -O "$1"
jw_done
"""
_STAT = r"""
ask sstat sstat -n -P -a -o "$1" -j "$2"
jw_done
"""
# nvidia-smi shows every GPU of a node whose jobs are not confined to theirs; CUDA_VISIBLE_DEVICES names the job's own.
_LOOK_AT_GPUS = (
    'exec nvidia-smi ${CUDA_VISIBLE_DEVICES:+-i "$CUDA_VISIBLE_DEVICES"} --query-gpu="$1" --format=csv,noheader,nounits'
)
_GPUS = r"""
fields=$1 limit=$2 look=$3; shift 3
jw_limit=$((limit + 3))
for one in "$@"; do
  part "gpu.${one%%=*}" srun --overlap --jobid="${one%%=*}" --immediate="$limit" --time=1 --quiet --label \
    --nodes="${one#*=}" --ntasks="${one#*=}" --ntasks-per-node=1 --cpus-per-task=1 sh -c "$look" sh "$fields"
done
jw_done
"""


@dataclass(frozen=True, slots=True)
class Running:
    """One running job, or element, as squeue has it.

    Attributes:
        raw: The number that slurmctld gives it.
        id: What it speaks for.
        ran_s: Since it began.
        cpus: Allocated.
        memory_bytes: Allocated, on all nodes.
        nodes: Allocated.
        gpus: Allocated; where the site does not count them, 1 for a job that asked for some.
    """

    raw: int
    id: RowId
    ran_s: float | None
    cpus: int | None
    memory_bytes: int | None
    nodes: int
    gpus: int


def running_argv(nonce: str, *, cluster: str, limit_s: float) -> list[str]:
    """Ask which jobs of the login user run, and what they have: parts `clock`, `squeue`."""
    return commands.slurm_argv(_RUNNING, nonce, _QUEUE, cluster=cluster, limit_s=limit_s)


def stat_argv(nonce: str, raws: Sequence[int], *, cluster: str, limit_s: float) -> list[str]:
    """Ask sstat about every running step of these jobs (part `sstat`).

    Raises:
        ValueError: There is none.
    """
    if not raws:
        raise ValueError("sstat needs an id")
    listed = ",".join(str(one) for one in raws[:JOBS_MOST])
    return commands.slurm_argv(_STAT, nonce, ",".join(STAT_FIELDS), listed, cluster=cluster, limit_s=limit_s)


def gpu_argv(nonce: str, running: Sequence[Running], *, limit_s: float) -> list[str]:
    """Add a step to each of these jobs that looks at its GPUs (parts `gpu.RAW`)."""
    words = (",".join(GPU_FIELDS), str(_STEP_S), _LOOK_AT_GPUS)
    named = [f"{one.raw}={one.nodes}" for one in running[:GPU_JOBS_MOST]]
    return commands.slurm_argv(_GPUS, nonce, *words, *named, cluster="", limit_s=limit_s)


def read_running(parts: Mapping[str, Part]) -> tuple[Running, ...]:
    """Read squeue's answer; a row of another form is passed over.

    Raises:
        UnreadableAnswerError: squeue failed, or was not asked.
    """
    text = _answer(parts, "squeue")
    clock = parts.get("clock")
    now = read_time(clock.stdout.decode("ascii", "replace")) if clock is not None else None
    rows: list[Running] = []
    for line in text.splitlines():
        fields = line.split()
        raw = count_of(fields[0]) if len(fields) == 5 else None
        if raw is None:
            continue
        try:
            row = parse_row_id(fields[1])
        except ValueError:
            continue
        began, tres = read_time(fields[2]), tres_of(fields[3])
        ran_s = max(0.0, (now - began).total_seconds()) if now is not None and began is not None else None
        gpus = gpus_of(tres) or int("gpu" in fields[4])
        nodes = count_of(tres.get("node", "")) or 1
        rows.append(Running(raw, row, ran_s, count_of(tres.get("cpu", "")), size_of(tres.get("mem", "")), nodes, gpus))
    return tuple(rows)


def of_jobs(wanted: Sequence[Wanted], running: Sequence[Running]) -> dict[str, list[Running]]:
    """Say which running jobs or elements each wanted job has; one without any is missing."""
    found: dict[str, list[Running]] = {}
    for one in wanted:
        try:
            job = parse_id(one.resubmitted_as or one.id)
        except InvalidIdError:
            continue
        rows = [row for row in running if row.id.covers(job)]
        if rows:
            found[one.id] = rows
    return found


def read_stat(parts: Mapping[str, Part]) -> dict[int, dict[str, PartUse]]:
    """Read sstat's answer: by job, then by step. sstat exits 0 and complains of what it could not see.

    Raises:
        UnreadableAnswerError: There is no sstat, or its time was up.
    """
    found: dict[int, dict[str, PartUse]] = {}
    for line in _answer(parts, "sstat").splitlines():
        fields = line.split("|")
        raw, dot, step = fields[0].partition(".")
        job = count_of(raw)
        if len(fields) != len(STAT_FIELDS) or job is None or not dot:
            continue
        used, wrote = tres_of(fields[2]), tres_of(fields[3])
        io = [size_of(one.get("fs/disk", "")) for one in (used, wrote)]
        found.setdefault(job, {})[f"{raw}.{step}"] = PartUse(
            cpu_s=time_of(used.get("cpu", "")),
            memory_bytes=size_of(used.get("mem", "")),
            io_bytes=None if io[0] is None else io[0] + (io[1] or 0),
        )
    return found


def read_gpus(part: Part, *, nodes: int = 1) -> tuple[tuple[GpuUse, ...], str]:
    """Read what nvidia-smi printed on a job's nodes, each line after `srun --label`'s number.

    Returns:
        The GPUs, and why there are none, or not all; any bytes give both.
    """
    found: list[GpuUse] = []
    other = ""
    for line in part.stdout.decode("utf-8", "replace").splitlines():
        label, mark, rest = line.partition(":")
        node = label.strip() if mark and label.strip().isdigit() else ""
        text = rest if node else line
        fields = [one.strip() for one in text.split(",")] if text.strip() else []
        if len(fields) == len(GPU_FIELDS) and re.fullmatch(r"\d{1,4}", fields[0]):
            index, name, percent, used, total = fields
            found.append(
                GpuUse(
                    index=index,
                    node=node if nodes > 1 else "",
                    name=name[:60],
                    percent=_percent(percent),
                    memory_used_bytes=_mebibytes(used),
                    memory_bytes=_mebibytes(total),
                )
            )
        elif fields:
            other = other or text.strip()
    if part.status == 0 and not other:
        return tuple(found), ""
    said = " ".join((other or part.stderr or f"exit {part.status}").split())[:200]
    return tuple(found), f"Its GPUs could not{' all' if found else ''} be looked at: {said}"


def _percent(text: str) -> float | None:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)\s*%?", text, re.ASCII)
    return min(100.0, float(found[1])) if found else None


def _mebibytes(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,9})(?:\s*MiB)?", text, re.ASCII)
    return int(found[1]) * 2**20 if found else None


def use_of(
    rows: Sequence[Running],
    stat: Mapping[int, Mapping[str, PartUse]],
    gpus: Mapping[int, tuple[tuple[GpuUse, ...], str]],
) -> Use:
    """Put together what one job's running elements use."""
    parts = {name: part for row in rows for name, part in stat.get(row.raw, {}).items()}
    told = [gpus[row.raw] for row in rows if row.raw in gpus]
    several = len(rows) > 1
    measured = tuple(
        gpu.model_copy(update={"node": f"{row.raw}/{gpu.node}".rstrip("/")}) if several else gpu
        for row in rows
        if row.raw in gpus
        for gpu in gpus[row.raw][0]
    )
    notes = [note for _, note in told if note]
    if not parts:
        notes.insert(0, "sstat told nothing of it.")
    return Use(
        parts=parts,
        cpus=sum(row.cpus or 0 for row in rows) or None,
        memory_limit_bytes=sum(row.memory_bytes or 0 for row in rows) or None,
        ran_s=max((row.ran_s for row in rows if row.ran_s is not None), default=None),
        gpus=sum(row.gpus for row in rows),
        gpu=measured,
        note=" ".join(notes)[:300],
    )


def _answer(parts: Mapping[str, Part], name: str) -> str:
    part = parts.get(name)
    if part is None or part.status != 0:
        said = "no answer" if part is None else part.stderr[:200] or f"exit {part.status}"
        raise UnreadableAnswerError(f"{name}: {said}", code="slurm.unavailable")
    return part.stdout.decode("utf-8", "replace")
