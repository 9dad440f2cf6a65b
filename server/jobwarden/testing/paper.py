"""Hosts of paper: transports that a source's test puts words into, and that remember what they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from jobwarden.sources.framing import Part, new_nonce
from jobwarden.transport.base import Chunk, Completed, Transport
from jobwarden.transport.errors import ConnectError, TransportError


class PaperTransport:
    """Gives every command the same answer, or raises the same error. See `Transport`."""

    def __init__(self, answer: Completed | TransportError) -> None:
        self._answer = answer
        self.asked: list[tuple[str, ...]] = []
        """The argument lists and the names of files that were asked for."""

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return "paper"

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:  # noqa: ARG002 -- the contract's
        """See `Transport.run`."""
        self.asked.append(tuple(argv))
        if isinstance(self._answer, TransportError):
            raise self._answer
        return self._answer

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:  # noqa: ARG002 -- likewise
        """See `Transport.read`: there is no file."""
        self.asked.append(("read", str(path)))
        if isinstance(self._answer, TransportError):
            raise self._answer
        return None


class FramedTransport(PaperTransport):
    """Answers what `jobwarden.sources.framing.framed_argv` asks: with these parts, framed by the question's nonce."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        super().__init__(Completed(0, b"", b""))
        self._parts = parts

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`. What is not asked through `framed_argv` gets an empty answer."""
        done = await super().run(argv, timeout_s=timeout_s, stdin=stdin)
        nonce = next((word for word in argv if len(word) == len(new_nonce()) and word.startswith("jw")), "")
        if not nonce:
            return done
        text = b"".join(_framed(nonce, name, part) for name, part in self._parts.items())
        return Completed(0, text + f"\n{nonce} done\n".encode(), b"")


class TornTransport:
    """Passes on what another host says, each answer cut after so many bytes. See `Transport`."""

    def __init__(self, whole: Transport, keep_bytes: int) -> None:
        self._whole = whole
        self._keep_bytes = keep_bytes
        self.longest_bytes = 0
        """Of the answers before they were cut."""

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return self._whole.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        done = await self._whole.run(argv, timeout_s=timeout_s, stdin=stdin)
        self.longest_bytes = max(self.longest_bytes, len(done.stdout))
        return Completed(done.status, done.stdout[: self._keep_bytes], done.stderr)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`: files are given whole."""
        return await self._whole.read(path, start=start, max_bytes=max_bytes)


def unreachable() -> PaperTransport:
    """Give a host to which there is no connection."""
    return PaperTransport(ConnectError("No connection.", code="ssh.refused"))


def _framed(nonce: str, name: str, part: Part) -> bytes:
    before = f"\n{nonce} begin {name}\n".encode()
    after = f"\n{nonce} error {name}\n{part.stderr}\n{nonce} end {name} {part.status}\n".encode()
    return before + part.stdout + after
