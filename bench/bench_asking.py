"""An agent that calls check_status 100 times within a minute, over real SSH: how often Slurm is asked.

The minute is compressed: the floor is 1.5 s in place of 15 s, and the 100 calls take 6 s; how often the floor lets a
question through is the same. Every state that is shown is checked against the moment from which it is said to be.
Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import anyio

from jobwarden.identity import Caller
from jobwarden.service.service import Service
from stage import HOST, Rpcs, a_cluster, a_home, a_ticker, cancel, rpcs, submit
from support.cluster import Cluster
from support.paper import QuietDesk

CALLS, SPEED, FLOOR_S = 100, 10.0, 15.0
MINUTE_S = 60.0 / SPEED
JOBS = 20


@dataclass
class Talk:
    """What the agent was told.

    Attributes:
        cancel: Ends the first job.
        ages: How old each living state was said to be.
        took_s: How long it all took.
        ended: The jobs that were said to have ended, after the last call.
    """

    cancel: Callable[[], object]
    ages: list[float] = field(default_factory=list[float])
    took_s: float = 0.0
    ended: list[str] = field(default_factory=list[str])

    async def hold(self, service: Service, caller: Caller, first: str) -> None:
        """Call so often, with one job cancelled in the middle; what is said to have ended must have."""
        began = time.monotonic()
        for call in range(CALLS):
            await anyio.sleep(max(0.0, began + call * MINUTE_S / CALLS - time.monotonic()))
            if call == CALLS // 2:
                await anyio.to_thread.run_sync(self.cancel)
            view = await service.status(caller)
            self.ended = [job.id for job in view.jobs if job.phase != "pending"]
            assert self.ended in ([], [first] if call >= CALLS // 2 else []), self.ended
            self.ages += [job.age_s for job in view.jobs if job.age_s is not None]
        self.took_s = time.monotonic() - began


async def poll(cluster: Cluster, ids: list[str]) -> None:
    """Let an agent talk, and print what it cost."""
    talk = Talk(partial(cluster.slurm, "scancel", ids[0]))
    with a_home(cluster, {"floor_s": FLOOR_S / SPEED, "poll_s": MINUTE_S}) as home:
        async with a_ticker(home) as ticker, anyio.create_task_group() as tasks:
            service = Service(QuietDesk(ticker.world, tasks, version="0.1.0"))
            await service.register(home.caller(), type="slurm", ids=ids, host=HOST)
            await anyio.sleep(FLOOR_S / SPEED)
            ticker.counts.parts.clear()
            before = await anyio.to_thread.run_sync(rpcs, cluster)
            await talk.hold(service, home.caller(), ids[0])
            say(talk, ticker.counts.parts, await anyio.to_thread.run_sync(rpcs, cluster) - before)
            tasks.cancel_scope.cancel()


def say(talk: Talk, parts: Mapping[str, int], cost: Rpcs) -> None:
    """Print it."""
    allowed = int(talk.took_s / (FLOOR_S / SPEED)) + 1
    print(f"{CALLS} calls of check_status over {JOBS} jobs in {talk.took_s:.1f} s, floor {FLOOR_S / SPEED} s")
    print(f"questions: {parts['squeue']}, the floor allows {allowed}; sacct: {parts['sacct']}")
    print(f"RPCs: slurmctld {cost.slurmctld}, slurmdbd {cost.slurmdbd}; one squeue for each call: {3 * CALLS}")
    print(f"age of the states shown: median {median(talk.ages):.2f} s, most {max(talk.ages):.2f} s; none was untrue")
    print(f"calls for each question: {CALLS / parts['squeue']:.0f}")
    assert talk.ended, "the end was not told"
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
