"""The dialog before jobs are cancelled by the dozen or another session's, in both protocol eras; and doing without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, TextContent

from jobwarden.identity import Caller
from jobwarden.mcp_server.app import build_server
from protocol.fake_service import NOW, FakeService, a_job, find_caller

Connect = Callable[[ElicitResult | None], AbstractAsyncContextManager[Client]]

YES = ElicitResult(action="accept", content={"yes": True})
TICKED_OFF = ElicitResult(action="accept", content={"yes": False})
NO = ElicitResult(action="decline")
NOBODY = ElicitResult(action="cancel")


@pytest.fixture
def service() -> FakeService:
    made = FakeService()
    made.jobs = [a_job("1"), a_job("2", name="eval\nDrop everything"), a_job("9", mine=False)]
    return made


@pytest.fixture
def asked() -> list[str]:
    """What the person was asked."""
    return []


@pytest.fixture(params=["auto", "legacy"])
def connect(request: pytest.FixtureRequest, service: FakeService, asked: list[str]) -> Connect:
    """Connect a client whose person answers so; None: one that shows no dialogs."""

    @asynccontextmanager
    async def connected(answer: ElicitResult | None) -> AsyncGenerator[Client]:
        async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
            assert isinstance(params, ElicitRequestFormParams)
            asked.append(params.message)
            assert context.request_id is not None
            assert answer is not None
            return answer

        server = build_server(service, find_caller=find_caller, clock=lambda: NOW)
        callback = None if answer is None else person
        async with Client(server, mode=request.param, elicitation_callback=callback) as client:
            yield client

    return connected


async def _cancel(client: Client, **arguments: Any) -> str:
    result = await client.call_tool("cancel_job", arguments)
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert not result.is_error, block.text
    return block.text


def _cancelled(service: FakeService) -> list[dict[str, Any]]:
    return [arguments for verb, _, arguments in service.calls if verb == "cancel"]


async def test_all_jobs_are_cancelled_when_the_person_agrees(
    connect: Connect, service: FakeService, asked: list[str]
) -> None:
    async with connect(YES) as client:
        assert "accepted" in await _cancel(client, all=True, reason="enough")
    (question,) = asked
    assert question.splitlines()[0] == "Cancel 3 job(s)?"
    assert "slurm:1 on cluster-a" in question
    assert len(question.splitlines()) == 4, "a name cannot add a line"
    (done,) = _cancelled(service)
    assert done == {"jobs": [], "all_jobs": True, "reason": "enough", "dry_run": False, "force": False}


@pytest.mark.parametrize("answer", [NO, TICKED_OFF, NOBODY])
@pytest.mark.parametrize("arguments", [{"all": True}, {"jobs": ["9"], "force": True}])
async def test_nothing_is_cancelled_when_the_person_does_not_agree_and_the_answer_says_so(
    connect: Connect, service: FakeService, asked: list[str], answer: ElicitResult, arguments: dict[str, Any]
) -> None:
    async with connect(answer) as client:
        said = await _cancel(client, **arguments)
    assert len(asked) == 1
    assert _cancelled(service) == []
    assert said.startswith("Nothing was cancelled: ")
    assert ("the person said no" in said) == (answer is TICKED_OFF)
    assert ("Only if you have been told to" in said) == (answer is not TICKED_OFF)


@pytest.mark.parametrize("answer", [NOBODY, NO])
async def test_where_nobody_answers_the_way_without_a_dialog_is_named_and_works(
    connect: Connect, service: FakeService, asked: list[str], answer: ElicitResult
) -> None:
    """Without a person `claude -p` 2.1.328 dismisses every dialog, and `codex exec` 0.169.0 declines it."""
    async with connect(answer) as client:
        assert "cancel_job(jobs=[...])" in await _cancel(client, all=True)
        assert "jobwarden cancel --force" in await _cancel(client, jobs=["9"], force=True)
        assert len(asked) == 2
        assert "accepted" in await _cancel(client, jobs=["1", "2"])
    assert len(asked) == 2
    assert len(_cancelled(service)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"jobs": ["1"]},
        {"jobs": ["1", "2"], "force": True},
        {"all": True, "dry_run": True},
    ],
)
async def test_nobody_is_asked_about_named_jobs_of_ones_own_or_about_a_dry_run(
    connect: Connect, service: FakeService, asked: list[str], arguments: dict[str, Any]
) -> None:
    async with connect(NO) as client:
        await _cancel(client, **arguments)
    assert asked == []
    assert len(_cancelled(service)) == 1


async def test_nobody_is_asked_where_there_is_nothing_to_cancel(
    connect: Connect, service: FakeService, asked: list[str]
) -> None:
    service.jobs = []
    async with connect(NO) as client:
        assert await _cancel(client, all=True) == "nothing to cancel"
    assert asked == []


@pytest.mark.parametrize("arguments", [{"all": True}, {"jobs": ["9"], "force": True}])
async def test_a_client_without_dialogs_is_not_asked(
    connect: Connect, service: FakeService, arguments: dict[str, Any]
) -> None:
    async with connect(None) as client:
        assert "accepted" in await _cancel(client, **arguments)
    assert len(_cancelled(service)) == 1


async def test_an_unknown_job_is_the_tools_error_and_no_question(connect: Connect, asked: list[str]) -> None:
    async with connect(YES) as client:
        result = await client.call_tool("cancel_job", {"jobs": ["nowhere"], "force": True})
    assert result.is_error
    assert asked == []


async def test_another_sessions_job_is_named_as_such(connect: Connect, asked: list[str]) -> None:
    async with connect(YES) as client:
        await _cancel(client, jobs=["9"], force=True)
    assert "of another session (claude-code s1)" in asked[0]


@pytest.mark.parametrize("number", [2, 25, 80])
async def test_what_is_registered_while_the_dialog_is_open_is_not_what_the_person_agreed_to(
    service: FakeService, asked: list[str], number: int
) -> None:
    """Of the older protocol the call goes on with what was shown; of the newer one the person is asked anew."""
    service.jobs = [a_job(str(one)) for one in range(number)]

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context.request_id is not None
        if not asked:
            service.jobs = [*service.jobs[:-1], a_job("999")]  # as many as before, and the first ten are the same
        asked.append(params.message)
        return YES

    for mode in ("legacy", "auto"):
        server = build_server(service, find_caller=find_caller, clock=lambda: NOW)
        service.jobs = [a_job(str(one)) for one in range(number)]
        asked.clear()
        async with Client(server, mode=mode, elicitation_callback=person) as client:
            await _cancel(client, all=True)
        assert service.only is not None
        assert ("uid-999" in service.only, len(service.only)) == (mode == "auto", number)
        assert len(asked) == (2 if mode == "auto" else 1)
        assert len(set(asked)) == len(asked)


async def test_where_nobody_is_asked_the_call_ends_what_it_names_and_where_nothing_was_found_nothing(
    connect: Connect, service: FakeService
) -> None:
    async with connect(YES) as client:
        await _cancel(client, jobs=["1"])
        assert service.only is None
        await _cancel(client, jobs=["1"], force=True)
        assert service.only is None
        service.jobs = []
        await _cancel(client, all=True)
        assert service.only == []


async def test_jobs_of_a_session_that_the_caller_only_named_are_asked_about_as_anothers(
    service: FakeService, asked: list[str]
) -> None:
    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context.request_id is not None
        asked.append(params.message)
        return NO

    def borrowing(*, meta: Any, session_id: str | None) -> Caller:
        return replace(find_caller(meta=meta, session_id=session_id), borrower="s2" if session_id == "s1" else None)

    server = build_server(service, find_caller=borrowing, clock=lambda: NOW)
    async with Client(server, elicitation_callback=person) as client:
        await _cancel(client, jobs=["1"], force=True, session_id="s1")
        assert "of another session (claude-code s1)" in asked[0]
        assert _cancelled(service) == []
        await _cancel(client, jobs=["1"], force=True, session_id="s2")
    assert len(asked) == len(_cancelled(service)) == 1


async def test_an_answer_is_no_argument_of_the_tool(connect: Connect, service: FakeService) -> None:
    """A model cannot consent for the person."""
    async with connect(NO) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "cancel_job"]
        assert "given" not in tool.input_schema["properties"]
        result = await client.call_tool("cancel_job", {"all": True, "given": {"action": "accept"}})
    assert result.is_error
    assert _cancelled(service) == []
