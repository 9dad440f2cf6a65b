"""`jobwarden demo` as people run it: what it shows, and what it leaves behind (nothing)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from support.cluster import Cluster

DEMO = [sys.executable, "-m", "jobwarden.cli.main", "demo"]


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Give the demo a temporary directory of its own, in which leftovers show."""
    with tempfile.TemporaryDirectory(prefix="jwd-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def _processes_of(scratch: Path) -> list[str]:
    """Give the command lines of the processes that were started with this temporary directory."""
    mark = f"TMPDIR={scratch}".encode()
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return [line for line in found if line]


def _nothing_left(scratch: Path) -> None:
    deadline = time.monotonic() + 10
    while _processes_of(scratch) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(scratch) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.slurm
@pytest.mark.sshd
def test_the_demo_on_a_cluster_keeps_its_promises_and_leaves_nothing(
    cluster: Cluster, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBWARDEN_SSH_CONFIG", str(cluster.ssh_config))
    ran = subprocess.run(
        [*DEMO, "--host", "cluster-a", "--seconds", "4"], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "agent calls register_job" in ran.stdout
    assert "COMPLETED" in ran.stdout
    assert "done, all is well" in ran.stdout
    assert ran.stdout.endswith("All went as promised.\n")
    assert "BROKEN" not in ran.stdout
    _nothing_left(scratch)
    assert list(cluster.home("alice").glob("demo-train-*")) == []


@pytest.mark.parametrize("after", ["agent calls check_status", "agent calls wait_for_change"])
def test_a_demo_that_is_interrupted_stops_its_job_and_leaves_nothing(scratch: Path, after: str) -> None:
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    demo = subprocess.Popen(
        [*DEMO, "--local", "--seconds", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if after in line:
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, said + out + err
    assert "Traceback" not in err
    _nothing_left(scratch)


def test_a_host_that_cannot_be_reached_is_said_in_words(scratch: Path) -> None:
    ran = subprocess.run([*DEMO, "--host", "nowhere.invalid"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 4
    assert ran.stderr.startswith("jobwarden: ")
    assert "Traceback" not in ran.stderr
    _nothing_left(scratch)
