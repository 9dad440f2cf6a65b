"""Real nemo-evaluator-launcher, on the real cluster and without one; only the container and its runtime are stubs.

jobwarden is the real command line and the real watcher.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.household import Household, eventually, household
from support.household import cli as run_cli
from support.nel import SECRET, NelLab, Task, require_nel

pytestmark = [pytest.mark.slurm, pytest.mark.nel]

CLOCKS = {"nel_every_s": 5.0}
LONG = 600


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    require_nel()
    with household(clean_environment, CLOCKS) as made:
        yield made


@pytest.fixture
def lab(home: Household, faulty_cluster: Cluster) -> NelLab:
    return NelLab(home, faulty_cluster)


def cli(home: Household, *words: str, timeout_s: float = 150) -> subprocess.CompletedProcess[str]:
    done = run_cli(home, *words, timeout_s=timeout_s)
    assert SECRET not in done.stdout + done.stderr
    return done


def register(home: Household, *ids: str) -> subprocess.CompletedProcess[str]:
    done = cli(home, "register", "nel", *ids)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def row(home: Household, job: str) -> dict[str, Any]:
    """What `jobwarden status` says of one job now."""
    rows = json.loads(cli(home, "status", "--json").stdout)["jobs"]
    return next(one for one in rows if one["id"] == job)


def end(home: Household, job: str, timeout_s: int = 120) -> dict[str, Any]:
    """Wait as a person does, and give the job's row at its end."""
    cli(home, "wait", job, "--until", "terminal", "--timeout", str(timeout_s), timeout_s=timeout_s + 30)
    return row(home, job)


def asked_often(lab: NelLab, times: int) -> bool:
    return len(lab.calls()) >= times


def waiting_for(cluster: Cluster, job: str) -> str:
    """The Slurm job that goes on after this one; empty while there is none."""
    rows = cluster.slurm("squeue", "-h", "-t", "PD", "-o", "%i %E").stdout.splitlines()
    return next((row.split()[0] for row in rows if f"afternotok:{job}(" in row), "")


def events(home: Household) -> list[tuple[str, str | None]]:
    session = next((home.places.state / "sessions").iterdir()).name
    return [(str(one.event), one.new_status) for one in home.journal(session) if one.event != "updated"]


def test_of_two_tasks_one_succeeds_and_one_fails_and_it_has_ended_when_both_have(home: Household, lab: NelLab) -> None:
    """Rows 2 to 4 of the old extractor: it read the first task only, and of a short id none."""
    run = lab.submit(
        Task(seconds=3), Task(name="simple_evals.mmlu_pro", seconds=14, rc=3, label="mmlu_pro", score=0.671)
    )
    register(home, run[:9])
    eventually(lambda: row(home, run)["status"] == "running (1 of 2 ended)", "one of two has ended", within_s=60)
    ended = end(home, run)
    assert (ended["phase"], ended["status"], ended["exit_code"]) == ("failed", "failed (1 of 2 success)", 3)
    assert "ifeval: success, IFEval 42.3 %" in ended["reason"]
    tail = cli(home, "tail", run)
    assert "the evaluation failed" in tail.stdout
    assert f"Task {run}.1 (the first that failed). Others: {run}.0." in tail.stderr
    assert "the evaluation failed" not in cli(home, "tail", run, "--task", "ifeval").stdout
    first = min(lab.slurm_ids(run), key=int)
    assert f"slurm-{first}.log" in cli(home, "tail", run, "--task", "0", "--stream", "slurm").stderr
    assert "no stream 'server'" in cli(home, "tail", run, "--stream", "server").stderr
    assert ended["attempts"][-1]["id"] == min(lab.slurm_ids(run), key=int)
    assert all(SECRET.encode() not in content for _, content in lab.everything_written())
    explained = cli(home, "explain", run).stdout
    assert "sacct" in explained
    assert "nel status --json" in explained


@pytest.mark.long  # a minute and more of nel's own waiting
def test_a_run_that_times_out_is_resumed_and_ends_in_success_with_its_scores(home: Household, lab: NelLab) -> None:
    """The chain of Slurm jobs is one job with an attempt for each; nel's twin, which waits all along, is none."""
    run = lab.submit(Task(seconds=3, first=LONG), walltime="00:01:00")
    (first,) = lab.slurm_ids(run)
    register(home, run)
    ended = end(home, run, timeout_s=240)
    assert (ended["phase"], ended["status"]) == ("succeeded", "success")
    assert ended["reason"] == "IFEval 42.3 %"
    assert ended["attempts"][0]["status"] == "TIMEOUT"
    assert ended["attempts"][0]["id"] == first
    assert len(ended["attempts"]) == 2
    assert ("stuck", "pending") not in events(home)
    assert "lost" not in dict(events(home))
    assert [kind for kind, _ in events(home)].count("finished") == 1


@pytest.mark.long  # a minute and more of nel's own waiting
def test_what_is_cancelled_after_a_resume_is_what_lives(home: Household, lab: NelLab) -> None:
    """`nel kill` cancels the first job of the chain, which has ended long ago, and says that it has."""
    run = lab.submit(Task(seconds=LONG), walltime="00:01:00")
    (first,) = lab.slurm_ids(run)
    assert lab.cluster is not None
    register(home, run)
    lab.cluster.wait_for(first, {"TIMEOUT"}, timeout_s=150)
    eventually(lambda: row(home, run)["attempts"][-1]["id"] != first, "the next one goes on", within_s=60)
    second = row(home, run)["attempts"][-1]["id"]
    lab.cluster.wait_for(second, {"RUNNING"})
    cancelled = cli(home, "cancel", run, "--reason", "enough")
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    assert lab.cluster.wait_for(second, {"CANCELLED"}) == "CANCELLED"
    ended = end(home, run)
    assert (ended["phase"], ended["status"]) == ("cancelled", "killed")
    alive = lab.cluster.slurm("squeue", "-h", "-t", "R,PD", "-o", "%i %E").stdout
    assert f"afternotok:{second}" not in alive


