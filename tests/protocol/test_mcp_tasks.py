"""wait_for_change as a task, over a real service and registry; what is asked about is a kind of job made of paper."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from mcp_types import TextContent

from jobwarden.service.tickets import Answer, Ticket, Tickets
from support.household import household
from support.mcp_processes import Process, Processes
from support.task_client import begin, cancel, get

TOLD = "NEWS"


# -- what a client meets


async def test_a_wait_is_a_task_that_says_where_the_jobs_stand_and_ends_with_what_the_tool_answers(
    world: Processes,
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
    assert "1 other job did not change" in ended.text


async def test_the_task_and_the_blocking_call_answer_the_same_text(world: Processes) -> None:
    by_task, by_call = await world.start("session-1"), await world.start("session-2", tasks=False)
    for one in (by_task, by_call):
        await one.watch("1", "2")
    handle = await begin(by_task.client, until="terminal")
    for one in (by_task, by_call):
        await one.happens("1", "FAILED")
    said = await by_call.says("wait_for_change", until="terminal")
    assert (await get(by_task.client, handle.task_id)).text == said


async def test_the_news_of_a_task_is_told_once_and_the_task_answers_the_same_again(world: Processes) -> None:
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


async def test_two_that_ask_at_once_are_given_one_answer(world: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Tickets.keep

    def slowly(tickets: Tickets, ticket: Ticket, answer: Answer) -> Answer:
        if TOLD in answer.text:  # the others would be quicker, and what they say has no news in it
            time.sleep(0.2)
        return real(tickets, ticket, answer)

    monkeypatch.setattr(Tickets, "keep", slowly)
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


async def test_what_is_there_to_be_told_is_told_at_once_and_is_no_task(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    await one.happens("1")
    assert TOLD in await one.says("wait_for_change")
    await one.happens("2")
    await one.says("check_status")
    assert "nothing" in (await one.says("wait_for_change")).lower(), "all have ended: nothing can come"


async def test_a_wait_with_an_error_is_the_tools_error_and_no_task(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    assert (await one.says("wait_for_change", jobs=["nowhere"])).startswith("ERROR ")
    assert "is not an argument" in await one.says("wait_for_change", job="1")


async def test_a_short_wait_blocks(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    assert (await one.says("wait_for_change", timeout_s=0)).startswith("No change")


# -- what is waited for


async def test_news_that_another_answer_told_does_not_end_the_task_that_waits_for_news(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client)
    await one.happens("1")
    assert TOLD in await one.says("check_status")
    assert (await get(one.client, handle.task_id)).status == "working"
    await one.happens("2")
    assert "paper:2" in (await get(one.client, handle.task_id)).text


async def test_asking_for_a_task_that_goes_on_eats_no_news(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client, until="all_terminal")
    await one.happens("1")
    assert (await get(one.client, handle.task_id)).status_message == "1 of 2 completed, 1 running"
    assert TOLD in await one.says("check_status")


async def test_an_end_that_another_answer_told_ends_the_task_that_waits_for_an_end(world: Processes) -> None:
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


async def test_a_sub_agents_task_does_not_eat_its_parents_news(world: Processes) -> None:
    parent, child = await world.start(), await world.start(detail="agent-7")
    await parent.watch("1")
    handle = await begin(child.client)
    await parent.happens("1")
    assert TOLD in (await get(parent.client, handle.task_id)).text, "the client asks, whoever of its agents began"
    assert TOLD in await parent.says("check_status")


async def test_a_task_asks_no_host_more_often_than_the_watcher_would(clean_environment: Path) -> None:
    with household(clean_environment, {"floor_s": 15.0, "poll_s": 60.0, "quick_budget": 0}) as home:
        async with AsyncExitStack() as stack:
            one = await Processes(home, stack).start()
            await one.watch("1")
            handle = await begin(one.client)
            asked = len(one.paper.asked)
            for _ in range(20):
                assert (await get(one.client, handle.task_id)).status == "working"
            assert len(one.paper.asked) == asked


# -- how it ends


async def test_a_task_ends_when_its_time_is_up_as_the_tool_does(world: Processes) -> None:
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


async def test_where_no_time_is_said_a_task_waits_for_a_day(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    world.late = timedelta(hours=23)
    assert (await get(one.client, handle.task_id)).status == "working"


async def test_a_task_given_up_is_cancelled_and_eats_no_news(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    await cancel(one.client, handle.task_id)
    await one.happens("1")
    assert (await get(one.client, handle.task_id)).status == "cancelled"
    await cancel(one.client, handle.task_id)
    assert TOLD in await one.says("check_status")


async def test_giving_up_what_has_ended_changes_nothing(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    await one.happens("1")
    ended = await get(one.client, handle.task_id)
    await cancel(one.client, handle.task_id)
    assert await get(one.client, handle.task_id) == ended


async def test_an_error_that_waiting_does_not_mend_completes_the_task_as_the_tools_error(world: Processes) -> None:
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


async def test_an_error_that_may_pass_leaves_the_task_working_and_nothing_is_lost(clean_environment: Path) -> None:
    with household(clean_environment, {"floor_s": 0.0, "poll_s": 0.05, "lock_timeout_s": 0.2}) as home:
        async with AsyncExitStack() as stack:
            processes = Processes(home, stack)
            one, other = await processes.start(), await processes.start()
            await one.watch("1")
            handle = await begin(one.client)
            await one.happens("1")
            session = await other.desk.session(other.caller)
            assert session is not None
            with session.locked():
                held = await get(one.client, handle.task_id)
            assert held.status == "working"
            assert held.status_message.startswith("[registry.locked; retryable]")
            assert TOLD in (await get(one.client, handle.task_id)).text


# -- who gets none


async def test_in_the_older_revisions_there_are_no_tasks_though_the_client_declares_them(world: Processes) -> None:
    one = await world.start(mode="legacy")
    await one.watch("1")
    async with _changing(one):
        result = await one.client.call_tool("wait_for_change", {"timeout_s": 30})
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert TOLD in block.text


async def test_where_no_ticket_can_be_kept_the_call_blocks(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    (world.home.places.state / "waits").write_text("in the way")
    async with _changing(one):
        assert TOLD in await one.says("wait_for_change", timeout_s=30)


async def test_a_task_may_name_many_jobs(world: Processes) -> None:
    one = await world.start()
    many = [f"{number:05}" for number in range(150)]
    await one.watch(*many)
    handle = await begin(one.client, jobs=many)
    await one.happens(many[-1])
    assert f"paper:{many[-1]}" in (await get(one.client, handle.task_id)).text


@asynccontextmanager
async def _changing(one: Process, job: str = "1") -> AsyncGenerator[None]:
    """Let a job end while a call waits."""

    async def later() -> None:
        await anyio.sleep(0.3)
        await one.happens(job)

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        yield
