"""Views as text for people: state first, then what is wrong, then what to do next.

On a terminal tables and sentences fold at its width, and what one copies (commands, raw lines) is left whole; into a
pipe or file every row is one line, for grep.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobwarden.cli import words
from jobwarden.cli.exit_codes import ended_badly

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from jobwarden.service.views import (
        CancelView,
        DiscoverView,
        DoctorView,
        ExplainView,
        FoundView,
        JobView,
        RegisterView,
        StatusView,
    )
    from jobwarden_registry.events import Event
    from jobwarden_registry.model import Evidence

PHASE_STYLES = {
    "failed": "bold red",
    "lost": "bold red",
    "unknown": "yellow",
    "cancelled": "magenta",
    "running": "green",
    "suspended": "yellow",
    "pending": "cyan",
    "succeeded": "dim green",
    "ok": "green",
    "warning": "yellow",
    "problem": "bold red",
}
"""How a phase, or an outcome of doctor's, is coloured."""
_ORDER = ("failed", "lost", "unknown", "running", "suspended", "pending", "cancelled", "succeeded")
_COLUMNS = ("STATE", "JOB", "ID", "HOST", "TIME")
RIGHT = frozenset({"TIME", "WAITED", "RUNS", "OK", "FAILED", "CANC", "LOST"})
"""The columns that hold numbers."""
_MOST_COLUMNS = {0: 18, 2: 22, 3: 14}
"""How wide a column of a terminal may be; JOB has the rest."""
_WIDE = 4000
"""Columns of a pipe: enough that nothing folds."""


def show(parts: Iterable[RenderableType]) -> None:
    """Print these, one below the other."""
    console = _console()
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=bool(getattr(part, "no_wrap", False)))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _console() -> Console:
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=_WIDE, no_color=True, force_terminal=False)


def _text(line: str, style: str = "", *, whole: bool = False) -> Text:
    from rich.text import Text

    return Text(line, style=style, no_wrap=whole)


def _noted(notes: Iterable[str]) -> list[RenderableType]:
    """Show notes, further lines of one indented: what is to be pasted stays two lines, and none looks like another."""
    return _lines((line for note in notes for line in f"Note: {note}".replace("\n", "\n  ").split("\n")), "dim")


def _lines(lines: Iterable[str], style: str = "", *, whole: bool = False) -> list[RenderableType]:
    return [_text(words.clean(line), style, whole=whole) for line in lines]


# -- jobs


def jobs_table(jobs: Sequence[JobView], now: datetime, told: Sequence[str] = ()) -> list[RenderableType]:
    """Lay out jobs, what ended badly first; `told` as for `words.remark`."""
    shown = sorted(jobs, key=_by_urgency)
    rows = [(_cells(job), words.remark(job, now, told)) for job in shown]
    return runs_folded(rows) if sys.stdout.isatty() else [_one_line_a_job(rows)]


def runs_folded(rows: Sequence[tuple[Sequence[Text], str]]) -> list[RenderableType]:
    """Lay out jobs or runs for a terminal: STATE, JOB, ID, HOST, TIME, and what is said of each."""
    return folded(_COLUMNS, rows, _MOST_COLUMNS, grows=1)


def _cells(job: JobView) -> list[Text]:
    state = _text(words.state(job), PHASE_STYLES.get(job.phase, ""))
    rest = (words.title(job), _id(job), words.clean(job.host), words.duration(job.elapsed_s))
    return [state, *(_text(cell) for cell in rest)]


def _one_line_a_job(rows: Sequence[tuple[Sequence[Text], str]]) -> RenderableType:
    table = _table(headed=True)
    for name in (*_COLUMNS, "REMARK"):
        table.add_column(name, justify="right" if name == "TIME" else "left")
    for cells, remark in rows:
        table.add_row(*cells, _text(remark))
    return table


def folded(
    columns: Sequence[str], rows: Sequence[tuple[Sequence[Text], str]], most: Mapping[int, int], grows: int
) -> list[RenderableType]:
    """Lay rows out for a terminal: one small table a row, all of the same widths, its remark below over the whole line.

    Args:
        columns: The names of the cells.
        rows: Cells, and what is said below them.
        most: How wide a column may be.
        grows: The column that has what the others leave.
    """
    from rich.padding import Padding

    head = [_text(name, "dim") for name in columns]
    widths = [max(cells[at].cell_len for cells in (head, *(row for row, _ in rows))) for at in range(len(head))]
    for at, width in most.items():
        widths[at] = min(widths[at], width)
    others = sum(widths) - widths[grows] + 2 * (len(widths) - 1)
    widths[grows] = min(widths[grows], max(10, _console().width - others))
    parts: list[RenderableType] = []
    for cells, remark in ((head, ""), *rows):
        table = _table(headed=False)
        for width, name in zip(widths, columns, strict=True):
            table.add_column(width=width, overflow="fold", justify="right" if name in RIGHT else "left")
        table.add_row(*cells)
        parts.append(table)
        if remark:
            parts.append(Padding(_text(remark, "dim"), (0, 0, 0, 2)))
    return parts


