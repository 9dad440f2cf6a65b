"""The whole main path: a job of a real Slurm, over real SSH, through the real server and the real command line.

Submitted with sbatch, registered, watched by the background watcher, reported to its end, its log shown, and pruned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from support.agent import Agent, agent
from support.cluster import Cluster
from support.household import Household, cli, eventually, household
from support.watched import gated

pytestmark = pytest.mark.slurm

HOST = "cluster-a"
# Each job, and what must be said of its end: the phase, the source's word, the exit code.
ENDS = {
    "completed": ("sleep 4; echo all done", (), "succeeded", "COMPLETED", 0),
    "failed": ("sleep 4; echo about to fail; exit 3", (), "failed", "FAILED", 3),
    "cancelled": ("echo waiting; sleep 600", (), "cancelled", "CANCELLED", None),
    "timeout": ("echo slow; sleep 600", ("-p", "short"), "failed", "TIMEOUT", None),
}


@pytest.fixture
def home(clean_environment: Path, cluster: Cluster) -> Iterator[Household]:
    with household(clean_environment) as made:
        use_cluster(made, cluster)
        yield made


def use_cluster(home: Household, cluster: Cluster) -> None:
    """Let this home's ssh know the cluster, as a user's own configuration would."""
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")


def submit(cluster: Cluster, kind: str) -> str:
    script, words, *_ = ENDS[kind]
    return cluster.sbatch("-J", f"jw-{kind}", *words, "--wrap", script)


async def follow_to_its_end(reader: Agent, job: str) -> str:
    """Wait as an agent does: call again until it has ended; gives everything that was said."""
    said: list[str] = []
    for _ in range(12):
        said.append(await reader.call("wait_for_change", jobs=[job], until="terminal", timeout_s=20))
        rows = json.loads(await reader.read(f"jobs://{job}"))
        if rows["phase"] in ("succeeded", "failed", "cancelled"):
            return "\n".join(said)
    pytest.fail("it never ended:\n" + "\n".join(said))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_sees_a_job_from_registration_to_its_end_and_its_log(
    home: Household, cluster: Cluster, mode: str
) -> None:
    async with agent(home, mode=mode) as reader:
        job = submit(cluster, "completed")
        first = await reader.call("register_job", type="slurm", id=job, host=HOST, description="the main path")
        assert job in first
        assert home.active()[0]["id"] == job
        said = first + await follow_to_its_end(reader, job)
        assert "COMPLETED" in said
        assert "all done" in await reader.call("tail_log", job=job)
    assert home.active() == []
    statuses = [event.new_status for event in home.journal() if event.event in ("status_change", "finished")]
    assert statuses[-1] == "COMPLETED"
    assert "RUNNING" in statuses


async def test_each_way_to_end_is_reported_by_the_tools_with_its_evidence(home: Household, cluster: Cluster) -> None:
    async with anyio.create_task_group() as tasks:
        for kind in ("timeout", "failed", "cancelled"):
            tasks.start_soon(one_end, home, cluster, kind)


async def one_end(home: Household, cluster: Cluster, kind: str) -> None:
    """Follow one job in a session of its own; all have one project and one watcher."""
    _, _, phase, status, exit_code = ENDS[kind]
    async with agent(home, kind) as reader:
        job = await anyio.to_thread.run_sync(submit, cluster, kind)
        await reader.call("register_job", type="slurm", id=job, host=HOST)
        if kind == "cancelled":
            await anyio.to_thread.run_sync(cluster.wait_for, job, {"RUNNING"})
            answer = await reader.call("cancel_job", jobs=[job], reason="the test says so")
            assert "accepted" in answer
        said = await follow_to_its_end(reader, job)
    assert status in said
    if exit_code:
        assert f"exit {exit_code}" in said
    end = home.journal(kind)[-1]
    assert (end.event, end.phase) == ("finished", phase)
    assert (end.new_status or "").startswith(status)
    assert end.evidence is not None
    assert any(job in line for line in end.evidence.lines)
    assert any("sacct" in question or "squeue" in question for question in end.evidence.question)
    await anyio.to_thread.run_sync(eventually, lambda: home.active(kind) == [], "it has left the file")


def test_a_person_sees_all_four_ends_on_the_command_line(home: Household, cluster: Cluster) -> None:
    jobs = {kind: submit(cluster, kind) for kind in ENDS}
    registered = cli(home, "register", "slurm", *jobs.values(), "--host", HOST)
    assert registered.returncode == 0, registered.stderr
    cluster.wait_for(jobs["cancelled"], {"RUNNING"})
    cancelled = cli(home, "cancel", jobs["cancelled"], "--reason", "enough")
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    waited = cli(home, "wait", *jobs.values(), "--until", "all_terminal", "--timeout", "110", timeout_s=140)
    assert waited.returncode == 3, waited.stdout + waited.stderr  # some failed
    shown = {row["id"]: row for row in json.loads(cli(home, "status", "--json").stdout)["jobs"]}
    for kind, (_, _, phase, status, exit_code) in ENDS.items():
        row = shown[jobs[kind]]
        assert (row["phase"], row["status"].split()[0]) == (phase, status)
        if exit_code:
            assert row["exit_code"] == exit_code
    assert "about to fail" in cli(home, "tail", jobs["failed"]).stdout
    explained = cli(home, "explain", jobs["failed"]).stdout
    assert "sacct" in explained
    assert "FAILED" in explained
    path = next((home.project / ".claude" / "agents").rglob("active_jobs.json"))
    assert json.loads(path.read_text(encoding="utf-8")) == []


async def test_after_kill_9_of_the_watcher_the_next_call_carries_on_and_the_end_is_reported_once(
    home: Household, cluster: Cluster
) -> None:
    held = await anyio.to_thread.run_sync(lambda: gated(cluster, status=7))
    job = held.id
    async with agent(home) as reader:
        await reader.call("register_job", type="slurm", id=job, host=HOST)
        await anyio.to_thread.run_sync(eventually, home.watcher_pid, "the watcher runs")
        killed = home.kill_watcher()
        held.open()
        await anyio.to_thread.run_sync(cluster.wait_until_accounted, job, {"FAILED"})
        said = [await reader.call("check_status") for _ in range(3)]
        assert home.watcher_pid() != killed
    assert "NEWS" in said[0]
    assert "FAILED" in said[0]
    assert not any("NEWS" in text for text in said[1:])
    assert home.kinds().count("finished") == 1


async def test_a_requeued_job_is_one_job_with_two_attempts_and_one_end(home: Household, cluster: Cluster) -> None:
    job = cluster.sbatch("--requeue", "--wrap", '[ -n "$SLURM_RESTART_COUNT" ] || sleep 600')
    async with agent(home) as reader:
        await reader.call("register_job", type="slurm", id=job, host=HOST)
        await anyio.to_thread.run_sync(cluster.wait_for, job, {"RUNNING"})
        await anyio.to_thread.run_sync(eventually, lambda: home.active()[0]["phase"] == "running", "it is seen to run")
        cluster.slurm("scontrol", "requeue", job)
        await anyio.to_thread.run_sync(eventually, lambda: "requeued" in home.kinds(), "the requeue is journaled")
        # Not in the second in which slurmd killed the run before: it would refuse the next one, and that has failed.
        cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now+3seconds")
        said = await follow_to_its_end(reader, job)
    assert "COMPLETED" in said
    assert home.kinds().count("finished") == 1
    assert "lost" not in home.kinds()
    end = home.journal()[-1]
    assert end.record is not None
    assert [attempt["status"] for attempt in end.record["attempts"]][1:] == ["COMPLETED"]
    assert len(end.record["attempts"]) == 2


async def test_two_agents_in_one_project_do_not_take_each_others_jobs_for_their_own(
    home: Household, cluster: Cluster
) -> None:
    job = cluster.sbatch("--wrap", "sleep 30")
    async with agent(home, "one") as one, agent(home, "two") as two:
        await one.call("register_job", type="slurm", id=job, host=HOST)
        assert job not in await two.call("check_status")
        assert job in await two.call("check_status", scope="project")
        refused = await two.call("cancel_job", jobs=[job], reason="not mine")
        assert "force" in refused
        assert cluster.state(job) in ("PENDING", "RUNNING")
        await one.call("cancel_job", jobs=[job], reason="done with it")
    assert cluster.state(job) == "CANCELLED"


def test_a_hand_written_entry_with_the_eight_keys_alone_is_watched(home: Household, cluster: Cluster) -> None:
    job = cluster.sbatch("--wrap", "sleep 1")
    folder = home.project / ".claude" / "agents" / "by-hand"
    folder.mkdir(parents=True, mode=0o700)
    entry = {
        "type": "slurm",
        "id": job,
        "host": HOST,
        "user": "alice",
        "submitted": "2026-11-20 10:09",
        "description": "by hand",
        "last_status": "",
        "owner": {"agent": "manual", "session_id": "by-hand"},
    }
    (folder / "active_jobs.json").write_text(json.dumps([entry]), encoding="utf-8")
    home.env["CLAUDE_CODE_SESSION_ID"] = "by-hand"
    shown = cli(home, "wait", job, "--until", "terminal", "--timeout", "60", "--json")
    assert json.loads(shown.stdout)["jobs"][0]["status"] == "COMPLETED"
