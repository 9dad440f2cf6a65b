"""The kinds of transport, for the suite that holds all of them to one contract."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.config.model import Config, HostConfig
from jobwarden.transport.errors import TransportError
from jobwarden.transport.pool import TransportPool
from support.sshd import Sshd, SshHome, running_sshd

KINDS = ("local", "asyncssh", "openssh", "master")
"""`openssh` logs in for each command; `master` goes through a person's master connection."""


def kind_params(*kinds: str) -> list[object]:
    """Give the kinds as parameters, marked by what they need."""
    return [pytest.param(kind, marks=[] if kind == "local" else [pytest.mark.sshd]) for kind in kinds]


def kinds(*wanted: str) -> pytest.MarkDecorator:
    """Hold a test against these kinds alone."""
    return pytest.mark.parametrize("kind", kind_params(*wanted), indirect=True)


both = pytest.mark.parametrize("how", ["asyncssh", "openssh"])
"""Hold a test against both clients, each as configured by hand."""


class Lab:
    """Servers and a client's folder of one test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.home = SshHome(folder / "ssh")
        self._stack = stack

    def sshd(self, *more: str, name: str = "sshd") -> Sshd:
        return self._stack.enter_context(running_sshd(self.folder / name, *more))

    def master(self, alias: str) -> Path:
        return self._stack.enter_context(self.home.master(alias))

    @asynccontextmanager
    async def pool(
        self,
        how: str = "auto",
        *,
        host: str = "far",
        env: dict[str, str] | None = None,
        prelude: str = "",
        **clocks: float,
    ) -> AsyncGenerator[TransportPool]:
        times = Clocks.model_validate({"connect_timeout_s": 10.0, "keepalive_s": 1.0, "cancel_grace_s": 1.0, **clocks})
        settings = HostConfig.model_validate({"transport": how, "prelude": prelude})
        config = Config(clocks=times, hosts={host: settings})
        async with TransportPool(config, env=env or self.home.env(), machine_id="m") as pool:
            yield pool


def by_hand(words: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
    """Do what a person would do in a terminal."""
    # No pipes: what stays behind, as a master connection, would hold them open.
    null = subprocess.DEVNULL
    subprocess.run(words, env=env, check=True, stdin=null, stdout=null, stderr=null, timeout=20)


async def say(pool: TransportPool, word: str = "hello", *, host: str = "far", timeout_s: float = 20) -> bytes:
    async with pool.lease(host) as transport:
        return (await transport.run(["echo", word], timeout_s=timeout_s)).stdout


async def fail(pool: TransportPool, *, host: str = "far", timeout_s: float = 20) -> TransportError:
    async with pool.lease(host) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.run(["echo", "no"], timeout_s=timeout_s)
    return caught.value
