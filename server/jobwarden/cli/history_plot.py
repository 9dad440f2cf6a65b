"""A drawing of the past as SVG, by hand: no library draws two axes and some dots for less (decision 0030).

Nothing in it can run or load anything, and what strangers wrote is escaped text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from jobwarden.cli import words
from jobwarden.service.past_views import TimelineView

if TYPE_CHECKING:
    from jobwarden.service.past_views import HistoryView, RunView

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 34, 34
_COLOURS = {"succeeded": "#2b8a3e", "failed": "#c92a2a", "cancelled": "#862e9c", "lost": "#495057"}
_LINE = "#1c7ed6"
_MOST_PANELS = 12
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes, over time.

    Attributes:
        title: Above it.
        points: Moment, value and colour, oldest first.
        joined: Whether a line joins them.
        seconds: Whether values are durations.
    """

    title: str
    points: Sequence[tuple[datetime, float, str]]
    joined: bool = False
    seconds: bool = False


def plot(view: HistoryView | TimelineView) -> str | None:
    """Draw the metrics of one job over time, or of several how long each took and what it came to.

    Returns:
        An SVG; None where there is nothing to draw.
    """
    panels = _of_job(view) if isinstance(view, TimelineView) else _of_jobs(view.jobs)
    drawn = [panel for panel in panels if panel.points][:_MOST_PANELS]
    if not drawn:
        return None
    height = _HEIGHT * len(drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *(part for at, panel in enumerate(drawn) for part in _panel(panel, at * _HEIGHT)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _of_job(view: TimelineView) -> list[Panel]:
    name = words.title(view.job)
    panels = [
        Panel(f"{name}: {metric.name}", [(point.at, point.value, _LINE) for point in metric.points], joined=True)
        for metric in view.metrics
    ]
    return panels or [_durations(f"{name}: time of each run", view.runs)]


def _of_jobs(jobs: Sequence[RunView]) -> list[Panel]:
    oldest_first = sorted(jobs, key=lambda job: job.ended_at or job.journaled_at)
    panels = [_durations("Time of each job", oldest_first)]
    for name in sorted({name for job in oldest_first for name in job.metrics}):
        those = [job for job in oldest_first if name in job.metrics]
        points = [(job.ended_at or job.journaled_at, job.metrics[name], _colour(job)) for job in those]
        panels.append(Panel(f"{name}: what each job came to", points))
    return panels


def _durations(title: str, runs: Iterable[RunView]) -> Panel:
    points = [(run.ended_at or run.journaled_at, run.ran_s, _colour(run)) for run in runs if run.ran_s is not None]
    return Panel(title, points, seconds=True)


def _colour(run: RunView) -> str:
    return _COLOURS.get(run.phase, _LINE)


def _panel(panel: Panel, top: int) -> Iterable[str]:
    moments = [moment for moment, _, _ in panel.points]
    first, last = min(moments), max(moments)
    if first == last:
        first, last = first - timedelta(minutes=1), last + timedelta(minutes=1)
    values = [value for _, value, _ in panel.points if math.isfinite(value)]
    ticks = _ticks(min(values), max(values), zero=panel.seconds)
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(moment: datetime) -> float:
        return _LEFT + wide * ((moment - first) / (last - first))

    def y(value: float) -> float:
        return top + _TOP + high * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))

    yield f'<text x="{_LEFT}" y="{top + 20}" font-size="13" font-weight="bold">{_safe(panel.title)}</text>'
    yield from _legend(panel, top)
    for tick in ticks:
        label = words.duration(tick) if panel.seconds else f"{tick:g}"
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#dee2e6"/>'
        yield f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_safe(label)}</text>'
    form = "%m-%d %H:%M" if last - first > timedelta(hours=20) else "%H:%M:%S"
    for step in range(_TICKS + 1):
        moment = first + (last - first) * step / _TICKS
        anchor = "start" if step == 0 else "end" if step == _TICKS else "middle"
        label = moment.astimezone(UTC).strftime(form) + ("Z" if step == _TICKS else "")
        yield f'<text x="{x(moment):.1f}" y="{top + _HEIGHT - 14}" text-anchor="{anchor}">{label}</text>'
    shown = [(x(moment), y(value), colour) for moment, value, colour in panel.points if math.isfinite(value)]
    if panel.joined:
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down, _ in shown)
        yield f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>'
    if not panel.joined or len(shown) <= 50:
        for across, down, colour in shown:
            yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>'


def _legend(panel: Panel, top: int) -> Iterable[str]:
    used = {colour for _, _, colour in panel.points}
    across = _WIDTH - _RIGHT
    for word, colour in reversed(_COLOURS.items()):
        if colour in used:
            yield f'<text x="{across}" y="{top + 20}" text-anchor="end" fill="{colour}">● {word}</text>'
            across -= 80


def _ticks(low: float, high: float, *, zero: bool) -> list[float]:
    """Give round numbers from below the lowest to above the highest; never fewer than two."""
    low = min(low, 0.0) if zero else low
    if high <= low:
        low, high = low - (abs(low) or 1.0) / 10, high + (abs(high) or 1.0) / 10
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _safe(text: str) -> str:
    return escape(words.clean(text)[:90])
