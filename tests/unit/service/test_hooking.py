"""What the hooks ask the service for: registering what was submitted, and telling what is new (`service.hooking`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobwarden.identity import Caller
from jobwarden.service.hooking import Submission
from jobwarden.service.service import Service
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.clock import utc_now
from jobwarden_registry.processes import this_process
from support.household import Household
from support.paper import Paper, QuietDesk

PROMPT, STOP, START = "UserPromptSubmit", "Stop", "SessionStart"


def hook(home: Household, session: str = "session-1", **more: Any) -> Caller:
    return replace(home.caller(session, client="hook-fresh"), **more)


async def look(service: Service, home: Household) -> None:
    """Let a round pass, as the watcher's, that shows nobody anything."""
    await service.submitted(hook(home), [Submission(type="paper", id="1")])


async def told(service: Service, home: Household, event: str, **more: Any) -> list[str]:
    view = await service.tell(hook(home), event=event, **more)
    return [one.new_status or one.text or "" for one in view.news]


async def test_what_a_hook_saw_is_registered_with_its_sub_agent_and_the_guess_in_its_description(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "PENDING"}
    jobs = [
        Submission(type="paper", id="1"),
        Submission(type="paper", id="2", host="far", guess="ssh was given -p 2222"),
    ]
    await service.submitted(hook(home, detail="sub-1"), jobs)
    await service.submitted(hook(home), jobs)
    found = {str(one["id"]): one for one in home.active()}
    assert sorted(found) == ["1", "2"]
    assert found["1"]["last_status"] == "RUNNING"
    assert found["1"]["owner"] == {"agent": "claude-code", "session_id": "session-1", "detail": "sub-1"}
    assert (found["2"]["host"], found["2"]["description"]) == ("far", "(its host is a guess: ssh was given -p 2222)")


