"""Whom to believe and how to log in: keys, agents, known_hosts and refusals, against a real sshd."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Generator

import anyio
import pytest

from jobwarden.transport.base import Completed, Transport
from jobwarden.transport.errors import (
    AuthRejectedError,
    HostKeyChangedError,
    HostKeyUnknownError,
    TransportError,
)
from support.sshd import make_key, wait_until
from support.transports import Lab, both, by_hand, fail, say

pytestmark = pytest.mark.sshd

# -- whom to believe


@both
async def test_an_unknown_host_is_an_error_with_the_command_that_adds_it(lab: Lab, how: str) -> None:
    lab.home.add("far", lab.sshd(), trust=False)
    async with lab.pool(how) as pool:
        error = await fail(pool)
    assert type(error) is HostKeyUnknownError
    assert (error.retryable, error.shared) == (False, False)
    assert f"ssh -F {lab.home.config} far" in error.hint


@both
async def test_a_changed_host_key_is_another_error_and_its_command_mends_it(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd)
    make_key(sshd.folder / "host_key")
    sshd.stop()
    sshd.start()
    async with lab.pool(how) as pool:
        error = await fail(pool)
        assert type(error) is HostKeyChangedError
        mend = error.hint.partition(": ")[2].partition(" && ")[0]
        by_hand(shlex.split(mend))
        assert type(await fail(pool)) is HostKeyUnknownError
        lab.home.trust(sshd)
        assert await say(pool) == b"hello\n"


async def test_a_host_known_by_another_kind_of_key_is_not_taken_for_new(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, trust=False)
    other = lab.folder / "other"
    by_hand(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(other)])
    lab.home.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {other.with_suffix('.pub').read_text()}")
    async with lab.pool("asyncssh") as pool:
        assert type(await fail(pool)) is HostKeyChangedError


@both
async def test_known_hosts_may_be_hashed_aliased_partly_missing_and_partly_unreadable(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    files = f"{lab.home.known_hosts} {lab.folder}/missing"
    lab.home.add("far", sshd, UserKnownHostsFile=files)
    by_hand(["ssh-keygen", "-q", "-H", "-f", str(lab.home.known_hosts)])
    with lab.home.known_hosts.open("a") as file:
        file.write("this line makes no sense\n")
    kind, key = (sshd.folder / "host_key.pub").read_text().split()[:2]
    named = lab.folder / "named"
    named.write_text(f"some-name {kind} {key}\n")
    lab.home.add("alias", sshd, trust=False, UserKnownHostsFile=str(named), HostKeyAlias="some-name")
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"
        assert await say(pool, host="alias") == b"hello\n"


@both
async def test_a_configuration_that_wants_no_host_keys_gets_its_way(lab: Lab, how: str) -> None:
    lab.home.add("far", lab.sshd(), trust=False, StrictHostKeyChecking="no", UserKnownHostsFile=os.devnull)
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"


# -- logging in


@both
async def test_a_refused_login_is_not_tried_again_until_a_key_changes(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, authorize=False)
    async with lab.pool(how) as pool:
        first = await fail(pool)
        assert type(first) is AuthRejectedError
        assert (first.retryable, first.shared) == (False, False)
        assert sshd.refusals == 1
        sshd.authorize(lab.home.key.with_suffix(".pub"))
        for _ in range(3):
            again = await fail(pool)
            assert (type(again), again.text, again.hint) == (AuthRejectedError, first.text, first.hint)
        assert sshd.refusals == 1
        assert sshd.logins == 0
        os.utime(lab.home.key)
        assert await say(pool) == b"hello\n"


@both
async def test_a_person_may_ask_for_another_login(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, authorize=False)
    async with lab.pool(how) as pool:
        await fail(pool)
        await pool.retry_logins("far")
        assert type(await fail(pool)) is AuthRejectedError
        assert sshd.refusals == 2
        sshd.authorize(lab.home.key.with_suffix(".pub"))
        await pool.retry_logins()
        assert await say(pool) == b"hello\n"


@both
async def test_many_callers_with_a_refused_key_make_one_attempt(lab: Lab, how: str) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, authorize=False)
    kinds: list[type[TransportError]] = []

    async def one(transport: Transport) -> None:
        try:
            await transport.run(["true"], timeout_s=30)
        except TransportError as error:
            kinds.append(type(error))

    async with lab.pool(how) as pool, pool.lease("far") as transport, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one, transport)
    assert kinds == [AuthRejectedError] * 10
    assert sshd.refusals == 1


@both
async def test_too_many_refused_keys_are_a_refused_login(lab: Lab, how: str) -> None:
    lab.home.add("far", lab.sshd("MaxAuthTries 1"), authorize=False, IdentityFile="")
    for name in ("k1", "k2", "k3"):
        lab.home.write("far", IdentityFile=str(make_key(lab.folder / name)))
    async with lab.pool(how) as pool:
        assert type(await fail(pool)) is AuthRejectedError


@both
async def test_keys_that_are_missing_or_locked_are_passed_over(lab: Lab, how: str) -> None:
    locked = make_key(lab.folder / "locked", passphrase="secret")
    lab.home.write("far", IdentityFile=str(lab.folder / "missing"))
    lab.home.write("far", IdentityFile=str(locked))
    lab.home.add("far", lab.sshd())
    async with lab.pool(how) as pool:
        assert await say(pool) == b"hello\n"


@pytest.fixture
def agent(lab: Lab) -> Generator[dict[str, str]]:
    socket_path = lab.folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    wait_until(socket_path.exists, lambda: "no agent")
    yield lab.home.env(SSH_AUTH_SOCK=str(socket_path))
    process.terminate()
    process.wait()


@both
@pytest.mark.parametrize("only", ["yes", "no"])
async def test_a_key_added_to_the_agent_ends_the_refusal(lab: Lab, how: str, only: str, agent: dict[str, str]) -> None:
    key = lab.home.key
    lab.home.add("far", lab.sshd(), IdentitiesOnly=only)
    spare = key.with_name("spare")
    key.rename(spare)  # its public half stays, to tell which of the agent's keys is meant
    async with lab.pool(how, env=agent) as pool:
        assert type(await fail(pool)) is AuthRejectedError
        by_hand(["ssh-add", "-q", str(spare)], env=agent)
        assert await say(pool) == b"hello\n"


async def test_the_hint_of_a_refused_login_opens_a_master_connection_that_is_then_used(lab: Lab) -> None:
    sshd = lab.sshd()
    lab.home.add("far", sshd, authorize=False)
    factor = make_key(lab.folder / "second-factor")
    sshd.authorize(factor.with_suffix(".pub"))
    async with lab.pool() as pool:
        error = await fail(pool)
        assert type(error) is AuthRejectedError
        command = shlex.split(error.hint.partition(": ")[2])
        assert command[0] == "ssh"
        words = [*command[:-1], "-i", str(factor), "-N", "-f", command[-1]]
        by_hand(words)
        try:
            assert await say(pool) == b"hello\n"
            assert sshd.logins == 1
        finally:
            by_hand([*command[:-1], "-O", "exit", "far"])


@both
async def test_a_far_side_without_the_program_timeout_runs_commands_all_the_same(lab: Lab, how: str) -> None:
    """Its /bin/sh is this machine's: on Debian and Ubuntu dash, which has no `exec --`."""
    lab.home.add("far", lab.sshd())
    programs = lab.folder / "programs"
    programs.mkdir()
    for name in ("sh", "printf"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    async with lab.pool(how, prelude=f"PATH={programs}") as pool, pool.lease("far") as transport:
        assert (await transport.run(["timeout"], timeout_s=20)).status == 127
        words = ["-n", "", "a  b", "\\n", "$(id)"]
        answer = await transport.run(["printf", "%s|", *words], timeout_s=20)
        assert answer == Completed(0, "|".join([*words, ""]).encode(), b"")
        assert await transport.run(["sh", "-c", "echo err >&2; exit 3"], timeout_s=20) == Completed(3, b"", b"err\n")
        for program in ("-n", "exit", "no such program", ""):
            assert (await transport.run([program, "0"], timeout_s=20)).status == 127, program
