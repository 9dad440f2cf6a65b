"""The official MCP conformance suites against the product's own stack over HTTP, in both protocol eras.

Each has an expected-failures file beside the fixtures, and fails when a scenario passes that is listed there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from support.node import Node, node

TESTS = Path(__file__).parents[1]
EXPECTED = TESTS / "protocol" / "conformance"

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def tools() -> Node:
    """Node.js and the suites."""
    return node()


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    """The product's stack with the suites' fixtures, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    argv = [sys.executable, "-m", "protocol.conformance.serve"]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        port = server.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}/mcp"
        server.stdin.close()
        assert server.wait(15) == 0


def _run(tools: Node, suite: list[str], selection: list[str], url: str, expected: str, folder: Path) -> str:
    failures = ["--expected-failures", str(EXPECTED / expected)]
    done = subprocess.run(
        [*suite, "server", "--url", url, *selection, *failures, "-o", str(folder)],
        env=tools.environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_every_scenario_of_the_stable_suite_passes_but_the_listed(tools: Node, url: str, tmp_path: Path) -> None:
    said = _run(tools, tools.conformance_2025, ["--suite", "all"], url, "expected-failures-0.1.16.yml", tmp_path)
    assert "Total: 44 passed, 1 failed" in said


@pytest.mark.parametrize(
    ("revision", "total"), [("2025-11-25", "81 passed, 1 failed"), ("2026-07-28", "193 passed, 3 failed")]
)
def test_every_requirement_of_a_revision_is_met_but_the_listed(
    tools: Node, url: str, tmp_path: Path, revision: str, total: str
) -> None:
    expected = f"expected-failures-{revision}.yml"
    said = _run(tools, tools.conformance_2026, ["--requirements", revision], url, expected, tmp_path)
    assert f"Total: {total}" in said
