"""Pausing and resuming the watching of jobs, sessions and hosts (`service.pausing`, `registry.pauses`)."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from jobwarden.mcp_server.text import cancel_text
from jobwarden.rules.looking import Looker
from jobwarden.service.control_views import ControlView
from jobwarden.service.service import Service
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Absence, JobRecord
from jobwarden_registry.pauses import HostPause, Paused
from jobwarden_registry.session import Session
from support.household import Household
from support.paper import Paper, QuietDesk, paper_service


async def register(
    service: Service, home: Household, paper: Paper, *ids: str, session: str = "session-1", host: str = "localhost"
) -> None:
    paper.states |= dict.fromkeys(ids, "RUNNING")
    await service.register(home.caller(session), type="paper", ids=ids, host=host)
    await service.status(home.caller(session))


async def pause(service: Service, home: Household, *jobs: str, session: str = "session-1", **how: Any) -> ControlView:
    return await service.control.control(
        home.caller(session), jobs=jobs, action="pause_watching", reason="the site is down", **how
    )


async def resume(service: Service, home: Household, *jobs: str, session: str = "session-1", **how: Any) -> ControlView:
    return await service.control.control(home.caller(session), jobs=jobs, action="resume_watching", **how)


async def asks(service: Service, home: Household, paper: Paper, session: str = "session-1") -> list[str]:
    """Give the clusters that a fresh look asks."""
    before = len(paper.asked)
    await service.status(home.caller(session))
    return [cluster for _, cluster in paper.asked[before:]]


async def test_a_paused_job_is_not_asked_about_and_its_end_is_told_when_watching_is_resumed(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    assert [row.outcome for row in (await pause(service, home, "1")).rows] == ["done"]
    paper.states["1"] = "FAILED"
    assert await asks(service, home, paper) == []
    view = await service.status(home.caller())
    (job,) = view.jobs
    assert (job.status, job.phase) == ("RUNNING", "running")
    assert "the site is down (by claude-code session session-1)" in str(job.paused_because)
    assert any("not watched since" in note for note in view.notes)
    assert not view.news
    assert [event.event for event in (await resume(service, home, "1")).news] == ["finished"]
    assert [one.text for one in home.journal() if one.event == "control"] == [
        "watching of paper 1 paused by claude-code session session-1: the site is down",
        "watching of paper 1 resumed by claude-code session session-1: no reason given",
    ]


@pytest.mark.parametrize("what", ["job", "session", "host"])
async def test_a_pause_outlives_the_process_and_nothing_is_lost_or_absent_meanwhile(home: Household, what: str) -> None:
    paper = Paper()
    how: dict[str, Any] = {"host": {"value": "far"}, "session": {}, "job": {}}[what]
    jobs = ["1"] if what == "job" else []
    async with paper_service(home, paper) as (service, _):
        await register(service, home, paper, "1", host="far")
        await pause(service, home, *jobs, **how)
    async with paper_service(home, paper) as (service, desk):
        del paper.states["1"]
        for _ in range(3):
            assert await asks(service, home, paper) == []
        assert [one.kind for one in await service.control.paused()] == [what]
        (row,) = home.active()
        assert JobRecord.model_validate(row).absence is None
        paper.states["1"] = "COMPLETED"
        view = await resume(service, home, *jobs, **how)
        assert [event.event for event in view.news] == ["finished"]
        assert await service.control.paused() == ()
        assert not await desk.paused(await desk.known(await desk.world.sessions.known()))


async def test_an_absence_that_was_counted_before_a_pause_begins_anew(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    session = await desk.session(home.caller())
    assert session is not None
    now = desk.world.clock()

    def count(session: Session) -> None:
        with session.transaction() as transaction:
            for record in list(transaction.jobs.values()):
                counted = record.changed(absence=Absence(since=now, last=now, answers=99))
                transaction.change(record.uid, counted, EventKind.UPDATED)

    for jobs, how in ((["1"], {}), ([], {}), ([], {"value": "localhost"})):
        await desk.world.sessions.call(session, count)
        await pause(service, home, *jobs, **how)
        paper.hanging.add("")  # nobody answers: what is seen is what the resumption itself has written
        await resume_quietly(desk, service, home, jobs, how)
        records = {record.id: record for record in await desk.world.sessions.call(session, Session.load)}
        assert records["1"].absence is None
        assert (records["2"].absence is None) is (not jobs)


async def resume_quietly(
    desk: QuietDesk, service: Service, home: Household, jobs: list[str], how: dict[str, Any]
) -> None:
    with anyio.move_on_after(1):
        await resume(service, home, *jobs, **how)


async def test_a_paused_host_is_asked_nothing_by_whichever_name(
    service: Service, home: Household, paper: Paper
) -> None:
    """`far` and `localhost` are one machine here; another one is asked as before."""
    await register(service, home, paper, "1", host="far")
    await register(service, home, paper, "2")
    await pause(service, home, value="far")
    assert await asks(service, home, paper) == []
    paused = Paused(hosts=(HostPause(since=utc_now(), host="far", site="alice@far:22"),))
    other = JobRecord(type="slurm", id="1", host="near", site="alice@near:22")
    assert paused.of("session-1", other) is None
    assert paused.of("session-1", other.changed(site="alice@far:22")) is not None
    with pytest.raises(InvalidIdError, match="one of the two"):
        await pause(service, home, "1", value="far")


async def test_a_host_that_others_watch_an_agent_pauses_only_by_force_and_they_are_told(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", host="far")
    await register(service, home, paper, "2", host="far", session="session-2")
    with pytest.raises(InvalidIdError, match="other session"):
        await pause(service, home, value="far")
    assert await asks(service, home, paper) == ["far"]
    await pause(service, home, value="far", force=True)
    told = await service.status(home.caller("session-2"))
    assert [event.event for event in told.news] == ["control"]
    assert "paused by claude-code session session-1" in str(told.news[0].text)


async def test_another_sessions_job_is_paused_only_by_force(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    assert [row.outcome for row in (await pause(service, home, "1", session="session-2")).rows] == ["refused"]
    assert await asks(service, home, paper) == [""]
    assert [row.outcome for row in (await pause(service, home, "1", session="session-2", force=True)).rows] == ["done"]
    assert await asks(service, home, paper) == []


async def test_what_another_session_sees_of_the_job_says_nothing_in_the_session_that_paused_it(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    await register(service, home, paper, "1", session="session-2")
    await pause(service, home, "1")
    paper.states["1"] = "FAILED"
    assert [event.event for event in (await service.status(home.caller("session-2"))).news] == ["finished"]
    view = await service.status(home.caller())
    assert {job.id: job.phase for job in view.jobs} == {"1": "running", "2": "running"}


@pytest.mark.parametrize("until", ["change", "all_terminal"])
async def test_a_wait_for_what_nobody_watches_ends_at_once_and_says_why(
    service: Service, home: Household, paper: Paper, until: Any
) -> None:
    await register(service, home, paper, "1", "2")
    await pause(service, home, "1")
    with anyio.fail_after(10):
        view = await service.wait(home.caller(), jobs=["1"], until=until, timeout_s=3600)
        begun = await service.begin_wait(home.caller(), jobs=["1"], until=until, timeout_s=3600)
    assert view.met is False
    assert "the site is down" in view.notes[0]
    assert getattr(begun, "met", None) is False
    paper.states["2"] = "COMPLETED"
    assert (await service.wait(home.caller(), jobs=["1", "2"], until=until, timeout_s=1)).met is (until == "change")


async def test_a_file_of_pauses_that_cannot_be_read_pauses_nothing(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await pause(service, home)
    path = home.places.state / "paused.json"
    assert json.loads(path.read_text(encoding="utf-8"))["sessions"].keys() == {"session-1"}
    assert path.stat().st_mode & 0o077 == 0
    path.write_text('{"hosts": 7', encoding="utf-8")
    assert await asks(service, home, paper) == [""]


async def test_nothing_but_paused_jobs_starts_no_watcher(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await pause(service, home)
    desk.watcher_trouble = "started"
    assert "started" not in (await service.status(home.caller())).notes
    assert "started" in (await resume(service, home)).notes


async def test_the_rules_of_what_is_paused_rest_and_go_on_after(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"], rules=["state=[running] action=notify"])
    await service.status(home.caller())
    await pause(service, home)
    session = await desk.session(home.caller())
    assert session is not None
    (record,) = await desk.world.sessions.call(session, Session.load)
    looker = Looker(desk.world.rounds, home.env)
    assert (await looker.look(session, record.uid, lease=None)).wait_s is not None
    assert "rule_fired" not in home.kinds()
    await resume(service, home)
    await looker.look(session, record.uid, lease=None)
    assert "rule_fired" in home.kinds()


async def test_a_cancel_of_what_is_paused_does_not_wait_for_an_end_that_nobody_sees(
    service: Service, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    await pause(service, home, "1")
    with anyio.fail_after(2):  # of cancel_grace_s, which is 3
        view = await service.cancel(home.caller(), jobs=["1"], reason="wrong data")
    assert [(row.outcome, row.ended) for row in view.rows] == [("accepted", False)]
    assert "its end is told when that is resumed" in view.rows[0].text
    assert "wait_for_change" not in cancel_text(view, utc_now())
    assert [event.event for event in (await resume(service, home, "1")).news] == ["finished"]


async def test_what_is_not_paused_is_not_said_to_be_resumed(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1")
    await pause(service, home, "1")
    assert "as a whole is not paused" in (await resume(service, home)).notes[0]
    assert home.kinds().count("control") == 1
    await pause(service, home)
    assert "is paused already since" in (await pause(service, home)).notes[0]
    assert "No watched job" in (await pause(service, home, value="elsewhere")).notes[0]
