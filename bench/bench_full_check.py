"""A whole round of the watcher over 100 and 1,000 jobs, beside the same two Slurm commands sent by hand.

A round reads the registry, asks squeue and sacct over SSH, judges every job, and keeps the answer for everybody. By
hand: the very squeue and sacct lines that jobwarden sends, one after the other on a connection that is open already,
with what they print thrown away. Both are measured in turn, 30 times each, so that a slow moment of the machine meets
both. In `nothing new` half of the jobs are arrays, about whose ended elements sacct is asked every time: that is the
full check for which there is a target. In the other case a tenth of the jobs have ended since the round before, and
their ends are journaled and forced to the disk: once in a job's life.
Needs root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median

import anyio
import asyncssh

from jobwarden.sources.slurm import commands
from stage import HOST, Ticker, a_cluster, a_home, a_ticker, cancel, register, submit, timed, wait_until_purged
from support.cluster import Cluster
from support.household import Household

TARGETS = {100: 1.2, 1000: 1.5}
PAIRS = 30
CLOCKS = {"floor_s": 0.0, "quick_budget": 0}
NONCE = "jw0123456789abcdef"


@asynccontextmanager
async def by_hand(cluster: Cluster, ids: Sequence[str]) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """Lend a call that sends the two lines and throws away what comes back."""
    squeue = f'squeue -h -a -t all -u "$(id -u)" -o {shlex.quote(commands.queue_format(NONCE))}'
    fields = ",".join(commands.ACCOUNT_FIELDS)
    sacct = f"sacct -n -P -X -D --delimiter={NONCE} -o {fields} -j {','.join(ids)}"
    async with asyncssh.connect(HOST, config=[str(cluster.ssh_config)]) as connection:

        async def send() -> None:
            for line in (squeue, sacct):
                await connection.run(line, check=True, stdin=asyncssh.DEVNULL)

        yield send


class Kept:
    """A home's folders as they stood, to be put back before each round."""

    def __init__(self, home: Household) -> None:
        self._home = home
        self._copy = home.root / "kept"
        self._folders = (home.project, Path(home.env["XDG_STATE_HOME"]))
        for number, folder in enumerate(self._folders):
            shutil.copytree(folder, self._copy / str(number))

    def put_back(self) -> None:
        """Undo what a round wrote; the ledger's answers are forgotten."""
        for number, folder in enumerate(self._folders):
            for path in (self._copy / str(number)).rglob("*"):
                if path.is_file():
                    shutil.copyfile(path, folder / path.relative_to(self._copy / str(number)))
        shutil.rmtree(self._home.places.runtime / "ledger", ignore_errors=True)


async def measure(
    cluster: Cluster, ids: Sequence[str], asked: Sequence[str], name: str, *, ends: Sequence[str], target: float | None
) -> None:
    """Measure one case and print its line.

    Args:
        cluster: Where.
        ids: The jobs that are watched.
        asked: Those of them about which sacct is asked.
        name: The case.
        ends: Those that each round finds to have ended.
        target: How much longer than by hand it may take, where that is said.
    """
    with a_home(cluster, CLOCKS) as home:
        async with a_ticker(home, counting=False) as ticker, by_hand(cluster, asked) as hand:
            register(home, ticker.world, ids)
            await ticker.tick()  # the first answer writes the first state
            await anyio.to_thread.run_sync(cancel, cluster, ends)
            await anyio.to_thread.run_sync(wait_until_purged, cluster)
            kept = Kept(home) if ends else None
            ours: list[float] = []
            hands: list[float] = []
            cpu: list[float] = []
            for number in range(PAIRS + 1):
                if kept is not None:
                    await anyio.to_thread.run_sync(kept.put_back)
                cpu_began = time.process_time()
                our_s, our_cpu_s = await timed(partial(_round, ticker, len(ends))), time.process_time() - cpu_began
                hand_s = await timed(hand)
                if number:  # the first of each opens the connection and fills caches
                    ours.append(our_s)
                    cpu.append(our_cpu_s)
                    hands.append(hand_s)
    ratio = median(ours) / median(hands)
    said = "" if target is None else f"   {'within' if ratio <= target else 'MISSES'} {target} x"
    print(
        f"{len(ids):>5}  {name:<18}  {median(ours):>9.3f} s  {median(hands):>7.3f} s   {ratio:>5.2f} x"
        f"   {median(cpu):.3f} s{said}",
        flush=True,
    )


async def _round(ticker: Ticker, ends: int) -> None:
    [result] = await ticker.tick()
    assert result.finished == ends, f"{result.finished} ended"


def measure_size(cluster: Cluster, size: int, target: float) -> None:
    """Measure all cases with so many jobs, and end them."""
    case = partial(measure, cluster, target=None)
    waiting = submit(cluster, "--hold --wrap true", size)
    arrays = submit(cluster, "--hold --array=0-1 --wrap true", size // 2)
    anyio.run(partial(case, waiting[: size // 2] + arrays, arrays, "nothing new", ends=(), target=target))
    cancel(cluster, arrays)
    some = waiting[: size // 10]
    anyio.run(partial(case, waiting, some, "a tenth have ended", ends=some))
    cancel(cluster, waiting[len(some) :])


def main() -> None:
    with a_cluster() as cluster:
        print(f"medians of {PAIRS} pairs, taken in turn")
        print(" jobs  case                 jobwarden    by hand   ratio   our CPU")
        for size, target in TARGETS.items():
            measure_size(cluster, size, target)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: what others run tells against us")


if __name__ == "__main__":
    main()