@pytest.mark.long  # a minute and more of nel's own waiting
def test_a_run_whose_next_job_was_cancelled_is_stuck_and_not_pending_for_ever(home: Household, lab: NelLab) -> None:
    """Row 15 of the old extractor."""
    run = lab.submit(Task(seconds=LONG), walltime="00:01:00")
    (first,) = lab.slurm_ids(run)
    assert lab.cluster is not None
    eventually(partial(waiting_for, lab.cluster, first), "the next one waits", within_s=60)
    following = waiting_for(lab.cluster, first)
    lab.cluster.slurm("scancel", following)
    register(home, f"{run}.0")
    eventually(lambda: row(home, f"{run}.0")["stuck"], "it is said to be stuck", within_s=150)
    now = row(home, f"{run}.0")
    assert now["phase"] == "pending"
    assert f"Slurm job {first} ended TIMEOUT" in now["stuck"]
    assert following in now["stuck"]
    assert ("stuck", "pending") in events(home)


@pytest.mark.long  # a minute and more of nel's own waiting
def test_with_accounting_or_the_login_node_down_a_running_run_stays_running(home: Household, lab: NelLab) -> None:
    """Row 9 of the old extractor; nel itself says `failed` then, with exit status 0."""
    run = lab.submit(Task(seconds=LONG))
    assert lab.cluster is not None
    lab.cluster.wait_for(lab.slurm_ids(run)[0], {"RUNNING"})
    register(home, run)
    eventually(lambda: row(home, run)["phase"] == "running", "it is seen to run")
    for daemon in ("slurmdbd", "sshd-a"):
        if daemon == "sshd-a":
            lab.cluster.drop_sessions(daemon)  # those that are open outlive their sshd
        with lab.cluster.stopped(daemon):
            enough = len(lab.calls()) + 2
            eventually(partial(asked_often, lab, enough), "nel is asked in the outage", within_s=60)
            assert json.loads(lab.run("status", "--json", run))[0]["status"] == "failed"
            assert row(home, run)["phase"] == "running"
    eventually(lambda: row(home, run)["stale_since"] is None, "it answers again", within_s=60)
    assert row(home, run)["phase"] == "running"
    assert not {"finished", "lost"} & {kind for kind, _ in events(home)}
    cli(home, "cancel", run, "--reason", "the test is over")


def test_nel_is_asked_about_all_runs_in_one_call_and_no_more_often_than_it_may_be(
    clean_environment: Path, faulty_cluster: Cluster
) -> None:
    """Between two calls of nel, Slurm is asked by the ids that it gave: an end is seen without it."""
    require_nel()
    with household(clean_environment, {"nel_every_s": 300.0}) as home:
        lab = NelLab(home, faulty_cluster)
        runs = [lab.submit(Task(seconds=5 + 3 * number)) for number in range(3)]
        register(home, *runs)
        assert {end(home, run)["status"] for run in runs} == {"success"}
        assert len(lab.calls()) == 1
        assert lab.calls() == [f"status --json {' '.join(sorted(runs))}"]


def test_a_local_run_is_followed_task_by_task_to_its_end(home: Household) -> None:
    lab = NelLab(home)
    run = lab.submit(Task(seconds=2), Task(name="simple_evals.mmlu_pro", seconds=6, rc=3, label="mmlu_pro"))
    register(home, run)
    ended = end(home, run)
    assert (ended["phase"], ended["status"], ended["exit_code"]) == ("failed", "failed (1 of 2 success)", 3)
    assert "ifeval: success, IFEval 42.3 %" in ended["reason"]
    assert "the evaluation failed" in cli(home, "tail", run).stdout


def test_a_local_run_is_killed_by_nel(home: Household) -> None:
    lab = NelLab(home)
    run = lab.submit(Task(seconds=LONG))
    register(home, run)
    eventually(lambda: row(home, run)["phase"] == "running", "it runs", within_s=30)
    cancelled = cli(home, "cancel", run, "--reason", "enough")
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    ended = end(home, run)
    assert (ended["phase"], ended["status"]) == ("cancelled", "killed")


def test_without_a_nel_or_with_the_newer_one_registration_says_so(home: Household) -> None:
    """Rows 11 and 12 of the old extractor."""
    require_nel()
    other = home.root / "nel"
    other.write_text("#!/bin/sh\necho 'nel, version 0.4.0'\n", encoding="utf-8")
    other.chmod(0o755)
    home.env["NEL"] = str(other)
    newer = cli(home, "register", "nel", "0b1d99ac8d04df09")
    assert newer.returncode != 0
    assert "no `status`" in newer.stdout + newer.stderr
    home.env["NEL"] = "/nowhere/nel"
    missing = cli(home, "register", "nel", "0b1d99ac8d04df09")
    assert missing.returncode != 0
    assert "nel is not there" in missing.stdout + missing.stderr
    assert home.active() == []
