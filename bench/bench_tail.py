"""The end of a log, and what is new in it, over SSH: beside `ssh HOST tail -n 80` on a connection that is open already.

Both ways read from loopback sshd, in turn. Ours is the whole way of the tool: find the job, resolve links on the host,
read, clean, mask, tell the news. Then what a search costs, the memory, and the tokens (bytes / 4) of an answer.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio

from jobwarden.mcp_server.text import tail_text
from jobwarden.service.service import Service, open_service
from jobwarden.service.views import TailView
from jobwarden.verdict.world import open_world
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord, LogPaths
from stage import HOST, a_cluster, a_home, timed
from support.cluster import Cluster
from support.household import Household

MIB = 1024 * 1024
SIZES = {"1 MB": MIB, "100 MB": 100 * MIB, "1 GB": 1024 * MIB}
ROUNDS = 30
NEW = "2026-11-21 12:00:00,123 INFO trainer step 5001 loss 1.2345 lr 1e-5\n" * 3


def line(number: int) -> str:
    time_of_day = f"10:{number // 60 % 60:02}:{number % 60:02},123"
    return f"2026-11-21 {time_of_day} INFO trainer step {number} loss 1.{number % 997} lr 1e-5\n"


def bar(epoch: int) -> str:
    """Write what tqdm writes: each state over the one before, in colour."""
    states = (
        f"\r\x1b[32mEpoch {epoch}\x1b[0m: {done:3}%|{'█' * (done // 5):<20}| {done}/100 [00:{done // 2:02}<00:10]"
        for done in range(101)
    )
    return "".join(states) + "\n"


def write(path: Path, size: int) -> None:
    """Write a log of that size: real lines at its end, and for the greatest a hole before them."""
    block = "".join(line(number) for number in range(14_000)).encode()
    with path.open("wb") as stream:
        if size > 200 * MIB:
            stream.truncate(size - 16 * len(block))
            stream.seek(0, 2)
        while stream.tell() < size:
            stream.write(block)


def training_log() -> str:
    """Give 5,000 lines, every tenth a progress bar of 101 states."""
    return "".join(bar(number // 10) if number % 10 == 9 else line(number) for number in range(5000))


@contextmanager
def master(cluster: Cluster) -> Generator[list[str]]:
    """Have a connection open, and give the words that use it."""
    with tempfile.TemporaryDirectory(prefix="jwm-") as folder:
        words = ["ssh", "-F", str(cluster.ssh_config), "-o", f"ControlPath={folder}/s"]
        subprocess.run([*words, "-fN", "-o", "ControlMaster=yes", HOST], check=True, stdin=subprocess.DEVNULL)
        try:
            yield [*words, HOST, "--"]
        finally:
            subprocess.run([*words, "-O", "exit", HOST], check=False, capture_output=True)


async def register(home: Household, logs: dict[str, Path]) -> None:
    """Write jobs into the registry that are known to write there."""
    now = datetime.now(UTC)
    async with open_world(home.env) as world:
        entry = SessionEntry(
            session_id="session-0",
            project=home.project,
            agent="claude-code",
            created_at=now,
            last_seen_at=now,
            client={},
        )
        with world.sessions.of(world.sessions.index.add(entry)).transaction() as transaction:
            for id_, path in logs.items():
                log = LogPaths(stdout=str(path), stderr=str(path))
                transaction.register(JobRecord(type="slurm", id=id_, host=HOST, registered_at=now, log=log))


async def in_turn(ours: Callable[[], Awaitable[object]], theirs: list[str]) -> tuple[float, float]:
    """Give the median seconds of both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        taken[0].append(await timed(ours))
        began = time.perf_counter()
        await anyio.run_process(theirs)
        taken[1].append(time.perf_counter() - began)
    return statistics.median(taken[0]), statistics.median(taken[1])


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def one_size(service: Service, home: Household, size: str, id_: str, path: Path, words: list[str]) -> None:
    """Measure one log."""
    caller = home.caller("session-0")
    theirs = [*words, "tail", "-n", "80", str(path)]
    last = await service.tail(caller, id_)

    async def tail() -> TailView:
        return await service.tail(caller, id_)

    async def since() -> TailView:
        nonlocal last
        with path.open("a") as stream:
            stream.write(NEW)
        last = await service.tail(caller, id_, cursor=last.cursor)
        assert last.text == f"{NEW.splitlines()[0]}\n… 3 times", last.text
        return last

    for what, ours in (("tail of 80 lines", tail), ("what is new", since)):
        mine, other = await in_turn(ours, theirs)
        print(
            f"{size:>7}  {what:<17} {mine * 1000:8.1f} ms {other * 1000:8.1f} ms {mine / other:7.2f} x"
            f" {peak_mib():7.0f} MiB"
        )


async def searches(service: Service, home: Household) -> None:
    """Measure searches of 100 MB."""
    caller = home.caller("session-0")
    for pattern in ("loss 1.5.5", "nowhere to be found"):
        began = time.perf_counter()
        view = await service.tail(caller, "2", grep=pattern, context=2)
        took = time.perf_counter() - began
        print(f" 100 MB  grep {pattern!r}: {took:.2f} s, peak {peak_mib():.0f} MiB; {view.note}")


async def tokens(service: Service, home: Household, path: Path, words: list[str]) -> None:
    """Compare the answer about a training log with what `tail` prints of it."""
    raw = (await anyio.run_process([*words, "tail", "-n", "80", str(path)])).stdout
    view = await service.tail(home.caller("session-0"), "4")
    answer = tail_text(view, datetime.now(UTC), lambda: "0123abcd").encode()
    print(
        f"tokens (bytes / 4) of a training log of 5,000 lines with progress bars: raw tail {len(raw) // 4}, "
        f"answer {len(answer) // 4}, {len(raw) / len(answer):.1f} x less"
    )


async def measure(cluster: Cluster, home: Household, logs: dict[str, Path]) -> None:
    """Measure all."""
    await register(home, logs)
    with master(cluster) as words:
        async with open_service(home.env, project=home.project) as service:
            print(
                f"medians of {ROUNDS} pairs\n    log  what               jobwarden    ssh tail     ratio  peak memory"
            )
            for (size, _), (id_, path) in zip(SIZES.items(), logs.items(), strict=False):
                await one_size(service, home, size, id_, path, words)
            await searches(service, home)
            await tokens(service, home, logs["4"], words)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> int:
    """Make the logs, measure, and take them away."""
    with (
        a_cluster() as cluster,
        a_home(cluster) as home,
        tempfile.TemporaryDirectory(prefix="logs-", dir=cluster.home()) as folder,
    ):
        Path(folder).chmod(0o755)
        logs = {str(at + 1): Path(folder) / f"{at + 1}.log" for at in range(4)}
        for size, path in zip(SIZES.values(), logs.values(), strict=False):
            write(path, size)
        logs["4"].write_text(training_log(), encoding="utf-8")
        anyio.run(measure, cluster, home, logs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
