"""What one tick costs the scheduler, for any number of jobs and sessions; and what a loop over the jobs costs.

Real registries, the watcher's own round, real SSH, a real Slurm. Counted are remote commands, the programs in them,
and the RPCs that slurmctld (`sdiag`) and slurmdbd (`sacctmgr show stats`) count for the user. The loop is
`squeue -j ID` for each job, and `sacct -j ID` where squeue has no line: what people write, once for each tick.
Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from stage import Rpcs, Ticker, a_cluster, a_home, a_ticker, cancel, register, rpcs, submit, wait_until_purged
from support.cluster import Cluster

SIZES = (1, 10, 100, 1000)
SESSIONS = (1, 5, 20)
CLOCKS = {"floor_s": 0.0, "quick_budget": 0}
"""The floor would hold back the second question of a case."""
LOOP_MOST = 100
"""Of a loop over ended jobs more than so many are reckoned, not run: sacct takes 0.1 s a job."""
LOOP = """
for id in {ids}; do
  found=$(squeue -h -j $id -o %T 2>/dev/null)
  [ -n "$found" ] || sacct -n -X -P -j $id -o State
done
"""
HEAD = "jobs sessions  case                commands  squeue  sacct  scontrol  RPCs slurmctld+slurmdbd"


class Pool:
    """Held jobs, of which some are spent."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        self._cluster = cluster
        self.waiting = submit(cluster, "--hold --wrap true", count)

    def end(self, ids: Sequence[str]) -> None:
        """End these."""
        cancel(self._cluster, ids)
        self.waiting = [job for job in self.waiting if job not in set(ids)]


async def counted(cluster: Cluster, ticker: Ticker, name: str, jobs: int, sessions: int) -> Rpcs:
    """Do one tick and print what it cost."""
    ticker.counts.commands = 0
    ticker.counts.parts.clear()
    before = await anyio.to_thread.run_sync(rpcs, cluster)
    await ticker.tick()
    cost = await anyio.to_thread.run_sync(rpcs, cluster) - before
    parts = ticker.counts.parts
    print(
        f"{jobs:>4} {sessions:>8}  {name:<18}  {ticker.counts.commands:>8}  {parts['squeue']:>6}  {parts['sacct']:>5}"
        f"  {parts['job']:>8}  {cost.slurmctld:>14}+{cost.slurmdbd}",
        flush=True,
    )
    return cost


async def living(cluster: Cluster, pool: Pool, jobs: int, sessions: int) -> tuple[Rpcs, Rpcs]:
    """Count ticks over jobs that wait, and one just after some have ended."""
    ids = pool.waiting[:jobs]
    with a_home(cluster, CLOCKS) as home:
        async with a_ticker(home) as ticker:
            register(home, ticker.world, ids, sessions=sessions)
            await ticker.tick()  # the first answer writes the first state
            quiet = await counted(cluster, ticker, "all waiting", jobs, sessions)
            await anyio.to_thread.run_sync(pool.end, ids[: max(1, jobs // 10)])
            some = await counted(cluster, ticker, "some ended just now", jobs, sessions)
    return quiet, some


async def first(cluster: Cluster, pool: Pool, jobs: int) -> None:
    """Count the very first tick, when the logs' paths are asked for; once a job, at most 50 a tick."""
    with a_home(cluster, CLOCKS) as home:
        async with a_ticker(home) as ticker:
            register(home, ticker.world, pool.waiting[:jobs], log_known=False)
            await counted(cluster, ticker, "just registered", jobs, 1)


async def over(cluster: Cluster, ids: Sequence[str], jobs: int, sessions: int) -> Rpcs:
    """Count a tick over jobs that slurmctld has forgotten, and the tick after it."""
    with a_home(cluster, CLOCKS) as home:
        async with a_ticker(home) as ticker:
            register(home, ticker.world, ids[:jobs], sessions=sessions)
            cost = await counted(cluster, ticker, "all ended, purged", jobs, sessions)
            assert not await ticker.tick(), "what has ended is asked about no more"
    return cost


def loop(cluster: Cluster, ids: Sequence[str]) -> Rpcs:
    """Do what people do by hand, in one ssh session."""
    before = rpcs(cluster)
    cluster.run(["sh", "-c", LOOP.format(ids=" ".join(ids))], timeout_s=300)
    return rpcs(cluster) - before


def compare(name: str, jobs: int, looped: Rpcs, ours: Rpcs, note: str = "") -> None:
    """Print a loop's cost beside ours."""
    print(
        f"{jobs:>4}  {name:<18}  loop {looped.slurmctld:>5}+{looped.slurmdbd:<5} jobwarden {ours.slurmctld}+"
        f"{ours.slurmdbd}   {looped.all / ours.all:>7.1f} x{note}",
        flush=True,
    )


def main() -> None:
    with a_cluster() as cluster:
        spare = sum(max(1, size // 10) for size in SIZES) * len(SESSIONS)
        pool = Pool(cluster, max(SIZES) + spare)
        quiet: dict[int, Rpcs] = {}
        gone: dict[int, Rpcs] = {}
        seen: set[tuple[str, Rpcs]] = set()
        print(HEAD)
        for size in SIZES:
            anyio.run(first, cluster, pool, size)
        for size in SIZES:
            for sessions in SESSIONS:
                quiet[size], some = anyio.run(living, cluster, pool, size, sessions)
                seen |= {("all waiting", quiet[size]), ("some ended just now", some)}
        loops = {size: loop(cluster, pool.waiting[:size]) for size in SIZES}
        ended = pool.waiting[: max(SIZES)]
        pool.end(pool.waiting)
        wait_until_purged(cluster)
        for size in SIZES:
            for sessions in SESSIONS:
                gone[size] = anyio.run(over, cluster, ended, size, sessions)
                seen.add(("all ended, purged", gone[size]))
        print("\none tick, RPCs slurmctld+slurmdbd, of a loop with `squeue -j`/`sacct -j` for each job, and ours")
        for size in SIZES:
            compare("all waiting", size, loops[size], quiet[size])
        for size in SIZES:
            some_ids = ended[: min(size, LOOP_MOST)]
            cost = loop(cluster, some_ids)
            factor = size // len(some_ids)
            note = f"  (loop over {len(some_ids)}, times {factor})" if factor > 1 else ""
            compare("all ended, purged", size, Rpcs(cost.slurmctld * factor, cost.slurmdbd * factor), gone[size], note)
        for name in ("all waiting", "some ended just now", "all ended, purged"):
            costs = sorted({f"{cost.slurmctld}+{cost.slurmdbd}" for case, cost in seen if case == name})
            said = "constant" if len(costs) == 1 else "NOT CONSTANT"
            print(f"{name}: {said} over {SIZES} jobs and {SESSIONS} sessions: {', '.join(costs)}")


if __name__ == "__main__":
    main()
