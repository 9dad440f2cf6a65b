"""What the watcher's process takes with 1,000 waiting jobs, in one session and in 20: CPU time and memory.

The real process over real SSH, with a poll of 5 s in place of a minute, so that there are some; figures are from
/proc, when the first answers have been written. A round's share is what is above that of the looks at the index.
Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio

from jobwarden.verdict.world import open_world
from jobwarden.watcher.spawn import ensure_watcher
from stage import a_cluster, a_home, cancel, register, submit
from support.cluster import Cluster
from support.household import Household, eventually

JOBS, ROUNDS, POLL_S = 1000, 8, 5.0
CLOCKS = {"poll_s": POLL_S, "quick_budget": 0, "floor_s": 1.0, "jitter": 0.0, "linger_s": 1.0}
_TICKS_S = os.sysconf("SC_CLK_TCK")


async def prepare(home: Household, ids: list[str], sessions: int) -> None:
    """Write the registries."""
    async with open_world(home.env) as world:
        register(home, world, ids, sessions=sessions)


def cpu_s(pid: int) -> float:
    """Give the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def memory_mib(pid: int, key: str) -> float:
    """Give VmRSS or VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key + ":"))


def answers(home: Household) -> int:
    """Give a number that changes with every answer."""
    return max((path.stat().st_mtime_ns for path in (home.places.runtime / "ledger").glob("*.answer.json")), default=0)


def wait_for_answer(home: Household, last: int) -> int:
    """Wait for the next one."""
    eventually(lambda: answers(home) != last, "an answer is kept", within_s=60)
    return answers(home)


def measure(cluster: Cluster, ids: list[str], sessions: int) -> None:
    """Watch one process for some rounds and print a line."""
    with a_home(cluster, CLOCKS) as home:
        anyio.run(prepare, home, ids, sessions)
        ensure_watcher(home.places, home.env, version="0.1.0")
        last = 0
        for _ in range(3):  # the first writes every state, the next reads it again
            last = wait_for_answer(home, last)
        pid = home.watcher_pid()
        assert pid is not None
        journals = list((home.places.state / "sessions").glob("*/events.jsonl"))
        size = sum(path.stat().st_size for path in journals)
        before, began = cpu_s(pid), time.monotonic()
        for _ in range(ROUNDS):
            last = wait_for_answer(home, last)
        used, took = cpu_s(pid) - before, time.monotonic() - began
        written = sum(path.stat().st_size for path in journals) - size
        print(
            f"{len(ids):>4} {sessions:>8}  {used / ROUNDS:>10.3f} s  {100 * used / took:>5.1f} %  "
            f"{memory_mib(pid, 'VmRSS'):>6.0f} MiB  {memory_mib(pid, 'VmHWM'):>6.0f} MiB  {written:>8} bytes",
            flush=True,
        )


def main() -> None:
    with a_cluster() as cluster:
        ids = submit(cluster, "--hold --wrap true", JOBS)
        try:
            print(f"{ROUNDS} rounds, poll {POLL_S:g} s")
            print("jobs sessions   CPU/round  of a core   memory  most of it       journaled")
            for jobs, sessions in ((1, 1), (JOBS, 1), (JOBS, 20)):
                measure(cluster, ids[:jobs], sessions)
        finally:
            cancel(cluster, ids)


if __name__ == "__main__":
    main()
