"""Waiting for jobs: when it ends, and that nothing else ends it or holds it up (`jobwarden.service.waiting`)."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import anyio
import pytest

from jobwarden.service.service import Service
from jobwarden.service.views import StatusView
from jobwarden.service.waiting import Until
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.household import Household
from support.paper import Paper, QuietDesk


async def register(service: Service, home: Household, *ids: str, host: str = "localhost") -> None:
    await service.register(home.caller(), type="paper", ids=ids, host=host)
    await service.status(home.caller())
    await service.status(home.caller())  # whatever was told is acknowledged


@pytest.mark.parametrize("until", ["change", "terminal"])
async def test_an_end_between_two_waits_ends_the_second_at_once(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, until: Until
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1", "2")
    await noticed(desk, home, paper, "1")
    view = await service.wait(home.caller(), until=until, timeout_s=20)
    assert view.met
    assert (view.waited_s or 0) < 5
    assert [event.job_id for event in view.news if event.event == "finished"] == ["1"]


async def noticed(desk: QuietDesk, home: Household, paper: Paper, job: str, word: str = "COMPLETED") -> None:
    """Let a job change, and the watcher see it: no agent has been told."""
    paper.states[job] = word
    session = await desk.session(home.caller())
    assert session is not None
    await desk.refresh([session])


async def test_named_jobs_are_not_waited_for_in_vain_when_another_has_news(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1", "2")
    await noticed(desk, home, paper, "1")
    for until in set(get_args(Until)) - {"ready"}:
        with anyio.fail_after(5):
            view = await service.wait(home.caller(), jobs=["2"], until=until, timeout_s=0.3)
        assert view.met is False
        assert [job.id for job in view.jobs] == ["2"]


async def test_news_of_another_host_does_not_end_a_wait_for_named_jobs_and_news_of_theirs_does(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1")
    await register(service, home, "2", host="far")
    await note(desk, home, EventKind.UNREACHABLE, host="far")
    assert not (await service.wait(home.caller(), jobs=["1"], timeout_s=0.3)).met
    await note(desk, home, EventKind.UNREACHABLE, host="far")
    assert (await service.wait(home.caller(), jobs=["2"], timeout_s=5)).met


async def note(desk: QuietDesk, home: Household, kind: EventKind, host: str) -> None:
    session = await desk.session(home.caller())
    assert session is not None

    def write(session: Session) -> None:
        with session.transaction() as transaction:
            transaction.note("said", kind=kind, extra={"type": "paper", "host": host})

    await desk.world.sessions.call(session, write)


async def test_a_host_that_hangs_does_not_hold_up_what_another_says(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1")
    await register(service, home, "2", host="far")
    paper.hanging.add("far")
    paper.states["1"] = "COMPLETED"
    view = await service.wait(home.caller(), until="terminal", timeout_s=20)
    assert view.met
    assert (view.waited_s or 0) < 5


async def test_the_deadline_holds_while_every_host_hangs(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    paper.hanging.add("")
    with anyio.fail_after(3):
        view = await service.wait(home.caller(), timeout_s=0.5)
    assert view.met is False
    assert "has not answered yet" in " ".join(view.notes)


@pytest.mark.parametrize(("until", "met"), [("change", False), ("terminal", False), ("all_terminal", True)])
async def test_with_nothing_alive_a_wait_is_over_at_once(
    service: Service, home: Household, paper: Paper, until: Until, met: bool
) -> None:
    assert (await service.wait(home.caller(), until=until, timeout_s=30)).jobs == ()
    paper.states["1"] = "COMPLETED"
    await register(service, home, "1")
    with anyio.fail_after(5):
        view = await service.wait(home.caller(), until=until, timeout_s=30)
    assert view.met is met
    named = await service.wait(home.caller(), jobs=["1"], until="terminal", timeout_s=30)
    assert named.met


async def test_a_lost_job_is_no_end_that_somebody_waits_for_again_and_again(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1", "2")
    session = await desk.session(home.caller())
    assert session is not None

    def lose(session: Session) -> None:
        with session.transaction() as transaction:
            record = next(record for record in transaction.jobs.values() if record.id == "1")
            transaction.change(record.uid, record.changed(phase=Phase.LOST), EventKind.LOST)

    await desk.world.sessions.call(session, lose)
    paper.raises = RuntimeError("nobody answers")  # it stays lost
    first = await service.wait(home.caller(), until="terminal", timeout_s=0.3)
    again = await service.wait(home.caller(), until="terminal", timeout_s=0.3)
    assert (first.met, again.met) == (True, False)


async def test_what_changes_during_the_wait_ends_it(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "PENDING"}
    await register(service, home, "1", "2")
    views: list[StatusView] = []

    async def wait() -> None:
        views.append(await service.wait(home.caller(), until="all_terminal", timeout_s=20))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.2)
        await noticed(desk, home, paper, "1")
        await anyio.sleep(0.2)
        assert not views
        await noticed(desk, home, paper, "2", "FAILED")
    assert views[0].met
    assert (views[0].counts.succeeded, views[0].counts.failed, views[0].counts.total) == (1, 1, 2)
    assert (views[0].waited_s or 0) < 4


async def test_a_sub_agent_that_waits_hears_what_its_root_is_told_meanwhile(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await register(service, home, "1")
    child = replace(home.caller(), detail="child-2", client="c2")
    views: list[StatusView] = []

    async def wait() -> None:
        views.append(await service.wait(child, timeout_s=3))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.3)
        paper.states["1"] = "RUNNING"
        root = await service.status(home.caller())
        assert [event.new_status for event in root.news] == ["RUNNING"]
    assert views[0].met
    assert [event.new_status for event in views[0].news] == ["RUNNING"]


async def test_a_wait_until_jobs_are_up_is_refused_where_nothing_could_show_it(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1", "2")
    for jobs in ([], ["1"]):
        with pytest.raises(InvalidIdError, match="what shows that it is up"):
            await service.wait(home.caller(), jobs=jobs, until="ready", timeout_s=60)
        with pytest.raises(InvalidIdError, match="what shows that it is up"):
            await service.begin_wait(home.caller(), jobs=jobs, until="ready", timeout_s=60)
    await noticed(desk, home, paper, "1")
    assert (await service.wait(home.caller(), jobs=["1", "2"], until="ready", timeout_s=60)).met
