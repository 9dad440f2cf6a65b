"""Controlling jobs, without a scheduler: what is refused before anything is asked, submitting again, who is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobwarden.actions.carrying import Actor
from jobwarden.actions.control import read_change
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.service.control_views import ControlView
from jobwarden.service.service import Service
from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.resubmitting import Original
from jobwarden.verdict.end_asked import who_asked
from jobwarden.verdict.holding import may_go_on
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError
from jobwarden_registry.model import Attempt, EndAsked, JobRecord
from jobwarden_registry.phases import Phase
from support.deeds import BEGIN, Clock, Press
from support.household import Household, household
from support.paper import Paper, QuietDesk, paper_service


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.service.stopping._LOOKS_S", (0.01, 0.05, 0.1))
    monkeypatch.setattr("jobwarden.service.controlling._TRIES_S", (0.0, 0.01))
    monkeypatch.setattr("jobwarden.actions.resubmit._LOOKS_S", (0.0,))


@pytest.mark.parametrize(
    ("action", "value", "meant"),
    [
        (Control.SIGNAL, "usr1", "USR1"),
        (Control.SIGNAL, "SIGTERM", "TERM"),
        (Control.SIGNAL, "b:sigusr2", "B:USR2"),
        (Control.TIME_LIMIT, "90", "90"),
        (Control.TIME_LIMIT, "1:30:00", "90"),
        (Control.TIME_LIMIT, "1-0", "1440"),
        (Control.TIME_LIMIT, "0:30", "1"),
        (Control.REQUEUE, "hold", "hold"),
        (Control.HOLD, "", ""),
    ],
)
def test_a_value_is_read_as_people_write_it(action: Control, value: str, meant: str) -> None:
    assert read_change(action, value, "1-4,7") == Change(action, meant, "1-4,7")


@pytest.mark.parametrize(
    ("action", "value", "elements"),
    [
        (Control.SIGNAL, "", ""),
        (Control.SIGNAL, "SEGV", ""),
        (Control.SIGNAL, "9; rm -rf /", ""),
        (Control.SIGNAL, "-KILL", ""),
        (Control.TIME_LIMIT, "0", ""),
        (Control.TIME_LIMIT, "+30", ""),
        (Control.TIME_LIMIT, "UNLIMITED", ""),
        (Control.REQUEUE, "State=SpecialExit", ""),
        (Control.HOLD, "yes", ""),
        (Control.HOLD, "", "1;2"),
        (Control.HOLD, "", "-"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_says_what_can(action: Control, value: str, elements: str) -> None:
    with pytest.raises(InvalidIdError) as refused:
        read_change(action, value, elements)
    assert refused.value.hint


async def control(service: Service, home: Household, action: Any, *jobs: str, **how: Any) -> ControlView:
    caller = home.caller(how.pop("session", "session-1"))
    return await service.control.control(caller, jobs=jobs, action=action, **how)


async def test_what_a_kind_of_job_cannot_do_and_who_may_not_is_said_before_anything_is_journaled(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"])
    for how, said in (
        ({}, "only be looked at and cancelled"),
        ({"session": "session-2"}, "force=true"),
        ({"only": ()}, "asked about"),
    ):
        (row,) = (await control(service, home, "hold", "1", **how)).rows
        assert row.outcome in ("refused", "not asked about")
        assert said in row.text
    for jobs, error in (((), InvalidIdError), (("2",), JobNotFoundError), (("2_3",), JobNotFoundError)):
        with pytest.raises(error):
            await control(service, home, "hold", *jobs)
    assert not {"control", "action"} & set(home.kinds())


async def test_the_end_of_a_job_says_who_cancelled_it_and_why(service: Service, home: Household, paper: Paper) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING", "3": "RUNNING"}
    await service.register(home.caller(), type="paper", ids=["1", "2", "3"])
    await service.cancel(home.caller(), jobs=["1"], reason="wrong data")
    paper.ends, paper.refuses = False, {"3": "not today"}
    await service.cancel(home.caller(), jobs=["2", "3"], reason="wrong data")
    paper.states |= {"2": "FAILED", "3": "CANCELLED"}
    view = await service.status(home.caller())
    jobs = {job.id: job for job in view.jobs}
    assert jobs["1"].cause == "cancelled by claude-code session session-1: wrong data"
    ends = {event.job_id: event.text for event in home.journal() if event.event == "finished"}
    assert ends["2"] == "Its end was asked for by claude-code session session-1: wrong data."
    assert (ends["3"], jobs["3"].cause) == (None, None)  # what was refused had no part in it


# -- submitting again


@asynccontextmanager
async def pressed(root: Path, extra: str = "") -> AsyncGenerator[tuple[Service, QuietDesk, Household, Press]]:
    clock = Clock()
    press = Press(clock=clock)
    press.states["100"] = "RUNNING"
    with household(root, {"floor_s": 0.0, "cancel_grace_s": 0.2}, extra) as home:
        async with paper_service(home, press, clock) as (service, desk):
            await service.register(home.caller(), type="paper", ids=["100"])
            press.states["100"] = "FAILED"
            await service.status(home.caller())
            yield service, desk, home, press


async def test_a_person_submits_again_without_a_grant_and_it_is_one_more_attempt(clean_environment: Path) -> None:
    async with pressed(clean_environment) as (service, _, home, press):
        (row,) = (await control(service, home, "resubmit", "100", value="mem=32G time=60", free=True)).rows
        assert (row.outcome, press.made()) == ("done", ["900"]), row.text
        assert row.text == "submitted again as 900 with --mem=32G --time=60"
        assert press.options["900"] == ("--mem=32G", "--time=60")
        job = (await service.status(home.caller(), jobs=["900"])).jobs[0]
        assert ([one.id for one in job.attempts], job.phase) == (["100", "900"], "pending")
        assert "claude-code session session-1: submitted as 900" in texts(home)


async def test_an_agent_needs_the_grant_and_is_told_the_line(clean_environment: Path) -> None:
    async with pressed(clean_environment) as (service, _, home, press):
        (row,) = (await control(service, home, "resubmit", "100", value="mem=32G")).rows
        assert (row.outcome, press.made()) == ("refused", [])
        assert "[grants]\nresubmissions" in row.text
        assert not (await service.status(home.caller())).news  # the answer has told it
        assert list(await service.control.to_ask(home.caller(), jobs=["100"], action="resubmit"))


async def test_what_a_person_submits_counts_towards_no_grant_and_what_an_agent_does(clean_environment: Path) -> None:
    async with pressed(clean_environment, "\n[grants]\nresubmissions = 1\n") as (service, _, home, press):
        assert not await service.control.to_ask(home.caller(), jobs=["100"], action="resubmit")
        for id_, free, outcome in (("100", True, "done"), ("900", False, "done"), ("901", False, "refused")):
            press.states[id_] = "FAILED"
            await service.status(home.caller())
            (row,) = (await control(service, home, "resubmit", "100", free=free)).rows
            assert row.outcome == outcome, row.text
        assert press.made() == ["900", "901"]


async def test_one_that_lives_is_replaced_only_when_that_is_said(clean_environment: Path) -> None:
    async with pressed(clean_environment) as (service, _, home, press):
        press.states["200"] = "RUNNING"
        await service.register(home.caller(), type="paper", ids=["200"])
        (row,) = (await control(service, home, "resubmit", "200", free=True)).rows
        assert (row.outcome, press.made()) == ("refused", [])
        assert "replace=true" in row.text
        (row,) = (await control(service, home, "resubmit", "200", value="replace=true", free=True)).rows
        assert (row.outcome, press.killed, press.waits_for) == ("done", {"200": 1}, {"900": "200"}), row.text


async def test_a_lost_answer_is_looked_for_by_the_next_call_and_nothing_is_submitted_twice(
    clean_environment: Path,
) -> None:
    """The watcher does not go on with it: what a sandboxed process has journaled must not grant itself anything."""
    async with pressed(clean_environment) as (service, desk, home, press):
        press.lose_answers = True
        find, press.submitted = press.submitted, nothing  # type: ignore[method-assign] # pyright: ignore[reportAttributeAccessIssue] -- it is behind
        (row,) = (await control(service, home, "resubmit", "100", free=True)).rows
        assert (row.outcome, press.made()) == ("open", ["900"]), row.text
        assert "nothing is submitted twice" in row.text
        press.submitted = find  # type: ignore[method-assign]  # it has caught up
        (session,) = await desk.world.sessions.known()
        assert await Actor(desk.world.rounds, home.env).take_up(session) == []
        (row,) = (await control(service, home, "resubmit", "100", free=True)).rows
        assert (row.outcome, press.made()) == ("done", ["900"]), row.text


async def test_what_a_person_has_begun_frees_no_agent_of_the_grant(clean_environment: Path) -> None:
    """What an agent's own sandbox can write into the journal must grant it nothing, either."""
    async with pressed(clean_environment) as (service, _, home, press):
        original, press.original = press.original, unanswered  # type: ignore[method-assign]  # it is behind
        (row,) = (await control(service, home, "resubmit", "100", value="mem=32G", free=True)).rows
        assert row.outcome == "open", row.text
        press.original = original  # type: ignore[method-assign]  # it answers again
        (row,) = (await control(service, home, "resubmit", "100", value="mem=32G")).rows
        assert (row.outcome, press.made()) == ("refused", []), row.text


