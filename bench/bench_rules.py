"""What 100 rules over 20 growing logs cost a tick, over real SSH, beside the same rules done naively.

Ours is what the watcher does for rules when their time has come: each job's logs are read on once for all of its rules,
over the one connection that is open, and what they brought is matched, journaled and kept. Naively each rule is a
`ssh HOST tail` of what it has not seen, with a pattern run over it here: once with a new connection each time, and once
through a ControlMaster. Both see lines of the same kind, and must find as many. `python bench_rules.py TICKS`. Needs
root on Debian, or JOBWARDEN_TEST_CLUSTER.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from statistics import median

import anyio

from jobwarden.rules.looking import Looker
from jobwarden.rules.store import load_rules
from jobwarden.transport.base import Chunk, Completed, Site, Transport, Transports
from jobwarden.verdict.world import World, open_world
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import Attempt, JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from stage import HOST, a_cluster, a_home
from support.cluster import Cluster
from support.household import Household

LOGS, TICKS, LINES = 20, 10, 200
TICKS_S = os.sysconf("SC_CLK_TCK")
AT_ONCE = 8
"""As the watcher looks at jobs."""
PATTERNS = (
    r"step ([0-9]+) loss ([0-9.]+)",
    r"(?i)out of memory|oom-kill",
    r"Traceback \(most recent call last\)|ERROR|CRITICAL",
    r"grad_norm=nan|loss nan",
    r"throughput ([0-9.]+) tokens/s",
)
RULES = (
    f"name=loss pattern='{PATTERNS[0]}' captures=[step, loss] condition='float(loss) > 90' action=store_metric"
    "(name=loss, value='${loss}')",
    f"name=memory pattern='{PATTERNS[1]}' action=log_event",
    f"name=errors pattern='{PATTERNS[2]}' action=log_event",
    f"name=nan pattern='{PATTERNS[3]}' action=log_event",
    f"name=speed pattern='{PATTERNS[4]}' captures=[speed] condition='float(speed) < 10' action=log_event",
)
NAMES: tuple[str, ...] = ("loss", "memory", "errors", "nan", "speed")


@dataclass
class Cost:
    """What one tick has cost.

    Attributes:
        commands: Remote commands.
        read_bytes: Of logs, as they came.
        cpu_s: Of this machine's side: this process, or the ssh clients.
        far_cpu_s: Of sshd's sessions and what they ran.
        wall_s: From its beginning to its end.
    """

    commands: int = 0
    read_bytes: int = 0
    cpu_s: float = 0.0
    far_cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass
class Counting:
    """`Transports` that count what goes to the host."""

    inner: Transports
    cost: Cost = field(default_factory=Cost)

    async def resolve(self, host: str) -> Site:
        """See `Transports.resolve`."""
        return await self.inner.resolve(host)

    @asynccontextmanager
    async def lease(self, host: str) -> AsyncGenerator[Transport]:
        """See `Transports.lease`."""
        async with self.inner.lease(host) as transport:
            yield _Counted(transport, self)


@dataclass
class _Counted:
    transport: Transport
    counting: Counting

    @property
    def host(self) -> str:
        return self.transport.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        self.counting.cost.commands += 1
        return await self.transport.run(argv, timeout_s=timeout_s, stdin=stdin)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        chunk = await self.transport.read(path, start=start, max_bytes=max_bytes)
        self.counting.cost.commands += 1
        self.counting.cost.read_bytes += 0 if chunk is None else len(chunk.data)
        return chunk


class Logs:
    """Twenty logs that grow between two ticks.

    Args:
        folder: Where.
        every: One line in so many makes two rules fire; 0: none.
    """

    def __init__(self, folder: Path, *, every: int = 0) -> None:
        folder.mkdir(mode=0o755)
        self._every = every
        self.paths = [folder / f"train-{number}.log" for number in range(LOGS)]
        self._step = 0

    def grow(self) -> None:
        """Write the lines of a tick into each."""
        for number, path in enumerate(self.paths):
            lines = [self._line(self._step + at, number) for at in range(LINES)]
            with path.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            path.chmod(0o644)
        self._step += LINES

    def _line(self, step: int, number: int) -> str:
        if self._every and step % self._every == number % self._every:
            return f"[rank0] step {step} loss 99.5 throughput 9.1 tokens/s"
        return f"[rank0] step {step} loss 2.{step % 1000:03} throughput 118.4 tokens/s grad_norm=1.02 lr=3.0e-05"


def register(world: World, home: Household, cluster: Cluster, logs: Logs, session_id: str) -> tuple[Session, list[str]]:
    """Have 20 running jobs with five rules each; answers their uids."""
    now = datetime.now(UTC)
    entry = SessionEntry(
        session_id=session_id, project=home.project, agent="claude-code", created_at=now, last_seen_at=now, client={}
    )
    session = world.sessions.of(world.sessions.index.add(entry))
    uids: list[str] = []
    with session.transaction() as transaction:
        for number, path in enumerate(logs.paths):
            record = JobRecord(
                type="slurm",
                id=str(9000 + number),
                host=HOST,
                phase=Phase.RUNNING,
                last_status="RUNNING",
                work_dir=str(cluster.home()),
                attempts=(Attempt(id=str(9000 + number), phase=Phase.RUNNING),),
                log=LogPaths(stdout=str(path), stderr=str(path)),
                rules=RULES,
            )
            uids.append(transaction.register(record)[0].uid)
    return session, uids


async def ours(
    home: Household, cluster: Cluster, logs: Logs, ticks: int, session_id: str
) -> tuple[list[Cost], dict[str, int]]:
    """Look at all jobs, tick by tick, a minute apart by the clock that is asked."""
    passed = timedelta()
    async with open_world(home.env, clock=lambda: datetime.now(UTC) + passed) as world:
        counting = Counting(world.transports)
        world.rounds.transports = counting
        session, uids = register(world, home, cluster, logs, session_id)
        looker, limiter = Looker(world.rounds, home.env), anyio.CapacityLimiter(AT_ONCE)
        costs: list[Cost] = []

        async def look(uid: str) -> None:
            async with limiter:
                await looker.look(session, uid, lease=None)

        for _ in range(ticks + 1):
            logs.grow()
            passed += timedelta(minutes=1)
            counting.cost = Cost()
            begun = _begun(cluster)
            async with anyio.create_task_group() as tasks:
                for uid in uids:
                    tasks.start_soon(look, uid)
            costs.append(_ended(counting.cost, begun, cluster))
        states = [load_rules(session)[uid] for uid in uids]
        return costs[1:], {name: sum(state.of(name).matches for state in states) for name in NAMES}


def naively(cluster: Cluster, logs: Logs, ticks: int, options: list[str]) -> tuple[list[Cost], dict[str, int]]:
    """For each rule at each tick a `tail` over ssh of the lines that it has not seen."""
    seen = {(path, name): 0 for path in logs.paths for name in NAMES}
    found = dict.fromkeys(NAMES, 0)
    costs: list[Cost] = []
    for _ in range(ticks + 1):
        logs.grow()
        cost, begun = Cost(), _begun(cluster)
        for path, name in seen:
            pattern = re.compile(PATTERNS[NAMES.index(name)].encode())
            command = f"tail -n +{seen[path, name] + 1} {path}"
            done = subprocess.run(
                ["ssh", "-F", str(cluster.ssh_config), *options, HOST, command], capture_output=True, check=True
            )
            lines = done.stdout.splitlines()
            found[name] += sum(pattern.search(line) is not None for line in lines)
            seen[path, name] += len(lines)
            cost.commands += 1
            cost.read_bytes += len(done.stdout)
        costs.append(_ended(cost, begun, cluster))
    return costs[1:], found


def _begun(cluster: Cluster) -> tuple[float, float, float]:
    used = os.times()
    here = used.user + used.system + used.children_user + used.children_system
    return time.perf_counter(), here, _far_cpu_s(cluster)


def _ended(cost: Cost, begun: tuple[float, float, float], cluster: Cluster) -> Cost:
    cost.wall_s, cost.cpu_s, cost.far_cpu_s = (now - before for now, before in zip(_begun(cluster), begun, strict=True))
    return cost


def _far_cpu_s(cluster: Cluster) -> float:
    """Add up what sshd, its sessions and what they ran have used: those that are there, and those that have ended."""
    daemon = (cluster.dir / "run" / "sshd-a.pid").read_text(encoding="utf-8").split()[0]
    stats: dict[str, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stats[entry.name] = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    used = 0
    for pid, fields in stats.items():
        above = pid
        while above in stats and above != daemon:
            above = stats[above][1]
        used += sum(map(int, fields[11:15])) if above == daemon else 0
    return used / TICKS_S


def report(name: str, costs: list[Cost]) -> None:
    """Print the median tick."""

    def of(what: Callable[[Cost], float]) -> float:
        return median(map(what, costs))

    print(
        f"{name:<28}{of(lambda c: c.commands):>9.0f}{of(lambda c: c.read_bytes) / 1000:>9.0f}"
        f"{of(lambda c: c.cpu_s):>9.2f}{of(lambda c: c.far_cpu_s):>9.2f}{of(lambda c: c.wall_s):>9.2f}",
        flush=True,
    )


def main(ticks: int) -> int:
    assert shutil.which("ssh")
    with a_cluster() as cluster, a_home(cluster) as home:
        print(f"{LOGS * len(RULES)} rules over {LOGS} logs, {LINES} new lines a log and tick; medians of {ticks} ticks")
        print(f"load before: {os.getloadavg()[0]:.1f}")
        print(f"{'':<28}{'commands':>9}{'kB':>9}{'CPU s':>9}{'far CPU':>9}{'wall s':>9}")
        folder = cluster.home() / "bench-rules"
        folder.mkdir(mode=0o755)
        costs, matched = anyio.run(ours, home, cluster, Logs(folder / "calm"), ticks, "calm")
        report("jobwarden", costs)
        few, fine = max(1, ticks // 5), True
        master = ["-o", f"ControlPath={home.root}/m", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
        for name, options, count in (("ssh tail, ControlMaster", master, ticks), (f"ssh tail ({few} ticks)", [], few)):
            costs, found = naively(cluster, Logs(folder / str(len(options))), count, options)
            report(name, costs)
            fine = fine and (found == matched or count != ticks)
        costs, _ = anyio.run(ours, home, cluster, Logs(folder / "busy", every=LINES), ticks, "busy")
        report("jobwarden, 40 firings a tick", costs)
        print(f"load after: {os.getloadavg()[0]:.1f}; all found the same: {fine}")
        subprocess.run(["ssh", "-F", str(cluster.ssh_config), *master, "-O", "exit", HOST], check=False)
        return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TICKS))
