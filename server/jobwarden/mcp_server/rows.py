"""Jobs as table rows: what an agent needs to tell them apart and to act, and nothing that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobwarden.mcp_server.cells import SAY_NOTHING, cell, duration_text, moment_text, table
from jobwarden.service.views import Counts, FoundView, JobView
from jobwarden_registry.phases import Phase

OLD_S = 150.0
"""An answer older than this is told with its age: two polls and a half."""


@dataclass(frozen=True, slots=True)
class Widths:
    """How many characters a cell may have."""

    status: int
    name: int
    host: int
    note: int


WIDE = Widths(status=64, name=40, host=40, note=160)
NARROW = Widths(status=40, name=24, host=14, note=40)
RESULTS = 8
RESULT_CHARS = 60
"""How many results a summary tells, and how much of each; the rows tell the rest."""
MANY = 12
"""From this many rows on, cells are narrow."""


def summary(counts: Counts, jobs: Sequence[JobView] = ()) -> str:
    """Say "2 of 4 completed (1 failed), 1 running, 1 pending"; and, of those jobs, what has come of them.

    So: "2 of 4 completed (MMLU-Pro 42.3 %, GSM8K 67.1 %), 1 running, 1 pending".
    """
    if not counts.total:
        return "no jobs watched here"
    ended = counts.succeeded + counts.failed + counts.cancelled + counts.lost
    bad = _counted((counts.failed, "failed"), (counts.cancelled, "cancelled"), (counts.lost, "lost"))
    alive = _counted(
        (counts.running, "running"),
        (counts.pending, "pending"),
        (counts.suspended, "suspended"),
        (counts.unknown, "in a state not known"),
    )
    told = [*bad, *_results(jobs)]
    completed = f"{ended} of {counts.total} completed" + (f" ({', '.join(told)})" if told else "")
    return ", ".join([completed, *alive])


def _results(jobs: Sequence[JobView]) -> list[str]:
    """Give the latest results, and how many more there are."""
    told = [cell(job.result, RESULT_CHARS) for job in jobs if job.result is not None]
    more = len(told) - RESULTS
    return [*([f"{more} more results"] if more > 0 else []), *told[-RESULTS:]]


def _counted(*pairs: tuple[int, str]) -> list[str]:
    return [f"{number} {word}" for number, word in pairs if number]


def job_table(jobs: Sequence[JobView], now: datetime) -> list[str]:
    """Give a header line and a line a job; what all jobs share (type, host) stands once, above."""
    widths = NARROW if len(jobs) > MANY else WIDE
    types, hosts = {job.type for job in jobs}, {job.host for job in jobs}
    rows = [
        (
            cell(job.id) if len(types) == 1 else f"{job.type}:{cell(job.id)}",
            cell(job.status, widths.status) or "?",
            duration_text(job.elapsed_s) if job.elapsed_s is not None else "",
            cell(job.name or "", widths.name),
            cell(job.host, widths.host) if len(hosts) > 1 else "",
            cell(job_note(job, now), widths.note),
        )
        for job in jobs
    ]
    header = f"job ({', '.join(sorted(types))})" if len(types) == 1 else "job"
    if len(hosts) == 1 and hosts != {"localhost"}:
        header += f" on {cell(next(iter(hosts)), 60)}"
    return table((header, "status", "elapsed", "name", "host", "note"), rows)


def found_table(jobs: Sequence[FoundView], now: datetime) -> list[str]:
    """Give a header line and a line a job that nobody watches."""
    rows = [
        (
            f"{job.type}:{cell(job.id)}",
            cell(job.status, 40),
            duration_text(job.elapsed_s) if job.elapsed_s is not None else "",
            cell(job.name or "", WIDE.name),
            cell(job.host, WIDE.host),
            moment_text(job.submitted_at, now) if job.submitted_at is not None else "",
            cell(job.what, WIDE.note),
            cell(job.question, WIDE.note),
        )
        for job in jobs
    ]
    return table(("job", "status", "elapsed", "name", "host", "submitted", "what", "from"), rows)


def job_note(job: JobView, now: datetime) -> str:
    """Say what is worth knowing beyond the status word, most urgent first."""
    return ", ".join(part for part in (*_trouble(job, now), *_outcome(job, now), *_origin(job)) if part)


def _trouble(job: JobView, now: datetime) -> list[str]:
    said: list[str] = []
    if job.paused_because is not None:
        said.append(f"NOT WATCHED {job.paused_because}")
    elif job.stale_since is not None and not job.status:
        said.append("could not be asked yet")
    elif job.stale_since is not None:
        said.append(f"stale {duration_text((now - job.stale_since).total_seconds())}")
    elif not (job.status or job.reason or job.phase.closed):
        said.append("no answer about it yet")
    elif job.age_s is not None and job.age_s > OLD_S and not job.phase.closed:
        said.append(f"as of {duration_text(job.age_s)} ago")
    if job.phase is Phase.UNKNOWN and job.status:
        said.append("not a known state, not an end")
    if job.phase is Phase.LOST:
        said.append("lost: outcome not known")
    if job.ready is not None:
        said.append("up" if job.ready else "not up yet")
    return said


def _outcome(job: JobView, now: datetime) -> list[str]:
    said: list[str] = []
    if job.exit_code:
        said.append(f"exit {job.exit_code}")
    if job.signal:
        said.append(f"signal {job.signal}")
    if job.stuck is not None:
        said.append(f"STUCK: {job.stuck}")
    elif job.stalled is not None:
        said.append(f"may hang: {job.stalled}")
    elif job.cause:
        said.append(f"cause: {job.cause}")
    elif job.reason and job.reason not in SAY_NOTHING:
        said.append(job.reason)
    if job.expected_start_at is not None and job.stuck is None:
        said.append(f"may start {moment_text(job.expected_start_at, now)}")
    if job.phase.closed and job.ended_at is not None:
        said.append(f"ended {moment_text(job.ended_at, now)}")
    return said


def _origin(job: JobView) -> list[str]:
    said: list[str] = []
    if len(job.attempts) > 1:
        now_as = f" as {job.resubmitted_as}" if job.resubmitted_as else ""
        said.append(f"attempt {len(job.attempts)}{now_as}")
    if job.orphan:
        said.append("orphan: rebuilt from the journal")
    if not job.mine:
        said.append(f"of session {job.owner.session_id[:8] or job.owner.agent}")
    return said