async def test_a_job_that_has_ended_is_not_watched_and_told_again_when_its_submission_is_seen_once_more(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "FAILED"
    await look(service, home)
    await look(service, home)
    paper.submitted_at["1"] = long_ago = utc_now() - timedelta(hours=1)
    await look(service, home)
    paper.raises = ConnectError("no route", code="ssh.unreachable")
    await look(service, home)
    assert home.kinds() == ["registered", "finished"]
    paper.raises = None
    await service.register(home.caller(), type="paper", ids=["1"])  # who says so means it
    assert home.kinds() == ["registered", "finished"] * 2
    paper.submitted_at["1"] = long_ago + timedelta(days=1)
    await look(service, home)
    assert home.kinds() == ["registered", "finished"] * 3  # submitted after that end: another job
    await service.submitted(hook(home), [Submission(type="paper", id="1", host="far")])
    assert home.kinds() == ["registered", "finished"] * 4  # another host's


async def test_an_end_of_yesterday_and_one_of_another_session_hinder_no_registration(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.states["1"] = "FAILED"
    await look(service, home)
    await service.submitted(hook(home, "session-2"), [Submission(type="paper", id="1")])
    assert home.kinds("session-2") == ["registered", "finished"]
    monkeypatch.setattr("jobwarden.service.ended_before._LATELY", timedelta())
    await look(service, home)
    assert home.kinds() == ["registered", "finished"] * 2


async def test_two_hooks_that_see_one_submission_at_once_watch_it_once(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "FAILED"
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(service.submitted, hook(home), [Submission(type="paper", id="1")])
    assert home.kinds() == ["registered", "finished"]


async def test_a_host_that_does_not_answer_now_keeps_its_job_registered_with_its_state_unknown(
    service: Service, home: Household, paper: Paper, desk: QuietDesk
) -> None:
    paper.hanging.add("far")
    with anyio.move_on_after(0.5):
        await service.submitted(hook(home), [Submission(type="paper", id="1", host="far")])
    job = home.active()[0]
    assert (job["id"], job["host"], job["last_status"], job["phase"]) == ("1", "far", "", "unknown")


async def test_what_cannot_be_registered_is_news(service: Service, home: Household) -> None:
    await service.submitted(hook(home), [Submission(type="nonesuch", id="1")])
    said = await told(service, home, PROMPT)
    assert len(said) == 1
    assert "nonesuch 1 on localhost was submitted and is not watched" in said[0]
    assert await told(service, home, PROMPT) == []


async def test_registering_for_an_agent_that_sees_no_answer_tells_it_nothing_away(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await look(service, home)
    paper.states["1"] = "RUNNING"
    await look(service, home)
    await look(service, home)
    assert await told(service, home, PROMPT) == ["RUNNING"]


async def test_a_change_is_told_once_at_a_prompt_and_not_again_by_a_tool_or_the_other_way_round(
    service: Service, home: Household, paper: Paper
) -> None:
    agent = home.caller(client="mcp-1")
    paper.states["1"] = "PENDING"
    await service.register(agent, type="paper", ids=["1"])
    assert await told(service, home, PROMPT) == []
    paper.states["1"] = "RUNNING"
    await look(service, home)
    assert await told(service, home, PROMPT) == ["RUNNING"]
    assert (await service.status(agent)).news == ()
    paper.states["1"] = "SUSPENDED"
    assert [one.new_status for one in (await service.status(agent)).news] == ["SUSPENDED"]
    assert await told(service, home, PROMPT) == []


async def test_a_stop_is_held_for_an_end_and_not_for_a_beginning_which_waits_for_the_prompt(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await look(service, home)
    paper.states["1"] = "RUNNING"
    await look(service, home)
    assert await told(service, home, STOP) == []
    paper.states["1"] = "FAILED"
    await look(service, home)
    assert "FAILED" in await told(service, home, STOP)
    assert await told(service, home, STOP) == []
    assert await told(service, home, PROMPT) == []


async def test_what_a_client_that_died_was_shown_last_is_told_again_at_the_next_start_and_what_it_had_seen_is_not(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await look(service, home)
    paper.states["1"] = "RUNNING"
    await look(service, home)
    assert await told(service, home, PROMPT) == ["RUNNING"]
    assert await told(service, home, PROMPT) == []  # the next event of that client: it had seen it
    paper.states["1"] = "SUSPENDED"
    await look(service, home)
    assert await told(service, home, PROMPT) == ["SUSPENDED"]
    assert await told(service, home, START) == ["SUSPENDED"]
    assert await told(service, home, PROMPT) == []
    assert await told(service, home, START) == []


async def test_what_a_stop_was_held_for_has_been_seen_when_the_agent_stops_again_and_what_came_meanwhile_has_not(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING"}
    await look(service, home)
    paper.states["1"] = "SUSPENDED"
    await look(service, home)
    paper.states["1"] = "FAILED"
    await look(service, home)
    assert "FAILED" in await told(service, home, STOP)
    paper.states["2"] = "FAILED"
    await service.submitted(hook(home), [Submission(type="paper", id="2")])
    assert await told(service, home, STOP, held=True) == []
    said = await told(service, home, START)  # the client ends, and another one takes the session up
    assert said.count("FAILED") == 1
    assert [event.job_id for event in home.journal() if event.event == "finished"] == ["1", "2"]


async def test_the_start_of_a_session_names_what_is_watched(service: Service, home: Household, paper: Paper) -> None:
    assert await service.tell(hook(home), event=START) == (await service.tell(hook(home), event=PROMPT))
    paper.states["1"] = "RUNNING"
    await look(service, home)
    view = await service.tell(hook(home), event=START)
    assert [(job.id, job.status) for job in view.jobs] == [("1", "RUNNING")]
    assert (await service.tell(hook(home), event=PROMPT)).jobs == ()


async def test_after_clear_the_jobs_and_the_news_of_the_session_before_come_along(
    service: Service, home: Household, paper: Paper
) -> None:
    dead = replace(this_process(), start_time="1")
    before = hook(home, "before", process=dead)
    paper.states["1"] = "PENDING"
    await service.submitted(before, [Submission(type="paper", id="1")])
    paper.states["1"] = "RUNNING"
    await service.submitted(before, [Submission(type="paper", id="1")])
    view = await service.tell(hook(home, "after"), event=START, previous="before")
    assert [job.id for job in view.jobs] == ["1"]
    assert "RUNNING" in [one.new_status for one in view.news]
    assert home.active("before") == []
    assert home.active("after")[0]["id"] == "1"


async def test_a_session_that_is_alive_is_not_moved_whatever_a_hook_says(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await service.submitted(hook(home, "alive", process=this_process()), [Submission(type="paper", id="1")])
    view = await service.tell(hook(home, "after"), event=START, previous="alive")
    assert (view.jobs, view.orphans) == ((), 0)
    assert home.active("alive")[0]["id"] == "1"


async def test_the_start_of_a_session_counts_what_dead_sessions_of_the_project_watch(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    dead = replace(this_process(), start_time="1")
    await service.submitted(hook(home, "yesterday", process=dead), [Submission(type="paper", id="1")])
    assert (await service.tell(hook(home), event=START)).orphans == 1
    assert (await service.tell(hook(home), event=PROMPT)).orphans == 0


async def test_a_launchers_experiment_is_registered_when_its_output_names_it(
    service: Service, home: Household, paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(text: str) -> str:
        return text

    monkeypatch.setattr(paper, "parse_id", same)
    monkeypatch.setattr("jobwarden.service.hooking._STEP_S", 0.01)
    output = tmp_path / "run.log"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.submitted, hook(home), [Submission(type="paper", output=str(output))])
        await anyio.sleep(0.05)
        output.write_text(
            "10:23 ─── Entering Experiment cicd with id: cicd_1795170233931334517 ───\n", encoding="utf-8"
        )
    assert [one["id"] for one in home.active()] == ["cicd_1795170233931334517"]
    assert home.active()[0]["log_path"] == str(output)


async def test_a_launcher_that_never_names_its_experiment_is_told(
    service: Service, home: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwarden.service.hooking.LAUNCHER_S", 0.05)
    await service.submitted(hook(home), [Submission(type="launcher", output=str(tmp_path / "none"))])
    assert "names no experiment" in (await told(service, home, PROMPT))[0]
