"""Jobs of a real Slurm that fail in eleven ways, each diagnosed by way of the tool; two of them are distributed.

All are submitted at once and waited for together. Their causes are told by the `finished` event, and by the answer
that tells of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from cluster.errors import ClusterError
from cluster.processes import wait_until
from support.agent import Agent, agent
from support.cluster import Cluster, require_slurm, temporary_cluster
from support.household import Household, make_household
from support.watched import HOST, use_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

FORCED_END = Path(__file__).parents[1] / "cluster" / "forced_end.py"
HOG = "python3 -c 'a = [bytearray(10**7) for _ in range(100)]; import time; time.sleep(60)'"

TRAIN = """
import sys

def load(config):
    return config["model"]["hidden_size"]

def main():
    print("loading the configuration", flush=True)
    load({"model": {"layers": 2}})

main()
"""

PORT = """
import socket
one = socket.socket()
one.bind(("127.0.0.1", 0))
one.listen()
print("serving on", one.getsockname()[1], flush=True)
two = socket.socket()
two.bind(one.getsockname())
"""

# Ranks that wait for each other over sockets, as collectives do: one dies, and the others complain.
RANKS = """
import faulthandler, os, socket, sys, time
rank, world, way = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"]), sys.argv[1]
place = f"rendezvous-{os.environ['SLURM_JOB_ID']}"
faulthandler.enable()

def load_batch(step):
    if way == "crash":
        import ctypes
        ctypes.string_at(0)
    return {"tokens": [1, 2]}["labels"]

def receive(peer):
    if not peer.recv(1):
        time.sleep(0.3)
        raise ConnectionResetError(f"rank {rank}: Connection closed by peer")

def lead():
    server = socket.socket(socket.AF_UNIX)
    server.bind(place)
    server.listen()
    peers = [server.accept()[0] for _ in range(world - 1)]
    for step in range(100):
        for peer in peers:
            receive(peer)
        for peer in peers:
            peer.send(b".")

def follow():
    peer = socket.socket(socket.AF_UNIX)
    while peer.connect_ex(place):
        time.sleep(0.05)
    for step in range(100):
        print(f"step {step} loss={1.0 / (step + 1):.4f}", flush=True)
        if rank == 2 and step == 3:
            while not os.path.exists("gate"):
                time.sleep(0.05)
            load_batch(step)
        peer.send(b".")
        receive(peer)

