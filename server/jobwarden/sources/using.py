"""What a living job uses now: an optional part of a source's contract.

It decides no state. Asked rarely, and on demand: unlike a poll it costs something for each job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from jobwarden.sources.base import Host, Wanted


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class PartUse(_Frozen):
    """What one running part of a job (Slurm's step) has used so far; None: not told."""

    cpu_s: float | None = None
    """CPU time of all its processes."""
    memory_bytes: int | None = None
    """Resident, of all its processes: now, or the most so far, as the source tells it."""
    io_bytes: int | None = None
    """Read and written."""


class GpuUse(_Frozen):
    """One GPU, at one moment; None: not told."""

    index: str
    node: str = ""
    """Which of the job's nodes, where it has several."""
    name: str = ""
    percent: float | None = None
    """Of the last second or so, in which something ran on it."""
    memory_used_bytes: int | None = None
    memory_bytes: int | None = None

    @property
    def label(self) -> str:
        """Name it within its job."""
        return f"{self.node}:{self.index}" if self.node else self.index


class Use(_Frozen):
    """What a job uses."""

    parts: Mapping[str, PartUse] = Field(default_factory=dict[str, PartUse])
    """By name: those that run now. Another name is another part."""
    cpus: int | None = None
    """Allocated; None: not limited, or not known."""
    memory_limit_bytes: int | None = None
    """Allocated, on all nodes."""
    ran_s: float | None = None
    """Since it began."""
    gpus: int = 0
    """Allocated, as far as the source tells that."""
    gpu: tuple[GpuUse, ...] = ()
    """As they were measured; empty: they were not."""
    note: str = ""
    """What was not measured, and why; one sentence."""

    @property
    def cpu_s(self) -> float | None:
        """CPU time of all its parts; None unless each has told it."""
        told = [one.cpu_s for one in self.parts.values()]
        return sum(one or 0.0 for one in told) if told and None not in told else None

    @property
    def memory_bytes(self) -> int | None:
        """Memory of all its parts; None where none has told it."""
        told = [one.memory_bytes for one in self.parts.values() if one.memory_bytes is not None]
        return sum(told) if told else None


@runtime_checkable
class MeasuresUse(Protocol):
    """A source that can say what its running jobs use."""

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:
        """Measure once, all of these together, as the user who asks may see them.

        Args:
            host: Where.
            wanted: Which; the first ones are measured where they are too many.
            gpus: Whether a step may be added to a job to look at its GPUs.

        Returns:
            By id; one that does not run, or was one too many, is missing.

        Raises:
            As `Source.observe`.
        """
        ...
