"""Jobs of other kinds that hang on the Slurm of a host that is paused: neither asked about, nor taken for silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import pytest

from jobwarden.mcp_server.text import wait_text
from jobwarden.service.service import Service
from jobwarden.sources.base import DependsOn, Host, Sighting, Wanted
from jobwarden.sources.plugins import Sources
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.clock import utc_now
from support.household import Household
from support.paper import Paper, QuietDesk, paper_world
from support.sightings import proof


@dataclass
class Knot:
    """A kind of job whose tasks run on the Slurm of another host, as those of nel and nemo-run do.

    Attributes:
        hosts: Id to where its Slurm job, of the same id, runs.
    """

    name: str = "knot"
    hosts: dict[str, str] = field(default_factory=dict[str, str])

    def parse_id(self, text: str) -> str:
        return text

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        assert host.timeout_s > 0
        return {one.id: DependsOn(slurm_ids=(one.id,), host=self.hosts[one.id], evidence=proof()) for one in wanted}


@asynccontextmanager
async def knotted(home: Household, slurm: Paper, knot: Knot) -> AsyncGenerator[tuple[Service, QuietDesk]]:
    async with paper_world(home, slurm) as world, anyio.create_task_group() as tasks:
        sources = Sources({"slurm": slurm, "knot": knot}, {})
        world.rounds.sources = sources
        desk = QuietDesk(replace(world, sources=sources), tasks, version="0.1.0")
        yield Service(desk), desk
        tasks.cancel_scope.cancel()


@pytest.fixture
def slurm() -> Paper:
    return Paper(name="slurm", states={"1": "RUNNING", "2": "RUNNING"})


async def pause(service: Service, home: Household, host: str) -> None:
    await service.control.control(
        home.caller(), jobs=[], action="pause_watching", value=host, reason="maintenance", force=True
    )


async def resume(service: Service, home: Household, host: str) -> list[str]:
    caller = home.caller()
    view = await service.control.control(caller, jobs=[], action="resume_watching", value=host, force=True)
    again = await service.status(caller)
    return [str(event.event) for event in (*view.news, *again.news)]


async def test_a_job_that_hangs_on_a_paused_host_keeps_its_state_and_its_end_is_told_after(
    home: Household, slurm: Paper
) -> None:
    knot = Knot(hosts={"1": "far-a", "2": "far-b"})
    async with knotted(home, slurm, knot) as (service, _):
        await service.register(home.caller(), type="knot", ids=["1", "2"])
        await service.status(home.caller())
        await pause(service, home, "far-a")
        slurm.states |= {"1": "FAILED", "2": "COMPLETED"}
        view = await service.status(home.caller())
        assert {job.id: job.status for job in view.jobs} == {"1": "RUNNING", "2": "COMPLETED"}
        assert [event.event for event in view.news if event.event != "control"] == ["finished"]
        assert view.troubles == ()  # nothing is amiss: somebody wanted it
        assert any("far-a is paused since" in note and "maintenance" in note for note in view.notes)
        del slurm.states["1"]  # what is not asked about cannot be absent either
        for _ in range(3):
            (one,) = [job for job in (await service.status(home.caller())).jobs if job.id == "1"]
            assert (one.phase, one.status) == ("running", "RUNNING")
        slurm.states["1"] = "FAILED"
        assert await resume(service, home, "far-a") == ["finished"]
        assert "unreachable" not in home.kinds()
        assert "reachable" not in home.kinds()


async def test_a_wait_for_what_hangs_on_a_paused_host_ends_at_once_and_says_why(home: Household, slurm: Paper) -> None:
    knot = Knot(hosts={"1": "far-a"})
    async with knotted(home, slurm, knot) as (service, _):
        await service.register(home.caller(), type="knot", ids=["1"])
        await pause(service, home, "far-a")
        await service.status(home.caller())
        with anyio.fail_after(20):
            view = await service.wait(home.caller(), jobs=["1"], until="terminal", timeout_s=3600)
            begun = await service.begin_wait(home.caller(), jobs=["1"], until="terminal", timeout_s=3600)
        assert view.met is False
        assert any("far-a is paused since" in note for note in view.notes)
        assert getattr(begun, "met", None) is False
        told = wait_text(view, utc_now())
        assert "wait_for_change again" not in told
        assert "resume_watching" in told
        await resume(service, home, "far-a")
        assert "wait_for_change again" in wait_text(
            await service.wait(home.caller(), jobs=["1"], until="terminal", timeout_s=0.2), utc_now()
        )


async def test_a_host_that_was_silent_before_it_was_paused_is_not_said_to_answer_again(
    home: Household, slurm: Paper
) -> None:
    knot = Knot(hosts={"1": "far-a"})
    async with knotted(home, slurm, knot) as (service, _):
        await service.register(home.caller(), type="knot", ids=["1"])
        await service.status(home.caller())
        slurm.raises = ConnectError("No route to far-a.")
        await service.status(home.caller())
        assert home.kinds()[-1] == "unreachable"
        await pause(service, home, "far-a")
        await service.status(home.caller())
        assert "reachable" not in home.kinds()


async def test_a_pause_elsewhere_hides_nothing_of_a_job_whose_host_leads_nowhere(home: Household, slurm: Paper) -> None:
    knot = Knot(hosts={"1": "far-a", "2": "-no-host"})
    async with knotted(home, slurm, knot) as (service, _):
        await service.register(home.caller(), type="knot", ids=["1", "2"])
        await pause(service, home, "far-c")
        slurm.states["1"] = "COMPLETED"
        view = await service.status(home.caller())
        assert {job.id: job.phase for job in view.jobs}["1"] == "succeeded"
