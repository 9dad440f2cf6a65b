"""`jobwarden reconcile` on jobs of a real Slurm that ended while nobody watched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from anyio import to_thread

from jobwarden.service.service import open_service
from support.cluster import Cluster
from support.household import cli
from support.watched import HOST, Watched, beside

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

JOBS = {
    "made": ("echo whole >made.txt", "made.txt ~ ^whole"),
    "nothing": ("true", "never-*.txt"),
    "old": ("touch -d 2001-01-01 old.txt", "old.txt"),
    "late": ("true", "late.txt"),
    "forgotten": ("echo whole >kept.txt", "kept.txt >= 6"),
    "plain": ("true", ""),
}
CLOCKS = {"expect_again_s": 2.0, "lost_answers": 2, "lost_after_s": 0.0}


async def test_what_ended_unwatched_is_judged_by_its_scheduler_and_by_its_output(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    ids = await begun(watched, cluster)
    await watched.until(lambda: watched.home.watcher_pid() is not None, "the watcher has begun")
    await beside(watched.home.kill_watcher)
    (cluster.home() / "go").touch()
    for job in ids.values():
        await to_thread.run_sync(cluster.wait_until_accounted, job, {"COMPLETED"})
    await to_thread.run_sync(cluster.wait_until_forgotten, ids["forgotten"])
    await to_thread.run_sync(cluster.purge, ids["forgotten"])
    code, rows, said = await to_thread.run_sync(lambda: reconciled(watched, cluster))
    assert code == 3, said
    found = {name: (rows[job]["was"], rows[job]["outcome"], rows[job]["job"]["phase"]) for name, job in ids.items()}
    assert found == {
        "made": ("running", "changed", "succeeded"),
        "nothing": ("running", "changed", "failed"),
        "old": ("running", "changed", "failed"),
        "late": ("running", "changed", "succeeded"),
        "forgotten": ("running", "undecided", "running"),
        "plain": ("running", "changed", "succeeded"),
    }
    lines = {name: rows[job]["outputs"][0]["line"] for name, job in ids.items() if name != "plain"}
    assert lines["nothing"] == "never-*.txt is not there"
    assert "is older than the job" in lines["old"]
    assert lines["made"].startswith(f"{cluster.home()}/made.txt is there: 6 bytes")
    assert "All its expected output is there." in rows[ids["forgotten"]]["text"]
    assert "Nothing is expected of it" in rows[ids["plain"]]["text"]
    assert any("COMPLETED" in line for line in rows[ids["made"]]["seen"]["lines"])
    await until_found(watched, ids["forgotten"])
    again = await to_thread.run_sync(lambda: cli(watched.home, "reconcile", "--session", "one", ids["nothing"]))
    assert (again.returncode, again.stdout.split(":")[0]) == (3, "as it was"), again.stdout + again.stderr
    once = await to_thread.run_sync(
        lambda: cli(watched.home, "reconcile", "--all", "--expect", "made.txt", "--expect", "no.txt", ids["plain"])
    )
    assert once.returncode == 3, once.stdout + once.stderr
    assert once.stdout.startswith(f"contradicted: plain (slurm {ids['plain']} on {HOST}): COMPLETED (succeeded)")
    assert "there: made.txt" in once.stdout
    assert "missing: no.txt: no.txt is not there" in once.stdout


async def begun(watched: Watched, cluster: Cluster) -> dict[str, str]:
    """Submit and register the jobs; they run until there is a file `go`."""
    ids: dict[str, str] = {}

    def submit() -> None:
        for name, (command, _) in JOBS.items():
            script = f"#!/bin/sh\nuntil [ -e go ]; do sleep 0.1; done\n{command}\n"
            ids[name] = cluster.sbatch("-J", name, "--overcommit", script=script)
        for job in ids.values():
            cluster.wait_for(job, {"RUNNING"})

    await beside(submit)
    watched.sessions.append("one")
    async with open_service(watched.home.env) as service:
        for name, (_, expect) in JOBS.items():
            checks = [expect] if expect else []
            caller = watched.home.caller("one")
            await service.register(caller, type="slurm", ids=[ids[name]], host=HOST, expect=checks)
    await watched.until(lambda: all(row["last_status"] == "RUNNING" for row in watched.rows().values()), "all are seen")
    return ids


def reconciled(watched: Watched, cluster: Cluster) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Look at all by hand; one output comes while it looks again."""
    words = [sys.executable, "-m", "jobwarden.cli.main", "reconcile", "--session", "one", "--json"]
    with subprocess.Popen(
        words,
        env=watched.home.env,
        cwd=watched.home.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        said = run.stderr.readline()
        assert said.startswith("Expected output of 3 job(s) is not there; looking again in 2 s"), said
        cluster.run(["sh", "-c", f"echo late >{cluster.home()}/late.txt"])
        view = json.loads(run.stdout.read())
        said += run.stderr.read()
    return run.returncode, {row["job"]["id"]: row for row in view["rows"]}, said


async def until_found(watched: Watched, job: str) -> None:
    """Look until the forgotten job is decided: a second whole answer does that, the watcher's or ours."""

    def phase() -> str:
        ran = cli(watched.home, "reconcile", "--session", "one", "--json", job)
        return str(json.loads(ran.stdout)["rows"][0]["job"]["phase"])

    await watched.until(lambda: phase() == "succeeded", "the forgotten job has succeeded", 60.0)
