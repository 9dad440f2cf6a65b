"""Resources, completion and updates, in both protocol eras."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.session import IncomingMessage
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    TextResourceContents,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from jobwarden.mcp_server.app import build_server
from jobwarden.mcp_server.updates import changed_uris
from jobwarden_registry.errors import LockTimeoutError
from jobwarden_registry.events import EventKind
from protocol.fake_service import NOW, FakeService, a_job, an_event, find_caller


@pytest.fixture
def service() -> FakeService:
    fake = FakeService()
    fake.jobs = [a_job()]
    fake.journal = [an_event(1, EventKind.REGISTERED), an_event(2, old_status="PENDING", new_status="RUNNING")]
    return fake


@pytest.fixture(params=["auto", "legacy"])
async def client(request: pytest.FixtureRequest, service: FakeService) -> AsyncGenerator[Client]:
    server = build_server(service, find_caller=find_caller, clock=lambda: NOW)
    async with Client(server, mode=request.param) as connected:
        yield connected


async def _read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_the_resources_are_listed_with_what_they_are(client: Client) -> None:
    listed = (await client.list_resources()).resources
    assert {str(resource.uri) for resource in listed} == {"jobs://active", "events://recent"}
    templates = (await client.list_resource_templates()).resource_templates
    assert {template.uri_template for template in templates} == {"jobs://{job}", "log://{job}"}
    assert all(resource.description and resource.mime_type == "application/json" for resource in listed)
    assert all(template.description and template.mime_type == "application/json" for template in templates)


async def test_resources_are_the_service_s_views_as_json(client: Client, service: FakeService) -> None:
    active = await _read(client, "jobs://active")
    assert active["counts"]["running"] == 1
    assert active["jobs"][0]["id"] == "12345"
    assert active["jobs"][0]["submitted_at"] == "2026-11-20T09:00:00Z"
    assert [event["event"] for event in await _read(client, "events://recent")] == ["registered", "status_change"]
    service.log = "the end\n"
    assert (await _read(client, "log://12345"))["text"] == "the end\n"
    for name in ("12345", "slurm:12345", "cluster-a:12345", "slurm%3A12345", "ptq-llama-8b"):
        assert (await _read(client, f"jobs://{name}"))["status"] == "RUNNING"


async def test_reading_a_resource_tells_the_agent_nothing(client: Client, service: FakeService) -> None:
    """Its model may never see it, so it is read as for a sub-agent, whose answers move no cursor."""
    service.news = [an_event()]
    assert "news" not in await _read(client, "jobs://active")
    assert all(caller.detail == "resources" for _verb, caller, _given in service.calls)


async def test_a_job_that_nobody_watches_is_a_resource_not_found(client: Client) -> None:
    with pytest.raises(MCPError) as raised:
        await client.read_resource("jobs://999")
    assert raised.value.code == INVALID_PARAMS
    assert "[job.not_found; not retryable]" in raised.value.message
    with pytest.raises(MCPError) as raised:
        await client.read_resource("nothing://here")
    assert raised.value.code == INVALID_PARAMS


async def test_trouble_in_reading_is_told_and_a_crash_is_not_explained(client: Client, service: FakeService) -> None:
    service.error = LockTimeoutError("The registry is busy.")
    with pytest.raises(MCPError) as raised:
        await client.read_resource("jobs://active")
    assert raised.value.code == INTERNAL_ERROR
    assert "[registry.locked; retryable]" in raised.value.message
    service.error = RuntimeError("secret")
    for uri in ("jobs://active", "jobs://12345"):
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
        assert "secret" not in raised.value.message


async def test_job_names_complete(client: Client, service: FakeService) -> None:
    reference = ResourceTemplateReference(type="ref/resource", uri="jobs://{job}")
    result = await client.complete(reference, {"name": "job", "value": "ptq"})
    assert result.completion.values == ["ptq-llama-8b"]
    result = await client.complete(reference, {"name": "job", "value": ""})
    assert result.completion.values == ["12345", "ptq-llama-8b"]
    assert all(verb == "recent" for verb, _caller, _given in service.calls), "no question to any host"


async def test_an_unknown_prompt_is_the_caller_s_mistake(client: Client) -> None:
    with pytest.raises(MCPError) as raised:
        await client.get_prompt("nonsense")
    assert raised.value.code == INVALID_PARAMS


# -- updates


async def _subscribe(client: Client, uri: str) -> None:
    """As clients up to 2025-11-25 do; the SDK's own method warns that it is going."""
    await client.session.send_request(SubscribeRequest(params=SubscribeRequestParams(uri=uri)), EmptyResult)


