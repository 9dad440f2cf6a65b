"""What running jobs use: `jobwarden use`, and the line that diagnose_job adds of a job that lives."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known, find_jobs
from jobwarden.service.use_views import UseRow, UseView
from jobwarden.verdict.measuring import Measured, Measures
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import JobNotFoundError, JobwardenError
from jobwarden_registry.phases import Phase

PATIENCE_S = 60.0


class Using:
    """Measures what jobs use, when somebody asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._measures = Measures(desk.world.rounds, desk.world.places.runtime)

    async def use(self, caller: Caller, jobs: Sequence[str] = ()) -> UseView:
        """Say what running jobs use: CPU, memory and, where a step may be added, GPUs. One question a host.

        Args:
            caller: Who asks.
            jobs: Which, of the session or else of its project; by default every running one of the session.

        Raises:
            JobNotFoundError, AmbiguousJobError: A name fits no job, or several; the text lists them.
        """
        await self._desk.registrations(caller)
        chosen = await self._chosen(caller, jobs)
        running = [one for one in chosen if one.record.phase is Phase.RUNNING]
        # Who names a paused job wants to know of that one; else what is paused is left alone.
        paused = set[str]() if jobs else {one.record.uid for one in await self._desk.paused(running)}
        rows, troubles = await self.of(caller, [one for one in running if one.record.uid not in paused])
        rest = [(one, "Its watching is paused.") for one in running if one.record.uid in paused]
        rest += [(one, "It does not run.") for one in chosen if jobs and one.record.phase is not Phase.RUNNING]
        rows += [UseRow(job=await self._desk.view(one, caller), measured_at=None, note=why) for one, why in rest]
        async with self._desk.news.telling(await self._desk.session(caller), caller) as news:
            return UseView(rows=tuple(rows), troubles=tuple(troubles), news=news)

    async def of(self, caller: Caller, running: Sequence[Known]) -> tuple[list[UseRow], list[str]]:
        """Measure these; gives a row for each, and what could not be asked."""
        found: dict[str, Measured] = {}
        troubles: dict[str, None] = {}
        groups: dict[Target, list[Known]] = {}
        for one in running:
            try:
                target = await self._desk.world.rounds.target(one.record)
            except JobwardenError as error:
                troubles[error.text] = None
                continue
            name = next((known for known in groups if known.key == target.key), target)
            groups.setdefault(name, []).append(one)

        async def measure(target: Target, jobs: Sequence[Known]) -> None:
            measured = await self._measures.measure(target, [one.record for one in jobs])
            found.update({one.record.uid: measured for one in jobs})
            if measured.trouble:
                troubles[f"{target.key.type} on {target.host}: {measured.trouble}"] = None

        with anyio.move_on_after(PATIENCE_S) as patience:
            async with anyio.create_task_group() as tasks:
                for target, jobs in groups.items():
                    tasks.start_soon(measure, target, jobs)
        if patience.cancelled_caught:
            troubles["A host did not answer in time."] = None
        return [await self._row(caller, one, found.get(one.record.uid)) for one in running], list(troubles)

    async def _chosen(self, caller: Caller, jobs: Sequence[str]) -> list[Known]:
        desk = self._desk
        own = await desk.in_scope(caller, project=False)
        await desk.refresh(own)
        known = await desk.known(own)
        if not jobs:
            return [one for one in known if one.live]
        try:
            return find_jobs(known, jobs)
        except JobNotFoundError:
            return find_jobs(await desk.known(await desk.in_scope(caller, project=True)), jobs)

    async def _row(self, caller: Caller, one: Known, measured: Measured | None) -> UseRow:
        view = await self._desk.view(one, caller)
        use = None if measured is None else measured.uses.get(one.record.id)
        if measured is None or use is None:
            return UseRow(job=view, measured_at=None, note="It was not measured.")
        cores = use.cpu_s / use.ran_s if use.cpu_s is not None and use.ran_s else None
        return UseRow(
            job=view,
            measured_at=measured.at,
            cpu_s=use.cpu_s,
            cores=cores,
            cpus=use.cpus,
            memory_bytes=use.memory_bytes,
            memory_limit_bytes=use.memory_limit_bytes,
            gpus=use.gpus,
            gpu=use.gpu,
            note=use.note,
        )
