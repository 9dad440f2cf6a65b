"""The past as tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from jobwarden.cli import words
from jobwarden.cli.tables import RIGHT, folded, runs_folded
from jobwarden.service.past_views import TimelineView

if TYPE_CHECKING:
    from jobwarden.service.past_views import GroupView, HistoryView, RunView, SpreadView, StatsView

_STYLES = {"failed": "bold red", "lost": "bold red", "cancelled": "magenta", "succeeded": "dim green"}
_SPARKS = "▁▂▃▄▅▆▇█"
_PLAIN_SPARKS = "_.-=+*#@"
_CAUSE_CHARS = 100
_SPREADS = ("TIME", "WAITED")
"""Columns that in a pipe hold a median with where the middle half lies."""


def spark(values: Sequence[float], most: int = 24) -> str:
    """Draw numbers as a line of blocks, the lowest as the lowest; evenly chosen ones where there are many."""
    if len(values) < 2:
        return ""
    if len(values) > most:
        values = [values[round(at * (len(values) - 1) / (most - 1))] for at in range(most)]
    low, high = min(values), max(values)
    blocks = _SPARKS if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else _PLAIN_SPARKS
    step = (high - low) / (len(blocks) - 1)
    return "".join(blocks[round((value - low) / step) if step else 0] for value in values)


def history_text(view: HistoryView | TimelineView, now: datetime) -> list[RenderableType]:
    """Show the list of ended jobs, or one job's story."""
    return _story(view, now) if isinstance(view, TimelineView) else _list(view, now)


def stats_text(view: StatsView, now: datetime) -> list[RenderableType]:
    """Show statistics."""
    total = view.total
    head = "No ended jobs" if total is None else f"{_jobs(total.runs)}, by {view.by}"
    parts: list[RenderableType] = [_text(f"{head}{_asked(view.scope, view.filters)}", "bold")]
    if view.groups and total is not None:
        parts += _groups([*view.groups, *([total] if len(view.groups) > 1 else [])], view.by, now)
        parts += _lines(
            ["OK is of those that succeeded or failed; TIME of those that succeeded: median (the middle half)."], "dim"
        )
    if view.left_out:
        parts += _lines([f"{view.left_out} smaller groups are left out; narrow with --name, --since or --host."], "dim")
    for group in view.groups:
        parts += _about(group)
    parts += _lines(
        (
            f"Stale: {one.name or one.id} ({one.type} {one.id} on {one.host}) since {words.moment(one.since, now)}: "
            f"{one.why}"
            for one in view.stale
        ),
        "yellow",
    )
    return [*parts, *_ends(view)]


def _list(view: HistoryView, now: datetime) -> list[RenderableType]:
    counts: dict[str, int] = view.counts.model_dump()
    told = ", ".join(f"{counts[word]} {word}" for word in ("succeeded", "failed", "cancelled", "lost") if counts[word])
    head = f"{_jobs(view.counts.total)}{_asked(view.scope, view.filters)}" + (f": {told}" if told else "")
    parts: list[RenderableType] = [_text(head, "bold")]
    if view.jobs:
        parts += _runs(view.jobs, now)
    newer = f"--page {view.page - 1}" if view.jobs else "leave out --page"
    left = [f"{view.before} newer: {newer}"] if view.before else []
    left += [f"{view.after} older: --page {view.page + 1}, or --limit N"] if view.after else []
    parts += _lines([f"Shown are {len(view.jobs)}; {'; '.join(left)}"] if left else [], "dim")
    return [*parts, *_ends(view)]


def _runs(runs: Sequence[RunView], now: datetime) -> list[RenderableType]:
    """Lay out runs: on a terminal as `status` does, in a pipe one line each."""
    if sys.stdout.isatty():
        return runs_folded([(_cells(run), _remark(run, now)) for run in runs])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("STATE", "JOB", "ID", "HOST", "ENDED", "TIME", "WAITED", "REMARK"):
        table.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for run in runs:
        *cells, ran = _cells(run)
        ended, waited = words.moment(run.ended_at or run.journaled_at, now), words.duration(run.waited_s)
        table.add_row(*cells, _text(ended), ran, _text(waited), _text(_remark(run)))
    return [table]


def _cells(run: RunView) -> list[Text]:
    state = _text(words.clean(run.status) or run.phase.upper(), _STYLES.get(run.phase, ""))
    kind = words.clean(run.id if run.type == "slurm" else f"{run.type}:{run.id}")
    rest = (words.clean(run.name or run.id), kind, words.clean(run.host), words.duration(run.ran_s))
    return [state, *map(_text, rest)]


def _remark(run: RunView, now: datetime | None = None) -> str:
    """Say how a run ended; with `now` also what has no column on a terminal."""
    said = [f"ended {words.moment(run.ended_at or run.journaled_at, now)}"] if now is not None else []
    said += [f"waited {words.duration(run.waited_s)}"] if now is not None and (run.waited_s or 0) >= 1 else []
    said += [f"run {run.run} of {run.runs}"] if run.run is not None and run.runs > 1 else []
    said += [f"{run.runs} runs"] if run.run is None and run.runs > 1 else []
    said += [f"exit code {run.exit_code}"] if run.exit_code else []
    said += [f"signal {run.signal}"] if run.signal else []
    if run.cause:
        said.append(f"cause: {words.clean(run.cause)}")
    elif run.reason and words.is_telling(run.reason):
        said.append(words.clean(run.reason))
    said += ["it is nowhere any more, and nothing says how it ended"] if run.phase == "lost" else []
    said += [words.clean(run.result)] if run.result else []
    said += [f"{words.clean(name)} {value:g}" for name, value in run.metrics.items()]
    said += [run.efficiency] if run.efficiency else []
    return "; ".join(said)


