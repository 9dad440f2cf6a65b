"""Thousands of ids that a real Slurm does not know, over real SSH."""

from __future__ import annotations

import pytest

from jobwarden.config.model import Config
from jobwarden.sources.base import Absent, Host, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.pool import TransportPool
from support.cluster import Cluster

pytestmark = pytest.mark.slurm

FIRST, MANY = 9_990_000, 3000


async def test_three_thousand_unknown_ids_are_absent_from_every_part_of_the_site(cluster: Cluster) -> None:
    env = {"PATH": "/usr/bin:/bin", "JOBWARDEN_SSH_CONFIG": str(cluster.ssh_config)}
    wanted = [Wanted(id=str(FIRST + number)) for number in range(MANY)]
    async with TransportPool(Config(), env=env, machine_id="test") as pool, pool.lease("cluster-a") as transport:
        sightings = await SlurmSource().observe(Host(transport=transport, machine_id="test"), wanted)
    assert list(sightings) == [one.id for one in wanted]
    absent = [one for one in sightings.values() if isinstance(one, Absent)]
    assert len(absent) == MANY
    assert {one.where for one in absent} == {("squeue", "sacct")}
