"""Taking jobs under watch: what is refused, and that nothing is half done (`jobwarden.service.registering`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobwarden.cli.tables import register_text
from jobwarden.service.service import Service
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import JobwardenError, UnwritableError
from jobwarden_registry.index import Index
from jobwarden_registry.transaction import Transaction
from support.household import Household
from support.paper import Paper, QuietDesk, paper_service

BAD: dict[str, dict[str, Any]] = {
    "no id": {"ids": []},
    "an id that cannot be one": {"ids": ["1", "2; rm -rf ~"]},
    "too many ids": {"ids": [str(number) for number in range(1001)]},
    "an unknown type": {"type": "nonesuch"},
    "a bare pid": {"type": "process"},
    "a host that is an option": {"host": "-oProxyCommand=x"},
    "a host with a blank": {"host": "a b"},
    "a user that is an option": {"user": "-x"},
    "a user with a newline": {"user": "a\nb"},
    "an empty name": {"name": " "},
    "a name with a control character": {"name": "a\x1b[31m"},
    "a name that is too long": {"name": "x" * 201},
    "one name for two jobs": {"ids": ["1", "2"], "name": "both"},
    "a tag with a newline": {"tags": ["a", "b\nc"]},
    "too many tags": {"tags": [str(number) for number in range(51)]},
    "a log that is not absolute": {"log_path": "out.log"},
    "a log with a newline": {"log_path": "/a\nb"},
    "an expected file with a NUL": {"expect": ["/a\0b"]},
    "an empty expected file": {"expect": [""]},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
async def test_bad_input_is_refused_with_a_hint_and_leaves_every_file_as_it_was(
    service: Service, home: Household, bad: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {"type": "paper", "ids": ["1"], **bad}
    with pytest.raises(JobwardenError) as raised:
        await service.register(home.caller(), **arguments)
    assert raised.value.hint
    assert raised.value.code in {"id.invalid", "source.unknown_type"}
    assert home.active() == []
    assert home.journal() == []
    assert Index(home.places).all() == ()


async def test_an_id_that_a_plug_in_chokes_on_is_that_plug_ins_fault(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(text: str) -> str:
        raise ValueError(text)

    monkeypatch.setattr(paper, "parse_id", choke)
    with pytest.raises(JobwardenError) as raised:
        await service.register(home.caller(), type="paper", ids=["1"])
    assert raised.value.code == "source.broken"
    assert home.journal() == []


async def test_registering_again_changes_nothing_and_says_so(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "RUNNING"
    first = await service.register(home.caller(), type="paper", ids=["1", "1"], name="a")
    again = await service.register(home.caller(), type="paper", ids=["1"])
    assert (first.created, again.created) == ((True,), (False,))
    assert again.jobs[0].name == "a"
    assert home.kinds().count("registered") == 1


async def test_the_state_in_which_a_job_was_found_is_no_news(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "RUNNING"
    view = await service.register(home.caller(), type="paper", ids=["1"])
    assert (view.jobs[0].status, view.news) == ("RUNNING", ())
    assert (await service.status(home.caller())).news == ()


async def test_a_host_that_hangs_holds_up_no_registration_on_another(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await service.register(home.caller(), type="paper", ids=["1"], host="far")
    paper.hanging.add("far")
    with anyio.fail_after(5):
        view = await service.register(home.caller(), type="paper", ids=["2"])
    assert view.jobs[0].status == "RUNNING"
    assert view.notes == ()


async def test_a_claimed_session_is_journaled_as_claimed_and_the_claimant_is_not_told_of_it(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    caller = replace(home.caller(), claimed=True)
    view = await service.register(caller, type="paper", ids=["1"])
    assert "claimed" in (home.journal()[0].text or "")
    assert view.news == ()
    assert (await service.status(caller)).news == ()


async def test_a_watcher_that_cannot_be_started_is_said(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    desk.watcher_trouble = "The watcher could not be started: no fork."
    view = await service.register(home.caller(), type="paper", ids=["1"])
    assert desk.watcher_trouble in view.notes
    assert desk.watcher_trouble in (await service.status(home.caller())).notes


async def test_each_registration_notes_the_ssh_agent_of_its_client(home: Household, paper: Paper) -> None:
    for number in range(2):
        home.env["SSH_AUTH_SOCK"] = f"/agent-{number}"
        async with paper_service(home, paper) as (service, _):
            await service.register(home.caller(), type="paper", ids=[str(number)])
        entry = Index(home.places).get("session-1")
        assert entry is not None
        assert entry.client["ssh_auth_sock"] == f"/agent-{number}"


async def test_a_program_that_runs_unwatched_is_said_to(
    service: Service, desk: QuietDesk, home: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise UnwritableError("The disk is full.", hint="Free some.")

    monkeypatch.setattr(Transaction, "register", full)
    with pytest.raises(JobwardenError) as raised:
        await service.run_process(home.caller(), ["true"], cwd=Path(home.project))
    assert raised.value.code == "process.unwatched"
    assert "pid" in raised.value.text
    assert "log" in raised.value.hint.lower()


async def test_a_name_that_another_living_job_has_is_said_and_what_is_to_be_typed_next_names_the_job_exactly(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING", "3": "COMPLETED"}
    first = await service.register(home.caller(), type="paper", ids=["1"], name="train")
    assert first.namesakes == ()
    second = await service.register(home.caller(), type="paper", ids=["2"], name="train")
    assert second.namesakes == ("train",)
    ended = await service.register(home.caller(), type="paper", ids=["3"], name="train")
    assert ended.namesakes == ("train",), "the name would mean one that lives"
    lines = [str(part) for part in register_text(second, utc_now())]
    assert lines[-1] == "Next: jobwarden wait localhost:2; jobwarden tail localhost:2"
