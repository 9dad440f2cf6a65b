"""What goes wrong between two machines, done to a real sshd, and what each kind of client makes of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path, PurePosixPath

import anyio
import asyncssh
import pytest
from anyio.abc import SocketAttribute, SocketStream

from jobwarden.transport.base import Completed, Transport
from jobwarden.transport.errors import (
    ConnectError,
    LocalSetupError,
    OutcomeUnknownError,
    TransportError,
)
from support.sshd import free_port, make_key, wait_until
from support.transports import Lab, both, fail, say

pytestmark = pytest.mark.sshd

# -- no connection


@both
async def test_a_port_where_nobody_listens_is_refused(lab: Lab, how: str) -> None:
    lab.home.write("far", HostName="127.0.0.1", Port=str(free_port()))
    async with lab.pool(how) as pool:
        error = await fail(pool)
    assert (type(error), error.code, error.retryable, error.shared) == (ConnectError, "ssh.refused", True, True)


@both
async def test_a_name_without_an_address_is_unresolved(lab: Lab, how: str) -> None:
    lab.home.write("far", HostName="no-such-host.invalid")
    async with lab.pool(how) as pool:
        error = await fail(pool, timeout_s=40)
    assert (type(error), error.code) == (ConnectError, "ssh.unresolved")


@both
async def test_a_server_that_accepts_and_says_nothing_is_a_timeout(lab: Lab, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.home.write("far", HostName="127.0.0.1", Port=str(silent.getsockname()[1]))
        async with lab.pool(how, connect_timeout_s=1.0) as pool:
            with anyio.fail_after(8):
                error = await fail(pool)
    assert (type(error), error.code) == (ConnectError, "ssh.timeout")


@both
async def test_a_server_that_hangs_up_at_once_is_dropped_before_anything_ran(lab: Lab, how: str) -> None:
    async def hang_up(stream: SocketStream) -> None:
        await stream.aclose()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        lab.home.write("far", HostName="127.0.0.1", Port=str(listener.extra(SocketAttribute.local_port)))
        async with anyio.create_task_group() as group, lab.pool(how) as pool:
            group.start_soon(listener.serve, hang_up)
            error = await fail(pool)
            assert (type(error), error.code) == (ConnectError, "ssh.dropped")
            group.cancel_scope.cancel()


@both
async def test_an_ssh_configuration_that_makes_no_sense_fails_the_use_and_not_the_borrowing(lab: Lab, how: str) -> None:
    lab.home.write("far", Port="many")
    async with lab.pool(how) as pool:
        assert type(await fail(pool)) is LocalSetupError
        with pytest.raises(LocalSetupError):
            await pool.resolve("far")


@both
@pytest.mark.parametrize("status", [0, 1])
async def test_a_shell_that_runs_nothing_is_an_error_and_no_exit_status(lab: Lab, how: str, status: int) -> None:
    lab.home.add("far", lab.sshd(f"ForceCommand echo This account is not available; exit {status}"))
    async with lab.pool(how) as pool:
        error = await fail(pool)
    assert (type(error), error.code, error.retryable) == (ConnectError, "ssh.no_shell", False)


# -- lost in the middle


async def run_until_started(transport: Transport, mark: Path, outcome: list[Completed | TransportError]) -> None:
    try:
        script = 'echo half; echo "Permission denied (publickey)." >&2; touch "$0"; exec sleep 60'
        outcome.append(await transport.run(["sh", "-c", script, str(mark)], timeout_s=30))
    except TransportError as error:
        outcome.append(error)


@both
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_connection_lost_in_the_middle_is_an_unknown_outcome_and_the_next_run_opens_another(
    lab: Lab, how: str, fault: signal.Signals
) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    mark = lab.folder / "mark"
    outcome: list[Completed | TransportError] = []
    async with lab.pool(how) as pool, pool.lease("far") as transport:
        async with anyio.create_task_group() as group:
            group.start_soon(run_until_started, transport, mark, outcome)
            while not mark.exists():  # noqa: ASYNC110 -- another process makes it
                await anyio.sleep(0.02)
            sshd.signal_sessions(fault)
        (error,) = outcome
        assert isinstance(error, OutcomeUnknownError), error
        assert (error.code, error.retryable) == ("ssh.dropped", True)
        assert await say(pool) == b"hello\n"
    assert sshd.logins == 2


async def test_an_idle_connection_that_was_cut_is_opened_again_without_a_word(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh") as pool, pool.lease("far") as transport:
        assert (await transport.run(["echo", "1"], timeout_s=10)).stdout == b"1\n"
        sshd.signal_sessions(signal.SIGKILL)
        assert (await transport.run(["echo", "2"], timeout_s=10)).stdout == b"2\n"
    assert sshd.logins == 2


async def test_a_master_that_dies_fails_the_command_and_tries_no_login(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, ControlPath=str(lab.home.folder / "cm-far"))
    with lab.home.master("far"):
        async with lab.pool() as pool, pool.lease("far") as transport:
            assert (await transport.run(["echo", "1"], timeout_s=10)).stdout == b"1\n"
            sshd.signal_sessions(signal.SIGKILL)
            wait_until(lambda: not (lab.home.folder / "cm-far").exists(), lambda: "the master lives on")
            with pytest.raises((ConnectError, OutcomeUnknownError)) as caught:  # as far as the dying master took it
                await transport.run(["echo", "2"], timeout_s=10)
            assert caught.value.code == "ssh.dropped"
            assert sshd.logins == 1


class RefusingSession(asyncssh.SSHServerSession[bytes]):
    """Runs no command; and may hang up when asked to."""

    def __init__(self, connection: asyncssh.SSHServerConnection, *, hangs_up: bool) -> None:
        self._connection = connection
        self._hangs_up = hangs_up

    def exec_requested(self, command: str) -> bool:  # noqa: ARG002 -- asyncssh's
        if self._hangs_up:
            self._connection.abort()
        return False


class RefusingServer(asyncssh.SSHServer):
    """What OpenSSH's sshd cannot be made to do at the right moment."""

    hangs_up = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 -- asyncssh's
        return False

    def session_requested(self) -> RefusingSession:
        return RefusingSession(self._connection, hangs_up=self.hangs_up)


