"""Asking what jobs use: of Slurm's by themselves, of others' by the Slurm jobs that they hang on; shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobwarden.sources.base import DependsOn, Host, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.plugins import Sources
from jobwarden.sources.using import PartUse, Use
from jobwarden.verdict.measuring import Measures
from jobwarden_registry.clock import utc_now
from jobwarden_registry.model import Evidence, JobRecord
from support.household import make_household
from support.paper import Paper, paper_world


@dataclass
class Slurm(Paper):
    """Slurm as far as it measures."""

    asked_for: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    fault: Exception | None = None

    async def measure(self, host: Host, wanted: Sequence[Wanted], *, gpus: bool) -> Mapping[str, Use]:
        assert host.machine_id
        assert not gpus
        self.asked_for.append(tuple(one.id for one in wanted))
        if self.fault is not None:
            raise self.fault
        return {
            one.id: Use(parts={f"{one.id}.batch": PartUse(cpu_s=float(one.id), memory_bytes=1)}, cpus=2, ran_s=10.0)
            for one in wanted
            if one.id != "404"
        }


class Hanging(Paper):
    """A kind whose jobs hang on two Slurm jobs each."""

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        evidence = Evidence(asked_at=utc_now(), rule=host.machine_id)
        return {one.id: DependsOn(slurm_ids=(one.id + "1", one.id + "2"), evidence=evidence) for one in wanted}

    async def look_there(self, host: Host, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn]:
        assert host.machine_id
        return depends

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        return found[depends.slurm_ids[0]]


def job(kind: str, job_id: str) -> JobRecord:
    return JobRecord(type=kind, id=job_id, host="localhost", uid=f"uid{job_id}")


async def test_one_question_for_all_and_none_for_who_asks_just_after(tmp_path: Path) -> None:
    home, slurm = make_household(tmp_path, {"floor_s": 60.0}), Slurm(name="slurm")
    async with paper_world(home, slurm) as world:
        world.rounds.sources = Sources({"slurm": slurm}, {})
        jobs = [job("slurm", one) for one in ("5", "6", "404")]
        target = await world.rounds.target(jobs[0])
        first = await Measures(world.rounds, world.places.runtime).measure(target, jobs)
        again = await Measures(world.rounds, world.places.runtime).measure(target, jobs[:1])
        assert slurm.asked_for == [("5", "6", "404")]
        assert set(first.uses) == {"5", "6"}
        assert set(again.uses) == {"5"}
        assert again.at == first.at
        other = await Measures(world.rounds, world.places.runtime).measure(target, [job("slurm", "7")])
        assert set(other.uses) == {"7"}


async def test_what_hangs_on_slurm_jobs_is_measured_by_them_in_one_question(tmp_path: Path) -> None:
    home, slurm, hanging = make_household(tmp_path), Slurm(name="slurm"), Hanging(name="launcher")
    async with paper_world(home, slurm) as world:
        world.rounds.sources = Sources({"slurm": slurm, "launcher": hanging}, {})
        jobs = [job("launcher", "1"), job("launcher", "2")]
        measured = await Measures(world.rounds, world.places.runtime).measure(await world.rounds.target(jobs[0]), jobs)
        assert slurm.asked_for == [("11", "12", "21", "22")]
        assert {name: (use.cpu_s, use.cpus) for name, use in measured.uses.items()} == {"1": (23.0, 4), "2": (43.0, 4)}


@pytest.mark.parametrize("fault", [SourceUnavailableError("sstat: no"), TypeError("a plug-in's")])
async def test_a_source_that_cannot_be_asked_is_a_trouble_in_words(tmp_path: Path, fault: Exception) -> None:
    home, slurm = make_household(tmp_path), Slurm(name="slurm", fault=fault)
    async with paper_world(home, slurm) as world:
        world.rounds.sources = Sources({"slurm": slurm}, {})
        jobs = [job("slurm", "5")]
        measured = await Measures(world.rounds, world.places.runtime).measure(await world.rounds.target(jobs[0]), jobs)
        assert measured.uses == {}
        assert measured.trouble


async def test_a_kind_that_cannot_measure_says_so(tmp_path: Path) -> None:
    home, paper = make_household(tmp_path), Paper()
    async with paper_world(home, paper) as world:
        jobs = [job("paper", "5")]
        measured = await Measures(world.rounds, world.places.runtime).measure(await world.rounds.target(jobs[0]), jobs)
        assert measured.trouble == "What its kind of job uses cannot be measured."
