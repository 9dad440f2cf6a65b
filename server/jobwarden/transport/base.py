"""Running an argument list on a host, and reading a byte range of a file there: nothing else.

A third verb needs a decision note.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end, as seen from here.

    Attributes:
        status: Its exit status; minus the signal's number when a signal ended it.
        stdout: What it printed, raw.
        stderr: What it complained, raw.
    """

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """A byte range of a file.

    Attributes:
        data: The bytes; shorter than asked for at the end of the file.
        start: Where `data` begins in the file, from its beginning.
        size_bytes: The file's whole size when it was read.
        file_id: What tells this file from one that replaced it under the same name (device and inode); may be empty.
    """

    data: bytes
    start: int
    size_bytes: int
    file_id: str = ""


class Transport(Protocol):
    """One host. Safe for many tasks at once."""

    @property
    def host(self) -> str:
        """The host as the person wrote it, or `localhost`."""
        ...

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run an argument list there, each word arriving as it is, and wait for its end.

        The command gets no terminal and, without `stdin`, an empty standard input. It is killed with its whole
        process group when the time is up (over ssh: as far as the far side lets us). A non-zero exit is data.

        Args:
            argv: Program and arguments; any characters but NUL.
            timeout_s: Seconds until `OutcomeUnknownError`.
            stdin: Bytes for its standard input.

        Raises:
            ConnectError: No connection; it did not run.
            OutcomeUnknownError: It was sent and its end was not seen.
            AuthRejectedError, HostKeyUnknownError, HostKeyChangedError, LocalSetupError: A person must act.
        """
        ...

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """Read a byte range of a regular file; links are followed.

        Args:
            path: Absolute.
            start: Offset in bytes; negative counts back from the end of the file (and stops at its beginning).
            max_bytes: At most this many.

        Returns:
            The range, or None when there is no file of that name.

        Raises:
            As `run`; and TransportError `file.unreadable` for a file that is there and cannot be read
            (permission, a directory, a device).
        """
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Where a host name leads: equal for two names of one place.

    Attributes:
        host: The name as the person wrote it.
        key: `user@address:port`, or `local:<machine id>`.
        user: The remote login.
    """

    host: str
    key: str
    user: str


class Transports(Protocol):
    """Gives connections to hosts; one connection a host, shared by all who borrow it."""

    async def resolve(self, host: str) -> Site:
        """Say where a name leads by the ssh configuration; opens no connection.

        Raises:
            LocalSetupError: The ssh configuration cannot be read.
            InvalidIdError: The name cannot be a host (a leading dash, white space, control characters).
        """
        ...

    def lease(self, host: str) -> AbstractAsyncContextManager[Transport]:
        """Borrow the host's transport; a connection is opened at its first use and closed when idle.

        Raises (from the transport's use, not here): as `Transport.run`.
        """
        ...
