"""What the watcher makes of what jobs use: one event for a suspicion, one for its end, and no state changed.

The source is of paper, for no real job can be made to hang over hours; how real ones are measured is in
tests/integration/test_using.py.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.using import GpuUse, PartUse, Use
from jobwarden.verdict.world import World
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.measuring import Measuring
from jobwarden.watcher.survey import Surveyor
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import Event
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.household import Household, make_household
from support.paper import Paper, paper_world


@dataclass
class Measured(Paper):
    """Paper whose jobs can be measured."""

    cpu_s: float = 3.0
    gpus: tuple[float, ...] = ()
    looked: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    allowed: list[bool] = field(default_factory=list[bool])
    broken: Exception | None = None

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:
        assert host.machine_id
        self.looked.append(tuple(sorted(one.id for one in wanted)))
        self.allowed.append(gpus)
        if self.broken is not None:
            raise self.broken
        part = PartUse(cpu_s=self.cpu_s, memory_bytes=100, io_bytes=100)
        gpu = tuple(GpuUse(index=str(at), percent=one) for at, one in enumerate(self.gpus))
        return {one.id: Use(parts={one.id: part}, gpu=gpu) for one in wanted}


@dataclass
class Moving:
    """A clock that a test moves."""

    at: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.at


class Stage:
    """One running job, and the watcher's part that looks at it."""

    def __init__(self, home: Household, world: World, paper: Measured, clock: Moving) -> None:
        self.world, self.paper, self.clock = world, paper, clock
        self.log = home.project / "train.log"
        self.log.write_text("step 1\n", encoding="utf-8")
        self.written(hours_ago=5)
        leasing = Leasing(world)
        self.surveyor, self.measuring = Surveyor(world, leasing), Measuring(world, leasing)
        entry = SessionEntry(
            session_id="one", project=home.project, agent="x", created_at=clock.at, last_seen_at=clock.at
        )
        world.sessions.index.add(entry)
        self.session: Session = world.sessions.of(entry)

    async def runs(self, job: str, *, minutes: float = 600.0) -> None:
        record = JobRecord(type="paper", id=job, host="localhost", phase=Phase.RUNNING, last_status="RUNNING")
        site = (await self.world.transports.resolve("localhost")).key
        begun = self.clock.at - timedelta(minutes=minutes)
        log = LogPaths(stdout=str(self.log), host="localhost")
        with self.session.transaction() as transaction:
            transaction.register(record.changed(site=site, started_at=begun, log=log))

    def written(self, *, hours_ago: float) -> None:
        at = utc_now().timestamp() - hours_ago * 3600
        os.utime(self.log, (at, at))

    async def look(self, minutes: float = 10.0) -> None:
        """Let time pass, and the watcher look."""
        self.clock.at += timedelta(minutes=minutes)
        board = await self.surveyor.survey()
        async with anyio.create_task_group() as tasks:
            self.measuring.begin(tasks, board)

    def events(self) -> list[Event]:
        return [event for event in self.session.journal.read() if event.event in ("stalled", "status_change")]

    def record(self) -> JobRecord:
        [record] = self.session.load()
        return record


@asynccontextmanager
async def stage(folder: Path, extra: str = "", **clocks: float) -> AsyncGenerator[Stage]:
    home, paper, clock = make_household(folder, clocks, extra), Measured(), Moving()
    async with paper_world(home, paper, clock=clock) as world:
        yield Stage(home, world, paper, clock)


async def test_a_job_that_stands_still_is_told_of_once_with_what_was_measured_and_its_state_stays(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        for _ in range(7):
            await one.look()
        [event] = one.events()
        assert event.event == "stalled"
        assert (event.new_status, event.phase) == ("RUNNING", "running")
        assert "its CPU time has stood at 3 s" in (event.text or "")
        assert "no verdict" in (event.text or "")
        assert event.evidence is not None
        assert len(event.evidence.lines) == 4
        assert one.record().stalled is not None
        assert one.record().phase is Phase.RUNNING


async def test_when_it_goes_on_that_is_told_and_it_can_be_told_of_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        for _ in range(5):
            await one.look()
        one.paper.cpu_s = 500.0
        await one.look()
        assert [event.event for event in one.events()] == ["stalled", "status_change"]
        assert "it goes on" in (one.events()[-1].text or "")
        assert one.record().stalled is None
        for _ in range(4):
            await one.look()
        assert [event.event for event in one.events()] == ["stalled", "status_change", "stalled"]


async def test_a_job_whose_log_grew_is_not_suspected(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        one.written(hours_ago=0)
        for _ in range(8):
            await one.look()
        assert one.events() == []


async def test_where_no_log_can_be_read_nothing_is_suspected(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        one.log.unlink()
        for _ in range(8):
            await one.look()
        assert one.events() == []


async def test_idle_gpus_are_told_of_though_the_log_grows(tmp_path: Path) -> None:
    async with stage(tmp_path, "[hosts.localhost]\ngpu_use = true\n") as one:
        await one.runs("a1")
        one.paper.gpus = (0.0, 0.0)
        one.written(hours_ago=0)
        for _ in range(5):
            one.paper.cpu_s += 600.0
            await one.look()
        [event] = one.events()
        assert "its 2 GPUs were at 0 %" in (event.text or "")
        assert set(one.paper.allowed) == {True}


async def test_without_leave_no_gpu_is_looked_at(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        await one.look()
        assert one.paper.allowed == [False]


async def test_a_host_is_looked_at_once_for_all_its_jobs_and_rarely(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        for job in ("a1", "a2", "a3"):
            await one.runs(job)
        await one.runs("young", minutes=1)
        await one.look(minutes=0)
        assert one.paper.looked == [("a1", "a2", "a3")]
        for _ in range(9):
            await one.look(minutes=1)
        assert len(one.paper.looked) == 1
        await one.look(minutes=1)
        assert one.paper.looked[1:] == [("a1", "a2", "a3", "young")]


async def test_it_can_be_left_out_wholly(tmp_path: Path) -> None:
    async with stage(tmp_path, use_s=0) as one:
        await one.runs("a1")
        await one.look()
        assert one.paper.looked == []


@pytest.mark.parametrize("error", [SourceUnavailableError("sstat: down"), ValueError("a plug-in's")])
async def test_what_cannot_be_measured_changes_nothing_and_ends_nothing(tmp_path: Path, error: Exception) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        for _ in range(4):
            await one.look()
        assert one.record().stalled is not None
        one.paper.broken = error
        for _ in range(4):
            await one.look()
        assert [event.event for event in one.events()] == ["stalled"]
        assert one.record().stalled is not None


async def test_a_new_watcher_does_not_take_a_suspicion_back_before_it_has_seen_the_job_go_on(tmp_path: Path) -> None:
    async with stage(tmp_path) as one:
        await one.runs("a1")
        for _ in range(4):
            await one.look()
        one.measuring = Measuring(one.world, Leasing(one.world))
        for _ in range(6):
            await one.look()
        assert [event.event for event in one.events()] == ["stalled"]
        one.measuring = Measuring(one.world, Leasing(one.world))
        await one.look()
        one.paper.cpu_s = 900.0
        await one.look()
        assert [event.event for event in one.events()] == ["stalled", "status_change"]
