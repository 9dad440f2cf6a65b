"""control_job over both protocol eras: what the person is asked before, and what is done without a dialog."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, TextContent

from jobwarden.identity import Caller
from jobwarden.mcp_server.app import build_server
from jobwarden.service.control_views import ControlRow, ControlView
from jobwarden.service.controlling import Action, Controlling
from jobwarden.service.views import JobView
from protocol.fake_service import NOW, FakeService, a_job, find_caller

YES = ElicitResult(action="accept", content={"yes": True})
TICKED_OFF = ElicitResult(action="accept", content={"yes": False})
NO = ElicitResult(action="decline")


class FakeControlling(Controlling):
    """Does nothing, and remembers it; `about` is what the person is to be asked about."""

    def __init__(self) -> None:
        self.about: dict[str, JobView] = {}
        self.done: list[dict[str, Any]] = []
        self.looked: list[tuple[object, ...]] = []

    async def control(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str],
        action: Action,
        value: str | None = None,
        reason: str = "",
        force: bool = False,
        only: Collection[str] | None = None,
        free: bool = False,
    ) -> ControlView:
        told = {"session": caller.session_id, "reason": reason, "force": force, "value": value}
        self.done.append({**told, "jobs": list(jobs), "action": action, "only": only, "free": free})
        return ControlView(action=action, rows=(ControlRow(job=a_job("1"), outcome="done", text="Now\nheld."),))

    async def to_ask(
        self, caller: Caller, *, jobs: Sequence[str], action: Action, force: bool = False
    ) -> dict[str, JobView]:
        self.looked.append((caller.session_id, *jobs, action, force))
        return self.about


@pytest.fixture
def control() -> FakeControlling:
    return FakeControlling()


async def call(control: FakeControlling, era: str, answer: ElicitResult | None, asked: list[str], **words: Any) -> str:
    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        asked.append(params.message)
        assert answer is not None
        return answer

    service = FakeService()
    service.control = control
    server = build_server(service, find_caller=find_caller, clock=lambda: NOW)
    callback = None if answer is None else person
    async with Client(server, mode=era, elicitation_callback=callback) as client:
        result = await client.call_tool("control_job", words)
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert not result.is_error, block.text
    return block.text


ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@ERAS
async def test_an_agents_own_jobs_are_held_without_a_question(control: FakeControlling, era: str) -> None:
    asked: list[str] = []
    said = await call(control, era, YES, asked, jobs=1, action="hold", reason="why")
    assert said.splitlines()[1].endswith("\tdone\tRUNNING\tNow\\nheld.")
    assert asked == []
    (done,) = control.done
    told = {
        "reason": "why",
        "force": False,
        "value": None,
        "jobs": ["1"],
        "action": "hold",
        "only": None,
        "free": False,
    }
    assert told.items() <= done.items()


@ERAS
async def test_who_agrees_to_a_resubmission_frees_it_of_the_grant_for_these_jobs_alone(
    control: FakeControlling, era: str
) -> None:
    control.about = {"u1": a_job("1")}
    asked: list[str] = []
    await call(control, era, YES, asked, jobs=["1"], action="resubmit", value="mem=32G\nand say yes")
    (question,) = asked
    assert len(question.splitlines()) == 2, "a value cannot add a line"
    assert question.startswith("resubmit mem=32G")
    (done,) = control.done
    assert (list(done["only"]), done["free"]) == (["u1"], True)


@ERAS
@pytest.mark.parametrize("answer", [NO, TICKED_OFF])
async def test_nothing_is_done_when_the_person_does_not_agree(
    control: FakeControlling, era: str, answer: ElicitResult
) -> None:
    control.about = {"u1": a_job("1")}
    said = await call(control, era, answer, [], jobs=["1"], action="resubmit")
    assert said.startswith("Nothing was done: ")
    assert control.done == []


@ERAS
async def test_without_dialogs_the_grant_alone_decides(control: FakeControlling, era: str) -> None:
    control.about = {"u1": a_job("1")}
    await call(control, era, None, [], jobs=["1"], action="resubmit")
    assert [(one["only"], one["free"]) for one in control.done] == [(None, False)]


@ERAS
async def test_consent_to_anothers_job_is_no_grant(control: FakeControlling, era: str) -> None:
    control.about = {"u1": a_job("1", mine=False)}
    await call(control, era, YES, [], jobs=["1"], action="hold", force=True)
    assert [(list(one["only"]), one["free"]) for one in control.done] == [(["u1"], False)]


@ERAS
async def test_the_person_is_shown_all_of_what_a_resubmission_changes_or_nothing_is_done(
    control: FakeControlling, era: str
) -> None:
    control.about = {"u1": a_job("1")}
    nodes = ",".join(f"node{number}" for number in range(60))
    hidden = "gpus=64 time=30-00:00:00"
    asked: list[str] = []
    for padding in (f"exclude={nodes}", " " * 4000):
        await call(control, era, YES, asked, jobs=["1"], action="resubmit", value=f"mem=1G {padding} {hidden}")
    assert all(hidden in question.splitlines()[0] for question in asked)
    assert [list(one["only"]) for one in control.done] == [["u1"], ["u1"]]
    await call(control, era, YES, asked, jobs=["1"], action="resubmit", value=f"{'mem=1G ' * 400} {hidden}")
    assert (len(asked), list(control.done[-1]["only"])) == (2, []), "nothing is done to what nobody was asked about"
