"""What a plan needs of the places that it names: folders and scripts on hosts, scripts here, and a lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import anyio
from anyio import to_thread

from jobwarden.plans.errors import PlanBusyError, PlanError
from jobwarden.plans.reading import read_most
from jobwarden.plans.spec import JobSpec
from jobwarden.sources.base import Host
from jobwarden.sources.framing import framed_argv, new_nonce, read_parts
from jobwarden.transport.base import Transport
from jobwarden.transport.errors import TransportError
from jobwarden_registry.locks import local_flock
from jobwarden_registry.paths import Places

SCRIPT_BYTES = 4 << 20
"""What Slurm takes at most by default (`man slurm.conf`, max_script_size)."""
_STEP_S = 0.1
_FOLDERS = r"""
n=0
for given in "$@"; do
  n=$((n + 1))
  case $given in
    ''|'~') at=$HOME;;
    '~/'*) at=$HOME/${given#'~/'};;
    *) at=$given;;
  esac
  if real=$(cd -- "$at" 2>/dev/null && pwd -P); then plain_part "$n" "$at
$real"; else plain_part "$n" ''; fi
done
jw_done
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on a host.

    Attributes:
        path: Absolute.
        real: The same with links resolved.
    """

    path: str
    real: str

    @property
    def names(self) -> tuple[str, ...]:
        """What a scheduler may call it."""
        return tuple(dict.fromkeys((self.path, self.real)))


async def find_folders(host: Host, given: Iterable[str]) -> Mapping[str, Folder | None]:
    """Find folders as plans write them, in one question; None for one that is not there.

    Raises:
        TransportError, SourceError: The host could not be asked.
    """
    wanted = list(dict.fromkeys(given))
    nonce = new_nonce()
    argv = framed_argv(_FOLDERS, nonce, *wanted, limit_s=host.timeout_s / 2)
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = read_parts(done.stdout, nonce)
    found: dict[str, Folder | None] = {}
    for number, one in enumerate(wanted, start=1):
        part = parts.get(str(number))
        path, _, real = (part.stdout.decode("utf-8", "surrogateescape") if part else "").partition("\n")
        found[one] = Folder(path.rstrip("/") or "/", real) if path and real else None
    return found


async def read_job_script(spec: JobSpec, transport: Transport) -> bytes:
    """Read the script that a job has now, here or on its host.

    Raises:
        PlanError: There is none that could be submitted.
        TransportError: The host could not be asked.
    """
    if spec.script:
        path = spec.script
        try:
            data = await to_thread.run_sync(read_most, Path(path), SCRIPT_BYTES + 1)
        except OSError as error:
            raise PlanError(
                f"{path} cannot be read: {error.strerror}.", hint="Put it there; nothing was done."
            ) from None
    elif spec.script_on_host:
        path = spec.script_on_host
        try:
            chunk = await transport.read(PurePosixPath(path), start=0, max_bytes=SCRIPT_BYTES + 1)
        except TransportError as error:
            if error.code != "file.unreadable":
                raise
            raise PlanError(f"{path} on {spec.host} cannot be read: {error.text}") from error
        if chunk is None:
            raise PlanError(
                f"{path} is not there on {spec.host}.", hint="A script of this machine is named by `script`."
            )
        data = chunk.data
    else:
        raise PlanError(f"Nobody said which script {spec.name} is.")
    if not data.startswith(b"#!") or b"\0" in data or len(data) > SCRIPT_BYTES:
        raise PlanError(f"{path} is no script that sbatch takes.", hint="It begins with #! and has at most 4 MiB.")
    return data


@asynccontextmanager
async def plan_lock(places: Places, project: Path, name: str, *, timeout_s: float) -> AsyncGenerator[None]:
    """Be the only process of this machine that works on a plan; a killed one's lock is gone with it.

    On another machine somebody may: each submission is claimed in the journal besides.

    Raises:
        PlanBusyError: Another process has had it for too long.
    """
    key = hashlib.sha256(f"{project}\0{name}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = await to_thread.run_sync(lambda: os.open(places.runtime / f"plan-{key}.lock", flags, 0o600))
    try:
        ours = False
        with anyio.move_on_after(timeout_s):
            while not local_flock(descriptor):  # noqa: ASYNC110 -- another process's lock, which shares no event
                await anyio.sleep(_STEP_S)
            ours = True
        if not ours:
            raise PlanBusyError(f"Another process works on the plan {name}.", hint="Wait for it, and try again.")
        yield
    finally:
        os.close(descriptor)
