"""The MCP Inspector's command line against the real server: a client of strangers, in both protocol eras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.household import Household, household
from support.node import Node, node

SERVER = Path(sys.executable).with_name("jobwarden")
OK, TOOL_ERROR = 0, 5
"""The Inspector's exit codes (2.12)."""

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def tools() -> Node:
    return node()


@pytest.fixture
def home(clean_environment: Path) -> Generator[Household]:
    with household(clean_environment) as made:
        yield made


class Inspector:
    """Runs one method a call, each in a server process of its own."""

    def __init__(self, tools: Node, home: Household, era: str = "legacy") -> None:
        self._tools = tools
        self._home = home
        self._era = era

    def run(self, method: str, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a method; gives the exit code and the answer."""
        env = {**self._home.env, "CLAUDE_CODE_SESSION_ID": "session-1"}
        handed_on = [word for pair in env.items() for word in ("-e", "=".join(pair))]
        era = ["--protocol-era", self._era]
        done = subprocess.run(
            [
                *self._tools.inspector,
                *handed_on,
                str(SERVER),
                "serve",
                *era,
                "--format",
                "json",
                "--method",
                method,
                *words,
            ],
            env=self._tools.environment({**os.environ, **self._home.env}),
            cwd=self._home.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.returncode, json.loads(lines[0])["result"]

    def call(self, tool: str, **arguments: object) -> str:
        """Call a tool that must succeed; gives its text."""
        code, result = self.run("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        (block,) = result["content"]
        assert code == OK, block["text"]
        return str(block["text"])


@pytest.fixture(params=["legacy", "modern"])
def inspector(request: pytest.FixtureRequest, tools: Node, home: Household) -> Inspector:
    return Inspector(tools, home, request.param)


def test_the_inspector_lists_the_tools_and_finds_their_schemas_portable(inspector: Inspector) -> None:
    code, result = inspector.run("tools/list", "--strict")
    assert code == OK
    assert [tool["name"] for tool in result["tools"]] == [
        "register_job",
        "check_status",
        "wait_for_change",
        "tail_log",
        "diagnose_job",
        "cancel_job",
        "control_job",
        "discover_jobs",
        "watch_log",
        "job_history",
    ]


def test_the_inspector_follows_a_local_program(inspector: Inspector, home: Household) -> None:
    started = subprocess.run(
        [str(SERVER), "run", "--name", "little", "--json", "--", "sh", "-c", "echo step 1; exit 3"],
        env={**home.env, "CLAUDE_CODE_SESSION_ID": "session-1"},
        cwd=home.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "little" in started.stdout
    assert "EXITED 3" in inspector.call("wait_for_change", jobs=["little"], until="terminal", timeout_s=30)
    assert "1 of 1 completed (1 failed)" in inspector.call("check_status")
    assert "step 1" in inspector.call("tail_log", job="little")
    code, result = inspector.run("resources/read", "--uri", "jobs://little")
    assert code == OK
    assert json.loads(result["contents"][0]["text"])["exit_code"] == 3


def test_the_inspector_is_told_what_was_wrong(inspector: Inspector) -> None:
    code, result = inspector.run("tools/call", "--tool-name", "check_status", "--tool-args-json", '{"job": "1"}')
    assert code == TOOL_ERROR
    assert "`job`: is not an argument" in result["content"][0]["text"]


@pytest.mark.slurm
def test_the_inspector_registers_a_job_of_the_cluster_and_sees_its_state(
    inspector: Inspector, home: Household, cluster: Cluster
) -> None:
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
    job = cluster.sbatch("-J", "jw-inspected", "--wrap", "echo from the cluster; sleep 3")
    said = inspector.call("register_job", type="slurm", id=job, host="cluster-a", description="seen by the Inspector")
    assert f"registered: slurm:{job} on cluster-a" in said
    assert job in inspector.call("check_status")
    said = ""
    for _ in range(6):
        said += inspector.call("wait_for_change", jobs=[job], until="terminal", timeout_s=20)
        if "COMPLETED" in said:
            break
    assert "COMPLETED" in said
    assert "1 of 1 completed" in inspector.call("check_status")
