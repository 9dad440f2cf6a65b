"""What squeue and sacct said from moment to moment, so that a look can be put together as it could have fallen.

A look asks squeue and sacct a moment apart: sacct after it or, in the first run of a question, up to some seconds
before; what happens between the two is chance. From a recording of both, every look that chance could have given is
made, and judged by the product's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobwarden.sources.base import Sighting, Wanted
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.asked import Answer, Asked
from jobwarden.sources.slurm.combine import see
from jobwarden.sources.slurm.ids import parse_id
from jobwarden.sources.slurm.reading import read_account_part, read_queue_part
from jobwarden_registry.clock import utc_now
from support.cluster import Cluster

NONCE = "=witness="
_SLOWEST = timedelta(seconds=6)
"""Between the two questions of one look: more than slurmctld takes to tell accounting."""
_EARLIEST = timedelta(seconds=6)
"""So long before squeue's answer sacct's may be: beyond 5 s the product drops what sacct said."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One answer of each program, asked at the same time or nearly so."""

    at: datetime
    queue: Answer
    account: Answer


@dataclass
class Witness:
    """Asks on the cluster's own machine, by the product's formats."""

    cluster: Cluster
    moments: list[Moment] = field(default_factory=list[Moment])

    def look(self, ids: list[str]) -> None:
        """Ask both about these jobs of alice once."""
        at = utc_now()
        queue = self._ask("squeue", "-h", "-a", "-t", "all", "-u", "alice", "-o", commands.queue_format(NONCE))
        fields = ",".join(commands.ACCOUNT_FIELDS)
        words = "-n", "-P", "-X", "-D", f"--delimiter={NONCE}", "-o", fields, "-j", ",".join(ids)
        account = self._ask("sacct", *words)
        read = read_queue_part(queue, NONCE, "squeue"), read_account_part(account, NONCE, "sacct")
        self.moments.append(Moment(at, *read))

    def _ask(self, *argv: str) -> Part:
        env = "env", "SLURM_TIME_FORMAT=%s", "TZ=UTC0", "SLURM_BITSTR_LEN=0"
        done = self.cluster.slurm(*env, *argv)
        return Part(done.returncode, done.stdout.encode(), done.stderr)

    def looks(self, job: str, registered_at: datetime) -> Iterator[tuple[datetime, Sighting]]:
        """Give every look that could have fallen: when its last answer was asked for, and what is seen in it."""
        wanted = Wanted(id=job, registered_at=registered_at)
        for queue in self.moments:
            for account in self.moments:
                if not -_EARLIEST <= account.at - queue.at <= _SLOWEST:
                    continue
                begun = min(queue.at, account.at)
                asked = Asked(
                    at=begun,
                    now=begun,
                    user="alice",
                    queue=queue.queue,
                    account=account.account,
                    by_id=max(queue, account, key=lambda one: one.at).queue,
                )
                yield max(queue.at, account.at), see(wanted, parse_id(job), asked)
