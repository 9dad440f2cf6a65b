"""The answer of control_job."""

from __future__ import annotations

from datetime import datetime

from jobwarden.mcp_server.cells import cell, fit, table
from jobwarden.mcp_server.news import job_label, news_lines
from jobwarden.mcp_server.text import ANSWER_CHARS
from jobwarden.service.control_views import ControlView

_TEXT_CHARS = 700
_MARGIN = 200


def control_text(view: ControlView, now: datetime, most: int = ANSWER_CHARS) -> str:
    """Say what became of each job, in one row, and what is seen of it."""
    rows = [
        (
            job_label(row.job.type, row.job.id, row.job.host, row.job.name),
            cell(row.outcome),
            cell(row.job.status, 40),
            cell(row.text, _TEXT_CHARS),
        )
        for row in view.rows
    ]
    lines = table(("job", "outcome", "status", "text"), rows) if rows else []
    lines += [cell(note, _TEXT_CHARS) for note in view.notes]
    told = news_lines(view.news, now, most // 4)
    kept, cut = fit(lines or ["nothing to do"], most - sum(len(line) + 1 for line in told) - _MARGIN)
    return "\n".join([*told, *kept, *([f"... {cut} more rows cut"] if cut else [])])
