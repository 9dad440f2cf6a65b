"""Runs of nemo-evaluator-launcher (0.2), by way of `nel status --json` and of the Slurm that it submits to.

`nel status` says `failed` for what it could not ask (0.2.6: ssh or accounting down, or just submitted), `pending` for
what nobody will resume, and always exits 0. So of a run on Slurm it is asked which tasks there are, by which Slurm jobs
and how far they are; how they fare is Slurm's own word. Of a run without Slurm nel's word is the only one there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobwarden.sources.base import (
    Absent,
    CancelOutcome,
    CouldNotAsk,
    DependsOn,
    Host,
    Prepared,
    Sighting,
    Wanted,
    watched_facts,
)
from jobwarden.sources.base import Found as Listed
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import SourceError
from jobwarden.sources.log_files import Hosts, JobLogs
from jobwarden.sources.nel import asking
from jobwarden.sources.nel.answers import Status, kept, read_kept, read_kill
from jobwarden.sources.nel.ids import completed, parse_id
from jobwarden.sources.nel.judging import following_of, links_of
from jobwarden.sources.nel.listing import list_runs_alive
from jobwarden.sources.nel.logs import logs_of
from jobwarden.sources.nel.look import Found, look
from jobwarden.sources.nel.program import find_program, list_runs, recorded
from jobwarden.sources.nel.whole import see_whole
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.model import LogPaths

_CANNOT: Mapping[Control, str] = {
    Control.REQUEUE: "nel has a next job waiting for the end of the one that runs, and submits more by itself: a "
    "requeue would have two of them at work. Cancel the run, and have nel begin it anew.",
}
_RESUMES = "nel's next job goes on where this one is ended. To end the run, cancel it: that ends all of its jobs."
_ENDING = frozenset({"KILL", "TERM", "INT", "QUIT", "HUP"})
_LINKS = 20
"""Of a longer chain of resumed jobs only the last ones are asked about."""


class NelSource:
    """See `Source`, `Prepares`, `Concludes`, `Discovers`, `Cancels`, `Controls` and `KeepsLogs`.

    One observation costs at most one `nel status` for all invocations with the same program and list of runs, and that
    once in `nel_every_s` for each; one look into the run folders on each host; and what Slurm costs.
    """

    name: str = "nel"

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock

    def parse_id(self, text: str) -> str:
        """See `Source.parse_id`."""
        return str(parse_id(text))

    async def prepare(self, host: Host, ids: Sequence[str], env: Mapping[str, str]) -> Mapping[str, Prepared]:
        """See `Prepares.prepare`: which nel, which list of runs, and what this says of the runs already."""
        nel = await find_program(host, env)
        try:
            runs = await list_runs(host, nel)
        except SourceError:
            runs = Status()
        known = {one.id.partition(".")[0] for one in runs.tasks}
        prepared: dict[str, Prepared] = {}
        for text in ids:
            one = completed(parse_id(text), known) or parse_id(text)
            prepared[text] = Prepared(str(one), {**nel.facts, asking.TASKS: kept(runs.of(one))})
        return prepared

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        """See `Source.observe`."""
        if not wanted:
            return {}
        told = await asking.ask(host, wanted, self._clock())
        here = {job: one for job, one in told.items() if isinstance(one, DependsOn) and not one.slurm_ids}
        if not here:
            return told
        looked = await self.look_there(host, here)
        seen = {job: self.conclude(one, {}) for job, one in looked.items()}
        facts = {job: {"facts": {**looked[job].facts, **one.facts}} for job, one in seen.items()}
        return {**told, **{job: one.model_copy(update=facts[job]) for job, one in seen.items()}}

    async def look_there(self, host: Host, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn]:
        """See `Concludes.look_there`."""
        tasks = {job: read_kept(one.memo.get(asking.TASKS)) for job, one in depends.items()}
        looked_at = self._clock()
        found = await look(host, list({one.id: one for each in tasks.values() for one in each}.values()))
        looked: dict[str, DependsOn] = {}
        for job, one in depends.items():
            now = [task.model_copy(update={"chain": links_of(task, found[task.id])}) for task in tasks[job]]
            ids = [slurm_id for task in now for slurm_id in task.chain[-_LINKS:]]
            ids += [following for task in now if (following := following_of(task, found[task.id])) is not None]
            memo = {
                asking.TASKS: kept(now),
                "found": {task.id: found[task.id].model_dump(mode="json", exclude_defaults=True) for task in now},
                "looked_at": looked_at.isoformat(),
            }
            update = {
                "slurm_ids": tuple(dict.fromkeys(ids)),
                "memo": memo,
                "facts": {**one.facts, asking.TASKS: kept(now)},
            }
            looked[job] = one.model_copy(update=update)
        return looked

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """See `Concludes.conclude`."""
        tasks = read_kept(depends.memo.get(asking.TASKS))
        folders = depends.memo.get("found")
        looked = {
            job: Found.model_validate(one) for job, one in (folders.items() if isinstance(folders, Mapping) else ())
        }
        looked_at = asking.moment(depends.memo.get("looked_at")) or depends.evidence.asked_at
        return see_whole(tasks, looked, found, looked_at=looked_at, evidence=depends.evidence)

    async def discover(self, host: Host) -> Sequence[Listed]:
        """See `Discovers.discover`."""
        return await list_runs_alive(host, watched_facts(host), self._clock())

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:
        """See `KeepsLogs.logs`."""
        return await logs_of(hosts, wanted, known=known, task=task)

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        """See `Cancels.cancel`.

        `nel kill` cancels the first Slurm job of a chain, ended or not, and says that it has (0.2.6). So the Slurm jobs
        are handed on to be cancelled, all links and the one that waits; what runs without Slurm is nel's to kill.
        """
        told = await asking.ask(host, wanted, self._clock())
        outcomes: dict[str, CancelOutcome] = {}
        for one in wanted:
            found = told[one.id]
            if isinstance(found, DependsOn) and found.slurm_ids:
                outcomes[one.id] = CancelOutcome(accepted=False, text="It runs on Slurm.", depends=found)
            elif isinstance(found, DependsOn):
                invocation = found.facts.get(asking.ID, one.id)
                nel = recorded(one.facts, host)
                done = await host.transport.run(nel.argv("kill", str(invocation)), timeout_s=host.timeout_s)
                accepted, text = read_kill(done)
                outcomes[one.id] = CancelOutcome(accepted=accepted, text=f"nel kill: {text}")
            else:
                text = getattr(found, "text", "nel could not be asked about it.")
                failed = not isinstance(found, Absent)
                outcomes[one.id] = CancelOutcome(accepted=False, text=f"{text} Nothing was sent.", failed=failed)
        return outcomes

    @property
    def controls(self) -> frozenset[Control]:
        """See `Controls.controls`."""
        return frozenset(Control) - _CANNOT.keys()

    @property
    def cannot(self) -> Mapping[Control, str]:
        """See `Controls.cannot`."""
        return _CANNOT

    async def control(self, host: Host, wanted: Sequence[Wanted], change: Change) -> Mapping[str, CancelOutcome]:
        """See `Controls.control`: done to its Slurm jobs, by whoever asks us (`depends`)."""
        if change.action is Control.SIGNAL and change.value.removeprefix("B:") in _ENDING:
            return {one.id: CancelOutcome(accepted=False, text=_RESUMES) for one in wanted}
        told = await asking.ask(host, wanted, self._clock())
        return {one.id: _handed_on(told[one.id]) for one in wanted}


def _handed_on(found: Sighting) -> CancelOutcome:
    if isinstance(found, DependsOn) and found.slurm_ids:
        return CancelOutcome(accepted=False, text="It runs on Slurm.", depends=found)
    if isinstance(found, DependsOn):
        return CancelOutcome(accepted=False, text="nel runs it without Slurm, and can only kill it: cancel it.")
    text = found.text if isinstance(found, CouldNotAsk) else "nel does not know it."
    return CancelOutcome(accepted=False, text=f"{text} Nothing was sent.", failed=not isinstance(found, Absent))
