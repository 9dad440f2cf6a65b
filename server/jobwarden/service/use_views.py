"""What is answered about what running jobs use, as data. Sizes are bytes, times seconds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import JobView
from jobwarden.sources.using import GpuUse
from jobwarden_registry.events import Event
from jobwarden_registry.model import Utc


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class UseRow(_View):
    """What one running job uses; None: not told."""

    job: JobView
    measured_at: Utc | None
    """None: it was not measured; `note` says why."""
    cpu_s: float | None = None
    """CPU time of what runs now, since that began."""
    cores: float | None = None
    """The same, as cores that were busy on the average of its run time so far."""
    cpus: int | None = None
    """Allocated."""
    memory_bytes: int | None = None
    """Slurm: the most so far; of a local process: now."""
    memory_limit_bytes: int | None = None
    gpus: int = 0
    """Allocated, as far as that is told."""
    gpu: tuple[GpuUse, ...] = ()
    """As they were measured at that moment."""
    note: str = ""
    """What was not measured, and why."""

    @property
    def text(self) -> str:
        """Say it in a line; empty where nothing was measured."""
        parts: list[str] = []
        if self.cores is not None:
            parts.append(f"CPU {self.cores:.1f}" + (f" of {self.cpus}" if self.cpus else "") + " cores on average")
        if self.memory_bytes is not None:
            limit = f" of {_size(self.memory_limit_bytes)}" if self.memory_limit_bytes else ""
            parts.append(f"memory {_size(self.memory_bytes)}{limit}")
        if self.gpu:
            parts.append(f"GPU {gpu_text(self.gpu)}")
        return ", ".join(parts)


class UseView(_View):
    """The answer of `jobwarden use`."""

    rows: tuple[UseRow, ...]
    troubles: tuple[str, ...] = ()
    """What could not be measured, one sentence each."""
    news: tuple[Event, ...] = ()


def gpu_text(gpus: tuple[GpuUse, ...]) -> str:
    """Write how busy they are: `0 %, 97 %, ?`."""
    told = ["?" if one.percent is None else f"{one.percent:.0f} %" for one in gpus]
    return ", ".join(told[:8]) + (f", ... ({len(told)})" if len(told) > 8 else "")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f}G" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.0f}M"
