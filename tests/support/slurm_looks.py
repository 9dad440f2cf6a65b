"""One look at jobs of a real Slurm through the product's source alone, over real SSH."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import anyio

from jobwarden.sources.base import Host, Seen, Sighting, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.base import Chunk, Completed
from support.cluster import Cluster


@dataclass
class OpenSsh:
    """A transport of few lines; what it counts are remote runs."""

    config: Path
    host: str = "cluster-a"
    before: str = ""
    """What the login shell runs first, as the product's transports do with the configuration's prelude."""
    runs: int = 0

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        self.runs += 1
        with anyio.fail_after(timeout_s):
            done = await anyio.run_process(
                ["ssh", "-F", str(self.config), self.host, f"{self.before}\n{shlex.join(argv)}"],
                input=stdin,
                check=False,
            )
        return Completed(done.returncode, done.stdout, done.stderr)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`; the source does not use it."""
        raise NotImplementedError


def host_of(built: Cluster, *, before: str = "", cluster: str = "") -> Host:
    """Give a cluster as sources have it."""
    return Host(transport=OpenSsh(built.ssh_config, before=before), machine_id="test", timeout_s=75, cluster=cluster)


async def look(cluster: Cluster, *ids: str, before: str = "") -> Mapping[str, Sighting]:
    """Ask once about these jobs."""
    return await SlurmSource().observe(host_of(cluster, before=before), [Wanted(id=one) for one in ids])


def word_for(sighting: Sighting) -> str:
    """Give a sighting in a word: the job's state, or why there is none."""
    return sighting.status if isinstance(sighting, Seen) else getattr(sighting, "code", sighting.kind)
