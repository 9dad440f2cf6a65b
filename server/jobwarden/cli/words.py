"""How moments, durations, jobs and events read on a terminal. Everything here gives one clean line."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobwarden.service.views import Counts, JobView, ResourcesView
    from jobwarden_registry.events import Event

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that can move a cursor, reorder a line or hide in it."""


_RESULTS = 8
_RESULT_CHARS = 60
"""How many results a summary tells, and how much of each."""

_SAY_NOTHING = frozenset({"None", "none", "NonZeroExitCode"})
"""Reasons of Slurm that add nothing to the state and the exit code."""


def clean(text: str) -> str:
    """Make foreign text harmless for a terminal: nothing in it can move the cursor or begin a line."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char in "\t\n\r":
        return " "
    return f"\\x{ord(char):02x}" if unicodedata.category(char) in _HIDDEN else char


def several(count: int, noun: str) -> str:
    """Write a number of things: `1 job`, `2 jobs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def duration(seconds: float | None) -> str:
    """Write a duration as Slurm does: `12:03`, `1:02:11`, `2-03:04:05`."""
    if seconds is None:
        return "-"
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}-{hour:02d}:{minute:02d}:{second:02d}"
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


def moment(at: datetime, now: datetime) -> str:
    """Write a moment in local time, with the date when it is not of the last twelve hours."""
    local = at.astimezone()
    near = abs(now - at) < timedelta(hours=12)
    return local.strftime("%H:%M:%S" if near else "%Y-%m-%d %H:%M:%S")


def title(job: JobView) -> str:
    """Name a job as one would type it: by its name, else by its id."""
    return clean(job.name or job.id)


def typed(job: JobView, among: Sequence[JobView], namesakes: Sequence[str] = ()) -> str:
    """Name a job for a command line that can be copied: by its name, unless another one has it too."""
    shared = {(other.type, other.host, other.id) for other in among if title(other) == title(job)}
    alone = len(shared) <= 1 and job.name not in namesakes
    return shlex.quote(title(job) if alone else clean(f"{job.host}:{job.id}"))


def state(job: JobView) -> str:
    """Give the source's own word, or our phase before the first answer."""
    return clean(job.status) or str(job.phase).upper()


def remark(job: JobView, now: datetime, told: Sequence[str] = ()) -> str:
    """Say what is wrong with a job, or what it waits for; empty when there is nothing to say.

    Args:
        job: The job.
        now: The present.
        told: What the same answer says elsewhere: a cause that stands in it is not said again.
    """
    paused = [f"NOT WATCHED {clean(job.paused_because)}"] if job.paused_because is not None else []
    parts = [*paused, *([] if paused else _unanswered(job, now, told)), *_readiness(job)]
    if job.exit_code:
        parts.append(f"exit code {job.exit_code}")
    if job.signal:
        parts.append(f"signal {job.signal}")
    parts += _why(job)
    if job.expected_start_at is not None and job.stuck is None:
        parts.append(f"may start {moment(job.expected_start_at, now)}")
    if len(job.attempts) > 1:
        parts.append(
            f"attempt {len(job.attempts)}" + (f", now as {clean(job.resubmitted_as)}" if job.resubmitted_as else "")
        )
    if job.phase == "lost":
        parts.append("it is nowhere any more, and nothing says how it ended")
    if job.ended_at is not None:
        parts.append(f"ended {moment(job.ended_at, now)}")
    if job.orphan:
        parts.append("rebuilt from the journal: the project's file was gone")
    return "; ".join(parts)


def _why(job: JobView) -> list[str]:
    if job.stuck is not None:
        return [f"STUCK: {clean(job.stuck)}"]
    if job.stalled is not None:
        return [f"may hang: {clean(job.stalled)}"]
    if job.cause:
        return [f"cause: {clean(job.cause)}"]
    return [clean(job.reason)] if job.reason and is_telling(job.reason) else []


def is_telling(reason: str) -> bool:
    """Whether a reason says more than the state and the exit code."""
    return reason not in _SAY_NOTHING


def _readiness(job: JobView) -> list[str]:
    return [] if job.ready is None else ["up" if job.ready else "not up yet"]


def _unanswered(job: JobView, now: datetime, told: Sequence[str]) -> list[str]:
    if job.stale_since is None:
        return ["no answer about it yet"] if job.phase == "unknown" and not (job.status or job.reason) else []
    known = "last known state; " if job.status else ""
    because = job.stale_because or "it could not be asked"
    cause = "" if any(because in line for line in told) else f": {clean(because)}"
    return [f"{known}no answer since {moment(job.stale_since, now)}{cause}"]


def counted(counts: Counts, jobs: Sequence[JobView] = ()) -> str:
    """Write the summary: `2 of 4 completed (MMLU-Pro 42.3 %), 1 running, 1 pending`."""
    numbers: dict[str, int] = counts.model_dump()
    words = ("failed", "lost", "cancelled", "unknown", "running", "suspended", "pending")
    rest = [f"{numbers[word]} {word}" for word in words if numbers[word]]
    results = [clean(job.result)[:_RESULT_CHARS] for job in jobs if job.result is not None]
    if len(results) > _RESULTS:
        results = [f"{len(results) - _RESULTS} more results", *results[-_RESULTS:]]
    told = f" ({', '.join(results)})" if results else ""
    return ", ".join([f"{counts.succeeded} of {counts.total} completed{told}", *rest])


def event_line(event: Event, now: datetime) -> str:
    """Write one event: `#17 10:09:15 finished ptq (slurm 12345 on cluster-a): RUNNING -> FAILED`."""
    where = f"{event.type} {event.job_id} on {event.host}" if event.job_id else ""
    who = f"{event.name} ({where})" if event.name and where else where
    change = event.new_status or ""
    if change and event.old_status and event.old_status != change:
        change = f"{event.old_status} -> {change}"
    known = (event.record or {}).get("cause") if event.event == "finished" else None
    cause = f"cause: {known}" if isinstance(known, str) and known else ""
    told = ": ".join(
        part for part in (f"{event.event} {who}".strip(), "; ".join(filter(None, (change, event.text, cause)))) if part
    )
    return clean(f"#{event.seq} {moment(event.timestamp, now)} {told}")


def resources(told: ResourcesView) -> list[str]:
    """Say what a job asked for and what it used, one line each; nothing of what is not known."""
    asked = [f"time {duration(told.time_limit_s)}"] if told.time_limit_s is not None else []
    asked += [f"memory {size(told.memory_limit_bytes)} a node"] if told.memory_limit_bytes is not None else []
    asked += [told.asked] if told.asked else []
    used = [f"time {duration(told.elapsed_s)}"] if told.elapsed_s is not None else []
    used += [f"memory {size(told.max_rss_bytes)} in one process"] if told.max_rss_bytes is not None else []
    lines = (
        ("Asked for", asked),
        ("Used", used),
        ("Efficiency", [told.efficiency] if told.efficiency else []),
        ("Ran on", [told.nodes] if told.nodes else []),
    )
    return [f"{name}: {', '.join(parts)}" for name, parts in lines if parts]


def size(size_bytes: int) -> str:
    """Write a size in memory: `3.0 GiB`, `200 MiB`."""
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.0f} MiB"
