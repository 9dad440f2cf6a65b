"""One kept asyncssh connection a place, for everybody.

asyncssh is imported in this package alone. What it takes from the ssh configuration is what `SshSettings` holds; the
rest of it (ciphers, forwardings, commands, environment) is left to OpenSSH's own client, the other kind of link. It
reads no configuration file by itself here: it fails for a missing known_hosts or key file, where OpenSSH goes on
(2.24.1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

import anyio
import anyio.to_thread
import asyncssh

from jobwarden.config.model import Config
from jobwarden.transport import faults
from jobwarden.transport.base import Completed
from jobwarden.transport.children import Collected
from jobwarden.transport.errors import AuthRejectedError, TransportError
from jobwarden.transport.framing import Frame, frame_for, signal_status
from jobwarden.transport.kept import Kept
from jobwarden.transport.logins import Logins
from jobwarden.transport.settings import SshSettings
from jobwarden.transport.ssh.login import is_known, load_keyring, load_trusted, log_in
from jobwarden.transport.ssh.translate import translate

FindSettings: TypeAlias = Callable[[str], Awaitable[SshSettings]]
"""Looks up a hop of a ProxyJump, written as there: `[user@]host[:port]`."""

# asyncssh.constants, not public: the request to run was refused, or its answer never came.
_SESSION_FAILED = 0xFFFFFFFF
_STOP_S = 1.0
_OPENINGS = 5
_MAX_HOPS = 8

_Connection: TypeAlias = asyncssh.SSHClientConnection
_Process: TypeAlias = "asyncssh.SSHClientProcess[bytes]"


class _Progress:
    """Whether the command may have reached the far side."""

    sent = False


class SshLink:
    """A place behind one asyncssh connection. See `Link`.

    See `Kept` for when it is opened.
    """

    def __init__(self, settings: SshSettings, config: Config, logins: Logins, find_settings: FindSettings) -> None:
        self._settings = settings
        self._clocks = config.clocks
        self._logins = logins
        self._find_settings = find_settings
        self._channels = anyio.Semaphore(config.limits.channels)
        self._open_channels = 0
        self._ended_channels = 0
        self._kept = Kept(self._connect_chain, lambda chain: not chain[-1].is_closed(), _close)

    async def execute(self, words: Sequence[bytes], *, prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        """See `Link.execute`."""
        frame = frame_for(timeout_s)
        line = frame.line(words, prelude=prelude, report=False)
        progress = _Progress()
        answer: Completed | None = None
        with anyio.move_on_after(timeout_s):
            async with self._channels:
                answer = await self._run(frame, line, stdin, progress)
        if answer is None:
            alias = self._settings.alias
            raise faults.out_of_time(alias, timeout_s) if progress.sent else faults.connect_timeout(self._settings)
        return self._unframed(frame, answer)

    async def aclose(self) -> None:
        """See `Link.aclose`."""
        await self._kept.drop()

    def _unframed(self, frame: Frame, answer: Completed) -> Completed:
        if not frame.started(answer.stdout, answer.stderr):
            said = (answer.stderr or answer.stdout)[-300:].decode("utf-8", "replace").strip()
            raise faults.not_started(self._settings, said)
        return Completed(answer.status, frame.inside(answer.stdout), frame.inside(answer.stderr))

    async def _run(self, frame: Frame, line: bytes, stdin: bytes, progress: _Progress) -> Completed:
        connection, process = await self._start(line, stdin, progress)
        self._open_channels += 1
        got = Collected()
        ended = False
        try:
            await _converse(process, stdin, got)
            ended = not got.too_long
        finally:
            self._open_channels -= 1
            self._ended_channels += 1
            if not ended:
                with anyio.CancelScope(shield=True):
                    await _stop(connection, process, frame.pid(bytes(got.stderr)))
        if got.too_long:
            raise faults.too_much_output(self._settings.alias)
        status = _status(process)
        if status is None:
            raise faults.dropped(self._settings.alias)
        return Completed(status, bytes(got.stdout), bytes(got.stderr))

    async def _start(self, line: bytes, stdin: bytes, progress: _Progress) -> tuple[_Connection, _Process]:
        """Open a session and send the command, waiting for a free place where the server has few."""
        lonely = 0
        for pause_s in _pauses():
            connection = (await self._kept.get())[-1]
            ended = self._ended_channels
            try:
                progress.sent = True
                process = await connection.create_process(
                    line,
                    encoding=None,
                    stdin=asyncssh.PIPE if stdin else asyncssh.DEVNULL,
                    request_pty=False,
                )
            except asyncssh.ChannelOpenError as error:
                if error.code == _SESSION_FAILED:
                    raise self._refused_session(connection) from error
                progress.sent = False
                # Without a session of our own in use, now or since the last try, there is none to wait for.
                lonely = 0 if self._open_channels or ended != self._ended_channels else lonely + 1
                if lonely >= _OPENINGS:
                    raise faults.busy(self._settings) from error
            except (asyncssh.Error, OSError) as error:
                raise faults.dropped(self._settings.alias) from error
            else:
                return connection, process
            await anyio.sleep(pause_s)
        raise AssertionError

    def _refused_session(self, connection: _Connection) -> TransportError:
        if connection.is_closed():
            return faults.dropped(self._settings.alias)
        return faults.not_started(self._settings, "the server refuses to run commands")

    async def _connect_chain(self) -> list[_Connection]:
        """Connect by way of the jump hosts; the last connection is the one to use."""
        chain: list[_Connection] = []
        try:
            for settings in [*await self._hops(self._settings), self._settings]:
                chain.append(await self._connect(settings, chain[-1] if chain else None))
        except BaseException:  # cancelled, too: no connection on the way stays open; it goes on up
            with anyio.CancelScope(shield=True):
                await _close(chain)
            raise
        return chain

    async def _hops(self, settings: SshSettings, depth: int = 0) -> list[SshSettings]:
        if not settings.proxy_jump:
            return []
        if depth > _MAX_HOPS:
            raise faults.local_setup(self._settings, "ProxyJump goes round in circles")
        hops = [await self._find_settings(hop.strip()) for hop in settings.proxy_jump.split(",")]
        # As OpenSSH does it: only the first is reached by its own ProxyJump, each other through the one before.
        return [*await self._hops(hops[0], depth + 1), *hops]

    async def _connect(self, settings: SshSettings, tunnel: _Connection | None) -> _Connection:
        credentials = await self._logins.check(settings)
        trusted = await anyio.to_thread.run_sync(load_trusted, settings)
        keyring = await anyio.to_thread.run_sync(load_keyring, settings)
        try:
            with anyio.fail_after(self._clocks.connect_timeout_s):
                return await log_in(settings, tunnel, trusted, keyring, self._clocks)
        except (asyncssh.Error, OSError, ValueError) as error:
            fault = translate(error, settings, known=is_known(trusted, settings), notes=keyring.notes)
            if isinstance(fault, AuthRejectedError):
                self._logins.remember(settings, credentials, fault)
            raise fault from error


async def _converse(process: _Process, stdin: bytes, got: Collected) -> None:
    if stdin:
        # It need not read what it was given.
        with contextlib.suppress(OSError, asyncssh.Error):
            process.stdin.write(stdin)
            process.stdin.write_eof()
    async with anyio.create_task_group() as group:
        for reader, into in ((process.stdout, got.stdout), (process.stderr, got.stderr)):
            group.start_soon(_drain, reader, into, got, group.cancel_scope)
    if not got.too_long:
        await process.wait_closed()


async def _drain(
    reader: asyncssh.SSHReader[bytes], into: bytearray, got: Collected, everybody: anyio.CancelScope
) -> None:
    # What was lost with the connection shows in the exit status, which then never comes.
    with contextlib.suppress(OSError, asyncssh.Error):
        while piece := await reader.read(65536):
            into += piece
            if got.too_long:
                everybody.cancel()
                return


def _status(process: _Process) -> int | None:
    """None: the connection was lost. asyncssh raises nothing then, not even with check=True (2.24.1)."""
    if process.exit_signal is not None:
        return signal_status(process.exit_signal[0])
    return process.exit_status


async def _stop(connection: _Connection, process: _Process, pid: int | None) -> None:
    """End the command on the far side.

    Old servers do not pass signals on, and OpenSSH 9.2 does not for root; so they are sent by a command, too. While
    the channel is open the process is there, and its number is no other's.
    """
    for name in ("TERM", "KILL"):
        with anyio.move_on_after(_STOP_S), contextlib.suppress(OSError, asyncssh.Error):
            process.send_signal(name)
            if pid is not None:
                await connection.run(f"exec /bin/sh -c 'kill -s {name} -- -{pid}'", stdin=asyncssh.DEVNULL)
            await process.wait_closed()
            return
    process.close()


async def _close(chain: Sequence[_Connection]) -> None:
    for connection in reversed(chain):
        connection.close()
        with anyio.move_on_after(_STOP_S) as scope:
            await connection.wait_closed()
        if scope.cancelled_caught:
            connection.abort()


def _pauses() -> Iterator[float]:
    pause_s = 0.05
    while True:
        yield pause_s
        pause_s = min(1.0, pause_s * 2)
