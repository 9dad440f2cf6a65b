"""A model that its client can wake in two ways is woken once: by the task, where that is about to end."""

from __future__ import annotations

from datetime import timedelta

from support.mcp_processes import Process, Processes
from support.task_client import begin, cancel, get


async def _by_hook(one: Process) -> list[str | None]:
    """What the hook that waits beside an idle session would tell now."""
    return [event.job_id for event in (await one.service.tell(one.caller, event="Rewake")).news]


async def test_the_hook_leaves_to_a_task_what_ends_that_task(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    handle = await begin(one.client)
    await one.happens("1")
    assert await _by_hook(one) == []
    assert "NEWS" in (await get(one.client, handle.task_id)).text
    assert await _by_hook(one) == [], "it is told"
    await one.happens("2", "FAILED")
    assert await _by_hook(one) == ["2"], "nothing else waits"


async def test_the_hook_tells_what_no_task_is_about_to_tell(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2", "3")
    await begin(one.client, jobs=["3"])
    await one.happens("1")
    assert await _by_hook(one) == ["1"]
    given_up = await begin(one.client)
    await cancel(one.client, given_up.task_id)
    await one.happens("2")
    assert await _by_hook(one) == ["2"]


async def test_a_task_that_nobody_asks_for_any_more_holds_back_nothing(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    await one.happens("1")
    world.late = timedelta(seconds=50)
    assert await _by_hook(one) == []
    world.late = timedelta(seconds=100)
    assert await _by_hook(one) == ["1"]
    assert "NEWS" not in (await get(one.client, handle.task_id)).text


async def test_a_task_that_is_asked_for_is_known_to_be(world: Processes) -> None:
    one = await world.start()
    await one.watch("1")
    handle = await begin(one.client)
    world.late = timedelta(seconds=100)
    assert (await get(one.client, handle.task_id)).status == "working"
    await one.happens("1")
    assert await _by_hook(one) == []


async def test_a_sub_agents_task_or_another_sessions_holds_back_nothing(world: Processes) -> None:
    one, child, other = await world.start(), await world.start(detail="agent-7"), await world.start("session-2")
    await one.watch("1")
    await other.watch("1")
    await begin(child.client)
    await begin(other.client)
    await one.happens("1")
    assert await _by_hook(one) == ["1"]
