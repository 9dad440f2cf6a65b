"""One sighting of a whole invocation, or of one task of it, from its tasks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from jobwarden.sources.base import RESULT, Absent, CouldNotAsk, Seen, Sighting
from jobwarden.sources.nel.answers import Task
from jobwarden.sources.nel.judging import Alive, Dark, Gone, State, judge_task, links_of, worst_first
from jobwarden.sources.nel.look import Found
from jobwarden.sources.nel.scores import say
from jobwarden_registry.model import Attempt, Evidence, LogPaths
from jobwarden_registry.phases import Phase

FAILED = "failed"
"""The key of the record's facts that lists the tasks that have failed, of several."""
_REASON_CHARS = 600


class _Judged(NamedTuple):
    task: Task
    found: Found
    state: Alive

    @property
    def links(self) -> tuple[str, ...]:
        """The Slurm jobs, with the one that goes on now though it has not listed itself yet."""
        links, job = links_of(self.task, self.found), self.state.job
        return links if job is None or job in links else (*links, job)


def see_whole(
    tasks: Sequence[Task],
    found: Mapping[str, Found],
    slurm: Mapping[str, Sighting],
    *,
    looked_at: datetime,
    evidence: Evidence,
) -> Sighting:
    """Make one sighting of these tasks: it has ended when every one has.

    Args:
        tasks: All of them.
        found: By task id.
        slurm: By Slurm id.
        looked_at: When the run folders were looked at.
        evidence: Of all that was asked.
    """
    nothing = Found()
    states: list[State] = [judge_task(one, found.get(one.id, nothing), slurm, looked_at) for one in tasks]
    dark = next((one for one in states if isinstance(one, Dark)), None)
    if dark is not None or not tasks:
        dark = dark or Dark("nel.no_tasks", "nel told of no task.")
        return CouldNotAsk(code=dark.code, text=dark.text, evidence=evidence)
    judged = [
        _Judged(task, found.get(task.id, nothing), state)
        for task, state in zip(tasks, states, strict=True)
        if isinstance(state, Alive)
    ]
    gone = [place for one in states if isinstance(one, Gone) for place in one.where]
    if gone and all(one.state.phase.final for one in judged):
        return Absent(where=tuple(dict.fromkeys(gone)), evidence=evidence)
    return _seen(judged, len(tasks), slurm, evidence)


def _seen(judged: Sequence[_Judged], total: int, slurm: Mapping[str, Sighting], evidence: Evidence) -> Seen:
    chosen = worst_first([one.state for one in judged])
    one = next(one for one in judged if one.state is chosen)
    final = chosen.phase.final
    attempts = _attempts(judged, slurm)
    return Seen(
        evidence=evidence,
        facts=_facts(judged, total),
        phase=chosen.phase,
        status=_status(judged, total, chosen),
        reason=_reason(judged, total),
        stuck=_stuck(judged, total),
        exit_code=_exit_code(one) if final else None,
        signal=chosen.slurm.signal if final and chosen.slurm is not None else None,
        name=", ".join(dict.fromkeys(each.task.name for each in judged))[:200],
        user=chosen.slurm.user if chosen.slurm is not None else None,
        node=chosen.slurm.node if chosen.slurm is not None else None,
        submitted_at=attempts[-1].submitted_at if attempts else None,
        expected_start_at=chosen.slurm.expected_start_at if chosen.slurm is not None else None,
        started_at=_started(judged) if chosen.phase is not Phase.PENDING else None,
        ended_at=_ended(judged) if final else None,
        work_dir=(one.task.folder or None) if not one.task.on_slurm else None,
        log=_log(one),
        attempts=attempts,
    )


def _facts(judged: Sequence[_Judged], total: int) -> dict[str, JsonValue]:
    scores, failed = _scores(judged), [one.task.id for one in judged if one.state.phase is Phase.FAILED]
    facts: dict[str, JsonValue] = {RESULT: scores} if scores else {}
    return {**facts, FAILED: list[JsonValue](failed)} if total > 1 else facts


