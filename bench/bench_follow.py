"""`jobwarden tail -f` of a job that writes 1,000 lines a second for a minute, over real SSH.

Each line says its number and when it was written, by the clock of this machine, on which the cluster is, too; it is
flushed at once. It begins to write them when its first line has been shown. The command's stdout is a pipe, and a line
is shown when it can be read from there. `python bench_follow.py SECONDS` writes for another time. Needs root on Debian,
or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import anyio

from jobwarden.service.service import open_service
from stage import HOST, a_cluster, a_home
from support.cluster import Cluster
from support.household import Household

PER_S, SECONDS = 1000, 60
TICKS_S = os.sysconf("SC_CLK_TCK")
# One line at a time, each at its moment, as a program that flushes after each line.
WRITER = """
import os, sys, time
per_s, count = int(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
began = time.monotonic()
for number in range(count):
    ahead = began + number / per_s - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
    sys.stdout.write(f"{number} {time.time_ns()} {'x' * 60}\\n")
    sys.stdout.flush()
"""


@dataclass
class Seen:
    """What the reader saw.

    Attributes:
        numbers: Of the lines, in the order in which they came.
        late_s: How long each took from the writer to the reader.
        cpu_s: What the command has used.
        far_cpu_s: What all sessions of sshd have used, their commands included, less what they had used before.
        code: The command's exit code.
    """

    numbers: list[int] = field(default_factory=list[int])
    late_s: list[float] = field(default_factory=list[float])
    cpu_s: float = 0.0
    far_cpu_s: float = 0.0
    code: int = 0


async def register(home: Household, job: str) -> None:
    async with open_service(home.env) as service:
        await service.register(home.caller(), type="slurm", ids=[job], host=HOST)


def follow(home: Household, cluster: Cluster, job: str) -> Seen:
    """Run the command to its end."""
    seen, env = Seen(), {**home.env, "CLAUDE_CODE_SESSION_ID": "session-1"}
    words = [sys.executable, "-m", "jobwarden.cli.main", "tail", "-f", job, "-n", "10000"]
    sessions = _Sessions(cluster)
    before = os.times()
    with subprocess.Popen(words, env=env, cwd=home.project, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        rest = b""
        while piece := os.read(process.stdout.fileno(), 1 << 20):
            now = time.time_ns()
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line == b"ready":
                    (cluster.home() / "go").touch()
                    continue
                number, stamp, _ = line.split(b" ")
                seen.numbers.append(int(number))
                seen.late_s.append((now - int(stamp)) / 1e9)
            sessions.look()
        seen.code = process.wait()
    after = os.times()
    seen.cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    seen.far_cpu_s = sessions.cpu_s
    assert not rest, rest
    return seen


class _Sessions:
    """The CPU time of the sessions of an sshd, as far as they were seen."""

    def __init__(self, cluster: Cluster) -> None:
        self._daemon = int((cluster.dir / "run" / "sshd-a.pid").read_text(encoding="utf-8").split()[0])
        self._used: dict[int, float] = {}
        self._looked = 0.0
        self.look()
        self._before = dict(self._used)

    @property
    def cpu_s(self) -> float:
        return sum(self._used.values()) - sum(self._before.values())

    def look(self) -> None:
        """Look at the processes, once a second."""
        if time.monotonic() - self._looked < 1.0:
            return
        self._looked = time.monotonic()
        parents: dict[int, int] = {}
        used: dict[int, float] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
                # Its own, and that of its children that have ended.
                used[int(entry.name)] = sum(int(number) for number in fields[11:15]) / TICKS_S
        for pid, cpu_s in used.items():
            above = pid
            while above in parents and above != self._daemon:
                above = parents[above]
            if above == self._daemon and pid != self._daemon:
                self._used[pid] = max(cpu_s, self._used.get(pid, 0.0))


def report(seen: Seen, written: int) -> bool:
    """Print the figures; answers whether none was lost and none doubled."""
    lost, doubled = written - len(set(seen.numbers)), len(seen.numbers) - len(set(seen.numbers))
    ordered = seen.numbers == sorted(seen.numbers)
    p95 = quantiles(seen.late_s, n=20)[-1]
    print(f"{written} lines: lost {lost}, doubled {doubled}, in order: {ordered}, exit code {seen.code}")
    print(f"from the writer to the reader: p50 {median(seen.late_s) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms,", end=" ")
    within = sum(late <= 0.3 for late in seen.late_s) / len(seen.late_s)
    print(f"max {max(seen.late_s) * 1000:.0f} ms; within 300 ms: {within:.1%}")
    print(f"CPU: the command {seen.cpu_s:.1f} s, sshd's sessions and what they ran {seen.far_cpu_s:.1f} s")
    return lost == 0 and doubled == 0 and ordered and seen.code == 0


def main(seconds: int) -> int:
    with a_cluster() as cluster, a_home(cluster) as home:
        script = cluster.home() / "writer.py"
        script.write_text(WRITER, encoding="utf-8")
        count = PER_S * seconds
        job = cluster.sbatch("--wrap", f"exec /usr/bin/python3 {script} {PER_S} {count}")
        cluster.wait_for(job, {"RUNNING"})
        anyio.run(register, home, job)
        print(f"{PER_S} lines a second for {seconds} s; load before: {os.getloadavg()[0]:.1f}", flush=True)
        fine = report(follow(home, cluster, job), count)
        print(f"load after: {os.getloadavg()[0]:.1f}")
        return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