def _story(view: TimelineView, now: datetime) -> list[RenderableType]:
    job = view.job
    parts = _lines([f"{words.title(job)} ({job.type} {job.id} on {job.host}): {words.state(job)}"], "bold")
    parts += _runs(view.runs, now) if view.runs else []
    for metric in view.metrics:
        drawn = spark([point.value for point in metric.points])
        told = (
            f"{metric.count} values, {metric.first:g} to {metric.last:g}, between {metric.least:g} and {metric.most:g}"
        )
        parts += _lines([f"{metric.name} {drawn} {told}"])
    if view.left_out:
        parts += _lines(
            [f"{view.left_out} earlier events are left out: --page {view.page + 1}, or --limit N (1000 at most)."],
            "dim",
        )
    for event in view.events:
        parts.append(_text(words.event_line(event, now)))
        parts += _lines([f"    rule: {event.evidence.rule}"] if event.evidence and event.evidence.rule else [], "dim")
    if view.bookkeeping:
        parts += _lines([f"{view.bookkeeping} events of bookkeeping are not shown; explain shows what decided."], "dim")
    return [*parts, *_lines((f"Note: {note}" for note in view.notes), "dim")]


def _groups(groups: Sequence[GroupView], by: str, now: datetime) -> list[RenderableType]:
    numbers = (by.upper(), "RUNS", "OK", "FAILED", "CANC", "LOST")
    if sys.stdout.isatty():
        rows = [([*_numbers(group), _text(_median(group.duration))], _below(group, now)) for group in groups]
        return folded((*numbers, "TIME"), rows, {}, grows=0)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in (*numbers, "TIME", "LATELY", "WAITED", "LAST OK", "LAST FAILED"):
        table.add_column(name, justify="right" if name in RIGHT and name not in _SPREADS else "left", overflow="fold")
    for group in groups:
        spreads = (_spread(group.duration), spark(group.durations, 12), _spread(group.waited))
        lasts = (group.last_success_at, group.last_failure_at)
        told = ("-" if at is None else words.moment(at, now) for at in lasts)
        table.add_row(*_numbers(group), *map(_text, (*spreads, *told)))
    return [table]


def _numbers(group: GroupView) -> list[Text]:
    more = f" +{group.attempts - group.runs}" if group.attempts > group.runs else ""
    return [
        _text(words.clean(group.key)),
        _text(f"{group.runs}{more}"),
        _text("-" if group.percent is None else f"{group.percent}% ({group.succeeded})"),
        _text(str(group.failed or "-"), "bold red" if group.failing_in_a_row else ""),
        _text(str(group.cancelled or "-")),
        _text(str(group.lost or "-")),
    ]


def _median(spread: SpreadView | None) -> str:
    return "-" if spread is None else words.duration(spread.median)


def _below(group: GroupView, now: datetime) -> str:
    """Say what has no column on a terminal."""
    said = [f"time {_spread(group.duration)}"] if group.duration is not None and group.duration.count > 1 else []
    said += [f"lately {drawn}"] if (drawn := spark(group.durations, 12)) else []
    said += [f"waited {_spread(group.waited)}"] if group.waited is not None and group.waited.high >= 1 else []
    lasts = (("ok", group.last_success_at), ("failed", group.last_failure_at))
    said += [f"last {word} {words.moment(at, now)}" for word, at in lasts if at is not None]
    return "; ".join(said)


def _about(group: GroupView) -> list[RenderableType]:
    """Say of a group what no table holds: what is wrong, why its jobs failed, what rules stored."""
    key = words.clean(group.key)
    parts: list[RenderableType] = []
    if group.failing_in_a_row:
        parts += _lines(
            [f"{key}: failed {group.failing_in_a_row} times in a row, last {group.last_failure}"], "bold red"
        )
    if group.slower is not None:
        was, lately = words.duration(group.slower.before_s), words.duration(group.slower.recent_s)
        parts += _lines([f"{key}: getting slower, {lately} lately, {was} before"], "yellow")
    for cause in group.causes:
        parts += _lines([f"{key}: {cause.count} x {cause.cause[:_CAUSE_CHARS]}"])
    for metric in group.metrics:
        middle = f"median {metric.spread.median:g}, {metric.spread.least:g} to {metric.spread.most:g}"
        parts += _lines(
            [f"{key}: {metric.name} {spark(metric.series)} last {metric.last:g}; {middle}; {_jobs(metric.jobs)}"]
        )
    return parts


def _spread(spread: SpreadView | None) -> str:
    if spread is None:
        return "-"
    middle = words.duration(spread.median)
    return middle if spread.count == 1 else f"{middle} ({words.duration(spread.low)} to {words.duration(spread.high)})"


def _jobs(count: int) -> str:
    return "1 ended job" if count == 1 else f"{count} ended jobs"


def _asked(scope: str, filters: Mapping[str, str]) -> str:
    told = "".join(f", {key} {words.clean(value)}" for key, value in filters.items())
    return f" of {'all your projects' if scope == 'user' else f'this {scope}'}{told}"


def _ends(view: HistoryView | StatsView) -> list[RenderableType]:
    parts = _lines((f"Trouble: {trouble}" for trouble in view.troubles), "yellow")
    parts += _lines((f"Note: {note}" for note in view.notes), "dim")
    return parts


def _text(line: str, style: str = "") -> Text:
    return Text(line, style=style)


def _lines(lines: Iterable[str], style: str = "") -> list[RenderableType]:
    return [_text(words.clean(line), style) for line in lines]
