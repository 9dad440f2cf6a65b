"""A cluster whose clock is wrong: the real answers of a real one, with every moment in them moved.

The clock of the machine, which the test cluster shares with us, cannot be set for one and not for the other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobwarden.transport.base import Chunk, Completed, Site, Transport, Transports

_EPOCH = re.compile(rb"(?<![\w.])1[789]\d{8}(?![\w.])")
"""Seconds since 1970, of the years 2023 to 2033. Job ids here are small."""


@dataclass(frozen=True)
class ShiftedTransport:
    """Moves every moment in what a command printed."""

    real: Transport
    by_s: int

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return self.real.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        done = await self.real.run(argv, timeout_s=timeout_s, stdin=stdin)
        nonce = argv[4].encode()  # of `framing.framed_argv`; in sacct's answer it stands between the fields
        pieces = (_EPOCH.sub(self._moved, piece) for piece in done.stdout.split(nonce))
        return Completed(done.status, nonce.join(pieces), done.stderr)

    def _moved(self, found: re.Match[bytes]) -> bytes:
        return str(int(found[0]) + self.by_s).encode()

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`."""
        return await self.real.read(path, start=start, max_bytes=max_bytes)


@dataclass(frozen=True)
class ShiftedTransports:
    """Lends shifted transports."""

    real: Transports
    by_s: int

    async def resolve(self, host: str) -> Site:
        """See `Transports.resolve`."""
        return await self.real.resolve(host)

    def lease(self, host: str) -> AbstractAsyncContextManager[Transport]:
        """See `Transports.lease`."""
        return self._lease(host)

    @asynccontextmanager
    async def _lease(self, host: str) -> AsyncGenerator[Transport]:
        async with self.real.lease(host) as transport:
            yield ShiftedTransport(transport, self.by_s)