async def test_a_call_that_changes_something_else_does_not_go_on_with_the_one_before(clean_environment: Path) -> None:
    async with pressed(clean_environment) as (service, _, home, press):
        original, press.original = press.original, unanswered  # type: ignore[method-assign]  # it is behind
        await control(service, home, "resubmit", "100", value="mem=32G", free=True)
        press.original = original  # type: ignore[method-assign]  # it answers again
        press.lose_answers = True
        find, press.submitted = press.submitted, nothing  # type: ignore[method-assign] # pyright: ignore[reportAttributeAccessIssue] -- it is behind
        (row,) = (await control(service, home, "resubmit", "100", value="mem=64G", free=True)).rows
        assert (row.outcome, press.options) == ("open", {"900": ("--mem=64G",)}), row.text
        press.submitted = find  # type: ignore[method-assign]  # it has caught up
        (row,) = (await control(service, home, "resubmit", "100", value="mem=16G", free=True)).rows
        assert (row.outcome, press.made()) == ("refused", ["900"]), row.text
        assert "with mem=64G" in row.text
        (row,) = (await control(service, home, "resubmit", "100", value="mem=64G", free=True)).rows
        assert (row.outcome, press.made()) == ("done", ["900"]), row.text


async def test_what_it_changes_is_of_the_typed_list_alone(clean_environment: Path) -> None:
    async with pressed(clean_environment) as (service, _, home, press):
        for value in ("script=/tmp/x", "wrap=true", "mem=$(id)", "mem", "output=/etc/passwd", "replace=maybe"):
            with pytest.raises((InvalidRuleError, InvalidIdError)):
                await control(service, home, "resubmit", "100", value=value, free=True)
        assert press.made() == []
        assert "control" not in home.kinds()


