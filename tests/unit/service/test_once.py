"""One pass for cron: it looks and keeps what changed, and gives way (`service.once`)."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from jobwarden.cli.exit_codes import ExitCode, of_once
from jobwarden.service.service import Service
from jobwarden.transport.errors import OutcomeUnknownError
from jobwarden.watcher.leasing import Leasing
from jobwarden_registry.processes import ProcessId
from support.household import Household
from support.paper import Paper, QuietDesk

OTHERS = ProcessId("another-boot", "ns", 1, "1")


def no(_: object) -> bool:
    return False


def yes(_: object) -> bool:
    return True


async def register(service: Service, home: Household, paper: Paper, *ids: str, session: str = "session-1") -> None:
    paper.states |= dict.fromkeys(ids, "RUNNING")
    await service.register(home.caller(session), type="paper", ids=ids)


async def test_a_pass_over_all_sessions_keeps_what_changed_and_says_it_once(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    await register(service, home, paper, "3", session="other")
    asked = len(paper.asked)
    view = await service.once.look()
    assert (view.jobs, view.changes, of_once(view)) == (3, (), ExitCode.OK)
    assert len(paper.asked) == asked + 1, "one question for all"
    paper.states |= {"1": "FAILED", "3": "COMPLETED"}
    view = await service.once.look()
    told = sorted((change.session, change.event.job_id, str(change.event.event)) for change in view.changes)
    assert told == [("other", "3", "finished"), ("session-1", "1", "finished")]
    assert of_once(view) is ExitCode.CHANGED
    assert (await service.once.look()).changes == ()
    assert [row["id"] for row in home.active()] == ["2"]
    assert paper.cancelled == []
    news = (await service.status(home.caller())).news
    assert [event.job_id for event in news if event.event == "finished"] == ["1"], "who was not told is told later"


async def test_no_rule_is_looked_at_and_no_action_done(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "RUNNING"
    rules = ["state=[failed] action=notify(message=gone)"]
    await service.register(home.caller(), type="paper", ids=["1"], rules=rules)
    paper.states["1"] = "FAILED"
    await service.once.look()
    assert "rule_fired" not in home.kinds()
    assert "finished" in home.kinds()


async def test_what_a_reboot_left_held_is_looked_at_by_a_later_pass(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass is a process of its own, and sees such a lease for the first time; its holder cannot be judged."""
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"], host="far")
    leasing = Leasing(desk.world)
    monkeypatch.setattr(leasing, "_me", OTHERS)
    monkeypatch.setattr(desk.world.rounds, "here", no)
    monkeypatch.setattr(desk.world.rounds, "elsewhere", no)
    (session,) = await desk.world.sessions.known()
    assert await leasing.hold(session)
    paper.states["1"] = "COMPLETED"
    now = 1000.0
    session.around = replace(session.around, monotonic=lambda: now)
    lease_s = desk.world.config.clocks.lease_s
    assert (await service.once.look()).passed_over == 1
    now += lease_s / 2
    await leasing.beat()
    assert (await service.once.look()).passed_over == 1, "it beats"
    now += lease_s - 1
    assert (await service.once.look()).passed_over == 1, "it was silent for less than that"
    now += 2
    view = await service.once.look()
    assert (view.passed_over, [change.event.event for change in view.changes]) == (0, ["finished"])


async def test_a_session_that_somebody_else_watches_is_passed_over(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder cannot be judged from here: another machine's watcher."""
    monkeypatch.setattr("jobwarden.service.once.is_running", no)
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"], host="far")
    leasing = Leasing(desk.world)
    monkeypatch.setattr(leasing, "_me", OTHERS)
    monkeypatch.setattr(desk.world.rounds, "here", no)
    monkeypatch.setattr(desk.world.rounds, "elsewhere", no)
    (session,) = await desk.world.sessions.known()
    assert await leasing.hold(session)
    paper.states["1"] = "FAILED"
    view = await service.once.look()
    assert (view.changes, view.passed_over, view.jobs) == ((), 1, 0)


async def test_beside_the_watcher_nothing_is_done(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(service, home, paper, "1")
    asked = len(paper.asked)
    monkeypatch.setattr("jobwarden.service.once.is_running", yes)
    view = await service.once.look()
    assert (view.watcher, len(paper.asked), of_once(view)) == (True, asked, ExitCode.OK)


async def test_two_at_once_tell_each_change_once(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1", "2")
    paper.states |= {"1": "FAILED", "2": "COMPLETED"}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.once.look)
        tasks.start_soon(service.once.look)
    assert home.kinds().count("finished") == 2


async def test_a_host_that_does_not_answer_has_its_own_exit_code(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    paper.raises = OutcomeUnknownError("dropped", code="ssh.dropped")
    first = await service.once.look()
    again = await service.once.look()
    assert of_once(first) in (ExitCode.CHANGED, ExitCode.COULD_NOT_ASK)
    assert of_once(again) is ExitCode.COULD_NOT_ASK
    assert "localhost could not be asked" in again.troubles[0]
