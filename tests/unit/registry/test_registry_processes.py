"""Real processes on one session: none loses another's work, none that is killed loses its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from jobwarden_registry.session import Session
from unit.registry.registry_rig import Rig, reconcile, register, slurm, update

WORKER = Path(__file__).with_name("registry_worker.py")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces")


def _real(rig: Rig) -> Session:
    """Open the session with the real clock, pids and locks."""
    return Session(rig.places, rig.entry(), lock_timeout_s=60.0)


@dataclass
class Worker:
    """A running worker, and what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list[str])
    heard: threading.Condition = field(default_factory=threading.Condition)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.heard:
                self.said.append(line.strip())
                self.heard.notify_all()

    def wait_for(self, word: str, count: int = 1, timeout_s: float = 60.0) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: sum(line.startswith(word) for line in self.said) >= count, timeout_s), (
                self.said[-5:]
            )

    def words(self, word: str) -> list[str]:
        return [line.partition(" ")[2] for line in self.said if line.startswith(f"{word} ")]


def _pid_inside(worker: Worker) -> int:
    """Find the worker itself below `unshare`, by its real pid."""
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children").read_text().split()
    return int(children[0]) if children else worker.process.pid


@contextmanager
def _workers(*commands: Sequence[str]) -> Generator[list[Worker]]:
    """Run these programs side by side, and leave none behind."""
    started: list[Worker] = []
    threads: list[threading.Thread] = []
    pipes: list[IO[str]] = []
    try:
        for command in commands:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdin is not None
            assert process.stdout is not None
            pipes += [process.stdin, process.stdout]
            started.append(Worker(process))
            threads.append(threading.Thread(target=started[-1].listen))
            threads[-1].start()
        yield started
    finally:
        for worker in started:
            if worker.process.poll() is None:
                for pid in {_pid_inside(worker), worker.process.pid}:
                    os.kill(pid, signal.SIGKILL)
            worker.process.wait(30)
        for thread in threads:
            thread.join(30)
        for pipe in pipes:
            pipe.close()


def _command(mode: str, rig: Rig, **options: object) -> list[str]:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return [sys.executable, str(WORKER), mode, str(rig.root), *words]


def _node(name: str, command: list[str]) -> list[str]:
    """Run a command on another login node: its own pids, its own host name, its own local disk."""
    return [
        "unshare", "--pid", "--fork", "--uts", "--mount-proc", "--kill-child", "sh", "-c",
        f'hostname {name} && exec "$@"', "sh", *command,
    ]  # fmt: skip


# -- one machine


def test_eight_processes_of_500_updates_lose_none(rig: Rig) -> None:
    register(_real(rig), slurm())
    commands = [_command("count", rig, rounds=500, stale_s=10) for _ in range(8)]
    with _workers(*commands) as workers:
        for worker in workers:
            assert worker.process.wait(300) == 0
    (job,) = rig.process().load()
    assert job.reason == "4000"
    assert [event.seq for event in rig.events()] == list(range(1, 4002))
    assert rig.read()[0]["reason"] == "4000"
    assert not list(rig.folder.glob("*lock*"))


def _check_after_kill(rig: Rig, worker: Worker) -> None:
    """Compare what the killed worker said with what is on disk."""
    reconcile(_real(rig))
    events = rig.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    happened = Counter((str(event.event), event.job_id) for event in events)
    assert max(happened.values(), default=1) == 1
    for said, kind in (("registered", "registered"), ("changed", "status_change"), ("finished", "finished")):
        for job_id in worker.words(said):
            assert happened[kind, job_id] == 1, f"{job_id} was acknowledged as {said}"
    tried, ending = set(worker.words("try")), set(worker.words("ending"))
    alive = {job.id for job in _real(rig).load()} & tried
    ended = {event.job_id for event in events if event.event == "finished"} & tried
    assert alive | ended >= set(worker.words("registered"))
    assert alive & ended == set()
    assert ended <= ending
    assert Counter(entry["id"] for entry in rig.read() if entry["id"] in tried) == Counter(alive)


