"""Plans on a real Slurm: each job submitted once whatever dies, adopted, retried, suspended, and taken up again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import pytest

from jobwarden.service.plan_views import PlannedView, PlanView
from jobwarden.service.service import open_service
from support.cluster import Cluster
from support.watched import Watched, beside

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

TESTS = Path(__file__).parents[1]
CLOCKS = {"ask_timeout_s": 10.0, "connect_timeout_s": 2.0}
"""A submission whose answer was lost is waited for 22 s."""
SCRIPT = "#!/bin/sh\necho run of $1\nexit ${2:-0}\n"
JOBS = 20
KILLS = 10


def write_plan(watched: Watched, name: str, jobs: str, head: str = "") -> Path:
    """Write a plan and the script of its jobs into the project."""
    (watched.home.project / "job.sh").write_text(SCRIPT, encoding="utf-8")
    file = watched.home.project / f"{name}.toml"
    file.write_text(f'name = "{name}"\nhost = "cluster-a"\n{head}\n{jobs}', encoding="utf-8")
    return file


def job(name: str, *words: str) -> str:
    return "\n".join(
        ["[[jobs]]", f'name = "{name}"', *([] if "script" in "".join(words) else ['script = "job.sh"']), *words, ""]
    )


def ids_of(cluster: Cluster, prefix: str) -> dict[str, set[str]]:
    """Give the ids of all jobs whose name begins so that accounting or the queue has, by name."""
    rows = cluster.sacct("-a", "-X", "-D", "-n", "-P", "-o", "JobName,JobIDRaw", "-S", "now-1hours").splitlines()
    rows += cluster.squeue("-a", "-h", "-t", "all", "-o", "%j|%A").splitlines()
    found: dict[str, set[str]] = {}
    for name, job_id in (row.split("|") for row in rows):
        if name.startswith(prefix):
            found.setdefault(name, set()).add(job_id)
    return found


def state(view: PlanView, name: str) -> PlannedView:
    return next(one for one in view.jobs if one.name == name)


async def killed(watched: Watched, file: Path, how: str, step: int, delay_ms: int) -> str:
    """Bring the plan forward in a process that kills itself; answers what it said last."""
    argv = [sys.executable, "-m", "support.plan_killed", str(file), how, str(step), str(delay_ms)]
    env = {**watched.home.env, "PYTHONPATH": str(TESTS), "CLAUDE_CODE_SESSION_ID": "one"}
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(argv, env=env, cwd=TESTS, check=False, timeout=200, capture_output=True, text=True)
    )
    assert done.returncode in (-9, 0), done.stderr
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


async def test_a_plan_whose_submitter_is_killed_ten_times_has_each_job_submitted_once_and_told_as_ended(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """The steps are drawn from a seed: before and after each line of the journal, during sbatch and after its answer."""
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    names = [f"kill-{number:02}" for number in range(JOBS)]
    after = {names[at]: names[at - 3] for at in range(5, JOBS, 4)}
    jobs = "".join(
        job(name, f'arguments = ["{name}"]', *([f'after = ["{after[name]}"]'] if name in after else []))
        for name in names
    )
    file = write_plan(watched, "kills", jobs)
    draw = random.Random(20261121)  # noqa: S311 -- no secret
    kinds: Counter[str] = Counter()
    for number in range(KILLS):
        said = await killed(
            watched, file, "resume" if number else "submit", draw.randint(2, 13), draw.choice([0, 15, 40, 80])
        )
        kinds[said.partition(":")[0]] += 1
        assert all(len(ids) == 1 for ids in ids_of(cluster, "kill-").values())
    assert kinds.total() - kinds["done"] >= 7, kinds
    async with open_service(watched.home.env) as service:
        caller = watched.home.caller("one")
        view = await service.plans.resume(caller, "kills")
        assert not view.troubles, view
        assert view.planned == 0, view.jobs
    found = ids_of(cluster, "kill-")
    assert sorted(found) == names
    assert all(len(ids) == 1 for ids in found.values()), found
    await watched.until(lambda: len(finished(watched)) >= JOBS, "all have ended and are told", 120.0)
    told = finished(watched)
    assert sorted(told) == names  # each once
    assert {state(view, name).id for name in names} == {one for ids in found.values() for one in ids}
    assert cluster.squeue("-h", "-a", "-t", "PD,R", "-o", "%j") == ""


def finished(watched: Watched, session: str = "one") -> list[str]:
    """Give the names of the jobs whose end was journaled."""
    return [str(event.name) for event in watched.home.journal(session) if event.event == "finished"]