async def unanswered(*_: object, **__: object) -> Original:
    raise SourceUnavailableError("Accounting does not answer.", code="slurm.unavailable")


async def nothing(*_: object, **__: object) -> None:
    return None


def texts(home: Household) -> str:
    return "\n".join(event.text or "" for event in home.journal())


async def test_who_asked_for_the_end_of_one_run_has_no_part_in_that_of_the_next() -> None:
    asked = EndAsked(by="codex session s1", reason="wrong data", at=BEGIN, run="7", runs=1)
    first = JobRecord(type="slurm", id="7", end_asked=asked, attempts=(Attempt(id="7"),))
    assert who_asked(first) == "codex session s1: wrong data"
    failed = first.changed(restarts=True, phase=Phase.FAILED)
    assert may_go_on(failed.changed(end_asked=None))
    assert not may_go_on(failed)  # it caught the signal, and ended with a code of its own
    later = Attempt(id="7", submitted_at=BEGIN + timedelta(seconds=1))
    assert who_asked(first.changed(attempts=(Attempt(id="7"), later))) == ""
    unknown_then = later.model_copy(update={"submitted_at": BEGIN - timedelta(seconds=1)})
    assert who_asked(first.changed(attempts=(Attempt(id="7"), unknown_then))) == "codex session s1: wrong data"
    assert who_asked(first.changed(resubmitted_as="8")) == ""
