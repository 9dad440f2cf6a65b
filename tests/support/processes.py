"""Real supervised programs for tests: start them, ask about them, and leave none behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath

import anyio
from pydantic import JsonValue

from jobwarden.sources.base import CancelOutcome, Host, Seen, Sighting, Wanted
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.process.launch import Started, start_process, supervised
from jobwarden.sources.process.source import ProcessSource
from jobwarden.sources.process.table import find_process
from jobwarden.transport.base import Chunk, Completed

MACHINE = "this-machine"


class NoTransport:
    """A transport that nobody may use."""

    host = "localhost"

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        raise AssertionError(argv, timeout_s, stdin)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        raise AssertionError(path, start, max_bytes)


class Warden:
    """Starts programs in a folder of the test, and asks about them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = ProcessSource(root)

    async def start(
        self, *argv: str, cwd: Path | None = None, log: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Started:
        return await start_process(
            argv,
            cwd=cwd or self.root.parent,
            env=os.environ if env is None else env,
            folder=self.root,
            machine_id=MACHINE,
            log_path=log,
        )

    def host(self, **settings: float) -> Host:
        return Host(transport=NoTransport(), machine_id=MACHINE, settings=settings)

    async def look(self, job: Started) -> Sighting:
        return (await self.source.observe(self.host(), [Wanted(id=job.id, facts=job.facts)]))[job.id]

    async def seen(self, job: Started) -> Seen:
        sighting = await self.look(job)
        assert isinstance(sighting, Seen), sighting
        return sighting

    async def cancel(self, job: Started, *, grace_s: float = 10.0) -> CancelOutcome:
        host = self.host(cancel_grace_s=grace_s)
        return (await self.source.cancel(host, [Wanted(id=job.id, facts=job.facts)]))[job.id]

    async def control(self, job: Started, action: Control, value: str = "") -> CancelOutcome:
        wanted = [Wanted(id=job.id, facts=job.facts)]
        return (await self.source.control(self.host(), wanted, Change(action, value)))[job.id]

    async def until(self, job: Started, *words: str) -> Seen:
        """Look until the job's word is one of these."""
        async with self.waiting():
            while True:
                seen = await self.seen(job)
                if seen.status in words or (not words and seen.phase.final):
                    return seen
                await anyio.sleep(0.02)
        raise AssertionError(words)

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None]:
        with anyio.fail_after(15):
            yield

    async def true(self, condition: Callable[[], bool]) -> None:
        async with self.waiting():
            while not condition():  # noqa: ASYNC110 -- another process makes it true
                await anyio.sleep(0.02)

    def clean(self) -> None:
        for job in supervised(self.root):
            for pid, start in ((pid_of(job), "start_time"), (supervisor_of(job), "supervisor_start_time")):
                if find_process(pid, str(job.facts[start])) is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def pid_of(job: Started) -> int:
    assert isinstance(job.facts["pid"], int)
    return job.facts["pid"]


def supervisor_of(job: Started) -> int:
    assert isinstance(job.facts["supervisor_pid"], int)
    return job.facts["supervisor_pid"]


def output(job: Started) -> str:
    assert job.log.stdout is not None
    return Path(job.log.stdout).read_text()


async def has_output(warden: Warden, job: Started, text: str) -> None:
    await warden.true(lambda: text in output(job))


def state_of(pid: int) -> str:
    """Give the kernel's letter; X for who is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def alive(pid: int) -> bool:
    return state_of(pid) not in "ZX"


async def gone(warden: Warden, *pids: int) -> None:
    await warden.true(lambda: not any(alive(pid) for pid in pids))


def held_by(pid: int) -> tuple[set[str], str]:
    """Give what the process has open, and its working directory."""
    proc = Path(f"/proc/{pid}")
    return {str(fd.readlink()) for fd in (proc / "fd").iterdir()}, str((proc / "cwd").readlink())


def forge(warden: Warden, job: Started, name: str, **fields: JsonValue) -> Started:
    """Change what a job's folder and its facts say."""
    path = warden.root / job.id / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return claim(job, **fields)


def claim(job: Started, **facts: JsonValue) -> Started:
    """Change what the registry holds about a job."""
    return Started(job.id, {**job.facts, **facts}, job.log, job.work_dir, job.started_at)
