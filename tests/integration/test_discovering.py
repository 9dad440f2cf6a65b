"""Jobs that nobody registered: found in a real squeue and among real supervised programs, and adopted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwarden.sources.process.launch import Started, start_process
from jobwarden.sources.process.state import processes_folder
from jobwarden_registry.paths import machine_id
from support.agent import agent
from support.cluster import Cluster
from support.household import Household, cli, eventually, household
from support.processes import Warden, pid_of


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        made.env["CLAUDE_CODE_SESSION_ID"] = "session-1"
        yield made
        Warden(processes_folder(made.env)).clean()


async def start(home: Household, gate: Path) -> Started:
    """Start a program as a starter does that dies before it can register it."""
    return await start_process(
        ["sh", "-c", f"read word <{gate}; exit 4"],
        cwd=home.project,
        env=home.env,
        folder=processes_folder(home.env),
        machine_id=machine_id(home.env),
    )


async def test_a_supervised_program_that_nobody_watches_is_found_adopted_and_seen_to_end(home: Household) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    job = await start(home, gate)
    view = json.loads(cli(home, "discover", "--type", "process", "--json").stdout)
    (found,) = view["jobs"]
    assert (found["id"], found["phase"], found["host"]) == (job.id, "running", "localhost")
    assert f"read word <{gate}" in found["what"]
    assert home.active() == []

    adopted = json.loads(cli(home, "discover", "--adopt", job.id, "--json").stdout)
    assert [one["id"] for one in adopted["adopted"]] == [job.id]
    assert f'"pid": {pid_of(job)}' in json.dumps(home.active()[0]["facts"])
    assert json.loads(cli(home, "discover", "--type", "process", "--json").stdout)["jobs"] == []
    gate.write_text("enough\n", encoding="utf-8")
    waited = cli(home, "wait", job.id, "--timeout", "60", "--json")
    assert json.loads(waited.stdout)["jobs"][0]["status"] == "EXITED 4"
    assert waited.returncode == 3


async def test_one_that_has_ended_is_not_listed(home: Household) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    await start(home, gate)
    gate.write_text("enough\n", encoding="utf-8")
    eventually(lambda: list(processes_folder(home.env).glob("*/result.json")), "it has ended")
    assert json.loads(cli(home, "discover", "--json").stdout)["jobs"] == []


@pytest.mark.slurm
async def test_an_agent_finds_jobs_that_it_did_not_register_and_adopts_one_or_all(
    home: Household, cluster: Cluster
) -> None:
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
    ended = cluster.sbatch("--wrap", "true")
    plain, watched = (cluster.sbatch("-J", name, "--wrap", "sleep 300") for name in ("found-me", "mine"))
    array = cluster.sbatch("-J", "sweep", "--array", "1-3", "--begin", "now+1hour", "--wrap", "sleep 300")
    of_bob = cluster.sbatch("--wrap", "sleep 300", user="bob")
    mine = {plain, watched, array}
    cluster.wait_for(ended, {"COMPLETED"})
    try:
        async with agent(home) as caller:
            await caller.call("register_job", type="slurm", id=watched, host="cluster-a")
            said = await caller.call("discover_jobs", host="cluster-a", type="slurm")
            rows = {line.split("\t")[0]: line for line in said.splitlines()}
            assert {f"slurm:{plain}", f"slurm:{array}"} <= set(rows), said
            assert not {f"slurm:{one}" for one in (ended, watched, of_bob)} & set(rows), said
            assert "found-me" in rows[f"slurm:{plain}"]
            assert "PENDING 3" in rows[f"slurm:{array}"]
            assert "this session watches 1" in said

            said = await caller.call("discover_jobs", host="cluster-a", adopt=[plain, array])
            assert "adopted 2" in said
            active = {str(row["id"]): row for row in home.active()}
            assert set(active) == mine
            assert active[plain]["job_name"] == "found-me"
            assert f"slurm:{plain}" not in await caller.call("discover_jobs", host="cluster-a", type="slurm")
    finally:
        cluster.slurm("scancel", *mine, of_bob)


@pytest.mark.slurm
async def test_a_queue_that_cannot_be_asked_is_said_and_is_no_empty_list(
    home: Household, faulty_cluster: Cluster
) -> None:
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(f"Include {faulty_cluster.ssh_config}\n", encoding="utf-8")
    with faulty_cluster.hidden("squeue"):
        silent = cli(home, "discover", "--host", "cluster-a", "--type", "slurm")
    assert silent.returncode == 4
    assert "slurm on cluster-a could not be asked" in silent.stdout
