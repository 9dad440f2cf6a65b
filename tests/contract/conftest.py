"""The sshd that the contract of transports is held against."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobwarden.config.clocks import Clocks
from jobwarden.config.model import Config, HostConfig
from jobwarden.transport.base import Transport
from jobwarden.transport.pool import TransportPool
from support.sshd import Sshd, SshHome, running_sshd
from support.transports import KINDS, Lab, kind_params

CLOCKS = Clocks(cancel_grace_s=1.0, keepalive_s=1.0, connect_timeout_s=10.0, ask_timeout_s=20.0)


@dataclass(frozen=True, slots=True)
class Far:
    """A running sshd and a client's folder that knows it as `far`."""

    sshd: Sshd
    home: SshHome


@pytest.fixture(scope="session")
def far_folder() -> Generator[Path]:
    """A folder with a short path: unix sockets want that."""
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def far(far_folder: Path) -> Generator[Far]:
    """An sshd for all tests that do it no harm."""
    with running_sshd(far_folder / "sshd") as sshd:
        home = SshHome(far_folder / "ssh")
        home.add("far", sshd)
        home.add("far-master", sshd, ControlPath=str(home.folder / "cm-far-master"))
        yield Far(sshd, home)


@pytest.fixture(scope="session")
def far_master(far: Far) -> Generator[Far]:
    """The same with a person's master connection left open."""
    with far.home.master("far-master"):
        yield far


@pytest.fixture(params=kind_params(*KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of transport."""
    return str(request.param)


@pytest.fixture
async def transport(kind: str, request: pytest.FixtureRequest) -> AsyncGenerator[Transport]:
    """A borrowed transport of each kind."""
    env: dict[str, str] | None = None
    hosts: dict[str, HostConfig] = {}
    name = "localhost"
    if kind != "local":
        far: Far = request.getfixturevalue("far_master" if kind == "master" else "far")
        env = far.home.env()
        name = "far-master" if kind == "master" else "far"
        hosts[name] = HostConfig.model_validate({"transport": "auto" if kind == "master" else kind})
    config = Config(clocks=CLOCKS, hosts=hosts)
    pool = TransportPool(config, env=env or dict(os.environ), machine_id="m")
    async with pool, pool.lease(name) as transport:
        yield transport


@pytest.fixture
def lab() -> Generator[Lab]:
    """Servers and a client's folder that a test may harm."""
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    with ExitStack() as stack:
        yield Lab(folder, stack)
    shutil.rmtree(folder, ignore_errors=True)
