"""The runs of nel's own list that may be alive. nel itself is not asked, for it would ask each cluster about each run.

Of a run on Slurm the verdict finds out whether it lives (`Found.depends`); of a local one its run folder tells, in the
way in which nel reads it (0.2.6): `stage.running`, `stage.exit` with the exit code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from pydantic import JsonValue

from jobwarden.sources.base import DependsOn, Found, Host, Seen
from jobwarden.sources.nel import look as folders
from jobwarden.sources.nel.answers import Noted, Task, kept
from jobwarden.sources.nel.asking import TASKS
from jobwarden.sources.nel.program import Nel, list_noted, recorded
from jobwarden.sources.nel.whole import see_whole
from jobwarden.sources.nel.words import NelState
from jobwarden_registry.model import Evidence

QUESTION = "nel's list of runs"
_RECENT = timedelta(days=14)
_MOST_RUNS = 100
_UNSEEN = timedelta(days=1)
"""A run of another executor, of which only nel could tell whether it lives, is listed for so long."""
_NAME_CHARS = 200


async def list_runs_alive(host: Host, known: Sequence[Mapping[str, JsonValue]], now: datetime) -> list[Found]:
    """List recent runs, newest first: those that Slurm runs alive or not, the others while they live.

    Args:
        host: Where nel is.
        known: The facts of runs that are watched there: their lists of runs are read, too.
        now: The present.

    Raises:
        As `list_noted`.
    """
    places = {one.runs: one for one in reversed([Nel(()), *(recorded(facts, host) for facts in known)])}
    runs: dict[str, tuple[Nel, list[Noted]]] = {}
    for nel in places.values():
        named, noted = await list_noted(host, nel)
        for one in noted:
            nel_of_run = nel if nel.runs or not named else Nel(nel.words, named)
            runs.setdefault(one.task.id.partition(".")[0], (nel_of_run, []))[1].append(one)
    young = {run: one for run, one in runs.items() if now - _noted_at(one[1]) < _RECENT}
    chosen = sorted(young, key=lambda run: _noted_at(young[run][1]), reverse=True)[:_MOST_RUNS]
    local = [one.task for run in chosen for one in young[run][1] if one.executor == "local"]
    looked = await folders.look(host, local)
    found = [_found(run, *young[run], looked, now) for run in chosen]
    return [one for one in found if one is not None]


def _noted_at(noted: Sequence[Noted]) -> datetime:
    return max(one.at for one in noted)


def _found(
    run: str, nel: Nel, noted: Sequence[Noted], looked: Mapping[str, folders.Found], now: datetime
) -> Found | None:
    tasks = tuple(one.task for one in sorted(noted, key=lambda one: int(one.task.id.rpartition(".")[2])))
    facts: dict[str, JsonValue] = {"runs": nel.runs, TASKS: kept(tasks), **(nel.facts if nel.words else {})}
    evidence = Evidence(asked_at=now, question=(QUESTION,))
    listed = Found(
        id=run,
        name=", ".join(dict.fromkeys(one.name for one in tasks))[:_NAME_CHARS],
        what=_what(tasks, noted[0].executor),
        question=QUESTION,
        submitted_at=min(one.at for one in noted),
        facts=facts,
    )
    hosts = {one.host for one in tasks}
    if all(one.on_slurm for one in tasks) and len(hosts) == 1:
        slurm_ids = tuple(one.slurm for one in tasks if one.slurm is not None)
        memo = {TASKS: kept(tasks)}
        depends = DependsOn(slurm_ids=slurm_ids, host=next(iter(hosts)), memo=memo, evidence=evidence, facts=facts)
        return listed.model_copy(update={"depends": depends})
    if noted[0].executor != "local":
        return listed if now - _noted_at(noted) < _UNSEEN else None
    told = [one.model_copy(update={"status": _word(one, looked[one.id])}) for one in tasks]
    seen = see_whole(told, looked, {}, looked_at=now, evidence=evidence)
    if not isinstance(seen, Seen) or seen.phase.final:
        return None
    update = {"phase": seen.phase, "status": seen.status, "started_at": seen.started_at}
    return listed.model_copy(update=update)


def _word(task: Task, found: folders.Found) -> str:
    if task.killed:
        return NelState.KILLED
    if found.ended is not None:
        return NelState.SUCCESS if found.exit_code == 0 else NelState.FAILED
    return NelState.PENDING if found.started is None else NelState.RUNNING


def _what(tasks: Sequence[Task], executor: str) -> str:
    """Say how many tasks, and in which folder of the run."""
    number = f"{len(tasks)} task{'s' * (len(tasks) > 1)}"
    folder = str(PurePosixPath(tasks[0].folder).parent) if tasks[0].folder else ""
    place = ":".join(part for part in (tasks[0].host, folder) if part)
    return f"{number} by {executor or 'nel'}" + (f" in {place}" if place else "")
