"""A host over ssh as a transport, whichever client speaks to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol

from jobwarden.transport.base import Chunk, Completed
from jobwarden.transport.errors import TransportError
from jobwarden.transport.quoting import encode_words
from jobwarden.transport.reading import check_path, read_answer, read_argv


class Link(Protocol):
    """What carries commands to one place; shared by everybody who has something to do there."""

    async def execute(self, words: Sequence[bytes], *, prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        """Run a command, its output freed of what the login shell said around it. Otherwise as `Transport.run`."""
        ...

    async def aclose(self) -> None:
        """End the connection, if there is one. A later `execute` opens another."""
        ...


class RemoteTransport:
    """One borrower's view of a link, under the host name that it used."""

    def __init__(self, host: str, link: Link, *, prelude: str, read_timeout_s: float) -> None:
        self._host = host
        self._link = link
        self._prelude = prelude
        self._read_timeout_s = read_timeout_s

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return self._host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        words = encode_words(argv)
        return await self._link.execute(words, prelude=self._prelude, timeout_s=timeout_s, stdin=stdin)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`. One that went wrong because the file changed meanwhile is repeated once."""
        check_path(path)
        try:
            return await self._read_once(path, start=start, max_bytes=max_bytes)
        except TransportError as error:
            if error.code != "file.unreadable" or not error.retryable:
                raise
        return await self._read_once(path, start=start, max_bytes=max_bytes)

    async def _read_once(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        words = encode_words(read_argv(path, start=start, max_bytes=max_bytes))
        answer = await self._link.execute(words, prelude="", timeout_s=self._read_timeout_s, stdin=b"")
        return read_answer(path, answer)
