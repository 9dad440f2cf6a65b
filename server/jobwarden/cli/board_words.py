"""How a board reads: what is shown of it, and in which words. Ages and times are coarse, so that little changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from jobwarden.cli import words
from jobwarden.cli.exit_codes import ended_badly

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobwarden.service.board_views import BoardHost, BoardJob, BoardSession, BoardView

Show = Literal["all", "living", "bad"]
SHOWS: tuple[Show, ...] = ("all", "living", "bad")


def chosen(view: BoardView, *, text: str, show: Show) -> list[BoardJob]:
    """Give the jobs that are wanted: each word of the text stands somewhere in what is known of them."""
    wanted = text.lower().split()
    return [one for one in view.jobs if _is_shown(one, show) and all(word in _searched(one) for word in wanted)]


def _is_shown(one: BoardJob, show: Show) -> bool:
    if show == "bad":
        return ended_badly(one.job) or one.job.stuck is not None or one.job.stale_since is not None
    return show == "all" or not one.job.phase.closed


def _searched(one: BoardJob) -> str:
    job = one.job
    parts = (job.name, job.id, job.type, job.host, job.status, job.phase, job.description, one.session, one.project)
    return "\n".join([*filter(None, parts), *job.tags]).lower()


def coarse(seconds: float | None) -> str:
    """Write an age or a length of time in two places at most: `<1m`, `12m`, `3h05`, `2d04`."""
    if seconds is None:
        return "-"
    minutes = max(0, int(seconds)) // 60
    if minutes < 60:
        return f"{minutes}m" if minutes else "<1m"
    hours, minute = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minute:02d}"
    return f"{hours // 24}d{hours % 24:02d}"


def age(one: BoardJob) -> str:
    """Say how old a job's state is, or that nobody looks; an ended one's does not age."""
    if one.job.paused_since is not None:
        return "off"
    if one.job.stale_since is not None:
        return "stale"
    return "" if one.job.phase.final else coarse(one.job.age_s)


def said(one: BoardJob, now: datetime) -> str:
    """Say what is to be said of a job beside its state, most important first."""
    remark = words.remark(one.job, now)
    progress = words.clean(one.progress) if one.progress and one.progress not in remark else ""
    return "; ".join(part for part in (*map(words.clean, one.notes), progress, remark) if part)


def summary(view: BoardView) -> str:
    """Write the first line: how many jobs stand how, in how many sessions, and whether anybody looks."""
    counts: dict[str, int] = view.counts.model_dump()
    names = ("failed", "lost", "unknown", "running", "suspended", "pending", "cancelled", "succeeded")
    told = [f"{counts[name]} {name}" for name in names if counts[name]] or ["no jobs"]
    sessions = f"{len(view.sessions)} session{'s' * (len(view.sessions) != 1)}"
    left = [f"{view.left_out} not shown"] if view.left_out else []
    return ", ".join([*told, sessions, *left, *_watching(view)])


def _watching(view: BoardView) -> list[str]:
    if view.watcher.running:
        return ["watched"]
    return ["NOT WATCHED"] if is_unwatched(view) else []


def is_unwatched(view: BoardView) -> bool:
    """Whether something lives that nobody looks at."""
    ended = view.counts.succeeded + view.counts.failed + view.counts.cancelled
    return not view.watcher.running and ended < view.counts.total


def host_line(host: BoardHost) -> str:
    """Say how a source on a host stands."""
    jobs = f"{host.jobs} job{'s' * (host.jobs != 1)}"
    answer = f"answered {coarse(host.age_s)} ago" if host.age_s is not None else "no answer yet"
    failure = f", now {words.clean(host.failure)}" if host.failure else ""
    return "; ".join(
        [f"{words.clean(host.host)} {host.type}: {jobs}, {answer}{failure}", *map(words.clean, host.notes)]
    )


def session_line(one: BoardSession, now: datetime) -> str:
    """Say whose jobs these are."""
    seen = f"seen {coarse((now - one.last_seen_at).total_seconds())} ago"
    where = f"{words.clean(one.session)} ({words.clean(one.agent)}) in {words.clean(one.project)}"
    parts = [f"{where}: {one.living} living, {one.ended} ended", seen, *(["its client is gone"] if one.gone else [])]
    parts += [f"cannot be read: {words.clean(one.trouble)}"] if one.trouble else []
    return ", ".join([*parts, *map(words.clean, one.notes)])


def board_text(view: BoardView, now: datetime) -> list[RenderableType]:
    """Lay a board out for one print."""
    from rich.text import Text

    from jobwarden.cli.tables import jobs_table

    parts: list[RenderableType] = [Text(summary(view), style="bold")]
    if view.jobs:
        parts += jobs_table([one.job for one in view.jobs], now)
    parts += _headed("Hosts:", [host_line(one) for one in view.hosts])
    parts += _headed("Sessions:", [session_line(one, now) for one in view.sessions])
    return [*parts, *(Text(f"Note: {words.clean(note)}", style="dim") for note in view.notes)]


def _headed(head: str, lines: Sequence[str]) -> list[RenderableType]:
    from rich.text import Text

    return [Text(head, style="bold"), *(Text(f"  {line}") for line in lines)] if lines else []
