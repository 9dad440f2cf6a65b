"""This machine as a transport for tests: real files, real commands, and a count of what was read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import anyio

from jobwarden.transport.base import Chunk, Completed


class FileTransport:
    """Reads files and runs commands here; `requests` counts round trips, `read_bytes` what came back."""

    def __init__(self) -> None:
        self.requests = 0
        self.read_bytes = 0

    @property
    def host(self) -> str:
        return "localhost"

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        self.requests += 1
        with anyio.fail_after(timeout_s):
            done = await anyio.run_process(list(argv), input=stdin, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        self.requests += 1
        chunk = _read(Path(path), start, max_bytes)
        self.read_bytes += 0 if chunk is None else len(chunk.data)
        return chunk


def _read(path: Path, start: int, max_bytes: int) -> Chunk | None:
    try:
        with path.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            size = facts.st_size
            at = min(max(0, size + start) if start < 0 else start, size)
            stream.seek(at)
            return Chunk(stream.read(min(max_bytes, size - at)), at, size, f"{facts.st_dev}:{facts.st_ino}")
    except FileNotFoundError:
        return None