def _kill_again_and_again(rig: Rig, seconds: float, seed: int) -> int:
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < until:
        with _workers(_command("churn", rig, seed=kills)) as (worker,):
            worker.wait_for("registered", chance.randint(1, 4))
            threading.Event().wait(chance.uniform(0, 0.03))
            worker.process.kill()
            worker.process.wait(30)
        kills += 1
        _check_after_kill(rig, worker)
    # What the killed ones left alive can still be ended, each once.
    with _workers(_command("finish-all", rig)) as (worker,):
        assert worker.process.wait(120) == 0
    events = rig.events()
    assert Counter(event.uid for event in events if event.event == "finished") == Counter(
        event.uid for event in events if event.event == "registered"
    )
    assert rig.read() == []
    return kills


def test_kill_9_at_random_points_loses_no_job_and_doubles_no_event(rig: Rig) -> None:
    assert _kill_again_and_again(rig, 12.0, seed=int(os.environ.get("JOBWARDEN_TEST_SEED", "1"))) >= 5


@pytest.mark.long
def test_kill_9_at_random_points_for_ten_minutes(rig: Rig) -> None:
    assert _kill_again_and_again(rig, 600.0, seed=int(time.time())) >= 300


def test_several_are_killed_while_others_go_on(rig: Rig) -> None:
    register(_real(rig), slurm("0"))
    with _workers(*(_command("churn", rig, seed=seed, rounds=12) for seed in range(1, 5))) as workers:
        for worker in workers[:2]:
            worker.wait_for("changed", 3)
            worker.process.kill()
            worker.process.wait(30)
        for worker in workers[2:]:
            assert worker.process.wait(120) == 0
    for worker in workers:
        _check_after_kill(rig, worker)


# -- two login nodes over one home


@root_only
@pytest.mark.parametrize("exclude", ["nobody", "error", "flock"])
def test_two_login_nodes_over_one_home_lose_no_update(rig: Rig, exclude: str) -> None:
    """Namespaces as hosts: neither sees the other's pids, each has its own local disk, and flock does nothing."""
    register(_real(rig), slurm())
    for node in ("a", "b"):
        (rig.root / node).mkdir(mode=0o700)
    commands = [
        _node(f"login-{node}", _command("count", rig, rounds=100, runtime=node, exclude=exclude, stale_s=5))
        for node in ("a", "b")
        for _ in range(2)
    ]
    with _workers(*commands) as workers:
        for worker in workers:
            assert worker.process.wait(120) == 0
    assert rig.process().load()[0].reason == "400"
    assert [event.seq for event in rig.events()] == list(range(1, 402))


@root_only
def test_two_login_nodes_end_each_job_once(rig: Rig) -> None:
    register(_real(rig), *(slurm(str(number)) for number in range(60)))
    for node in ("a", "b"):
        (rig.root / node).mkdir(mode=0o700)
    commands = [
        _node(f"login-{node}", _command("finish-all", rig, runtime=node, exclude="nobody", stale_s=5)) for node in "ab"
    ]
    with _workers(*commands) as workers:
        for worker in workers:
            assert worker.process.wait(120) == 0
    said = Counter(job_id for worker in workers for job_id in worker.words("finished"))
    assert said == Counter(str(number) for number in range(60))
    assert Counter(event.job_id for event in rig.events() if event.event == "finished") == said
    assert rig.read() == []


