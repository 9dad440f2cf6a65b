"""The answer of job_history: a list, statistics, or one job's story. Pure, within `most` characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from jobwarden.mcp_server.cells import SAY_NOTHING, cell, duration_text, fit, moment_text, table
from jobwarden.mcp_server.news import event_text, job_label, news_lines
from jobwarden.mcp_server.text import ANSWER_CHARS
from jobwarden.service.past.choosing import MOST
from jobwarden.service.past_views import GroupView, HistoryView, RunView, SpreadView, StatsView, TimelineView
from jobwarden_registry.events import Event

_MARGIN = 250
_NAME_CHARS = 40
_NOTE_CHARS = 160
_CAUSE_CHARS = 90


def history_text(view: HistoryView | TimelineView, now: datetime, most: int = ANSWER_CHARS) -> str:
    """Answer job_history with the list of ended jobs, or with one job's story."""
    return _story(view, now, most) if isinstance(view, TimelineView) else _list(view, now, most)


def stats_text(view: StatsView, now: datetime, most: int = ANSWER_CHARS) -> str:
    """Answer job_history with statistics."""
    groups = list(view.groups)
    total = f"{view.total.runs} ended jobs" if view.total is not None else "no ended jobs"
    left = f"; {view.left_out} smaller groups left out, narrow by name or since" if view.left_out else ""
    head = f"statistics by {view.by} of {total}{_asked(view.scope, view.filters)}: {len(groups)} groups{left}"
    body: list[str] = []
    if groups:
        shown = [*groups, *([view.total] if view.total is not None and len(groups) > 1 else [])]
        columns = ("name" if view.by == "series" else view.by, "runs", "ok", "rate", "failed", "cancelled", "lost")
        rows = [_group_row(group, now) for group in shown]
        body += table((*columns, "attempts", "took", "waited", "last ok", "last failed", "health"), rows)
        body += _group_notes(groups)
        body.append("rate: of those that succeeded or failed. took: of succeeded ones, median (middle half).")
    for one in view.stale:
        label = job_label(one.type, one.id, one.host, one.name)
        body.append(f"STALE {label} since {moment_text(one.since, now)}: {cell(one.why, 200)}")
    return _answer(view.news, head, body, _ends(view.troubles, view.notes), now, most)


def _list(view: HistoryView, now: datetime, most: int) -> str:
    shown = len(view.jobs)
    total = view.counts.total
    ends = [(view.counts.succeeded, "succeeded"), (view.counts.failed, "failed")]
    ends += [(view.counts.cancelled, "cancelled"), (view.counts.lost, "lost")]
    told = ", ".join(f"{number} {word}" for number, word in ends if number)
    head = f"{shown} of {total} ended jobs{_asked(view.scope, view.filters)}, newest first"
    head += f" ({told})" if told else ""
    if view.before:
        head += f"; {view.before} newer on the pages before"
    if view.after:
        head += f"; {view.after} older left out: page={view.page + 1} or limit={min(MOST, total)} has them"
    bad = next((job for job in view.jobs if job.phase == "failed"), None)
    steps = [f'Next: job_history(job="{cell(bad.id)}") tells its story; diagnose_job why.'] if bad is not None else []
    return _answer(view.news, head, _rows(view.jobs, now), [*_ends(view.troubles, view.notes), *steps], now, most)


def _rows(jobs: Sequence[RunView], now: datetime) -> list[str]:
    if not jobs:
        return []
    hosts = {job.host for job in jobs}
    rows = [
        (
            f"{job.type}:{cell(job.id)}",
            cell(job.status, 40) or job.phase.upper(),
            moment_text(job.ended_at or job.journaled_at, now),
            duration_text(job.ran_s) if job.ran_s is not None else "",
            duration_text(job.waited_s) if job.waited_s is not None else "",
            str(job.runs) if job.runs > 1 else "",
            cell(job.name or "", _NAME_CHARS),
            cell(job.host, _NAME_CHARS) if len(hosts) > 1 else "",
            cell(_note(job), _NOTE_CHARS),
        )
        for job in jobs
    ]
    first = "job" if len(hosts) > 1 or hosts == {"localhost"} else f"job on {cell(next(iter(hosts)), 60)}"
    return table((first, "status", "ended", "ran", "waited", "attempts", "name", "host", "note"), rows)


def _note(job: RunView) -> str:
    said = [f"run {job.run} of {job.runs}"] if job.run is not None else []
    said += [f"exit {job.exit_code}"] if job.exit_code else []
    said += [f"signal {job.signal}"] if job.signal else []
    if job.cause:
        said.append(f"cause: {job.cause}")
    elif job.reason and job.reason not in SAY_NOTHING:
        said.append(job.reason)
    said += ["how it ended is not known"] if job.phase == "lost" else []
    said += [job.result] if job.result else []
    said += [f"{name}={value:g}" for name, value in job.metrics.items()]
    said += [job.efficiency] if job.efficiency else []
    said += [] if job.mine else [f"of session {job.session[:8]}"]
    return ", ".join(said)


