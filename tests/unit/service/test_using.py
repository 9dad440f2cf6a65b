"""What `jobwarden use` answers: of running jobs, of others, and of what is paused. The source is of paper."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jobwarden.cli.use_table import use_text
from jobwarden.service.service import Service
from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.using import GpuUse, PartUse, Use
from jobwarden_registry.clock import utc_now
from support.household import Household, make_household
from support.paper import Paper, paper_service


@dataclass
class Measured(Paper):
    """Paper that can be measured."""

    looked: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    fault: Exception | None = None

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:
        assert host.machine_id
        self.looked.append(tuple(one.id for one in wanted))
        if self.fault is not None:
            raise self.fault
        part = PartUse(cpu_s=30.0, memory_bytes=2**30)
        gpu = (GpuUse(index="0", percent=0.0), GpuUse(index="1")) if gpus else ()
        return {one.id: Use(parts={"p": part}, ran_s=20.0, cpus=4, memory_limit_bytes=2**32, gpu=gpu) for one in wanted}


@asynccontextmanager
async def stage(folder: Path, extra: str = "") -> AsyncGenerator[tuple[Service, Measured, Household]]:
    home, paper = make_household(folder, {"floor_s": 0.0}, extra), Measured()
    paper.states |= {"a1": "RUNNING", "a2": "RUNNING", "a3": "PENDING"}
    async with paper_service(home, paper) as (service, _):
        await service.register(home.caller(), type="paper", ids=["a1", "a2", "a3"])
        yield service, paper, home


async def test_every_running_job_is_measured_in_one_question(tmp_path: Path) -> None:
    async with stage(tmp_path) as (service, paper, home):
        view = await service.using.use(home.caller())
        assert paper.looked == [("a1", "a2")]
        assert [row.job.id for row in view.rows] == ["a1", "a2"]
        assert view.rows[0].text == "CPU 1.5 of 4 cores on average, memory 1.0G of 4.0G"
        named = await service.using.use(home.caller(), ["a1", "a3"])
        assert [(row.job.id, row.note) for row in named.rows] == [("a1", ""), ("a3", "It does not run.")]


async def test_gpus_are_shown_where_a_step_is_allowed(tmp_path: Path) -> None:
    async with stage(tmp_path, "[hosts.localhost]\ngpu_use = true\n") as (service, _, home):
        view = await service.using.use(home.caller(), ["a1"])
        assert view.rows[0].text.endswith("GPU 0 %, ?")
        assert use_text(view, utc_now())


async def test_what_could_not_be_measured_is_said(tmp_path: Path) -> None:
    async with stage(tmp_path) as (service, paper, home):
        paper.fault = SourceUnavailableError("sstat: down")
        view = await service.using.use(home.caller())
        assert view.troubles == ("paper on localhost: sstat: down",)
        assert {row.note for row in view.rows} == {"It was not measured."}


async def test_a_living_jobs_diagnosis_says_what_it_uses_and_does_without_where_it_cannot(tmp_path: Path) -> None:
    async with stage(tmp_path) as (service, paper, home):
        assert (await service.diagnose(home.caller(), "a1")).using.startswith("CPU 1.5 of 4 cores")
        paper.fault = ValueError("a plug-in's")
        assert (await service.diagnose(home.caller(), "a1")).using == ""
        assert (await service.diagnose(home.caller(), "a3")).using == ""


async def test_what_is_paused_is_left_alone_unless_it_is_named(tmp_path: Path) -> None:
    async with stage(tmp_path) as (service, paper, home):
        await service.control.control(home.caller(), jobs=["a1"], action="pause_watching", reason="later")
        view = await service.using.use(home.caller())
        assert paper.looked == [("a2",)]
        assert {row.job.id: row.note for row in view.rows} == {"a1": "Its watching is paused.", "a2": ""}
        await service.using.use(home.caller(), ["a1"])
        assert paper.looked == [("a2",), ("a1",)]
