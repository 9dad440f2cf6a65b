"""Asking nel: for all that are due in one call, and what it said last for the others.

What it said last is in the record's `facts`, so that it is known to whoever asks next.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from jobwarden.sources.base import CouldNotAsk, DependsOn, Host, Sighting, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.sources.nel.answers import Status, Task, kept, read_kept, read_status
from jobwarden.sources.nel.ids import NelId, completed, parse_id
from jobwarden.sources.nel.program import Nel, list_runs, recorded
from jobwarden.sources.nel.words import TROUBLE, NelState
from jobwarden.transport.errors import TransportError
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Evidence

TASKS = "tasks"
ASKED = "asked_at"
ID = "id"
TROUBLE_THEN = "trouble"
"""Keys of the record's facts; `nel` and `runs` beside them say which program (`Nel.facts`)."""

EVERY_S = 120.0
IDS_PER_CALL = 200
_WAIT_FOR_OTHERS = 1.5
"""Jobs that were asked about at different times come together: one waits so much longer for the others."""


@dataclass(slots=True)
class _Job:
    """One job to be asked about."""

    wanted: Wanted
    nel: Nel
    id: NelId | None
    tasks: tuple[Task, ...]
    asked_at: datetime | None
    now: datetime
    trouble: tuple[str, str] | None = None
    """Why nel could not say how it fares: a code and a text."""
    error: TransportError | SourceError | None = None
    """What stopped us from asking, just now."""
    called: str = ""

    def failed(self, error: TransportError | SourceError) -> None:
        """Note that it could not be asked about."""
        self.error, self.trouble = error, (error.code, str(error))

    @property
    def age(self) -> timedelta | None:
        """How long ago nel was asked; a moment to come is of a clock that was set back, and does not count."""
        if self.asked_at is None or self.asked_at > self.now:
            return None
        return self.now - self.asked_at


async def ask(host: Host, wanted: Sequence[Wanted], now: datetime) -> dict[str, Sighting]:
    """Give one `DependsOn` for each job, with its tasks in the memo, or why nothing is known of it.

    Its Slurm ids are those that nel knows; empty: nel runs it without Slurm.

    Raises:
        TransportError, SourceError: Nothing is known of any of the jobs.
    """
    jobs = [_job(host, one, now) for one in wanted]
    for nel in dict.fromkeys(one.nel for one in jobs):
        group = [one for one in jobs if one.nel == nel]
        await _complete(host, nel, group)
        await _ask_nel(host, nel, _due([one for one in group if one.id is not None], _every(host)))
        await _tell_killed(host, nel, group)
    told = {one.wanted.id: _told(one) for one in jobs}
    errors = [one.error for one in jobs if one.error is not None]
    if errors and all(isinstance(one, CouldNotAsk) for one in told.values()):
        raise errors[0]
    return told


