"""`jobwarden doctor --selftest HOST` on a real Slurm: what it finds, and that it leaves nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from anyio import to_thread

from support.cluster import Cluster
from support.household import cli
from support.watched import HOST, Watched

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

CLOCKS = {"ask_timeout_s": 6.0}


RAN = Counter([*(f"{name}|COMPLETED|0:0" for name in "abde"), "c|FAILED|3:0"])


def accounted(cluster: Cluster) -> Counter[str]:
    """Give name, state and exit code of every run that accounting has."""
    return Counter(
        cluster.sacct("-a", "-X", "-D", "-n", "-P", "-o", "JobName,State,ExitCode", "-S", "now-1hours").split()
    )


def left(watched: Watched, cluster: Cluster) -> list[str]:
    """Give what is left of selftests: folders there and here, sessions, jobs in the queue."""
    folders = [cluster.home(), watched.home.places.runtime, watched.home.places.state / "sessions"]
    found = [str(path) for folder in folders for path in folder.glob("jobwarden-selftest-*")]
    return [*found, *cluster.squeue("-h", "-a", "-t", "PD,R,S,CG", "-o", "%i").split()]


async def test_a_small_plan_is_interrupted_resumed_judged_and_cleared_away(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    ran = await to_thread.run_sync(
        lambda: cli(watched.home, "doctor", "--selftest", HOST, "--for", "4m", timeout_s=500)
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    told = [line.partition(f"selftest on {HOST}: ")[2].partition(":")[0] for line in lines[:-1]]
    assert told == ["interrupted", "resumed", "ends", "exactly once", "order", "order", "cleared away"]
    assert all(line.startswith("ok ") for line in lines[:-1]), ran.stdout
    assert "each of the 5 that ran did so once" in ran.stdout
    await watched.until(lambda: accounted(cluster) == RAN, "accounting, which lags, has each job once", 30.0)
    assert left(watched, cluster) == []


async def test_what_does_not_start_in_time_is_told_cancelled_and_cleared_away(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    words = ("doctor", "--selftest", HOST, "--option", "partition=downp", "--for", "5s", "--json")
    ran = await to_thread.run_sync(lambda: cli(watched.home, *words, timeout_s=500))
    checks = {one["subject"].rpartition(": ")[2]: one for one in json.loads(ran.stdout)["checks"]}
    assert checks["ends"]["outcome"] == "warning", ran.stdout
    assert "a is PENDING" in checks["ends"]["text"]
    assert "within 5 s" in checks["ends"]["text"]
    assert checks["cleared away"]["outcome"] == "ok", ran.stdout
    journal = checks["cleared away"]["text"].rpartition("its journal stays: ")[2]
    remaining = left(watched, cluster)
    assert all(path in journal for path in remaining), remaining


async def test_what_the_cluster_refuses_is_told_and_nothing_is_left(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    words = ("doctor", "--selftest", HOST, "--option", "partition=nowhere", "--for", "20s")
    ran = await to_thread.run_sync(lambda: cli(watched.home, *words, timeout_s=500))
    assert ran.returncode == 1, ran.stdout
    assert [line.split()[0] for line in ran.stdout.splitlines()[:3]] == ["problem", "problem", "ok"], ran.stdout
    assert "refused" in ran.stdout
    assert "invalid partition" in ran.stdout
    assert cluster.run(["sh", "-c", f"ls -d {cluster.home()}/jobwarden-selftest-* || true"]).stdout == ""
