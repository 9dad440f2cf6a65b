"""A task outlives the server process that began it: real processes over stdio, a real program that is watched."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from support.household import Household, cli, household
from support.task_client import KnowsTasks, State, begin, call, get

SOON_S = 60.0


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        made.env["CLAUDE_CODE_SESSION_ID"] = "session-1"
        yield made


def _client(home: Household) -> Client:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "jobwarden", "serve"], env=home.env, cwd=home.project
    )
    return Client(server, extensions=[KnowsTasks()])


def _servers() -> list[int]:
    """Give our own children that serve."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1]
            if b"\0serve\0" in (folder / "cmdline").read_bytes() and int(parent) == os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("killed", [False, True])
async def test_a_server_process_started_later_tells_the_end_that_the_one_before_was_waiting_for(
    home: Household, killed: bool
) -> None:
    gate = home.root / "gate"
    os.mkfifo(gate)
    argv = ["run", "--name", "gated", "--", "sh", "-c", f"read line < {gate}; exit 3"]
    await anyio.to_thread.run_sync(lambda: cli(home, *argv).check_returncode())
    async with _client(home) as client:
        await call(client, "check_status")
        handle = await begin(client, until="terminal")
        assert (await get(client, handle.task_id)).status == "working"
        if killed:
            (pid,) = _servers()
            os.kill(pid, signal.SIGKILL)
    async with _client(home) as client:
        assert (await get(client, handle.task_id)).status == "working"
        await anyio.Path(gate).write_text("go\n", encoding="utf-8")
        ended = await _ended(client, handle.task_id)
        assert "NEWS" in ended.text
        assert "gated" in ended.text
        assert "exit 3" in ended.text
        told = await call(client, "check_status")
        assert isinstance(told, str)
        assert "NEWS" not in told
    async with _client(home) as client:
        assert await get(client, handle.task_id) == ended


async def _ended(client: Client, task_id: str) -> State:
    with anyio.fail_after(SOON_S):
        while True:
            state = await get(client, task_id)
            if state.status != "working":
                return state
            await anyio.sleep(0.2)
