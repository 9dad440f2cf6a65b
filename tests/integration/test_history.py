"""The past of 200 real jobs beside what sacct itself says of them: states, success rates, durations, waiting times."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from anyio import to_thread

from cluster.processes import wait_until
from jobwarden.service.past.choosing import Query
from jobwarden.service.past_views import HistoryView, RunView
from jobwarden.service.service import Service, open_service
from support.cluster import Cluster
from support.household import Household, household
from support.watched import OUTAGE_CLOCKS, Watched, use_cluster

pytestmark = pytest.mark.slurm

ENDS = {"good": 140, "bad": 35, "held": 15, "stopped": 4, "slow": 3, "again": 3}
"""How many of each: succeed, fail, are cancelled while they wait, while they run, time out, are requeued once."""
SCRIPTS = {
    "good": "sleep 0.{}",
    "bad": "sleep 0.{}; exit 3",
    "held": "true",
    "stopped": "sleep 600",
    "slow": "sleep 600",
    "again": '[ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ] || sleep 600',
}


class Said(NamedTuple):
    """A run as sacct has it, in epoch seconds."""

    state: str
    submitted: int | None
    started: int | None
    ended: int | None
    elapsed: int

    @property
    def waited(self) -> float | None:
        return None if self.started is None or self.submitted is None else float(self.started - self.submitted)

    @property
    def ran(self) -> float | None:
        return None if self.started is None else float(self.elapsed)


@pytest.fixture
def watched(clean_environment: Path, cluster: Cluster) -> Iterator[Watched]:
    with household(clean_environment, {**OUTAGE_CLOCKS, "lost_after_s": 600.0}) as home:
        use_cluster(home, cluster)
        yield Watched(home)


def submit_all(cluster: Cluster) -> dict[str, list[str]]:
    """Submit them one by one in one remote loop, those that must run long first."""
    kinds = ["stopped"] * ENDS["stopped"] + ["slow"] * ENDS["slow"] + ["again"] * ENDS["again"]
    short = ["good"] * ENDS["good"] + ["bad"] * ENDS["bad"] + ["held"] * ENDS["held"]
    random.Random(8).shuffle(short)
    kinds += short
    lines = [
        f"sbatch --parsable -o /dev/null --requeue -J hist-{kind} {'-H ' if kind == 'held' else ''}"
        f"--wrap '{SCRIPTS[kind].format(number % 9)}'"
        for number, kind in enumerate(kinds)
    ]
    done = cluster.run(["sh", "-s"], stdin="\n".join(lines) + "\n", timeout_s=120)
    assert done.returncode == 0, done.stderr
    jobs: dict[str, list[str]] = {}
    for kind, job in zip(kinds, done.stdout.split(), strict=True):
        jobs.setdefault(kind, []).append(job)
    return jobs


def decide(cluster: Cluster, jobs: dict[str, list[str]]) -> None:
    """End those that do not end by themselves."""
    for job in (*jobs["stopped"], *jobs["slow"], *jobs["again"]):
        cluster.wait_for(job, {"RUNNING"})
    for job in jobs["slow"]:
        cluster.slurm("scontrol", "update", f"JobId={job}", "EndTime=now+2seconds")
    for job in jobs["again"]:
        assert cluster.slurm("scontrol", "requeue", job).returncode == 0
    cluster.slurm("scancel", *jobs["stopped"], *jobs["held"])
    for job in jobs["again"]:
        cluster.wait_for(job, {"PENDING"})
        cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now+2seconds")


def sacct(cluster: Cluster, jobs: list[str], *words: str) -> dict[str, list[Said]]:
    """Ask sacct itself, as root."""
    fields = "JobID,State,Submit,Start,End,ElapsedRaw,NodeList"
    done = cluster.run(
        ["env", "SLURM_TIME_FORMAT=%s", "sacct", "-X", "-n", "-P", *words, "-j", ",".join(jobs), "-o", fields]
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[Said]] = {}
    for line in done.stdout.splitlines():
        job, state, *times, elapsed, nodes = line.split("|")
        submitted, started, ended = (int(time) if time.isdigit() else None for time in times)
        if nodes == "None assigned":  # of what never started it has no start, or the end
            started = None
        told.setdefault(job, []).append(Said(state, submitted, started, ended, int(elapsed)))
    return told


def differences(rows: dict[str, RunView], told: dict[str, Said]) -> list[str]:
    """Name what we tell otherwise than sacct."""
    wrong: list[str] = []
    for job, said in told.items():
        row = rows[job]
        ours = (row.status, row.ran_s, row.waited_s)
        if ours != (said.state, said.ran, said.waited):
            wrong.append(f"{job} {row.name}: ours {ours}, sacct {said}")
    return wrong


async def listed(service: Service, home: Household, *, singly: bool = False) -> HistoryView:
    view = await service.past.history(home.caller("one"), Query(limit=1000, singly=singly))
    assert isinstance(view, HistoryView)
    return view


async def test_success_rates_durations_and_waiting_of_200_jobs_are_sacct_s_own(
    cluster: Cluster, watched: Watched
) -> None:
    jobs = await to_thread.run_sync(submit_all, cluster)
    ids = [job for those in jobs.values() for job in those]
    assert len(ids) == 200
    await watched.register(*ids)
    await to_thread.run_sync(decide, cluster, jobs)
    home = watched.home
    ended = await to_thread.run_sync(lambda: wait_until(lambda: not home.active("one"), timeout_s=120, pause_s=0.5))
    assert ended, home.active("one")[:3]

    told = {job: rows[-1] for job, rows in sacct(cluster, ids).items()}
    runs = sacct(cluster, jobs["again"], "-D")
    async with open_service(home.env) as service:
        view = await listed(service, home)
        rows = {row.id: row for row in view.jobs}
        assert rows.keys() == told.keys() == set(ids)
        assert differences(rows, told) == []
        words = Counter(said.state.split()[0] for said in told.values())
        assert Counter(row.status.split()[0] for row in rows.values()) == words
        assert words == {"COMPLETED": 143, "FAILED": 35, "CANCELLED": 19, "TIMEOUT": 3}

        total = (await service.past.statistics(home.caller("one"), Query())).total
        assert total is not None
        assert total.success_rate == words["COMPLETED"] / (200 - words["CANCELLED"])
        took = [said.ran for said in told.values() if said.state == "COMPLETED" and said.ran is not None]
        waited = [said.waited for said in told.values() if said.waited is not None]
        assert total.duration is not None
        assert total.waited is not None
        assert (total.duration.count, total.duration.median) == (143, statistics.median(took))
        assert (total.waited.count, total.waited.median) == (len(waited), statistics.median(waited))
        assert total.attempts == 200 + len(jobs["again"])

        singly = [run for run in (await listed(service, home, singly=True)).jobs if run.id in runs]
        for job, said in runs.items():
            ours = sorted((run for run in singly if run.id == job), key=lambda run: run.run or 0)
            assert [(run.ran_s, run.waited_s) for run in ours] == [(one.ran, one.waited) for one in said], job
