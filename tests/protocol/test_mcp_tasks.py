"""wait_for_change as a task, over a real service and registry; what is asked about is a kind of job made of paper."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.extension import ClientExtension
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, TextContent

from jobwarden.identity import Caller
from jobwarden.mcp_server.app import build_server
from jobwarden.service.service import Service
from support.household import Household, household
from support.paper import FAR, Paper, QuietDesk, paper_service
from support.task_client import KnowsTasks, begin, call, cancel, get

TOLD = "NEWS"


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    clocks = {"floor_s": 0.0, "poll_s": 0.05, "quick_budget": 1000, "cancel_grace_s": 3.0}
    with household(clean_environment, clocks, FAR) as made:
        yield made


@dataclass
class Process:
    """One server process's worth of everything, as a client of one session meets it."""

    service: Service
    desk: QuietDesk
    home: Household
    paper: Paper
    client: Client = field(init=False)
    caller: Caller = field(init=False)

    async def happens(self, job: str, word: str = "COMPLETED") -> None:
        """Let a job change, and the watcher see it: no agent has been told."""
        self.paper.states[job] = word
        session = await self.desk.session(self.caller)
        assert session is not None
        await self.desk.refresh([session])

    async def watch(self, *ids: str) -> None:
        """Register running jobs, and be told what there is to tell."""
        self.paper.states |= dict.fromkeys(ids, "RUNNING")
        await self.service.register(self.caller, type="paper", ids=ids)
        for _ in range(2):
            await self.service.status(self.caller)

    async def says(self, tool: str, **arguments: Any) -> str:
        said = await call(self.client, tool, **arguments)
        assert isinstance(said, str), said
        return said


@dataclass
class World:
    """Starts processes that share a home and the jobs in it.

    Attributes:
        late: By how much the clock of the waits goes ahead.
    """

    home: Household
    stack: AsyncExitStack
    paper: Paper = field(default_factory=Paper)
    late: timedelta = timedelta()
    count: int = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.late

    async def start(
        self,
        session: str = "session-1",
        *,
        mode: Any = "auto",
        tasks: bool = True,
        detail: str | None = None,
        claimed: bool = False,
    ) -> Process:
        """Start a server process, and connect a client of this session to it."""
        service, desk = await self.stack.enter_async_context(paper_service(self.home, self.paper, self.now))
        process = Process(service, desk, self.home, self.paper)
        self.count += 1
        me = replace(self.home.caller(session, client=f"client-{self.count}"), claimed=claimed)
        process.caller = me

        def find(*, meta: Any, session_id: str | None) -> Caller:
            if session_id not in (None, me.session_id):
                return replace(me, session_id=str(session_id), claimed=True)
            return replace(me, detail=detail)

        server = build_server(service, find_caller=find, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC) + self.late)
        extensions: list[ClientExtension] = [KnowsTasks()] if tasks else []
        process.client = await self.stack.enter_async_context(Client(server, mode=mode, extensions=extensions))
        return process


@pytest.fixture
async def world(home: Household) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        yield World(home, stack)


# -- what a client meets


async def test_a_wait_is_a_task_that_says_where_the_jobs_stand_and_ends_with_what_the_tool_answers(
    world: World,
) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client)
    assert handle.status == "working"
    assert 5000 <= handle.poll_interval_ms <= 30_000
    standing = await get(one.client, handle.task_id)
    assert (standing.status, standing.status_message) == ("working", "0 of 2 completed, 2 running")
    assert standing.result is None
    await one.happens("1")
    ended = await get(one.client, handle.task_id)
    assert ended.status == "completed"
    assert ended.text.startswith(TOLD)
    assert "paper:1" in ended.text
    assert "1 other jobs did not change" in ended.text


async def test_the_task_and_the_blocking_call_answer_the_same_text(world: World) -> None:
    by_task, by_call = await world.start("session-1"), await world.start("session-2", tasks=False)
    for one in (by_task, by_call):
        await one.watch("1", "2")
    handle = await begin(by_task.client, until="terminal")
    for one in (by_task, by_call):
        await one.happens("1", "FAILED")
    said = await by_call.says("wait_for_change", until="terminal")
    assert (await get(by_task.client, handle.task_id)).text == said


async def test_the_news_of_a_task_is_told_once_and_the_task_answers_the_same_again(world: World) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client)
    await one.happens("1")
    first = await get(one.client, handle.task_id)
    assert TOLD in first.text
    assert TOLD not in await one.says("check_status"), "told already"
    await one.happens("2", "FAILED")
    assert await get(one.client, handle.task_id) == first
    assert "FAILED" in await one.says("check_status"), "asking again has not eaten what came later"
    assert await get(one.client, handle.task_id) == first


