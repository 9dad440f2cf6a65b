"""Who may ask for a task: the session that began it, in whatever process, and nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY

from jobwarden.identity import Caller, resolve_caller
from jobwarden.mcp_server.app import build_server
from jobwarden.mcp_server.run import http_app
from support.mcp_processes import Process, Processes
from support.task_client import KnowsTasks, begin, cancel, get

TOLD = "NEWS"
TOKEN = "a-token-of-the-tests-0123456789"
URL = "http://127.0.0.1:8642"

Connect = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Client]]


async def _refused(client: Client, task_id: str, code: int = INVALID_PARAMS) -> None:
    with pytest.raises(MCPError) as caught:
        await get(client, task_id)
    assert caught.value.error.code == code
    with pytest.raises(MCPError) as caught:
        await cancel(client, task_id)
    assert caught.value.error.code == code
    with pytest.raises(MCPError) as caught:
        await cancel(client, task_id, "tasks/update")
    assert caught.value.error.code == code


async def test_a_new_process_of_the_session_answers_for_a_task_that_it_never_saw(world: Processes) -> None:
    old = await world.start()
    await old.watch("1", "2")
    handle = await begin(old.client)
    new = await world.start()
    assert (await get(new.client, handle.task_id)).status_message == "0 of 2 completed, 2 running"
    await old.happens("1")
    ended = await get(new.client, handle.task_id)
    assert TOLD in ended.text
    assert await get(old.client, handle.task_id) == ended
    assert (await get((await world.start()).client, handle.task_id)).text == ended.text


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_task_is_the_sessions_that_began_it(world: Processes, claimed: bool) -> None:
    mine, other = await world.start(), await world.start("session-2", claimed=claimed)
    await mine.watch("1")
    handle = await begin(mine.client)
    await _refused(other.client, handle.task_id)
    assert (await get(mine.client, handle.task_id)).status == "working"


async def test_a_task_begun_for_a_session_that_only_the_call_named_is_held_by_whoever_has_its_id(
    world: Processes,
) -> None:
    """Over HTTP nothing but the call says which session it is of, and `tasks/get` has no argument for it."""
    mine, other = await world.start(claimed=True), await world.start("session-2")
    await mine.watch("1")
    handle = await begin(mine.client)
    assert (await get(other.client, handle.task_id)).status == "working"


async def test_an_id_that_was_changed_anywhere_is_none(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    task_id = (await begin(one.client)).task_id
    for place in range(len(task_id)):
        for other in "0f":
            changed = task_id[:place] + other + task_id[place + 1 :]
            if changed != task_id:
                with pytest.raises(MCPError) as caught:
                    await get(one.client, changed)
                assert caught.value.error.code == INVALID_PARAMS
    inside = f"../waits/{task_id}"
    for none in ("", ".", "..", inside, "jw1--", task_id + "0", task_id[:-1], task_id + "\n", "é" * 40, "x" * 100_000):
        await _refused(one.client, none)


async def test_another_users_id_is_none(world: Processes, tmp_path: Path) -> None:
    """Another user has another state folder."""
    mine = await world.start()
    await mine.watch("1")
    handle = await begin(mine.client)
    waits = world.home.places.state / "waits"
    waits.rename(tmp_path / "mine")
    await _refused(mine.client, handle.task_id)
    await begin(mine.client)
    await _refused(mine.client, handle.task_id)


async def test_what_is_waited_for_is_the_users_alone_and_its_name_fits_every_client(world: Processes) -> None:
    """Claude Code 2.1.328 takes ids of at most 128 printable ASCII characters."""
    one = await world.start()
    await one.watch("1")
    ids = {(await begin(one.client)).task_id for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[\x21-\x7e]{40,128}", task_id) for task_id in ids)
    waits = world.home.places.state / "waits"
    assert waits.stat().st_mode & 0o777 == 0o700
    assert {path.name.partition(".")[0] for path in waits.iterdir()} == ids
    assert {path.stat().st_mode & 0o777 for path in waits.iterdir()} == {0o600}


async def test_an_answer_is_kept_for_as_long_as_the_task_says_and_then_forgotten(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client, timeout_s=600)
    await one.happens("1")
    ended = await get(one.client, handle.task_id)
    world.late = timedelta(milliseconds=handle.ttl_ms) - timedelta(seconds=60)
    assert (await get(one.client, handle.task_id)).text == ended.text
    world.late = timedelta(milliseconds=handle.ttl_ms)
    await _refused(one.client, handle.task_id)
    kept = world.home.places.state / "waits"
    assert len(list(kept.iterdir())) == 2
    world.late += timedelta(seconds=2)
    later = await begin(one.client)
    assert [path.name.partition(".")[0] for path in kept.iterdir()] == [later.task_id]


@pytest.mark.parametrize(("mode", "code"), [("auto", MISSING_REQUIRED_CLIENT_CAPABILITY), ("legacy", METHOD_NOT_FOUND)])
async def test_a_client_that_does_not_declare_the_extension_waits_in_the_call(
    world: Processes, mode: str, code: int
) -> None:
    one = await world.start(mode=mode, tasks=False)
    await one.watch("1")
    assert (await one.says("wait_for_change", timeout_s=0.2)).startswith("No change")
    other = await world.start()
    await _refused(one.client, (await begin(other.client)).task_id, code)


# -- over HTTP


async def test_over_http_a_task_is_held_by_its_id_and_by_the_session_header_where_one_is_sent(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    async with _served(one) as connect:
        async with connect({}) as client:
            handle = await begin(client, session_id="session-1")
            assert (await get(client, handle.task_id)).status == "working"
        async with connect({"x-jobwarden-session": "session-1"}) as client:
            assert (await get(client, handle.task_id)).status == "working"
        async with connect({"x-jobwarden-session": "session-2"}) as client:
            await _refused(client, handle.task_id)


@asynccontextmanager
async def _served(process: Process) -> AsyncGenerator[Connect]:
    """Serve a process's service as `jobwarden serve --http` does."""

    def find(*, meta: Mapping[str, object], session_id: str | None) -> Caller:
        home = process.home
        return resolve_caller({}, meta=meta, session_id=session_id, cwd=home.project, places=home.places, http=True)

    server = build_server(process.service, find_caller=find)
    transport = httpx2.ASGITransport(app=http_app(server, token=TOKEN))

    @asynccontextmanager
    async def connect(headers: Mapping[str, str]) -> AsyncGenerator[Client]:
        sent = {"authorization": f"Bearer {TOKEN}", **headers}
        async with (
            httpx2.AsyncClient(transport=transport, base_url=URL, headers=sent, timeout=10) as http,
            Client(streamable_http_client(f"{URL}/mcp", http_client=http), extensions=[KnowsTasks()]) as client,
        ):
            yield client

    async with server.session_manager.run():
        yield connect
