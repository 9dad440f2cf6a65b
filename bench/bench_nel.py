"""What watching nel runs costs: calls of `nel` for each tick, and the time, against one `nel status --json` by hand.

On a real nel and a real Slurm, both of the tests; left out where these cannot be had. Of the ten runs one was really
submitted, the others are copies of it in nel's list of runs: nel asks for each apart.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import anyio

from cluster import install as install_slurm
from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.nel.source import NelSource
from jobwarden.transport.base import Completed
from jobwarden.transport.local import LocalTransport
from nel.install import install, program
from support.cluster import temporary_cluster
from support.household import make_household
from support.nel import NelLab, Task

RUNS = (1, 10)
TICK_S = 60
TICKS = 20


class Counting(LocalTransport):
    """This machine, with a count of the calls of nel."""

    calls = 0

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        self.calls += "status" in argv
        return await super().run(argv, timeout_s=timeout_s, stdin=stdin)


async def watch(nel: str, ids: Sequence[str], env: Mapping[str, str]) -> tuple[int, list[float], list[float]]:
    """Observe these runs for 20 ticks of a minute; gives the calls, and the times of ticks with and without one."""
    transport = Counting("localhost", env=env, clocks=Clocks())
    host = Host(transport=transport, machine_id="bench")
    moment = datetime.now(UTC)
    source = NelSource(clock=lambda: moment)
    facts: dict[str, dict[str, object]] = {one: {"nel": [nel]} for one in ids}
    asking: list[float] = []
    between: list[float] = []
    for _ in range(TICKS):
        before, began = transport.calls, time.perf_counter()
        wanted = [Wanted.model_validate({"id": one, "facts": facts[one]}) for one in ids]
        told = await source.observe(host, wanted)
        took = time.perf_counter() - began
        (asking if transport.calls > before else between).append(took)
        for one, sighting in told.items():
            facts[one] = {**facts[one], **sighting.facts}
        moment += timedelta(seconds=TICK_S)
    return transport.calls, asking, between


def by_hand(program: str, job: str, env: Mapping[str, str]) -> float:
    """Run `nel status --json` as a person does; gives the median of five."""
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        argv = [program, "status", "--json", job]
        subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def copies(lab: NelLab, run: str, count: int) -> list[str]:
    """Write the run's line again under other ids."""
    listed = Path(lab.home.env["HOME"]) / ".nemo-evaluator" / "exec-db" / "exec.v1.jsonl"
    line = listed.read_text(encoding="utf-8")
    ids = [f"{number:016x}" for number in range(1, count)]
    listed.write_text(line + "".join(line.replace(run, one) for one in ids), encoding="utf-8")
    return [run, *ids]


async def main(lab: NelLab, ids: list[str]) -> None:
    """Print one line for each number of runs."""
    real = str(program())
    hand_s = by_hand(real, ids[0], lab.home.env)
    print(f"by hand: {hand_s:.2f} s for one run")
    for count in RUNS:
        calls, asking, between = await watch(real, ids[:count], lab.home.env)
        median_s = statistics.median(asking)
        ratio, without_ms = median_s / hand_s, statistics.median(between) * 1000
        print(
            f"{count} runs: {calls / TICKS:.2f} calls of nel a tick; a tick with one takes {median_s:.2f} s, "
            f"{ratio:.2f} times as long as by hand; one without, {without_ms:.1f} ms"
        )


if __name__ == "__main__":
    why = install() or install_slurm.why_not_installable()
    if why:
        print(f"LEFT OUT: {why}")
        sys.exit()
    folder = Path(tempfile.mkdtemp(prefix="jw-bench-"))
    try:
        with temporary_cluster() as cluster:
            made = NelLab(make_household(folder), cluster)
            anyio.run(main, made, copies(made, made.submit(Task(seconds=600)), max(RUNS)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