async def test_two_that_ask_at_once_are_given_one_answer(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client, until="terminal")  # which is met also when the news has been told
    await one.happens("1")
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await get(one.client, handle.task_id)).text)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask)
    assert len(set(texts)) == 1
    assert TOLD in texts[0]


async def test_what_is_there_to_be_told_is_told_at_once_and_is_no_task(world: World) -> None:
    one = await world.start()
    await one.watch("1", "2")
    await one.happens("1")
    assert TOLD in await one.says("wait_for_change")
    await one.happens("2")
    await one.says("check_status")
    assert "nothing" in (await one.says("wait_for_change")).lower(), "all have ended: nothing can come"


async def test_a_wait_with_an_error_is_the_tools_error_and_no_task(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    assert (await one.says("wait_for_change", jobs=["nowhere"])).startswith("ERROR ")
    assert "is not an argument" in await one.says("wait_for_change", job="1")


async def test_a_short_wait_blocks(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    assert (await one.says("wait_for_change", timeout_s=0)).startswith("No change")


# -- what is waited for


async def test_news_that_another_answer_told_does_not_end_the_task_that_waits_for_news(world: World) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client)
    await one.happens("1")
    assert TOLD in await one.says("check_status")
    assert (await get(one.client, handle.task_id)).status == "working"
    await one.happens("2")
    assert "paper:2" in (await get(one.client, handle.task_id)).text


async def test_asking_for_a_task_that_goes_on_eats_no_news(world: World) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client, until="all_terminal")
    await one.happens("1")
    assert (await get(one.client, handle.task_id)).status_message == "1 of 2 completed, 1 running"
    assert TOLD in await one.says("check_status")


async def test_an_end_that_another_answer_told_ends_the_task_that_waits_for_an_end(world: World) -> None:
    one = await world.start()
    await one.watch("1", "2", "3")
    any_end = await begin(one.client, until="terminal")
    all_ends = await begin(one.client, until="all_terminal")
    named = await begin(one.client, until="terminal", jobs=["2"])
    await one.happens("1")
    await one.says("check_status")
    ended = await get(one.client, any_end.task_id)
    assert ended.status == "completed"
    assert TOLD not in ended.text, "it was told"
    assert (await get(one.client, all_ends.task_id)).status == "working"
    assert (await get(one.client, named.task_id)).status == "working"
    await one.watch("9")  # begun later: not among all
    await one.happens("2")
    await one.happens("3")
    assert (await get(one.client, named.task_id)).status == "completed"
    assert (await get(one.client, all_ends.task_id)).status == "completed"


async def test_a_sub_agents_task_does_not_eat_its_parents_news(world: World) -> None:
    parent, child = await world.start(), await world.start(detail="agent-7")
    await parent.watch("1")
    handle = await begin(child.client)
    await parent.happens("1")
    assert TOLD in (await get(parent.client, handle.task_id)).text, "the client asks, whoever of its agents began"
    assert TOLD in await parent.says("check_status")


async def test_a_task_asks_no_host_more_often_than_the_watcher_would(clean_environment: Path) -> None:
    with household(clean_environment, {"floor_s": 15.0, "poll_s": 60.0, "quick_budget": 0}) as home:
        async with AsyncExitStack() as stack:
            one = await World(home, stack).start()
            await one.watch("1")
            handle = await begin(one.client)
            asked = len(one.paper.asked)
            for _ in range(20):
                assert (await get(one.client, handle.task_id)).status == "working"
            assert len(one.paper.asked) == asked


# -- how it ends


async def test_a_task_ends_when_its_time_is_up_as_the_tool_does(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client, timeout_s=600)
    world.late = timedelta(seconds=599)
    assert (await get(one.client, handle.task_id)).status == "working"
    world.late = timedelta(seconds=601)
    ended = await get(one.client, handle.task_id)
    assert ended.status == "completed"
    assert "wait_for_change" in ended.text
    assert len(ended.text) < 200