def _status(judged: Sequence[_Judged], total: int, chosen: Alive) -> str:
    if total == 1 or chosen.phase is Phase.SUCCEEDED:
        return chosen.word
    if chosen.phase.final:
        good = sum(one.state.phase is Phase.SUCCEEDED for one in judged)
        return f"{chosen.word} ({good} of {total} success)"
    return f"{chosen.word} ({sum(one.state.phase.final for one in judged)} of {total} ended)"


def _reason(judged: Sequence[_Judged], total: int) -> str | None:
    said = [_said(one, alone=total == 1) for one in judged]
    return "; ".join(text for text in said if text)[:_REASON_CHARS] or None


def _scores(judged: Sequence[_Judged]) -> str:
    """Say the scores of the tasks that have succeeded."""
    said = [say(one.found.scores) for one in judged if one.state.phase is Phase.SUCCEEDED]
    return ", ".join(text for text in said if text)[:_REASON_CHARS]


def _said(one: _Judged, *, alone: bool) -> str:
    """Say in a few words how a task fares: its scores, its progress, or what Slurm says."""
    state, slurm = one.state, one.state.slurm
    detail = ""
    if state.phase is Phase.SUCCEEDED:
        detail = say(one.found.scores)
    elif state.phase.final or state.stuck:
        detail = f"Slurm job {state.job} {slurm.status}" if slurm is not None else ""
    elif one.task.progress is not None:
        detail = f"{one.task.progress} requests done"
    elif slurm is not None:
        detail = slurm.reason or ""
    return detail if alone else f"{one.task.name}: {state.word}" + f", {detail}" * bool(detail)


def _stuck(judged: Sequence[_Judged], total: int) -> str | None:
    """Say why the whole cannot end: one task that is stuck is enough."""
    stuck = [one for one in judged if one.state.stuck]
    if not stuck:
        return None
    first = stuck[0].state.stuck or ""
    return first if total == 1 else f"has a task that waits in vain: {stuck[0].task.id} {first}"


def _attempts(judged: Sequence[_Judged], slurm: Mapping[str, Sighting]) -> tuple[Attempt, ...]:
    """Give the rounds of Slurm jobs. The tasks' first jobs are one, what went on after these the next, and so on.

    Each is named after its first job.
    """
    chains = [one.links for one in judged if one.task.on_slurm]
    rounds = [[chain[at] for chain in chains if at < len(chain)] for at in range(max(map(len, chains), default=0))]
    return tuple(_attempt(min(jobs, key=int), slurm) for jobs in rounds)


def _attempt(job: str, slurm: Mapping[str, Sighting]) -> Attempt:
    seen = slurm.get(job)
    if not isinstance(seen, Seen):
        return Attempt(id=job)
    return Attempt(
        id=job,
        submitted_at=seen.submitted_at,
        started_at=None if seen.phase is Phase.PENDING else seen.started_at,
        ended_at=seen.ended_at if seen.phase.final else None,
        status=seen.status,
        phase=seen.phase,
        exit_code=seen.exit_code,
        signal=seen.signal,
        node=seen.node,
    )


def _exit_code(one: _Judged) -> int | None:
    return one.state.slurm.exit_code if one.state.slurm is not None else one.found.exit_code


def _started(judged: Sequence[_Judged]) -> datetime | None:
    slurm = [one.state.slurm.started_at for one in judged if one.state.slurm is not None]
    here = [one.found.started for one in judged if not one.task.on_slurm]
    return min((moment for moment in (*slurm, *here) if moment is not None), default=None)


def _ended(judged: Sequence[_Judged]) -> datetime | None:
    slurm = [one.state.slurm.ended_at for one in judged if one.state.slurm is not None]
    here = [one.found.ended for one in judged if not one.task.on_slurm]
    return max((moment for moment in (*slurm, *here) if moment is not None), default=None)


def _log(one: _Judged) -> LogPaths | None:
    stdout, stderr = one.found.log_of(one.state.job, one.task.folder)
    if stdout is None and stderr is None:
        return None
    return LogPaths(stdout=stdout, stderr=stderr, host=one.task.host or None)
