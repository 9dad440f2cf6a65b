"""Traps of a real Slurm (docs/slurm-traps.md) that no other test on the cluster walks into."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from jobwarden.sources.base import Absent, CouldNotAsk, Host, Seen, Sighting, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.verdict.world import open_world
from jobwarden_registry.phases import Phase
from support.cluster import Cluster
from support.household import make_household
from support.watched import HOST, use_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]


@asynccontextmanager
async def source_host(folder: Path, cluster: Cluster) -> AsyncGenerator[Host]:
    home = make_household(folder)
    use_cluster(home, cluster)
    async with open_world(home.env) as world, world.transports.lease(HOST) as transport:
        yield Host(transport=transport, machine_id="test", timeout_s=60)


async def look(host: Host, job: str) -> Sighting:
    return (await SlurmSource().observe(host, [Wanted(id=job)]))[job]


async def test_a_name_that_is_no_utf_8_costs_no_answer(clean_environment: Path, cluster: Cluster) -> None:
    latin = os.fsdecode(b"caf\xe9 \xff\xfe")
    job, other = cluster.sbatch("-J", latin, "--wrap", "exit 3"), cluster.sbatch("-H", "--wrap", "true")
    await to_thread.run_sync(cluster.wait_for, job, {"FAILED"})
    async with source_host(clean_environment, cluster) as host:
        remembered, waiting = await look(host, job), await look(host, other)
        await to_thread.run_sync(cluster.wait_until_accounted, job, {"FAILED"})
        await to_thread.run_sync(cluster.wait_until_forgotten, job)
        accounted = await look(host, job)
    cluster.run(["scancel", other])
    assert isinstance(remembered, Seen)
    assert isinstance(accounted, Seen)
    assert isinstance(waiting, Seen)
    assert [(one.phase, one.exit_code) for one in (remembered, accounted)] == [(Phase.FAILED, 3)] * 2
    assert waiting.phase is Phase.PENDING
    assert remembered.log is not None
    assert Path(remembered.log.stdout or "").name == f"slurm-{job}.out"


async def test_one_waiting_element_is_followed_alone_into_the_row_that_it_shares(
    clean_environment: Path, cluster: Cluster
) -> None:
    """sacct prints nothing for it while it waits; cancelled, it is one row with its siblings for ever.

    For some seconds that row is called by the array's id alone (22.05.8), so that nothing is said of one element.
    """
    array = cluster.sbatch("-H", "-a", "2-6", "--wrap", "true")
    async with source_host(clean_environment, cluster) as host:
        waiting = await look(host, f"{array}_4")
        cluster.run(["scancel", array])
        await to_thread.run_sync(cluster.wait_until_accounted, array, {"CANCELLED"})
        remembered = await look(host, f"{array}_4")
        await to_thread.run_sync(cluster.wait_until_forgotten, array)
        accounted, no_element = await look(host, f"{array}_4"), await look(host, f"{array}_9")
    assert cluster.sacct("-X", "-n", "-P", "-j", array, "-o", "JobID").split() == [f"{array}_[2-6]"]
    assert [getattr(one, "phase", one) for one in (waiting, accounted)] == [Phase.PENDING, Phase.CANCELLED]
    if isinstance(remembered, CouldNotAsk):
        assert remembered.code == "slurm.accounting_behind"
    else:
        assert getattr(remembered, "phase", remembered) is Phase.CANCELLED
    assert isinstance(no_element, Absent)
