"""Resource updates over a real service and journal, in both protocol eras: a job's end reaches whoever subscribed."""

from __future__ import annotations

import json

import anyio
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    TextResourceContents,
)

from support.mcp_processes import Process, Processes

SOON_S = 30.0


async def _phase(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return str(json.loads(content.text)["phase"])


async def _stays_news(one: Process) -> None:
    assert "NEWS" in await one.says("check_status"), "an update is no answer: the agent is still told"


async def test_a_modern_client_hears_of_a_jobs_end_and_reads_it(world: Processes) -> None:
    one = await world.start()
    await one.watch("1", "2")
    with anyio.fail_after(SOON_S):
        async with one.client.listen(resource_subscriptions=["jobs://1"]) as stream:
            await one.happens("2")
            await one.happens("1")
            assert await anext(aiter(stream)) == ResourceUpdated(uri="jobs://1")
    assert await _phase(one.client, "jobs://1") == "succeeded"
    await _stays_news(one)


async def test_a_legacy_client_hears_of_a_jobs_end_and_reads_it(world: Processes) -> None:
    heard: list[str] = []
    told = anyio.Event()

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))
            told.set()

    one = await world.start(mode="legacy", on_message=on_message)
    await one.watch("1", "2")
    subscribe = SubscribeRequest(params=SubscribeRequestParams(uri="jobs://1"))
    await one.client.session.send_request(subscribe, EmptyResult)
    await one.happens("2")
    await one.happens("1")
    with anyio.fail_after(SOON_S):
        await told.wait()
    assert set(heard) == {"jobs://1"}
    assert await _phase(one.client, "jobs://1") == "succeeded"
    await _stays_news(one)
