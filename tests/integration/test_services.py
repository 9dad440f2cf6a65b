"""Real services that run before they are up: on this machine, and on a node of a real Slurm."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobwarden.sources.process.state import processes_folder
from support.agent import agent
from support.cluster import Cluster
from support.household import Household, cli, eventually, household
from support.processes import Warden

# It says where it is, serves 503 once the first line came, and 200 once the second did.
_SERVICE = """
import http.server, sys, threading
gate, port = sys.argv[1], int(sys.argv[2])
class Answers(http.server.BaseHTTPRequestHandler):
    up = False
    def do_GET(self):
        self.send_response(200 if self.up and self.path == "/health" else 503)
        self.end_headers()
print("loading", flush=True)
open(gate).read()
server = http.server.HTTPServer(("127.0.0.1", port), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", flush=True)
open(gate).read()
Answers.up = True
print("Application startup complete", flush=True)
open(gate).read()
sys.exit(5)
"""


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        made.env["CLAUDE_CODE_SESSION_ID"] = "session-1"
        yield made
        Warden(processes_folder(made.env)).clean()


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def view(home: Household, *words: str) -> dict[str, Any]:
    (job,) = json.loads(cli(home, *words, "--json").stdout)["jobs"]
    return dict(job)


def looked(home: Household, said: str = "Not up yet") -> bool:
    """Whether the latest look for it said that."""
    files = [path for path in (home.places.runtime / "ledger").iterdir() if path.is_file()]
    return any(said in path.read_text(encoding="utf-8", errors="replace") for path in files)


_STEPS = ("listening", "Application startup complete")
"""What it writes after each gate; two gates opened at once would be one to it."""


def has_written(log: Path, text: str) -> bool:
    return log.exists() and text in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(("shows", "at_gate"), [("{port}", 1), ("{port}/health", 2), ("~ startup complete$", 2)])
def test_a_service_is_up_only_when_what_shows_it_is_there(home: Household, port: int, shows: str, at_gate: int) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    words = [
        "--name",
        "svc",
        "--ready",
        shows.format(port=port),
        "--",
        sys.executable,
        "-c",
        _SERVICE,
        str(gate),
        str(port),
    ]
    ran = cli(home, "run", *words)
    assert ran.returncode == 0, ran.stderr
    for opened in range(at_gate):
        said = "error: 503" if opened == 1 and "/" in shows else "Not up yet"
        eventually(partial(looked, home, said), f"it was looked for: {said}")
        shown = view(home, "status")
        assert (shown["phase"], shown["ready"]) == ("running", False), f"after gate {opened}"
        if opened == 0:
            assert "not up yet" in cli(home, "status").stdout
        gate.write_text("", encoding="utf-8")
        eventually(partial(has_written, Path(shown["log_path"]), _STEPS[opened]), _STEPS[opened])
    waited = cli(home, "wait", "svc", "--until", "ready", "--timeout", "60", "--json")
    assert waited.returncode == 0, waited.stdout
    shown = view(home, "status")
    assert (shown["phase"], shown["ready"]) == ("running", True)
    (event,) = [event for event in home.journal() if event.event == "ready"]
    assert event.evidence is not None
    assert "is there" in event.evidence.rule
    for step in _STEPS[at_gate:]:
        gate.write_text("", encoding="utf-8")
        eventually(partial(has_written, Path(shown["log_path"]), step), step)
    gate.write_text("", encoding="utf-8")
    assert cli(home, "wait", "svc", "--timeout", "60").returncode == 3
    assert view(home, "status")["ready"] is None
    assert home.kinds().count("ready") == 1


def test_a_wait_for_a_service_ends_when_it_dies_before_it_is_up(home: Household, port: int) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    cli(home, "run", "--name", "svc", "--ready", str(port), "--", "sh", "-c", f"read word <{gate}; exit 4")
    eventually(lambda: looked(home), "it was looked for")
    gate.write_text("go\n", encoding="utf-8")
    waited = cli(home, "wait", "svc", "--until", "ready", "--timeout", "60", "--json")
    assert waited.returncode == 3
    assert json.loads(waited.stdout)["waited_s"] < 60
    assert "ready" not in home.kinds()


@pytest.mark.slurm
async def test_a_deployment_on_a_node_is_running_before_it_is_up_and_the_agent_is_told(
    home: Household, cluster: Cluster, port: int
) -> None:
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
    folder = cluster.home() / f"service-{port}"
    cluster.run(["mkdir", str(folder)])
    cluster.run(["mkfifo", str(folder / "gate")])
    program = f"exec python3 -c '{_SERVICE}' {folder}/gate {port}"
    job = cluster.sbatch("-J", "vllm", "--chdir", str(folder), "--wrap", program)
    try:
        async with agent(home) as caller:
            await caller.call("register_job", type="slurm", id=job, host="cluster-a", ready=f"{port}/health")
            cluster.wait_for(job, {"RUNNING"})
            eventually(lambda: looked(home), "it was looked for", within_s=30)
            assert "not up yet" in await caller.call("check_status")
            for step in _STEPS:
                cluster.run(["sh", "-c", f": > {folder}/gate"])
                eventually(partial(has_written, folder / f"slurm-{job}.out", step), step)
            said = await caller.call("wait_for_change", until="ready", timeout_s=60)
            assert "It is up: port" in said, said
            assert "\tup" in said, said
    finally:
        cluster.slurm("scancel", job)
