"""Slurm jobs, evaluations of the real nel and experiments of the real nemo-run in one session, to their end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from integration.test_nel import waiting_for
from support.agent import Agent, agent
from support.cluster import Cluster
from support.household import Household, eventually, household
from support.nel import NelLab, Task, require_nel
from support.nemo import Launched, Nemo, nemo_in

pytestmark = [pytest.mark.slurm, pytest.mark.nel, pytest.mark.nemo]

HOST = "cluster-a"
WORKS_S = 30
"""An evaluation outlives the look for what nobody watches, and no more."""


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    require_nel()
    with household(clean_environment, {"nel_every_s": 5.0}) as made:
        yield made


@pytest.fixture
def lab(home: Household, faulty_cluster: Cluster) -> NelLab:
    return NelLab(home, faulty_cluster)


@pytest.fixture
def nemo(lab: NelLab, faulty_cluster: Cluster) -> Iterator[Nemo]:
    lab.home.env["NEMORUN_HOME"] = str(lab.home.root / "nemo")
    with nemo_in(lab.home, faulty_cluster) as made:
        yield made


async def rows(reader: Agent, *, expected: set[str]) -> str:
    """Look for what nobody watches on the cluster; exactly these must be there."""
    said = await reader.call("discover_jobs", host=HOST)
    listed = {line.split("\t")[0] for line in said.splitlines() if "\t" in line} - {"job"}
    assert listed == expected, said
    return said


async def evaluations(lab: NelLab) -> list[str]:
    """Submit two, and wait until the job of each runs and the one that would resume it waits beside it."""
    two = (
        Task("simple_evals.mmlu_pro", WORKS_S, label="mmlu_pro", score=0.423),
        Task(seconds=WORKS_S + 5, label="gsm8k", score=0.671),
    )
    runs = [await anyio.to_thread.run_sync(lab.submit, task) for task in two]
    assert lab.cluster is not None
    for run in runs:
        twin = partial(waiting_for, lab.cluster, lab.slurm_ids(run)[0])
        await anyio.to_thread.run_sync(eventually, twin, "its twin waits", 60.0)
    return runs


async def summary(reader: Agent, wanted: str) -> None:
    """Wait until the summary says so."""
    said = ""
    with anyio.move_on_after(90):
        while wanted not in said.splitlines():
            said = await reader.call("wait_for_change", until="terminal", timeout_s=5)
            said = await reader.call("check_status")
    assert wanted in said.splitlines(), said


async def test_jobs_of_three_kinds_are_found_watched_and_told_in_one_line_to_their_end(
    home: Household, lab: NelLab, nemo: Nemo, faulty_cluster: Cluster
) -> None:
    held = faulty_cluster.sbatch("-J", "held", "--hold", "--wrap", "true")
    experiment: Launched = await anyio.to_thread.run_sync(nemo.launch, nemo.waits)
    await anyio.to_thread.run_sync(experiment.wait_until_submitted, 1)
    runs = await evaluations(lab)
    everything = {f"slurm:{held}", f"launcher:{experiment.id}", *(f"nel:{run}" for run in runs)}
    async with agent(home) as reader:
        said = await rows(reader, expected=everything)
        assert "mmlu_pro" in said
        assert lab.calls() == []
        for kind, job in (("slurm", held), ("launcher", experiment.id), ("nel", runs[0])):
            where = {"host": HOST} if kind == "slurm" else {}
            assert job in await reader.call("register_job", type=kind, id=job, **where)
        assert "adopted 1" in await reader.call("discover_jobs", host=HOST, adopt=[runs[1]])
        await summary(reader, "2 of 4 completed (MMLU-Pro 42.3 %, GSM8K 67.1 %), 1 running, 1 pending")
        await rows(reader, expected=set())  # the twins of what has ended wait for ever
        nemo.gate.touch()
        faulty_cluster.slurm("scontrol", "release", held)
        await summary(reader, "4 of 4 completed (MMLU-Pro 42.3 %, GSM8K 67.1 %)")
    assert home.kinds().count("finished") == 4
    assert home.active() == []