class AbortingServer(RefusingServer):
    hangs_up = True


@pytest.mark.parametrize(
    ("server", "kind", "code"),
    [(RefusingServer, ConnectError, "ssh.no_shell"), (AbortingServer, OutcomeUnknownError, "ssh.dropped")],
)
async def test_a_refusal_to_run_a_command_is_told_from_a_loss_after_it_was_sent(
    lab: Lab, server: type[RefusingServer], kind: type[TransportError], code: str
) -> None:
    key = make_key(lab.folder / "host_key")
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[str(key)], server_factory=server)
    lab.home.known_hosts.write_text(f"[127.0.0.1]:{acceptor.get_port()} {key.with_suffix('.pub').read_text()}")
    known = str(lab.home.known_hosts)
    lab.home.write("far", HostName="127.0.0.1", Port=str(acceptor.get_port()), UserKnownHostsFile=known)
    async with lab.pool("asyncssh") as pool:
        error = await fail(pool)
    acceptor.close()
    await acceptor.wait_closed()
    assert (type(error), error.code) == (kind, code)


# -- noise


@both
async def test_what_a_shell_prints_at_login_is_no_part_of_any_answer(lab: Lab, how: str) -> None:
    noise = lab.folder / "noise"
    noise.write_text('echo "Welcome to cluster"; echo ok 1:1 5 0 5; echo "quota exceeded" >&2\n')
    lab.home.add("far", lab.sshd(f"SetEnv BASH_ENV={noise}"))
    log = lab.folder / "log"
    log.write_bytes(b"line 1\n")
    async with lab.pool(how) as pool, pool.lease("far") as transport:
        assert await transport.run(["sh", "-c", "echo out; echo err >&2"], timeout_s=10) == Completed(
            0, b"out\n", b"err\n"
        )
        chunk = await transport.read(PurePosixPath(log), start=0, max_bytes=100)
        assert chunk is not None
        assert chunk.data == b"line 1\n"


# -- permissions


@pytest.mark.skipif(os.getuid() != 0, reason="only root can log somebody else in")
@both
async def test_a_file_that_may_not_be_read_or_seen_is_there_for_all_we_know(lab: Lab, how: str) -> None:
    as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    lab.home.add("far", lab.sshd(f'ForceCommand {as_nobody} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'))
    lab.folder.chmod(0o755)
    closed, locked = lab.folder / "closed", lab.folder / "locked"
    closed.mkdir(mode=0o700)
    locked.touch(mode=0o600)
    hidden = closed / "No such file or directory"
    async with lab.pool(how) as pool, pool.lease("far") as transport:
        for path in (locked, hidden, closed / "x"):
            with pytest.raises(TransportError) as caught:
                await transport.read(PurePosixPath(path), start=0, max_bytes=1)
            assert (caught.value.code, caught.value.retryable) == ("file.unreadable", False)
        assert await transport.read(PurePosixPath(lab.folder / "none"), start=0, max_bytes=1) is None


# -- other login shells


SHELLS = [name for name in ("dash", "bash", "zsh", "ksh", "fish", "tcsh") if shutil.which(name)]


@pytest.mark.parametrize("shell", SHELLS)
async def test_words_arrive_through_every_login_shell_that_is_here(lab: Lab, shell: str) -> None:
    lab.home.add("far", lab.sshd(f'ForceCommand exec {shell} -c "$SSH_ORIGINAL_COMMAND"'))
    words = ["'", '"', "$HOME", "`id`", "\\", "\\\\", "!", "a!b", "\\'", "*", "", "~", "=x", "{a,b}", "%", "#", "é"]
    if shell != "tcsh":  # the one word that csh cannot quote
        words.append("a\nb")
    async with lab.pool("asyncssh") as pool, pool.lease("far") as transport:
        answer = await transport.run(["/usr/bin/env", "printf", r"%s\0", *words], timeout_s=10)
        assert answer == Completed(0, b"".join(word.encode() + b"\0" for word in words), b"")
        file = lab.folder / "file"
        file.write_bytes(b"abc")
        chunk = await transport.read(PurePosixPath(file), start=1, max_bytes=1)
        assert chunk is not None
        assert chunk.data == b"b"
