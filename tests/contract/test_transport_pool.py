"""Connections shared, kept, closed and found by the ssh configuration, against a real sshd."""

from __future__ import annotations

import os
import shutil

import anyio
import pytest

from jobwarden.config.model import Config, HostConfig
from jobwarden.transport.base import Site, Transport
from jobwarden.transport.errors import AuthRejectedError, ConnectError, HostKeyUnknownError
from jobwarden.transport.pool import TransportPool
from jobwarden_registry.errors import InvalidIdError
from support.sshd import SshHome, wait_until
from support.transports import Lab, both, fail, say

pytestmark = pytest.mark.sshd


async def together(transport: Transport, count: int, *, script: str = 'echo "$0"') -> list[bytes]:
    said: list[bytes] = []

    async def one(number: int) -> None:
        said.append((await transport.run(["sh", "-c", script, str(number)], timeout_s=60)).stdout)

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(one, number)
    return sorted(said, key=lambda line: int(line.split()[0]))


# -- one connection


async def test_twenty_callers_make_one_connection_and_share_it(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh") as pool, pool.lease("far") as one, pool.lease("far") as other:
        async with anyio.create_task_group() as group:
            for transport in (one, other):
                group.start_soon(together, transport, 10)
        assert sshd.logins == 1
        assert await say(pool) == b"hello\n"
        assert sshd.logins == 1


async def test_two_names_of_one_place_share_a_connection(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    lab.home.add("other-name", sshd)
    async with lab.pool("asyncssh") as pool, pool.lease("far") as one, pool.lease("other-name") as other:
        assert (one.host, other.host) == ("far", "other-name")
        await one.run(["true"], timeout_s=10)
        await other.run(["true"], timeout_s=10)
    assert sshd.logins == 1


async def test_no_more_than_three_commands_run_at_once_on_a_connection(lab: Lab) -> None:
    lab.home.add("far", lab.sshd())
    folder, go = lab.folder / "running", lab.folder / "go"
    folder.mkdir()
    script = f'touch "{folder}/$0"; until [ -e {go} ]; do sleep 0.05; done; echo "$0"'
    said: list[bytes] = []

    async def all_nine(transport: Transport) -> None:
        said.extend(await together(transport, 9, script=script))

    async with lab.pool("asyncssh") as pool, pool.lease("far") as transport, anyio.create_task_group() as group:
        group.start_soon(all_nine, transport)
        with anyio.fail_after(20):
            while len(list(folder.iterdir())) < 3:  # noqa: ASYNC110 -- other processes make the files
                await anyio.sleep(0.02)
        await anyio.sleep(0.5)
        assert len(list(folder.iterdir())) == 3
        go.touch()
    assert len(said) == 9


@pytest.mark.parametrize("sessions", [1, 2])
async def test_a_server_with_few_sessions_serves_twenty_callers_one_after_the_other(lab: Lab, sessions: int) -> None:
    sshd = lab.sshd(f"MaxSessions {sessions}")
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh") as pool, pool.lease("far") as transport:
        assert await together(transport, 20) == [f"{number}\n".encode() for number in range(20)]
    assert sshd.logins == 1


@pytest.mark.parametrize("how", ["asyncssh", "master"])
async def test_a_server_without_sessions_is_busy_and_not_asked_for_ever(lab: Lab, how: str) -> None:
    sshd = lab.sshd("MaxSessions 0")
    lab.home.add("far", sshd, ControlPath=str(lab.home.folder / "cm-far"))
    if how == "master":
        lab.master("far")
    async with lab.pool() as pool:
        error = await fail(pool, timeout_s=30)
    assert (type(error), error.code) == (ConnectError, "ssh.busy")
    assert sshd.logins == 1


async def test_a_first_caller_who_gives_up_does_not_take_the_others_along(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    said: list[bytes] = []

    async def patient(transport: Transport) -> None:
        said.append((await transport.run(["echo", "served"], timeout_s=30)).stdout)

    async with lab.pool("asyncssh") as pool, pool.lease("far") as transport, anyio.create_task_group() as group:
        with anyio.CancelScope() as hasty:
            async with anyio.create_task_group() as inner:
                inner.start_soon(lambda: transport.run(["true"], timeout_s=30))
                await anyio.wait_all_tasks_blocked()
                group.start_soon(patient, transport)
                await anyio.wait_all_tasks_blocked()
                hasty.cancel()
    assert said == [b"served\n"]


async def test_an_unused_connection_is_closed_and_the_next_use_opens_another(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh", idle_close_s=0.3) as pool:
        async with pool.lease("far") as transport:
            await transport.run(["true"], timeout_s=10)
            await anyio.sleep(0.6)
            assert sshd.sessions(), "in use is not idle"
        await anyio.to_thread.run_sync(lambda: wait_until(lambda: not sshd.sessions(), lambda: "still open"))
        assert await say(pool) == b"hello\n"
        assert sshd.logins == 2


async def test_a_connection_borrowed_again_in_time_stays_open(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh", idle_close_s=2.0) as pool:
        await say(pool)
        await anyio.sleep(1.2)
        await say(pool)
        await anyio.sleep(1.2)  # the first two seconds are over, the second are not
        await say(pool)
    assert sshd.logins == 1


async def test_leaving_the_pool_closes_everything(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    async with lab.pool("asyncssh") as pool:
        await say(pool)
        assert sshd.sessions()
    wait_until(lambda: not sshd.sessions(), lambda: "still open")


# -- master connections


async def test_a_live_master_is_used_and_no_login_made(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, ControlPath=str(lab.home.folder / "cm-%r@%h-%p"))
    path = lab.home.folder / f"cm-{(await resolve(lab)).key.replace(':', '-')}"
    with lab.home.master("far", path=path):
        async with lab.pool() as pool, pool.lease("far") as transport:
            assert await together(transport, 20) == [f"{number}\n".encode() for number in range(20)]
        assert sshd.logins == 1


async def resolve(lab: Lab) -> Site:
    async with lab.pool() as pool:
        return await pool.resolve("far")


async def test_a_master_that_comes_and_goes_is_noticed_at_the_next_borrowing(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, ControlPath=str(lab.home.folder / "cm-far"))
    async with lab.pool() as pool:
        await say(pool)
        assert sshd.logins == 1
        with lab.home.master("far"):
            await say(pool)
            wait_until(lambda: len(sshd.sessions()) <= 2, lambda: "our own connection stays open beside the master")
        await say(pool)
    assert sshd.logins == 3


async def test_a_socket_that_no_master_listens_on_is_passed_over(lab: Lab) -> None:
    sshd = lab.sshd()
    path = lab.home.folder / "cm-far"
    lab.home.add("far", sshd, ControlPath=str(path))
    with lab.home.master("far"):
        os.link(path, path.with_name("kept"))
    path.with_name("kept").rename(path)
    async with lab.pool() as pool:
        assert await say(pool) == b"hello\n"


# -- the ssh configuration


@both
async def test_aliases_includes_and_matches_are_honoured(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    part = SshHome(lab.folder / "part")
    part.add("real", sshd, User="nobody-of-that-name")
    lab.home.config.write_text(
        f"Match originalhost far exec true\n  User {os.environ.get('USER') or 'root'}\n  HostName real\n"
        f"Host nick*\n  HostName 127.0.0.1\n  Port {sshd.port}\n"
        f"Host *\nInclude {part.config}\n"
        f"Host *\n  IdentityFile {part.key}\n  UserKnownHostsFile {part.known_hosts}\n"
    )
    async with lab.pool(how, host="nickname") as pool:
        assert await say(pool, host="nickname") == b"hello\n"


@both
async def test_a_host_behind_another_is_reached_through_it(lab: Lab, how: str) -> None:
    gate, inner = lab.sshd(name="gate"), lab.sshd(name="inner")
    lab.home.add("gate", gate)
    lab.home.add("far", inner, ProxyJump="gate")
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"
        assert (gate.logins, inner.logins) == (1, 1)
    wait_until(lambda: not gate.sessions() and not inner.sessions(), lambda: "a connection was left open")


@both
async def test_a_gate_that_is_not_known_is_named_in_the_error(lab: Lab, how: str) -> None:
    gate, inner = lab.sshd(name="gate"), lab.sshd(name="inner")
    lab.home.add("gate", gate, trust=False)
    lab.home.add("far", inner, ProxyJump="gate")
    async with lab.pool(how) as pool:
        error = await fail(pool)
    assert type(error) is HostKeyUnknownError
    assert inner.logins == 0


async def test_a_gate_that_refuses_the_login_is_asked_once(lab: Lab) -> None:
    gate, inner = lab.sshd(name="gate"), lab.sshd(name="inner")
    lab.home.add("gate", gate, authorize=False)
    lab.home.add("second-gate", inner)
    lab.home.add("far", inner, HostName="never.example.org", ProxyJump="gate,second-gate")
    async with lab.pool("asyncssh") as pool:
        for _ in range(3):
            assert type(await fail(pool)) is AuthRejectedError
    assert gate.refusals == 1


async def test_a_server_behind_a_gate_that_refuses_connections_is_refused(lab: Lab) -> None:
    gate, inner = lab.sshd(name="gate"), lab.sshd(name="inner")
    lab.home.add("gate", gate)
    lab.home.add("far", inner, ProxyJump="gate")
    inner.stop()
    async with lab.pool("asyncssh") as pool:
        error = await fail(pool)
        assert (type(error), error.code) == (ConnectError, "ssh.refused")
        wait_until(lambda: not gate.sessions(), lambda: "the connection to the gate was left open")


@both
async def test_a_command_in_place_of_a_connection_is_used(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    relay = f"{shutil.which('ssh')} -F {lab.home.config} -W %h:%p gate"
    lab.home.add("gate", lab.sshd(name="gate"))
    lab.home.add("far", sshd, ProxyCommand=relay)
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"


@both
async def test_a_remote_command_and_forwardings_in_the_configuration_do_not_get_in_the_way(lab: Lab, how: str) -> None:
    lab.home.add(
        "far",
        lab.sshd(),
        RemoteCommand="tmux attach",
        RequestTTY="force",
        ControlMaster="auto",
        ControlPath=str(lab.home.folder / "cm"),
        ControlPersist="5m",
        LocalForward="127.0.0.1:1 127.0.0.1:1",
        LogLevel="QUIET",
    )
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"
    assert not (lab.home.folder / "cm").exists()


@both
async def test_a_home_that_is_not_the_password_databases_is_honoured(lab: Lab, how: str) -> None:
    home = lab.folder / "home"
    home.mkdir()
    own = SshHome(home / ".ssh")
    sshd = lab.sshd()
    own.add("far", sshd, IdentityFile="", UserKnownHostsFile="", IdentitiesOnly="")
    own.key.rename(home / ".ssh" / "id_ed25519")
    env = {**os.environ, "HOME": str(home)}
    async with lab.pool(how, env=env) as pool:
        assert await say(pool) == b"hello\n"


async def test_without_an_ssh_program_the_configuration_is_read_all_the_same(lab: Lab) -> None:
    gate, inner = lab.sshd(name="gate"), lab.sshd(name="inner")
    lab.home.add("gate", gate)
    lab.home.write("far", ProxyJump="gate")
    part = lab.folder / "part"
    part.write_text(lab.home.config.read_text())
    lab.home.config.write_text(f"Include {part}\n")
    lab.home.add("far", inner, UserKnownHostsFile=f"{lab.folder}/missing {lab.home.known_hosts}")
    async with lab.pool(env=lab.home.env(PATH=str(lab.folder))) as pool:
        site = await pool.resolve("far")
        assert site.key == f"{site.user}@127.0.0.1:{inner.port}"
        assert await say(pool) == b"hello\n"
    assert gate.logins == 1


# -- where names lead


async def test_names_of_one_place_have_one_key(lab: Lab) -> None:
    lab.home.write("a", HostName="login.example.org", User="alice")
    lab.home.write("b", HostName="LOGIN.example.org", User="alice", Port="22")
    lab.home.write("c", HostName="login.example.org", User="alice", Port="2222")
    config = Config(hosts={"d": HostConfig(user="alice")})
    lab.home.write("d", HostName="login.example.org", User="bob")
    async with TransportPool(config, env=lab.home.env(), machine_id="m1") as pool:
        keys = {name: (await pool.resolve(name)).key for name in "abcd"}
    assert keys["a"] == keys["b"] == keys["d"] == "alice@login.example.org:22"
    assert keys["c"] == "alice@login.example.org:2222"


async def test_localhost_is_this_machine_and_nothing_else_is(lab: Lab) -> None:
    config = Config(hosts={"here": HostConfig(transport="local")})
    async with TransportPool(config, env=lab.home.env(), machine_id="m1") as pool:
        for name in ("localhost", "", "here"):
            assert (await pool.resolve(name)).key == "local:m1"
            async with pool.lease(name) as transport:
                assert (await transport.run(["echo", "$0"], timeout_s=10)).stdout == b"$0\n"
        assert (await pool.resolve("127.0.0.1")).key.endswith("@127.0.0.1:22")


@pytest.mark.parametrize(
    "name",
    ["-oProxyCommand=touch x", "a b", "a\nb", "`id`", "$(id)", "a;b", "a@-b", "-", "a'b", "a\0b", "x" + "\u0430"],
)
async def test_what_cannot_be_a_host_is_refused_before_ssh_sees_it(lab: Lab, name: str) -> None:
    lab.home.write("*", ProxyCommand=f"touch {lab.folder}/bait-%h")
    async with lab.pool() as pool:
        with pytest.raises(InvalidIdError):
            await pool.resolve(name)
        async with pool.lease(name) as transport:
            with pytest.raises(InvalidIdError):
                await transport.run(["true"], timeout_s=5)
    assert not list(lab.folder.glob("bait*"))


# -- what comes before commands


@pytest.mark.parametrize("how", ["local", "asyncssh", "openssh"])
async def test_the_prelude_runs_before_commands(lab: Lab, how: str) -> None:
    lab.home.add("far", lab.sshd())
    host = HostConfig.model_validate({"transport": how, "prelude": "export JW_TEST='a  b'; false"})
    pool = TransportPool(Config(hosts={"far": host}), env=lab.home.env(), machine_id="m")
    async with pool, pool.lease("far") as transport:
        answer = await transport.run(["sh", "-c", 'echo "$JW_TEST" "$1"', "sh", "$x"], timeout_s=10)
    assert answer.stdout == b"a  b $x\n"
