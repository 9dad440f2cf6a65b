"""What the benchmarks of the load stand on: a cluster with held jobs, homes with real registries, and counters."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from jobwarden.transport.base import Chunk, Completed, Site, Transport, Transports
from jobwarden.verdict.rounds import RoundResult
from jobwarden.verdict.world import World, open_world
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.main import keep_what_is_loaded
from jobwarden.watcher.survey import Surveyor
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord, LogPaths
from support.cluster import Cluster, temporary_cluster
from support.household import Household, eventually, household

HOST = "cluster-a"
USER = "alice"
_BEGUN = re.compile(rb"\njw[0-9a-f]{16} begin ([\w.]+)")
_BY_USER = "Remote Procedure Call statistics by user"


@contextmanager
def a_cluster() -> Generator[Cluster]:
    """Use the cluster that JOBWARDEN_TEST_CLUSTER names, or have one for a while."""
    if left_up := os.environ.get("JOBWARDEN_TEST_CLUSTER"):
        yield Cluster.attach(Path(left_up))
    else:
        with temporary_cluster() as made:
            yield made


@contextmanager
def a_home(cluster: Cluster, clocks: Mapping[str, float | str] | None = None) -> Generator[Household]:
    """Have a user's home, with the program's own clocks but for these, whose ssh knows the cluster."""
    with tempfile.TemporaryDirectory(prefix="jwb-") as folder, household(Path(folder)) as home:
        lines = "\n".join(f"{name} = {value}" for name, value in (clocks or {}).items())
        Path(home.env["JOBWARDEN_CONFIG"]).write_text(f"[clocks]\n{lines}\n", encoding="utf-8")
        ssh = Path(home.env["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
        yield home


# -- jobs


def submit(cluster: Cluster, words: str, count: int) -> list[str]:
    """Submit so many equal jobs through one ssh session."""
    script = f"for i in $(seq {count}); do sbatch --parsable --output=/dev/null {words}; done"
    ids = cluster.run(["sh", "-c", script], timeout_s=300).stdout.split()
    assert len(ids) == count, f"{len(ids)} of {count} jobs were taken"
    return ids


def cancel(cluster: Cluster, ids: Sequence[str]) -> None:
    """End these jobs; comes back when accounting has the end of each."""
    for at in range(0, len(ids), 500):
        some = ids[at : at + 500]
        cluster.run(["scancel", *some], timeout_s=120)
    eventually(lambda: not ids or _unended(cluster, ids) == 0, "accounting has every end", within_s=120)


def _unended(cluster: Cluster, ids: Sequence[str]) -> int:
    words = ("-n", "-X", "-P", "-o", "State", "-j")
    return sum(
        not line.startswith(("CANCELLED", "COMPLETED", "FAILED"))
        for at in range(0, len(ids), 500)
        for line in cluster.sacct(*words, ",".join(ids[at : at + 500])).split("\n")
        if line
    )


def wait_until_purged(cluster: Cluster) -> None:
    """Wait until slurmctld has forgotten every job that has ended."""
    eventually(lambda: not cluster.squeue("-h", "-t", "CD,CA,F,TO"), "slurmctld has forgotten them", within_s=120)


def register(home: Household, world: World, ids: Sequence[str], *, sessions: int = 1, log_known: bool = True) -> None:
    """Write these jobs into so many sessions, in turn; of fewer jobs than sessions every session has one all the same.

    Args:
        home: Whose.
        world: Its wiring.
        ids: The jobs.
        sessions: How many sessions there are.
        log_known: As some ticks after the registration, when the log's path has been asked for.
    """
    now = datetime.now(UTC)
    log = LogPaths(stdout="/dev/null", stderr="/dev/null") if log_known else None
    for number in range(sessions):
        mine = ids[number::sessions] or [ids[number % len(ids)]]
        entry = SessionEntry(
            session_id=f"session-{number}",
            project=home.project,
            agent="claude-code",
            created_at=now,
            last_seen_at=now,
            client={},
        )
        session = world.sessions.of(world.sessions.index.add(entry))
        with session.transaction() as transaction:
            for job in mine:
                record = JobRecord(type="slurm", id=job, host=HOST, submitted_at=now, registered_at=now, log=log)
                transaction.register(record)


# -- a watcher's round, counted


@dataclass
class Counting:
    """`Transports` that count what is run.

    Attributes:
        inner: The real ones.
        commands: Remote commands.
        parts: What was run in them, by name.
    """

    inner: Transports
    commands: int = 0
    parts: Counter[str] = field(default_factory=Counter[str])

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
    counts: Counting

    @property
    def host(self) -> str:
        return self.transport.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        done = await self.transport.run(argv, timeout_s=timeout_s, stdin=stdin)
        self.counts.commands += 1
        self.counts.parts.update(name.decode().partition(".")[0] for name in _BEGUN.findall(done.stdout))
        return done

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        return await self.transport.read(path, start=start, max_bytes=max_bytes)


class Ticker:
    """What the watcher does when its time has come: look for what there is to watch, ask, judge, write."""

    def __init__(self, world: World, *, counting: bool) -> None:
        self.world = world
        self.counts = Counting(world.transports)
        if counting:
            world.rounds.transports = self.counts
        self._surveyor = Surveyor(world, Leasing(world))

    async def tick(self) -> list[RoundResult]:
        """Do one round, whatever the clock says; a session that could not be written is an error here."""
        board = await self._surveyor.survey()
        results: list[RoundResult] = []
        for group in board.groups.values():
            result = await self.world.rounds.check(group, max_age_s=0.0, leases=board.tokens)
            assert not result.broken, result.broken
            assert result.snapshot.failure is None, result.snapshot.failure
            results.append(result)
        return results


@asynccontextmanager
async def a_ticker(home: Household, *, counting: bool = True) -> AsyncGenerator[Ticker]:
    """Open a home's wiring, with a count of what is run unless time is measured."""
    async with open_world(home.env) as world:
        keep_what_is_loaded()
        yield Ticker(world, counting=counting)


# -- Slurm's own counters


@dataclass(frozen=True)
class Rpcs:
    """What the daemons say that the user has asked of them."""

    slurmctld: int
    slurmdbd: int

    def __sub__(self, other: Rpcs) -> Rpcs:
        return Rpcs(self.slurmctld - other.slurmctld, self.slurmdbd - other.slurmdbd)

    @property
    def all(self) -> int:
        """Both together."""
        return self.slurmctld + self.slurmdbd


def rpcs(cluster: Cluster) -> Rpcs:
    """Read both counters, once they stand still: slurmdbd counts the end of a connection a little later."""
    last = _rpcs(cluster)
    while True:
        time.sleep(0.15)
        now = _rpcs(cluster)
        if now == last:
            return now
        last = now


def _rpcs(cluster: Cluster) -> Rpcs:
    return Rpcs(*(_of_user(cluster.slurm(*argv).stdout) for argv in (("sdiag",), ("sacctmgr", "show", "stats"))))


def _of_user(text: str) -> int:
    found = re.search(rf"^\s*{USER}\s.*\bcount:(\d+)", text.partition(_BY_USER)[2], re.MULTILINE)
    return int(found[1]) if found else 0


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Give the seconds that it takes."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
