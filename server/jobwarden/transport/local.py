"""This machine as a transport."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import anyio
import anyio.to_thread

from jobwarden.config.clocks import Clocks
from jobwarden.transport.base import Chunk, Completed
from jobwarden.transport.children import ChildSetting, ChildTimeoutError, OutputTooLongError, run_child
from jobwarden.transport.errors import LocalSetupError
from jobwarden.transport.faults import out_of_time, too_much_output
from jobwarden.transport.quoting import encode_words
from jobwarden.transport.reading import check_path, read_here, unreadable


class LocalTransport:
    """Child processes of this one. A word that is no program gives status 127 or 126, as a shell does.

    Commands start in the home folder, as they do over ssh.
    """

    def __init__(self, host: str, *, env: Mapping[str, str], clocks: Clocks, prelude: str = "") -> None:
        home = Path(env.get("HOME", "/"))
        cwd = home if home.is_dir() else Path("/")
        self._host = host
        self._prelude = prelude
        self._setting = ChildSetting(env=dict(env), cwd=cwd, grace_s=clocks.cancel_grace_s)
        self._read_timeout_s = clocks.ask_timeout_s

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return self._host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        words = encode_words(argv)
        if self._prelude:
            script = self._prelude.encode("utf-8", "surrogateescape") + b'\nexec "$@"'
            words = [b"/bin/sh", b"-c", script, b"sh", *words]
        try:
            return await run_child(words, self._setting, timeout_s=timeout_s, stdin=stdin)
        except ChildTimeoutError as error:
            raise out_of_time(self._host, timeout_s) from error
        except OutputTooLongError as error:
            raise too_much_output(self._host) from error
        except OSError as error:
            return _not_started(argv[0], error)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`."""
        check_path(path)
        chunk: Chunk | None = None
        with anyio.move_on_after(self._read_timeout_s) as scope:
            # A dead network file system holds the thread for ever; it is left to its fate.
            chunk = await anyio.to_thread.run_sync(
                lambda: read_here(path, start=start, max_bytes=max_bytes), abandon_on_cancel=True
            )
        if scope.cancelled_caught:
            raise unreadable(path, "its file system does not answer", retryable=True)
        return chunk


def _not_started(program: str, error: OSError) -> Completed:
    said = f"{program}: {error.strerror}\n".encode("utf-8", "surrogateescape")
    # An empty name is taken for the working directory, and refused as one.
    if not program or error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
        return Completed(127, b"", said)
    if error.errno in {errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR}:
        return Completed(126, b"", said)
    raise LocalSetupError(f"{program} cannot be started: {error.strerror}.", code="transport.spawn") from error