async def _unsubscribe(client: Client, uri: str) -> None:
    await client.session.send_request(UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri)), EmptyResult)


def test_an_event_changes_the_resources_of_its_job_under_every_name() -> None:
    uris = changed_uris(an_event())
    assert {"jobs://active", "events://recent", "jobs://12345", "log://12345"} <= set(uris)
    assert {"jobs://slurm:12345", "jobs://slurm%3A12345", "jobs://cluster-a:12345", "jobs://ptq-llama-8b"} <= set(uris)
    assert len(uris) == len(set(uris))
    assert changed_uris(an_event(kind=EventKind.UPDATED)) == ()
    assert set(changed_uris(an_event(job_id="", name=None, kind=EventKind.NOTE))) == {
        "jobs://active",
        "events://recent",
    }


async def test_a_modern_client_is_told_of_what_it_listens_to_and_of_nothing_else(service: FakeService) -> None:
    server = build_server(service, find_caller=find_caller)
    async with Client(server) as client:
        with anyio.fail_after(10):
            async with client.listen(resource_subscriptions=["jobs://12345", "jobs://other"]) as stream:
                events = aiter(stream)
                await service.happen(an_event(3, new_status="COMPLETED"))
                assert await anext(events) == ResourceUpdated(uri="jobs://12345")
                await service.happen(an_event(4, kind=EventKind.UPDATED))
                await service.happen(an_event(5, job_id="other"))
                assert await anext(events) == ResourceUpdated(uri="jobs://other")
            while service.followers:
                await anyio.lowlevel.checkpoint()


async def test_a_modern_client_that_names_no_resource_costs_nothing(service: FakeService) -> None:
    """Claude Code listens so, for changed lists alone."""
    server = build_server(service, find_caller=find_caller)
    async with Client(server) as client, client.listen(tools_list_changed=True):
        pass
    assert not [verb for verb, _caller, _given in service.calls if verb == "follow"]


async def test_a_legacy_client_is_told_until_it_unsubscribes(service: FakeService) -> None:
    told_send, told = anyio.create_memory_object_stream[str](10)

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await told_send.send(str(message.params.uri))

    server = build_server(service, find_caller=find_caller)
    with anyio.fail_after(10):
        async with told_send, told, Client(server, mode="legacy", message_handler=on_message) as client:
            await _subscribe(client, "jobs://12345")
            await _subscribe(client, "jobs://active")
            await service.happen(an_event(3, new_status="COMPLETED"))
            assert {await told.receive(), await told.receive()} == {"jobs://12345", "jobs://active"}
            await _unsubscribe(client, "jobs://active")
            await service.happen(an_event(4, EventKind.FINISHED))
            assert await told.receive() == "jobs://12345"
            assert service.followers == 1
            await _unsubscribe(client, "jobs://12345")
            while service.followers:
                await anyio.lowlevel.checkpoint()
            await _subscribe(client, "events://recent")
            await service.happen(an_event(5))
            assert await told.receive() == "events://recent"
        while service.followers:
            await anyio.lowlevel.checkpoint()


async def test_an_event_between_subscribing_and_following_is_not_lost(service: FakeService) -> None:
    """The following begins behind the latest event that was there when the client asked."""
    server = build_server(service, find_caller=find_caller)
    async with Client(server) as client, client.listen(resource_subscriptions=["jobs://active"]):
        pass
    (after,) = [given["after_seq"] for verb, _caller, given in service.calls if verb == "follow"]
    assert after == 2
