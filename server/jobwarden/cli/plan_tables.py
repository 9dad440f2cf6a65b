"""Plans as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jobwarden.cli import words
from jobwarden.service.plan_views import GroupView, PlanCheckView, PlanListView, PlannedView, PlanView

_ORDER = (
    "failed", "lost", "refused", "unsure", "on its way", "cancelled", "unknown", "blocked", "planned", "pending",
    "suspended", "running", "succeeded",
)  # fmt: skip


def check_text(view: PlanCheckView, now: datetime) -> list[RenderableType]:  # noqa: ARG001 -- as every view's
    """Say what is wrong with a plan."""
    if view.good:
        order = ", ".join(view.jobs[:20]) + (" ..." if len(view.jobs) > 20 else "")
        return _lines(
            [f"{view.name}: {len(view.jobs)} jobs, and nothing is wrong with it.", f"In order: {order}", *view.notes]
        )
    said = [f"{view.name}: {words.several(len(view.problems), 'problem')}"]
    for one in view.problems:
        said.append("  " + ": ".join(part for part in (one.where, one.text) if part))
        said += [f"    {one.hint}"] if one.hint else []
    return _lines([*said, *view.notes])


def plan_text(view: PlanView, now: datetime) -> list[RenderableType]:
    """Lay out a plan: what was done, then how it stands."""
    parts = _lines([words.event_line(event, now) for event in view.news])
    would = "would do: " if view.dry_run else ""
    parts += _lines([f"{would}{one}" for one in view.done])
    if view.suspended is not None:
        since = f" since {words.moment(view.suspended_at, now)}" if view.suspended_at else ""
        parts += _lines([f"SUSPENDED{since}: {view.suspended}", f"  jobwarden plan resume {view.name} goes on."])
    if view.dry_run:
        parts += _lines([] if view.done else ["would do: nothing"])
        stands = [f"{one.name}: {one.text}" for one in view.jobs if not one.id and one.text]
        return [*parts, *_lines(stands), *_lines(view.troubles), *_lines(view.notes)]
    not_yet = f", {view.planned} not submitted" if view.planned else ""
    parts += _lines([f"{view.name}: {words.counted(view.counts)}{not_yet}"])
    if len(view.groups) > 1:
        parts.append(_group_table(view.groups))
    parts.append(_job_table(view.jobs))
    return [*parts, *_lines(view.troubles), *_lines(view.notes)]


def list_text(view: PlanListView, now: datetime) -> list[RenderableType]:
    """Lay out the plans of a project."""
    if not view.plans:
        return _lines(["There are no plans here; jobwarden plan submit FILE makes one."])
    rows = [
        (
            one.name,
            str(one.jobs),
            str(one.submitted),
            str(one.ended),
            "-" if one.changed_at is None else words.moment(one.changed_at, now),
            f"SUSPENDED: {one.suspended}" if one.suspended is not None else "",
        )
        for one in view.plans
    ]
    return [_table(("PLAN", "JOBS", "SUBMITTED", "ENDED", "CHANGED", "REMARK"), rows)]


def _group_table(groups: Sequence[GroupView]) -> RenderableType:
    rows = [
        (" ".join(one.tags), str(one.total), ", ".join(f"{one.states[word]} {word}" for word in _words(one)))
        for one in groups
    ]
    return _table(("TAG", "JOBS", "STATES"), rows)


def _words(group: GroupView) -> list[str]:
    return sorted(group.states, key=lambda word: _ORDER.index(word) if word in _ORDER else len(_ORDER))


def _job_table(jobs: Sequence[PlannedView]) -> RenderableType:
    rows = [
        (one.status or one.state.upper(), one.name, one.id or "-", one.host, _attempts(one), one.text) for one in jobs
    ]
    return _table(("STATE", "JOB", "ID", "HOST", "RUNS", "REMARK"), rows)


def _attempts(job: PlannedView) -> str:
    ids = [run.id for run in job.runs if run.id]
    return f"{len(ids)} ({', '.join(ids)})" if len(ids) > 1 else str(len(ids))


def _lines(lines: Iterable[str]) -> list[RenderableType]:
    return [Text(words.clean(line)) for line in lines]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in head:
        table.add_column(name, justify="right" if name in ("JOBS", "SUBMITTED", "ENDED") else "left")
    for row in rows:
        table.add_row(*(Text(words.clean(cell)) for cell in row))
    return table
