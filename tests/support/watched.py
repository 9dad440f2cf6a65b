"""Jobs of a test cluster, watched by the real watcher in a household, over real SSH."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread

from jobwarden.ledger.snapshot import Snapshot, Stored
from jobwarden.service.service import open_service
from jobwarden.service.views import RegisterView, StatusView
from support.cluster import Cluster
from support.household import Household, eventually

HOST = "cluster-a"

# An answer that counted as absence, and should not, closes a job within seconds.
OUTAGE_CLOCKS = {
    "poll_s": 0.5,
    "floor_s": 0.1,
    "grace_s": 0.0,
    "lost_after_s": 4.0,
    "backoff_first_s": 1.0,
    "backoff_most_s": 4.0,
    "ask_timeout_s": 30.0,
    "connect_timeout_s": 2.0,
    "idle_close_s": 60.0,
    "keepalive_s": 1.0,
}


def use_cluster(home: Household, cluster: Cluster) -> None:
    """Let this home's ssh know the cluster, as a user's own configuration would."""
    ssh = Path(home.env["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")


@dataclass
class Gated:
    """A job that runs until its gate is opened, and then ends with this status."""

    id: str
    gate: Path

    def open(self) -> None:
        self.gate.touch()


def gated(cluster: Cluster, *words: str, status: int = 3, user: str = "alice") -> Gated:
    """Submit one that runs already when this returns."""
    gate = cluster.home(user) / f"gate-{secrets.token_hex(4)}"
    script = f"#!/bin/sh\nuntil [ -e {gate} ]; do sleep 0.1; done; exit {status}\n"
    job = cluster.sbatch(*words, script=script, user=user)
    cluster.wait_for(job, {"RUNNING"})
    return Gated(job, gate)


@dataclass
class Watched:
    """What one session, or several, make of the jobs of one host.

    Attributes:
        home: Whose sessions; its watcher is a real process.
        host: As it is registered.
        sessions: All that were used.
    """

    home: Household
    host: str = HOST
    sessions: list[str] = field(default_factory=list[str])

    async def register(self, *ids: str, session: str = "one") -> RegisterView:
        """Register as an agent does, which looks at them once."""
        self.sessions += [] if session in self.sessions else [session]
        async with open_service(self.home.env) as service:
            return await service.register(self.home.caller(session), type="slurm", ids=ids, host=self.host)

    async def status(self, session: str = "one", *, refresh: bool = False) -> StatusView:
        """Look as an agent does."""
        async with open_service(self.home.env) as service:
            return await service.status(self.home.caller(session), refresh=refresh)

    async def until(self, condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
        """Wait, and let the loop go on meanwhile."""
        await to_thread.run_sync(lambda: eventually(condition, what, within_s=within_s))

    async def until_every(self, kind: str, within_s: float = 60.0) -> None:
        """Wait until each session has such an event."""
        for session in self.sessions:
            await self.until(lambda: kind in self.kinds(session), f"{session}: {kind}", within_s)  # noqa: B023 -- awaited here

    def kinds(self, session: str = "one") -> list[str]:
        """Give the kinds of a session's events."""
        return self.home.kinds(session)

    def rows(self, session: str = "one") -> dict[str, dict[str, object]]:
        """Give the session's active_jobs.json, by id."""
        return {str(row["id"]): row for row in self.home.active(session)}

    def ledger(self) -> Snapshot:
        """Give what the ledger holds of the one host that is asked."""
        for path in sorted((self.home.places.runtime / "ledger").iterdir()):
            try:
                return Stored.model_validate_json(path.read_bytes())
            except ValueError:  # wants, locks
                continue
        return Snapshot()

    async def until_asked_again(self, times: int, within_s: float = 60.0) -> None:
        """Wait until so many further questions have been put."""
        for _ in range(times):
            before = self.ledger().tried_at
            await self.until(lambda: self.ledger().tried_at != before, "another question", within_s)  # noqa: B023 -- awaited here

    def told(self, job: str, session: str = "one") -> list[str]:
        """Give the phases that were journaled of a job, each once in a row."""
        phases: list[str] = []
        for event in self.home.journal(session):
            if (
                event.job_id == job
                and event.phase not in (None, "unknown")
                and (not phases or phases[-1] != event.phase)
            ):
                phases.append(str(event.phase))
        return phases


async def submit(cluster: Cluster, *words: str, status: int = 3) -> Gated:
    """`gated`, beside the loop."""
    return await to_thread.run_sync(lambda: gated(cluster, *words, status=status))


async def beside(work: Callable[[], object]) -> None:
    """Do something slow to the cluster beside the loop."""
    await to_thread.run_sync(work)


def named(cluster: Cluster, name: str) -> list[str]:
    """Give the ids of all jobs of that name that accounting or the queue has, oldest first."""
    rows = cluster.sacct("-X", "-n", "-P", f"--name={name}", "-o", "JobIDRaw", "-S", "now-1hours").split()
    queued = cluster.squeue("-h", "-t", "all", f"--name={name}", "-o", "%A").split()
    return sorted({*rows, *queued}, key=int)


def end_of(cluster: Cluster, job: str) -> Sequence[str]:
    """Give state, exit code and end (epoch seconds) as root's sacct has them."""
    done = cluster.run(
        ["env", "SLURM_TIME_FORMAT=%s", "sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode,End"]
    )
    return done.stdout.strip().split("|")
