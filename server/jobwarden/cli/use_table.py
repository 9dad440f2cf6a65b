"""What running jobs use, as a person reads it."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jobwarden.cli import words
from jobwarden.service.use_views import UseRow, UseView, gpu_text

_COLUMNS = ("JOB", "ID", "HOST", "TIME", "CPU", "MEMORY", "GPU", "REMARK")


def use_text(view: UseView, now: datetime) -> list[RenderableType]:
    """Write a table, and below it what could not be measured."""
    parts: list[RenderableType] = [_table(view)] if view.rows else [Text("Nothing runs here.")]
    if view.news:
        parts += [Text("News:", style="bold"), *(Text(f"  {words.event_line(event, now)}") for event in view.news)]
    return parts + [Text(f"Trouble: {words.clean(trouble)}", style="yellow") for trouble in view.troubles]


def _table(view: UseView) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name == "TIME" else "left", overflow="fold")
    for row in view.rows:
        table.add_row(*(Text(words.clean(cell)) for cell in _cells(row)))
    return table


def _cells(row: UseRow) -> list[str]:
    job = row.job
    cpu = "-" if row.cores is None else f"{row.cores:.1f}" + (f" of {row.cpus}" if row.cpus else "")
    memory = "-" if row.memory_bytes is None else words.size(row.memory_bytes)
    if row.memory_limit_bytes and row.memory_bytes is not None:
        memory += f" of {words.size(row.memory_limit_bytes)}"
    gpu = gpu_text(row.gpu) if row.gpu else f"{row.gpus}, not looked at" if row.gpus else "-"
    said = [f"may hang: {job.stalled}"] if job.stalled else []
    said += [row.note] if row.note else []
    return [job.name or job.id, job.id, job.host, words.duration(job.elapsed_s), cpu, memory, gpu, "; ".join(said)]
