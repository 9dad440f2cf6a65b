"""An agent that calls check_status 100 times within a minute, over real SSH: how often Slurm is asked.

The minute is compressed: the floor is 1.5 s in place of 15 s, and the 100 calls take 6 s; how often the floor lets a
question through is the same. Every state that is shown is checked against the moment from which it is said to be.
Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import time
from statistics import median

import anyio

from jobwarden.service.service import Service
from stage import HOST, a_cluster, a_home, a_ticker, cancel, rpcs, submit
from support.cluster import Cluster
from support.paper import QuietDesk

CALLS, SPEED, FLOOR_S = 100, 10.0, 15.0
MINUTE_S = 60.0 / SPEED
JOBS = 20


async def poll(cluster: Cluster, ids: list[str]) -> None:
    """Call so often, with one job cancelled in the middle, and print what it cost."""
    clocks = {"floor_s": FLOOR_S / SPEED, "poll_s": MINUTE_S}
    with a_home(cluster, clocks) as home:
        async with a_ticker(home) as ticker, anyio.create_task_group() as tasks:
            service = Service(QuietDesk(ticker.world, tasks, version="0.1.0"))
            await service.register(home.caller(), type="slurm", ids=ids, host=HOST)
            await anyio.sleep(FLOOR_S / SPEED)
            ticker.counts.commands, before = 0, await anyio.to_thread.run_sync(rpcs, cluster)
            ticker.counts.parts.clear()
            ages: list[float] = []
            cancelled_at = 0.0
            began = time.monotonic()
            for call in range(CALLS):
                await anyio.sleep(max(0.0, began + call * MINUTE_S / CALLS - time.monotonic()))
                if call == CALLS // 2:
                    await anyio.to_thread.run_sync(cluster.slurm, "scancel", ids[0])
                    cancelled_at = time.monotonic()
                view = await service.status(home.caller())
                ended = [job.id for job in view.jobs if job.phase == "cancelled"]
                assert ended in ([], ids[:1] if cancelled_at else []), ended
                ages += [job.age_s for job in view.jobs if job.age_s is not None]
            took = time.monotonic() - began
            cost = await anyio.to_thread.run_sync(rpcs, cluster) - before
            assert view.counts.cancelled == 1
            tasks.cancel_scope.cancel()
    parts = ticker.counts.parts
    allowed = int(took / (FLOOR_S / SPEED)) + 1
    print(f"{CALLS} calls of check_status over {JOBS} jobs in {took:.1f} s, floor {FLOOR_S / SPEED} s")
    print(f"questions: {parts['squeue']}, the floor allows {allowed}; sacct: {parts['sacct']}")
    print(f"RPCs: slurmctld {cost.slurmctld}, slurmdbd {cost.slurmdbd}; one squeue for each call: {3 * CALLS}")
    print(f"age of the states shown: median {median(ages):.2f} s, most {max(ages):.2f} s; none was untrue")
    print(f"calls for each question: {CALLS / parts['squeue']:.0f}")
    assert parts["squeue"] <= allowed, "more questions than the floor allows"


def main() -> None:
    with a_cluster() as cluster:
        ids = submit(cluster, "--hold --wrap true", JOBS)
        try:
            anyio.run(poll, cluster, ids)
        finally:
            cancel(cluster, ids)


if __name__ == "__main__":
    main()