def _table(*, headed: bool) -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=headed)


def _by_urgency(job: JobView) -> int:
    return _ORDER.index(job.phase) if job.phase in _ORDER else 0


def _id(job: JobView) -> str:
    return words.clean(job.id if job.type == "slurm" else f"{job.type}:{job.id}")


def news_text(news: Sequence[Event], now: datetime) -> list[RenderableType]:
    """Show what the caller has not been told yet."""
    if not news:
        return []
    return [_text("News:", "bold"), *(_text(f"  {words.event_line(event, now)}") for event in news)]


def status_text(view: StatusView, now: datetime) -> list[RenderableType]:
    """Show a status or a wait's answer."""
    parts: list[RenderableType] = []
    if view.jobs:
        parts += [_text(words.counted(view.counts, view.jobs), "bold"), *jobs_table(view.jobs, now, view.troubles)]
    else:
        parts += _lines(["No jobs are watched here."])
    parts += news_text(view.news, now)
    parts += _lines((f"Trouble: {trouble}" for trouble in view.troubles), "yellow")
    parts += _noted(view.notes)
    if view.met is False:
        parts += _lines([f"What was waited for has not happened (waited {words.duration(view.waited_s)})."], "yellow")
    return parts + _lines(_next_steps(view), "dim", whole=True)


def _next_steps(view: StatusView) -> list[str]:
    if not view.jobs:
        return ["Next: jobwarden register slurm ID --host HOST, or jobwarden run -- COMMAND"]
    steps: list[str] = []
    failed = [job for job in sorted(view.jobs, key=_by_urgency) if ended_badly(job)]
    if failed:
        steps += _about(failed[0], view.jobs)
    if view.troubles or any(job.stale_since for job in view.jobs):
        steps.append("jobwarden doctor")
    return ["Next: " + "; ".join(steps)] if steps else []


def _about(job: JobView, among: Sequence[JobView], namesakes: Sequence[str] = ()) -> list[str]:
    """Say how to find out more about one that ended badly."""
    name = words.typed(job, among, namesakes)
    why = "diagnose" if job.phase == "failed" else "explain"
    return [f"jobwarden {why} {name}", f"jobwarden tail {name}"]


def register_text(view: RegisterView, now: datetime) -> list[RenderableType]:
    """Show what was registered."""
    said = ["Watching" if created else "Watched already:" for created in view.created]
    parts = _lines(
        f"{word} {words.title(job)} ({job.type} {job.id} on {job.host}): {words.state(job)}"
        + (f"; {remark}" if (remark := words.remark(job, now)) else "")
        for word, job in zip(said, view.jobs, strict=True)
    )
    parts += news_text(view.news, now) + _noted(view.notes)
    return parts + _lines(_after_registering(view.jobs, view.namesakes), "dim", whole=True)


def _after_registering(jobs: Sequence[JobView], namesakes: Sequence[str]) -> list[str]:
    silent = next((job for job in jobs if job.stale_since is not None), None)
    alive = [job for job in jobs if not job.phase.closed]
    bad = next((job for job in jobs if ended_badly(job)), None)
    steps: list[str] = []
    if silent is not None:
        steps.append(f"jobwarden doctor --host {shlex.quote(words.clean(silent.host))}")
    elif alive:
        steps.append("jobwarden wait " + " ".join(words.typed(job, jobs, namesakes) for job in alive))
    if bad is not None:
        steps += _about(bad, jobs, namesakes)
    elif jobs and silent is None:
        steps.append(f"jobwarden tail {words.typed((alive or jobs)[0], jobs, namesakes)}")
    return ["Next: " + "; ".join(steps)] if steps else []