def _story(view: TimelineView, now: datetime, most: int) -> str:
    job = view.job
    left = (
        f"; {view.left_out} earlier left out: page={view.page + 1} or limit={_limit(view)} has them"
        if view.left_out
        else ""
    )
    quiet = f"; {view.bookkeeping} of bookkeeping not shown" if view.bookkeeping else ""
    label = job_label(job.type, job.id, job.host, job.name)
    head = f"story of {label}, {cell(job.status, 40) or job.phase}: {len(view.events)} events{left}{quiet}"
    body = _rows(view.runs, now) if view.runs else []
    for metric in view.metrics:
        body.append(
            f"metric {cell(metric.name, 60)}: {metric.count} values, first {metric.first:g}, last {metric.last:g}, "
            f"least {metric.least:g}, most {metric.most:g}"
        )
    lines = [_event(event, now) for event in view.events]
    room = most - _MARGIN - len(head) - sum(len(line) + 1 for line in body)
    kept, cut = fit(lines[::-1], room * 3 // 5)
    body += [f"... {cut} earlier events cut; pages of limit={max(1, len(kept))} fit"] if cut else []
    body += kept[::-1]
    return _answer(view.news, head, body, [f"note: {cell(note, 400)}" for note in view.notes], now, most)


def _limit(view: TimelineView) -> int:
    return min(MOST, view.left_out + len(view.events))


def _event(event: Event, now: datetime) -> str:
    return f"{moment_text(event.timestamp, now)}\t{event_text(event)}"


def _group_row(group: GroupView, now: datetime) -> tuple[str, ...]:
    rate = "" if group.percent is None else f"{group.percent}%"
    health = [f"FAILED {group.failing_in_a_row} times in a row"] if group.failing_in_a_row else []
    if group.slower is not None:
        usual, now_s = duration_text(group.slower.before_s), duration_text(group.slower.recent_s)
        health.append(f"SLOWER: {now_s}, was {usual}")
    return (
        cell(group.key, _NAME_CHARS),
        str(group.runs),
        str(group.succeeded),
        rate,
        str(group.failed or ""),
        str(group.cancelled or ""),
        str(group.lost or ""),
        str(group.attempts) if group.attempts != group.runs else "",
        _spread(group.duration),
        _spread(group.waited),
        moment_text(group.last_success_at, now) if group.last_success_at is not None else "",
        moment_text(group.last_failure_at, now) if group.last_failure_at is not None else "",
        ", ".join(health),
    )


def _group_notes(groups: Sequence[GroupView]) -> list[str]:
    lines: list[str] = []
    for group in groups:
        key = cell(group.key, _NAME_CHARS)
        lines += [f"{key}: {cause.count} x {cell(cause.cause, _CAUSE_CHARS)}" for cause in group.causes[:3]]
        for metric in group.metrics:
            middle = f"median {metric.spread.median:g}, {metric.spread.least:g} to {metric.spread.most:g}"
            lines.append(f"{key}: {cell(metric.name, 40)} last {metric.last:g}; {middle}, {metric.jobs} jobs")
    return lines


def _spread(spread: SpreadView | None) -> str:
    if spread is None:
        return ""
    if spread.count == 1:
        return duration_text(spread.median)
    return f"{duration_text(spread.median)} ({duration_text(spread.low)}-{duration_text(spread.high)})"


def _asked(scope: str, filters: Mapping[str, str]) -> str:
    told = "".join(f", {key} {cell(value, 60)}" for key, value in filters.items())
    return f" of this {scope}{told}" if scope != "user" else f" of this user{told}"


def _ends(troubles: Sequence[str], notes: Sequence[str]) -> list[str]:
    return [*(f"TROUBLE {cell(one, 400)}" for one in troubles), *(f"note: {cell(one, 400)}" for one in notes)]


def _answer(
    news: Sequence[Event], head: str, body: Sequence[str], ends: Sequence[str], now: datetime, most: int
) -> str:
    told = news_lines(news, now, most // 5)
    last, lost = fit(ends, most // 5)
    last += [f"... {lost} more lines of notes"] if lost else []
    room = most - _MARGIN - len(head) - sum(len(line) + 1 for line in (*told, *last))
    kept, cut = fit(body, room)
    kept += [f"... {cut} more lines cut: narrow by name, since or limit"] if cut else []
    return "\n".join([*told, head, *kept, *last])
