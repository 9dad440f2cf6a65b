"""The past as comma-separated values: one line a job, run or group. Moments are UTC, durations seconds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from jobwarden.cli.words import clean
from jobwarden.service.past_views import TimelineView

if TYPE_CHECKING:
    from jobwarden.service.past_views import GroupView, HistoryView, RunView, SpreadView, StatsView

_RUN = (
    "type", "id", "host", "user", "name", "description", "tags", "phase", "status", "exit_code", "signal", "node",
    "submitted_at", "started_at", "ended_at", "waited_s", "ran_s", "runs", "run", "cause", "reason", "result",
    "efficiency", "metrics", "session",
)  # fmt: skip
_GROUP = (
    "runs", "attempts", "succeeded", "failed", "cancelled", "lost", "success_rate", "last_success_at",
    "last_failure_at", "last_failure", "failing_in_a_row",
)  # fmt: skip
_SPREADS = ("duration", "failed_after", "waited")
_SPREAD = ("count", "median", "low", "high", "least", "most")
_FORMULA = ("=", "+", "-", "@")
"""Spreadsheets run a cell that begins so; names and causes are strangers' words."""


def history_csv(view: HistoryView | TimelineView) -> str:
    """Write the jobs of a list, or the runs of one job."""
    runs: Sequence[RunView] = view.runs if isinstance(view, TimelineView) else view.jobs
    return _written(_RUN, ([getattr(run, name) for name in _RUN] for run in runs))


def stats_csv(view: StatsView) -> str:
    """Write the groups, and all together as the last."""
    groups: list[GroupView] = [*view.groups, *([view.total] if view.total is not None else [])]
    names = [*(f"{kind}_{name}_s" if name != "count" else f"{kind}_count" for kind in _SPREADS for name in _SPREAD)]
    rows = (
        [
            group.key,
            *(getattr(group, name) for name in _GROUP),
            *(cell for kind in _SPREADS for cell in _spread(getattr(group, kind))),
            group.slower.ratio if group.slower is not None else None,
            group.causes[0].cause if group.causes else None,
        ]
        for group in groups
    )
    return _written((view.by, *_GROUP, *names, "slower_ratio", "most_frequent_cause"), rows)


def _spread(spread: SpreadView | None) -> list[object]:
    return [None if spread is None else getattr(spread, name) for name in _SPREAD]


def _written(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return stream.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return _number(value) if isinstance(value, float) else str(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return harmless(" ".join(map(str, cast("tuple[object, ...]", value))))
    if isinstance(value, dict):
        return json.dumps(value) if value else ""
    return harmless(str(value))


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"


def harmless(text: str) -> str:
    """Write a stranger's words as one cell on one line, which neither a spreadsheet runs nor a terminal obeys."""
    line = clean(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) and line != "-" else line
