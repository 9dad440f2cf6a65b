"""What became of jobs that were controlled, as a person reads it."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from jobwarden.cli import words
from jobwarden.service.control_views import ControlView


def control_text(view: ControlView, now: datetime) -> list[RenderableType]:
    """Say what was done to each job and what is seen of it."""
    parts: list[RenderableType] = []
    for row in view.rows:
        job = row.job
        line = f"{row.outcome}: {words.title(job)} ({job.type} {words.clean(job.id)} on {words.clean(job.host)})"
        style = "red" if row.outcome in {"refused", "failed"} else ""
        parts.append(Text(f"{line}: {words.clean(row.text)}" if row.text else line, style=style))
    parts += [Text(words.clean(note)) for note in view.notes]
    if view.news:
        parts.append(Text("News:", style="bold"))
        parts += [Text(f"  {words.event_line(event, now)}") for event in view.news]
    return parts