def moment(value: JsonValue) -> datetime | None:
    """Read a moment as it is kept in facts."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _job(host: Host, wanted: Wanted, now: datetime) -> _Job:
    facts = wanted.facts
    full = facts.get(ID)
    one = _Job(wanted, recorded(facts, host), None, read_kept(facts.get(TASKS)), moment(facts.get(ASKED)), now)
    trouble = facts.get(TROUBLE_THEN)
    if isinstance(trouble, list) and len(trouble) == 2:
        one.trouble = (str(trouble[0]), str(trouble[1]))
    try:
        one.id = parse_id(full if isinstance(full, str) else wanted.id)
    except InvalidIdError as error:
        one.trouble = (error.code, str(error))
    return one


async def _complete(host: Host, nel: Nel, jobs: Sequence[_Job]) -> None:
    """Find the whole ids of those that were given by their beginning: nel itself gives up on all for one ambiguous."""
    short = [one for one in jobs if one.id is not None and not one.id.whole]
    if not short:
        return
    try:
        runs = await list_runs(host, nel)
    except (TransportError, SourceError) as error:
        for one in short:
            one.id = None
            one.failed(error)
        return
    known = {task.id.partition(".")[0] for task in runs.tasks}
    for one in short:
        assert one.id is not None
        text = f"nel knows no run whose id begins with {one.wanted.id}."
        try:
            one.id = completed(one.id, known)
            one.trouble = one.trouble if one.id is not None else ("nel.not_found", text)
        except InvalidIdError as error:
            one.id, one.trouble = None, (error.code, str(error))


def _every(host: Host) -> timedelta:
    value = host.settings.get("nel_every_s")
    return timedelta(seconds=float(value) if isinstance(value, int | float) else EVERY_S)


def _due(jobs: Sequence[_Job], every: timedelta) -> list[_Job]:
    """Say which are asked about now. A new one is at once; the others wait a little to be asked about together."""
    due = [one for one in jobs if one.age is None or one.age >= every]
    together = len(due) == len(jobs) or any(one.age is not None and one.age >= every * _WAIT_FOR_OTHERS for one in due)
    return due if together else [one for one in due if one.age is None]


async def _ask_nel(host: Host, nel: Nel, due: Sequence[_Job]) -> None:
    """Ask about these, in one call for up to 200; what went wrong stays with those that it went wrong for."""
    for at in range(0, len(due), IDS_PER_CALL):
        some = due[at : at + IDS_PER_CALL]
        whole = {one.id.invocation for one in some if one.id is not None and one.id.task is None}
        ids = {
            str(one.id)
            for one in some
            if one.id is not None and (one.id.task is None or one.id.invocation not in whole)
        }
        argv = nel.argv("status", "--json", *sorted(ids))
        try:
            done = await host.transport.run(argv, timeout_s=host.timeout_s)
            status = read_status(done, TROUBLE)
        except (TransportError, SourceError) as error:
            for one in some:
                one.asked_at = one.now
                one.failed(error)
            continue
        for one in some:
            one.asked_at, one.called, one.trouble = one.now, shlex.join(argv), None
            _take(one, status)


def _take(job: _Job, status: Status) -> None:
    assert job.id is not None
    trouble = status.trouble_of(job.id)
    tasks = status.of(job.id)
    if trouble is not None or not tasks:
        word, text = (trouble.word, trouble.text) if trouble is not None else ("left_out", "nel left it out.")
        job.trouble = (f"nel.{word}", text)
        if not tasks:
            return
    # A task that was there and is not told of now has not ended for that.
    known = {one.id: one for one in job.tasks}
    told = {one.id: one.model_copy(update={"chain": _chain(known.get(one.id), one)}) for one in tasks}
    job.tasks = tuple({**known, **told}.values())


async def _tell_killed(host: Host, nel: Nel, jobs: Sequence[_Job]) -> None:
    """Tell the killed from the failed: nel notes a kill after it, and says `failed` of a local run until then."""
    if not any(_looks_failed(task) for one in jobs for task in one.tasks):
        return
    try:
        runs = await list_runs(host, nel)
    except (TransportError, SourceError) as error:
        for one in jobs:
            if any(_looks_failed(task) for task in one.tasks):
                one.failed(error)
        return
    killed = {task.id for task in runs.tasks if task.killed}
    for one in jobs:
        one.tasks = tuple(
            task.model_copy(update={"status": "killed"}) if _looks_failed(task) and task.id in killed else task
            for task in one.tasks
        )


def _looks_failed(task: Task) -> bool:
    return task.status == NelState.FAILED and not task.on_slurm


def _chain(known: Task | None, told: Task) -> tuple[str, ...]:
    return known.chain if known is not None and known.slurm == told.slurm else ()


def _told(job: _Job) -> Sighting:
    """Go on with what was known of a run on Slurm; of others nel's word of now is the only one."""
    evidence = _evidence(job)
    on_slurm = bool(job.tasks) and all(one.on_slurm for one in job.tasks)
    hosts = {one.host for one in job.tasks}
    facts = _facts(job)
    if job.id is None or not job.tasks or (job.trouble is not None and not on_slurm) or len(hosts) > 1:
        code, text = job.trouble or ("nel.unclear", f"nel told of {job.wanted.id} in a way that is not known.")
        return CouldNotAsk(code=code, text=text, evidence=evidence, facts=facts)
    slurm_ids = tuple(one.slurm for one in job.tasks if one.slurm is not None)
    if slurm_ids and (not on_slurm or hosts == {""}):
        return CouldNotAsk(
            code="nel.no_host", text="nel names no host of its Slurm jobs.", evidence=evidence, facts=facts
        )
    return DependsOn(
        slurm_ids=slurm_ids,
        host=next(iter(hosts)) if slurm_ids else "",
        memo={TASKS: kept(job.tasks)},
        evidence=evidence,
        facts=facts,
    )


def _facts(job: _Job) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {TASKS: kept(job.tasks)} if job.tasks else {}
    if job.asked_at is not None:
        facts[ASKED] = job.asked_at.isoformat()
        facts[TROUBLE_THEN] = list(job.trouble or ())
    if job.id is not None and str(job.id) != job.wanted.id:
        facts[ID] = str(job.id)
    return facts


def _evidence(job: _Job) -> Evidence:
    lines = [
        json.dumps(one.model_dump(mode="json", include={"id", "status", "progress", "slurm"})) for one in job.tasks
    ]
    when = (
        "now"
        if job.called
        else f"at {job.asked_at:%H:%M:%S} UTC"
        if job.asked_at is not None
        else "in its list of runs"
    )
    rule = f"nel said {when} which tasks there are; of one that Slurm runs, Slurm says how it fares."
    if job.trouble is not None and job.tasks:
        rule += f" Now nel could not say ({job.trouble[0]})."
    return Evidence(asked_at=job.now, question=(job.called,) if job.called else (), lines=tuple(lines), rule=rule)