@root_only
@pytest.mark.parametrize("change", ["write events.jsonl", "fsync events.jsonl", "rename", "unlink lock"])
def test_a_node_that_dies_with_the_lock_needs_no_hand(rig: Rig, change: str) -> None:
    """The other node cannot see that the holder is dead; it sees that nothing changes."""
    register(_real(rig), slurm())
    for node in ("a", "b"):
        (rig.root / node).mkdir(mode=0o700)
    churn = _command("churn", rig, runtime="a", exclude="error", stale_s=1, seed=1, die_before=change, die_at=2)
    with _workers(_node("login-a", churn)) as (worker,):
        assert worker.process.wait(60) != 0
    assert (rig.folder / "lock").exists(), "it died without the lock"
    churn = _command("churn", rig, runtime="b", exclude="error", stale_s=1, seed=2, rounds=1)
    with _workers(_node("login-b", churn)) as (other,):
        assert other.process.wait(60) == 0
    _check_after_kill(rig, worker)
    _check_after_kill(rig, other)


@root_only
def test_the_lease_goes_over_when_its_node_dies_and_both_never_act_at_once(rig: Rig) -> None:
    register(_real(rig), slurm())
    for node in ("a", "b"):
        (rig.root / node).mkdir(mode=0o700)
    commands = [
        _node(f"login-{node}", _command("watch", rig, runtime=node, exclude="nobody", lease_s=1, stale_s=1, seed=seed))
        for seed, node in enumerate("ab")
    ]
    with _workers(*commands) as workers:
        first = _who_acts(workers)
        second = workers[1 - workers.index(first)]
        first.wait_for("acted", 5)
        assert second.words("acted") == []
        assert not any(line == "took" for line in second.said)
        os.kill(_pid_inside(first), signal.SIGKILL)
        first.process.wait(30)
        second.wait_for("took")
        second.wait_for("acted", 3)
        assert second.process.stdin is not None
        second.process.stdin.write("end\n")
        second.process.stdin.flush()
        assert second.process.wait(30) == 0
    acted = [(event.model_extra or {})["by"] for event in rig.events() if event.event == "note"]
    turn = workers.index(second)
    assert acted == sorted(acted, key=lambda by: by == turn), "the first one acted after the second had begun"
    assert json.loads((rig.folder / "lease.json").read_text())["epoch"] == 2


def _who_acts(workers: list[Worker]) -> Worker:
    for _ in range(600):
        for worker in workers:
            if "took" in worker.said:
                return worker
        threading.Event().wait(0.05)
    raise AssertionError("nobody took the lease")


@root_only
def test_a_watcher_that_was_stopped_writes_nothing_when_it_goes_on(rig: Rig) -> None:
    """SIGSTOP stands for a node that hung: it still believes that it holds the lease."""
    register(_real(rig), slurm())
    for node in ("a", "b"):
        (rig.root / node).mkdir(mode=0o700)
    commands = [
        _node(f"login-{node}", _command("watch", rig, runtime=node, exclude="nobody", lease_s=1, stale_s=1, seed=seed))
        for seed, node in enumerate("ab")
    ]
    with _workers(*commands) as workers:
        first = _who_acts(workers)
        second = workers[1 - workers.index(first)]
        first.wait_for("acted", 2)
        pid = _pid_inside(first)
        os.kill(pid, signal.SIGSTOP)
        second.wait_for("acted", 3)
        os.kill(pid, signal.SIGCONT)
        assert first.process.wait(60) != 0, "it must learn that it lost the lease"
    acted = [(event.model_extra or {})["by"] for event in rig.events() if event.event == "note"]
    turn = workers.index(second)
    assert acted == sorted(acted, key=lambda by: by == turn)


# -- one machine again: readers beside writers


def test_a_reader_without_the_lock_never_sees_a_job_missing(rig: Rig) -> None:
    (steady,) = register(_real(rig), slurm("steady"))
    reader = _real(rig)
    seen = 0
    with _workers(_command("churn", rig, rounds=60, seed=1)) as (worker,):
        while worker.process.poll() is None:
            jobs = {job.id: job for job in reader.load()}
            assert jobs["steady"].uid == steady.uid
            news = reader.journal.read(seen)
            assert [event.seq for event in news] == list(range(seen + 1, seen + len(news) + 1))
            seen += len(news)
    update(_real(rig), steady.uid, reason="still here")
