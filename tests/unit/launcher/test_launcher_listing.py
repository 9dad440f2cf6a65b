"""Which of nemo-run's experiments are listed as living, from real records on a real disk."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobwarden.sources.base import Discovers, Found
from jobwarden.sources.launcher.ids import launched_at
from jobwarden.sources.launcher.source import LauncherSource
from jobwarden_registry.phases import Phase
from unit.launcher.test_launcher_verdicts import JOBS, LOCAL, TWO_ON_SLURM, Site, local


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def listed(site: Site, *, days: float = 1.0, **settings: Any) -> dict[str, Found]:
    """List, so many days after the experiments were launched."""
    source = LauncherSource(clock=lambda: launched_at(TWO_ON_SLURM) + timedelta(days=days))
    assert isinstance(source, Discovers)
    given: dict[str, Any] = {"watched": [], "project": None, **settings}
    return {one.id: one for one in await source.discover(replace(site.host(), settings=given))}


async def test_an_experiment_on_slurm_is_told_with_its_jobs_from_the_home_of_its_project(site: Site) -> None:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    site.slurm()
    assert await listed(site) == {}, "nobody has named that home"
    found = (await listed(site, project=str(site.home)))[TWO_ON_SLURM]
    assert found.depends is not None
    assert (found.depends.slurm_ids, found.depends.host) == (JOBS, "alice@cluster-a")
    assert (found.name, found.phase) == ("Qwen3-8B_NVFP4", Phase.UNKNOWN)
    assert found.submitted_at == launched_at(TWO_ON_SLURM)
    assert found.what == f"2 tasks on alice@cluster-a, launched from {site.home}"
    assert found.facts["home"] == str(site.home)
    assert "id_alice" not in found.model_dump_json()


@pytest.mark.parametrize("where", ["launcher", "default", "watched"])
async def test_other_homes_are_looked_into_too(site: Site, where: str) -> None:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    site.slurm()
    given: dict[str, Any] = {}
    if where == "watched":
        given["watched"] = [{"home": str(site.home)}]
    else:
        home = site.root / ("project/tools/launcher" if where == "launcher" else ".nemo_run")
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(site.home, home)
        given["project"] = str(site.root / "project")
    assert list(await listed(site, **given)) == [TWO_ON_SLURM]


async def test_an_old_experiment_is_left_out(site: Site) -> None:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    site.slurm()
    assert await listed(site, days=15, project=str(site.home)) == {}


async def test_what_was_never_submitted_and_has_no_process_is_not_alive(site: Site) -> None:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    assert await listed(site, project=str(site.home)) == {}


async def test_a_local_experiment_is_listed_while_a_process_writes_the_log_of_its_task(site: Site) -> None:
    folder = local(site, ("SUCCEEDED", "RUNNING"))
    log = next(folder.glob("*_1/nemo_run/*")) / "combined.log"
    log.touch()
    with log.open("rb"):
        assert await listed(site, project=str(site.home)) == {}
    with log.open("ab"):
        found = (await listed(site, project=str(site.home)))[LOCAL]
    assert (found.phase, found.status, found.depends) == (Phase.RUNNING, "RUNNING", None)
    assert found.facts["boot"]


async def test_records_in_the_middle_of_a_write_hide_no_other_experiment(site: Site) -> None:
    site.experiment(TWO_ON_SLURM, "tasks_slurm.json")
    site.slurm()
    (site.experiment("cicd_1795170275173434548", "tasks_slurm.json") / "_TASKS").write_bytes(b"[[")
    assert list(await listed(site, project=str(site.home))) == [TWO_ON_SLURM]
