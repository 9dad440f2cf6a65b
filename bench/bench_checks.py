"""Looking at 1, 10 and 100 jobs over SSH: jobwarden, a loop of `ssh host sacct` for each job, and the limit.

The limit is one hand-written command for all jobs on a connection that is open already. The three are measured in
turn, so that a slow moment of the machine meets all. Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import anyio
import asyncssh

from jobwarden.config.model import Config
from jobwarden.sources.base import Host, Seen, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.pool import TransportPool
from stage import HOST, a_cluster, submit, timed
from support.cluster import Cluster

SIZES = (1, 10, 100)
ROUNDS = 5
LOOP_ROUNDS = {1: 5, 10: 3, 100: 1}
"""A loop over 100 jobs takes so long that once is enough."""


@dataclass(frozen=True)
class Times:
    """Seconds for one look at all jobs; medians."""

    loop: float
    ours: float
    limit: float


def loop(cluster: Cluster, ids: Sequence[str]) -> None:
    """Do what people do by hand."""
    for job in ids:
        argv = ["ssh", "-F", str(cluster.ssh_config), HOST, f"sacct -n -X -P -j {job} -o JobID,State,ExitCode"]
        subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)


async def measure(cluster: Cluster, ids: Sequence[str], submitted: datetime, *, first: bool) -> Times:
    """Measure the three in turn.

    Args:
        cluster: Where.
        ids: Which jobs.
        submitted: When.
        first: As when the jobs are new, and their logs' paths are asked for, too; else as every minute after.
    """
    wanted = [Wanted(id=job, submitted_at=submitted, registered_at=submitted, log_known=not first) for job in ids]
    joined = ",".join(ids)
    by_hand = (
        f"squeue -h -a -t all -o '%i|%T|%r' -j {joined}; sacct -n -X -P -j {joined} -o JobID,State,ExitCode,Start,End"
    )
    env = {**os.environ, "JOBWARDEN_SSH_CONFIG": str(cluster.ssh_config)}
    loops: list[float] = []
    ours: list[float] = []
    limits: list[float] = []
    async with (
        TransportPool(Config(), env=env, machine_id="bench") as pool,
        pool.lease(HOST) as transport,
        asyncssh.connect(HOST, config=[str(cluster.ssh_config)]) as connection,
    ):
        source, host = SlurmSource(), Host(transport=transport, machine_id="bench")

        async def look() -> None:
            seen = await source.observe(host, wanted)
            assert all(isinstance(sighting, Seen) for sighting in seen.values()), seen

        async def limit() -> None:
            done = await connection.run(by_hand, check=True, stdin=asyncssh.DEVNULL)
            assert done.stdout

        await look()
        await limit()  # both have their connection and the far side's caches now
        for number in range(ROUNDS):
            ours.append(await timed(look))
            limits.append(await timed(limit))
            if number < LOOP_ROUNDS[len(ids)]:
                loops.append(await timed(lambda: anyio.to_thread.run_sync(loop, cluster, ids)))
    return Times(*(statistics.median(times) for times in (loops, ours, limits)))


def main() -> None:
    """Submit, measure, print, and cancel."""
    with a_cluster() as cluster:
        submitted = datetime.now(UTC)
        waiting = submit(cluster, "--hold --wrap true", max(SIZES))
        ended = submit(cluster, "--wrap true", max(SIZES) // 2)
        for job in ended:
            cluster.wait_until_accounted(job, {"COMPLETED"}, timeout_s=120)
        try:
            print("jobs                   ssh loop  jobwarden     limit   loop/jobwarden   jobwarden/limit")
            for size in SIZES:
                half = waiting[: size // 2] + ended[: size - size // 2]
                for case, ids in {
                    "first look": waiting[:size],
                    "every minute": waiting[:size],
                    "half ended": half,
                }.items():
                    times = anyio.run(partial(measure, cluster, ids, submitted, first=case == "first look"))
                    print(
                        f"{size:>4}  {case:<15}  {times.loop:>8.3f}s  {times.ours:>8.3f}s {times.limit:>8.3f}s"
                        f"   {times.loop / times.ours:>13.1f}x  {times.ours / times.limit:>15.2f}x",
                        flush=True,
                    )
        finally:
            cluster.run(["scancel", *waiting])


if __name__ == "__main__":
    main()