lead() if rank == 0 else follow()
"""


@dataclass(frozen=True)
class Way:
    """One way to fail.

    Attributes:
        script: The batch script, below its first line.
        words: For sbatch.
        said: What the tool's answer must hold.
        cause: What the one line must hold that is told unasked; empty: nothing is asked of it.
    """

    script: str
    said: tuple[str, ...]
    cause: str = ""
    words: tuple[str, ...] = field(default=())


WAYS: Mapping[str, Way] = {
    "traceback": Way("python3 train.py", ("code_error", "KeyError", "hidden_size", "train.py", "> "), "train.py:5"),
    "module": Way("python3 -c 'import flash_attention_nowhere'", ("missing, module", "flash_attention_nowhere")),
    "command": Way("nonexistent_trainer --epochs 3", ("nonexistent_trainer", "after a change"), "nonexistent_trainer"),
    "disk": Way(
        'python3 -c \'open("/dev/full", "w").write("x" * 10**6)\'', ("disk_full", "No space left"), "disk was full"
    ),
    "port": Way("python3 port.py", ("port_in_use", "Address already in use", "port.py"), "port"),
    "memory": Way(HOG, ("out_of_memory", "asked for: ", "100M a node"), "memory", ("--mem=100M",)),
    "time": Way(
        "echo training; sleep 600",
        ("time_limit", "asked for: time ", "retry helps: after a change"),
        "time",
        ("-t", "5"),
    ),
    "cancelled": Way("echo training; sleep 600", ("cancelled", "root"), "root"),
    "ranks": Way(
        "srun -n 4 --overcommit --output=rank-%t.log python3 ranks.py raise",
        ("KeyError", "labels", "rank-2.log"),
        # What is told unasked has some seconds: on a slow machine the ranks' own logs are not read in that time.
        words=("-n", "4"),
    ),
    "array": Way(
        "test $SLURM_ARRAY_TASK_ID != 1 || python3 train.py",
        ("; of ", "_1", "KeyError", "hidden_size", "train.py"),
        "KeyError",
        ("--array=0-2",),
    ),
    "one log": Way(
        "srun -l -n 4 --overcommit python3 ranks.py crash",
        ("native_crash", "egmentation fault"),
        "rank 2",
        ("-n", "4"),
    ),
}


@dataclass
class Told:
    """What was said of the jobs.

    Attributes:
        jobs: Their ids.
        answers: What diagnose_job said of each.
        waited: What register_job and wait_for_change said in all.
        home: Whose journal tells their ends.
        cli: What the command line printed of one.
    """

    jobs: dict[str, str]
    answers: dict[str, str]
    waited: str
    home: Household
    cli: str = ""

    def cause(self, way: str) -> str:
        """The line in the event that ended it."""
        (end,) = [one for one in self.home.journal() if one.event == "finished" and one.job_id == self.jobs[way]]
        return str((end.record or {}).get("cause") or "")


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    require_slurm()
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            cluster = stack.enter_context(temporary_cluster(flavor="cgroup"))
        except ClusterError:  # the machine has no cgroups free: then nothing is really short of memory
            cluster = stack.enter_context(temporary_cluster())
        home = make_household(folder)
        use_cluster(home, cluster)
        yield anyio.run(failed_and_diagnosed, cluster, home)


async def failed_and_diagnosed(cluster: Cluster, home: Household) -> Told:
    for name, text in (("train.py", TRAIN), ("port.py", PORT), ("ranks.py", RANKS)):
        cluster.run(["tee", name], stdin=text)
    async with agent(home) as reader:
        jobs: dict[str, str] = {}
        for way, one in WAYS.items():
            script = f"#!/bin/bash\n{one.script}\n"
            jobs[way] = await to_thread.run_sync(lambda: cluster.sbatch("-J", way, *one.words, script=script))  # noqa: B023 -- awaited here
        first = await reader.call("register_job", type="slurm", id=list(jobs.values()), host=HOST)
        await to_thread.run_sync(brought_about, cluster, jobs)
        waited = first + await until_all_have_ended(reader, list(jobs.values()))
        answers = {way: await reader.call("diagnose_job", job=job) for way, job in jobs.items()}
    done = await to_thread.run_sync(command_line, home, jobs["traceback"])
    return Told(jobs, answers, waited, home, done)


def brought_about(cluster: Cluster, jobs: Mapping[str, str]) -> None:
    """End those that would live on."""
    for way in ("time", "cancelled", *([] if has_cgroups(cluster) else ["memory"])):
        cluster.wait_for(jobs[way], {"RUNNING"})
    # Its time is up when slurmctld looks next, which is every 30 seconds.
    cluster.slurm("scontrol", "update", f"JobId={jobs['time']}", "EndTime=now+2seconds")
    cluster.slurm("scancel", jobs["cancelled"])
    # Accounting hears of steps some seconds late, and it alone knows where their ranks write.
    for way in ("ranks", "one log"):
        words = "-n", "-P", "-o", "JobID,State", "-j", jobs[way]
        assert wait_until(lambda: f"{jobs[way]}.0|" in cluster.sacct(*words), timeout_s=90)  # noqa: B023 -- called here
    cluster.run(["touch", "gate"])
    if not has_cgroups(cluster):
        cluster.slurm(sys.executable, str(FORCED_END), "OUT_OF_MEMORY", jobs["memory"])


def has_cgroups(cluster: Cluster) -> bool:
    return "proctrack/cgroup" in cluster.slurm_conf.read_text(encoding="utf-8")


async def until_all_have_ended(reader: Agent, jobs: list[str]) -> str:
    said: list[str] = []
    for _ in range(10):
        said.append(await reader.call("wait_for_change", jobs=jobs, until="all_terminal", timeout_s=30))
        if "has not happened yet" not in said[-1] and "No change" not in said[-1]:
            return "\n".join(said)
    raise AssertionError("\n".join(said))


def command_line(home: Household, job: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jobwarden.cli.main", "diagnose", job, "--session", "session-1"],
        env=home.env,
        cwd=home.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_the_tool_says_why_it_failed(told: Told, way: str) -> None:
    answer = told.answers[way]
    missing = [word for word in WAYS[way].said if word not in answer]
    assert not missing, f"{missing} are not in:\n{answer}"
    assert len(answer) < 4000


@pytest.mark.parametrize("way", [way for way, one in WAYS.items() if one.cause])
def test_the_event_of_its_end_carries_the_cause(told: Told, way: str) -> None:
    assert WAYS[way].cause in told.cause(way)


def test_the_answer_that_tells_of_an_end_tells_the_cause_and_what_to_call_next(told: Told) -> None:
    assert f"cause: {told.cause('traceback')}" in told.waited
    assert "Next: diagnose_job(" in told.waited


def test_what_was_read_asked_for_and_used_is_said(told: Told) -> None:
    answer = told.answers["ranks"]
    assert "steps: " in answer
    assert "4 tasks" in answer
    assert "used: time " in answer


def test_the_command_line_says_the_same(told: Told) -> None:
    assert "KeyError" in told.cli
    assert "Start it again: " in told.cli
    assert "Asked for: " in told.cli