async def test_where_no_time_is_said_a_task_waits_for_a_day(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    world.late = timedelta(hours=23)
    assert (await get(one.client, handle.task_id)).status == "working"


async def test_a_task_given_up_is_cancelled_and_eats_no_news(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    await cancel(one.client, handle.task_id)
    await one.happens("1")
    assert (await get(one.client, handle.task_id)).status == "cancelled"
    await cancel(one.client, handle.task_id)
    assert TOLD in await one.says("check_status")


async def test_giving_up_what_has_ended_changes_nothing(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    await one.happens("1")
    ended = await get(one.client, handle.task_id)
    await cancel(one.client, handle.task_id)
    assert await get(one.client, handle.task_id) == ended


async def test_an_error_that_waiting_does_not_mend_completes_the_task_as_the_tools_error(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    folder = world.home.places.state / "sessions" / "session-1"
    folder.chmod(0o777)
    ended = await get(one.client, handle.task_id)
    assert ended.status == "completed"
    assert ended.text.startswith("ERROR [registry.untrusted; not retryable]")
    folder.chmod(0o700)
    assert await get(one.client, handle.task_id) == ended


async def test_an_answer_is_kept_for_as_long_as_the_task_says_and_then_forgotten(world: World) -> None:
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
    assert len(list(kept.glob("*.json"))) == 1
    await begin(one.client)
    assert list(kept.glob("*.json")) == []


# -- whose it is


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


async def test_a_new_process_of_the_session_answers_for_a_task_that_it_never_saw(world: World) -> None:
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
async def test_a_task_is_the_sessions_that_began_it(world: World, claimed: bool) -> None:
    mine, other = await world.start(), await world.start("session-2", claimed=claimed)
    await mine.watch("1")
    handle = await begin(mine.client)
    await _refused(other.client, handle.task_id)
    assert (await get(mine.client, handle.task_id)).status == "working"


async def test_a_task_begun_for_a_session_that_only_the_call_named_is_held_by_whoever_has_its_id(
    world: World,
) -> None:
    """Over HTTP nothing but the call says which session it is of, and `tasks/get` has no argument for it."""
    mine, other = await world.start(claimed=True), await world.start("session-2")
    await mine.watch("1")
    handle = await begin(mine.client)
    assert (await get(other.client, handle.task_id)).status == "working"


async def test_an_id_that_was_changed_anywhere_is_none(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    task_id = (await begin(one.client)).task_id
    for place in range(0, len(task_id), 7):
        for other in "Ax":
            changed = task_id[:place] + other + task_id[place + 1 :]
            if changed != task_id:
                with pytest.raises(MCPError) as caught:
                    await get(one.client, changed)
                assert caught.value.error.code == INVALID_PARAMS
    for none in ("", ".", "..", "jw1..", task_id + "A", task_id[:-1], "é" * 40, "x" * 100_000):
        await _refused(one.client, none)


async def test_another_users_id_is_none(world: World, tmp_path: Path) -> None:
    """Another user's state folder has another key."""
    mine = await world.start()
    await mine.watch("1")
    handle = await begin(mine.client)
    (world.home.places.state / "waits" / "key").rename(tmp_path / "key")
    await _refused(mine.client, handle.task_id)
    await begin(mine.client)
    await _refused(mine.client, handle.task_id)


async def test_the_key_is_the_users_alone(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    await begin(one.client)
    key = world.home.places.state / "waits" / "key"
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(key.read_bytes()) == 32


# -- who gets none


@pytest.mark.parametrize(("mode", "code"), [("auto", MISSING_REQUIRED_CLIENT_CAPABILITY), ("legacy", METHOD_NOT_FOUND)])
async def test_a_client_that_does_not_declare_the_extension_waits_in_the_call(
    world: World, mode: str, code: int
) -> None:
    one = await world.start(mode=mode, tasks=False)
    await one.watch("1")
    assert (await one.says("wait_for_change", timeout_s=0.2)).startswith("No change")
    other = await world.start()
    await _refused(one.client, (await begin(other.client)).task_id, code)


async def test_in_the_older_revisions_there_are_no_tasks_though_the_client_declares_them(world: World) -> None:
    one = await world.start(mode="legacy")
    await one.watch("1")
    async with _changing(one):
        result = await one.client.call_tool("wait_for_change", {"timeout_s": 30})
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert TOLD in block.text


async def test_where_no_key_can_be_kept_the_call_blocks(world: World) -> None:
    one = await world.start()
    await one.watch("1")
    (world.home.places.state / "waits").write_text("in the way")
    async with _changing(one):
        assert TOLD in await one.says("wait_for_change", timeout_s=30)


async def test_a_wait_for_more_jobs_than_an_id_can_name_blocks(world: World) -> None:
    one = await world.start()
    many = [f"{number:05}" for number in range(150)]
    await one.watch(*many)
    async with _changing(one, many[0]):
        assert TOLD in await one.says("wait_for_change", jobs=many, timeout_s=30)


@asynccontextmanager
async def _changing(one: Process, job: str = "1") -> AsyncGenerator[None]:
    """Let a job end while a call waits."""

    async def later() -> None:
        await anyio.sleep(0.3)
        await one.happens(job)

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        yield