def cancel_text(view: CancelView, now: datetime) -> list[RenderableType]:
    """Show what became of each request to cancel."""
    parts: list[RenderableType] = []
    for row in view.rows:
        style = "red" if row.outcome in {"refused", "failed"} else ""
        line = f"{row.outcome}: {words.title(row.job)} ({row.job.type} {row.job.id} on {row.job.host})"
        parts += _lines([f"{line}: {row.text}" if row.text else line], style)
        if row.outcome == "accepted":
            seen = "its end was seen" if row.ended else "its end was not seen yet"
            parts += _lines([f"  now {words.state(row.job)}; {seen}"])
    return [*parts, *news_text(view.news, now), *_lines((f"Note: {note}" for note in view.notes), "dim")]


def discover_text(view: DiscoverView, now: datetime) -> list[RenderableType]:
    """Show what was adopted, and what nobody watches."""
    parts: list[RenderableType] = []
    if view.adopted:
        parts += [_text(f"Watching {len(view.adopted)} more:", "bold"), *jobs_table(view.adopted, now)]
    more = " more" if view.adopted else ""
    head = f"{len(view.jobs)}{more} jobs that nobody watches; {view.watched} are watched here."
    parts.append(_text(head, "bold"))
    if view.jobs:
        parts.append(_found_table(view.jobs, now))
    parts += news_text(view.news, now)
    parts += _lines((f"Trouble: {trouble}" for trouble in view.troubles), "yellow")
    parts += _noted(view.notes)
    step = f"Next: jobwarden discover --adopt {shlex.quote(words.clean(view.jobs[0].id))}" if view.jobs else ""
    return parts + _lines([step] if step else [], "dim", whole=True)


def _found_table(jobs: Sequence[FoundView], now: datetime) -> RenderableType:
    table = _table(headed=True)
    for name in ("STATE", "JOB", "ID", "HOST", "TIME", "SUBMITTED", "WHAT", "FROM"):
        table.add_column(name, justify="right" if name == "TIME" else "left", overflow="fold")
    for job in jobs:
        submitted = words.moment(job.submitted_at, now) if job.submitted_at is not None else ""
        elapsed = words.duration(job.elapsed_s) if job.elapsed_s is not None else ""
        cells = (job.name or "", f"{job.type}:{job.id}", job.host, elapsed, submitted, job.what, job.question)
        state = _text(words.clean(job.status or job.phase.value), PHASE_STYLES.get(job.phase, ""))
        table.add_row(state, *(_text(words.clean(cell)) for cell in cells))
    return table


# -- evidence


def explain_text(view: ExplainView, now: datetime) -> list[RenderableType]:
    """Show every change of a job with what decided it."""
    job = view.job
    word = words.state(job)
    phase = "" if word.lower() == job.phase else f" ({job.phase})"
    parts = _lines([f"{words.title(job)} ({job.type} {job.id} on {job.host}) is {word}{phase}"], "bold")
    if remark := words.remark(job, now):
        parts += _lines([f"  {remark}"])
    for event in view.events:
        parts.append(_text(words.event_line(event, now)))
        if event.evidence is not None:
            parts += _evidence(event.evidence, now)
    told = [event.evidence for event in view.events if event.evidence is not None]
    if view.now is not None and view.now not in told[-1:]:
        parts.append(_text("The present state rests on:", "bold"))
        parts += _evidence(view.now, now)
    return parts


def _evidence(evidence: Evidence, now: datetime) -> list[RenderableType]:
    asked = [f"    asked at {words.moment(evidence.asked_at, now)}"]
    asked += [f"    $ {question}" for question in evidence.question]
    lines = [f"    | {line}" for line in evidence.lines] or ["    | (no line about this job)"]
    rule = [f"    rule: {evidence.rule}"] if evidence.rule else []
    return [*_lines(asked, "dim", whole=True), *_lines(lines, whole=True), *_lines(rule, "dim")]


def doctor_text(view: DoctorView) -> list[RenderableType]:
    """Show the checks, with the command that mends each trouble below it."""
    parts: list[RenderableType] = []
    for check in view.checks:
        line = _text(f"{check.outcome:<8}", PHASE_STYLES.get(check.outcome, ""))
        line.append(f" {words.clean(check.subject)}: {words.clean(check.text)}", style="not bold default")
        parts.append(line)
        parts += _lines([f"         mend: {check.mend}"] if check.mend else [], "cyan", whole=True)
    counts = {outcome: sum(check.outcome == outcome for check in view.checks) for outcome in ("problem", "warning")}
    if any(counts.values()):
        summary = ", ".join(f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items() if count)
    else:
        summary = "All is well"
    return [*parts, _text(f"{summary}.", "bold")]
