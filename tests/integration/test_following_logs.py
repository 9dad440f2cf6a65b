"""`jobwarden tail -f`, the real command: of real Slurm jobs over a real sshd, and of programs of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.household import Household, eventually, household
from support.household import cli as run_cli
from support.watched import HOST, use_cluster

RUNS = """#!/bin/sh
run=${SLURM_RESTART_COUNT:-0}
echo "run $run begins"
[ "$run" = 0 ] && exec sleep 300
printf '\\033[31mrun %%s\\033[0m ends\\nno newline' "$run"
exit %d
"""
BURST = """#!/usr/bin/perl
$| = 1;
print "ready\\n";
select(undef, undef, undef, 0.05) until -e "go";
for (1 .. %d) { print "line $_\\n"; select(undef, undef, undef, 0.002) if $_ %% 2; }
"""
LINES = 3000


class Follower:
    """A `jobwarden tail -f` that runs, and what it has printed."""

    def __init__(self, home: Household, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobwarden.cli.main", "tail", "-f", *words],
            env=home.env,
            cwd=home.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out = b""
        self.err = b""
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = self._process.stdout if name == "out" else self._process.stderr
        assert stream is not None
        while piece := os.read(stream.fileno(), 65536):
            setattr(self, name, getattr(self, name) + piece)

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def said(self) -> list[str]:
        return self.err.decode().splitlines()

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 90
        while not condition() and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert condition(), f"{what}: {self.out!r} {self.err!r}"

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, timeout_s: float = 90) -> int:
        code = self._process.wait(timeout_s)
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join()
            if stream is not None:
                stream.close()
        return code

    def kill(self) -> None:
        self._process.kill()
        self.end()


@contextmanager
def following(home: Household, *words: str) -> Generator[Follower]:
    follower = Follower(home, *words)
    try:
        yield follower
    finally:
        follower.kill()


def cli(home: Household, *words: str) -> subprocess.CompletedProcess[str]:
    done = run_cli(home, *words, timeout_s=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        made.env["CLAUDE_CODE_SESSION_ID"] = "session-1"
        yield made


def requeue(cluster: Cluster, home: Household, *jobs: str) -> None:
    """Send jobs back to the queue, and let them start soon."""
    for job in jobs:
        cluster.slurm("scontrol", "requeue", job)
    eventually(lambda: home.kinds().count("requeued") == len(jobs), "the requeues are journaled", 60)
    for job in jobs:  # not in the second in which slurmd killed the run before, which it would refuse
        cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now+3seconds")


@pytest.mark.slurm
@pytest.mark.sshd
def test_requeued_jobs_are_followed_through_whatever_becomes_of_their_files_until_they_end(
    home: Household, faulty_cluster: Cluster
) -> None:
    use_cluster(home, faulty_cluster)
    stories = {"appends": 0, "truncates": 4, "moves": 0}
    ids: dict[str, str] = {}
    for name, status in stories.items():
        mode = "truncate" if name == "truncates" else "append"
        ids[name] = faulty_cluster.sbatch(
            "--requeue", "-J", name, f"--open-mode={mode}", "-o", f"{name}.log", script=RUNS % status
        )
    cli(home, "register", "slurm", *ids.values(), "--host", HOST)
    with following(home, *ids.values()) as follower:
        follower.until(lambda: len(follower.lines) == 3, "the first runs are shown")
        assert sorted(follower.lines) == [f"{name}| run 0 begins" for name in sorted(stories)]
        eventually(lambda: all(row["phase"] == "running" for row in home.active()), "they are seen to run")
        # Its second run finds no file of that name, and makes one.
        assert faulty_cluster.run(["mv", "moves.log", "moves.log.1"]).returncode == 0
        requeue(faulty_cluster, home, *ids.values())
        code = follower.end(120)
    for name in stories:
        mine = [line.partition("| ")[2] for line in follower.lines if line.startswith(f"{name}| ")]
        # slurmstepd's own word of the requeue is in the files that were not truncated
        assert [line for line in mine if "slurmstepd" not in line] == [
            "run 0 begins",
            "run 1 begins",
            "run 1 ends",
            "no newline",
        ]
        notes = [line.partition(": ")[2] for line in follower.said if line.startswith(f"{name}: ")]
        assert "it was requeued: run 2" in notes
        changed = {"truncates": "was truncated", "moves": "was replaced"}
        assert [word for note in notes for word in changed.values() if word in note] == [
            word for kind, word in changed.items() if kind == name
        ]
        word = "FAILED" if name == "truncates" else "COMPLETED"
        (ended,) = [line for line in follower.said if line.startswith(f"{name} ({ids[name]}) on {HOST}: ")]
        assert f": {word} after " in ended
    assert code == 3  # one failed
    assert b"\x1b" not in follower.out + follower.err  # neither is a terminal


@pytest.mark.slurm
@pytest.mark.sshd
def test_no_line_is_lost_or_doubled_in_a_burst_in_which_the_connection_breaks(
    home: Household, faulty_cluster: Cluster
) -> None:
    use_cluster(home, faulty_cluster)
    job = faulty_cluster.sbatch("-J", "burst", script=BURST % LINES)
    cli(home, "register", "slurm", job, "--host", HOST)
    with following(home, job) as follower:
        follower.until(lambda: follower.lines == ["ready"], "it has begun")
        (faulty_cluster.home() / "go").touch()
        follower.until(lambda: len(follower.lines) > LINES // 10, "lines are shown")
        faulty_cluster.drop_sessions()
        code = follower.end()
    assert follower.lines == ["ready", *(f"line {number}" for number in range(1, LINES + 1))]
    assert code == 0


def test_ctrl_c_ends_it_quietly(home: Household) -> None:
    cli(home, "run", "--name", "long", "--", "sh", "-c", "echo here; sleep 300")
    with following(home, "long") as follower:
        follower.until(lambda: follower.lines == ["here"], "it is shown")
        follower.send(signal.SIGINT)
        assert follower.end() == 130
    assert follower.err.strip() == b""
    cli(home, "cancel", "long")


def test_it_ends_when_its_reader_has_left_though_the_log_is_silent(home: Household) -> None:
    cli(home, "run", "--name", "long", "--", "sh", "-c", "echo here; sleep 300")
    words = f"{sys.executable} -m jobwarden.cli.main tail -f long; echo $? >code"
    done = subprocess.run(
        ["sh", "-c", f"{{ {words}; }} | head -n 1"],
        env=home.env,
        cwd=home.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"here\n", b"")
    assert (home.project / "code").read_text() == "141\n"
    cli(home, "cancel", "long")
