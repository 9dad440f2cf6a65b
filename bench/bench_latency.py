"""From a job's true end to the line in the journal: 50 jobs, the real watcher, a poll of 5 s.

The poll is short to keep this short; what is compared is the time in polls, and the seconds beyond one poll. The jobs
sleep for different times, so that their ends fall anywhere between two polls. The true end is accounting's `End`,
which has whole seconds: half a second is added to it. Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import time
from statistics import median, quantiles

import anyio

from jobwarden.service.service import open_service
from stage import HOST, a_cluster, a_home
from support.cluster import Cluster
from support.household import Household

JOBS, POLL_S = 50, 5.0
CLOCKS = {"poll_s": POLL_S, "quick_budget": 0, "floor_s": 1.0, "linger_s": 1.0}


async def register(home: Household, ids: list[str]) -> None:
    """Register them and see to it that the watcher runs."""
    async with open_service(home.env) as service:
        await service.register(home.caller(), type="slurm", ids=ids, host=HOST)


def submit_all(cluster: Cluster) -> list[str]:
    """Submit jobs that take from 12 to 42 s, as many at once as the nodes take."""
    script = (
        f"for i in $(seq {JOBS}); do sbatch --parsable --mem=10 --output=/dev/null "
        '--wrap "sleep $((12 + i * 17 % 30)).$((i % 10))"; done'
    )
    return cluster.run(["sh", "-c", script], timeout_s=120).stdout.split()


def ends(cluster: Cluster, ids: list[str]) -> dict[str, float]:
    """Give each job's end as accounting has it."""
    words = ("sacct", "-n", "-X", "-P", "-o", "JobID,End", "-j", ",".join(ids))
    said = cluster.run(["env", "SLURM_TIME_FORMAT=%s", *words]).stdout
    return {job: float(end) for job, _, end in (line.partition("|") for line in said.split())}


def main() -> None:
    with a_cluster() as cluster, a_home(cluster, CLOCKS) as home:
        ids = submit_all(cluster)
        anyio.run(register, home, ids)
        deadline = time.monotonic() + 200
        while home.kinds().count("finished") < JOBS:
            assert time.monotonic() < deadline, f"{home.kinds().count('finished')} of {JOBS} ended in 200 s"
            time.sleep(1.0)
        true = ends(cluster, ids)
        told = {event.job_id: event.timestamp.timestamp() for event in home.journal() if event.event == "finished"}
    waits = sorted(told[job] - (true[job] + 0.5) for job in ids)
    p95 = quantiles(waits, n=20)[-1]
    print(
        f"from the true end to the journal, {JOBS} jobs, poll {POLL_S:g} s (spread by a tenth), ends to half a second"
    )
    for unit, size in (("seconds", 1.0), ("polls", POLL_S)):
        print(
            f"{unit:>8}: min {min(waits) / size:5.2f}  median {median(waits) / size:5.2f}  p95 {p95 / size:5.2f}"
            f"  max {max(waits) / size:5.2f}"
        )


if __name__ == "__main__":
    main()
