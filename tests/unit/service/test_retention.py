"""What may be dropped, and what is left alone (`service.retention`)."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from jobwarden.actions.halting import halt
from jobwarden.bindings import described
from jobwarden.plans.spec import PlanSpec
from jobwarden.plans.state import PlanState, change_plan
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import Change, change_rules
from jobwarden.service.retention import STAMP, Retention
from jobwarden.service.service import Service
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.leases import Lease
from jobwarden_registry.processes import this_process
from jobwarden_registry.session import Session
from support.household import Household
from support.paper import Paper, QuietDesk

DAY_S = 86400.0


async def ended(service: Service, home: Household, paper: Paper, job: str, session: str = "session-1") -> None:
    paper.states[job] = "RUNNING"
    await service.register(home.caller(session), type="paper", ids=[job])
    paper.states[job] = "COMPLETED"
    await service.status(home.caller(session))
    await service.status(home.caller(session))


def later(desk: QuietDesk, **by: float) -> Retention:
    """Give a cleanup whose clock is ahead."""
    now: datetime = utc_now() + timedelta(**by)
    return Retention(replace(desk.world, clock=lambda: now))


def kinds(home: Household, session: str = "session-1") -> list[str]:
    return [str(event.event) for event in home.journal(session)]


async def one_session(desk: QuietDesk) -> Session:
    (session,) = await desk.world.sessions.known()
    return session


async def test_an_old_journal_is_compacted_after_the_set_age_and_said(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await ended(service, home, paper, "1")
    before = len(kinds(home))
    young = later(desk, days=89)
    assert (await young.clean(young.ages(), dry_run=False)).sessions == ()
    old = later(desk, days=91)
    said = await old.clean(old.ages(), dry_run=True)
    assert [(row.session, row.what) for row in said.sessions] == [("session-1", "compacted")]
    assert len(kinds(home)) == before
    done = await old.clean(old.ages(), dry_run=False)
    assert done.sessions == said.sessions
    assert set(kinds(home)) <= {"registered", "finished"} | set(kinds(home)[-1:])
    assert (await service.job(home.caller(), "1")).phase == "succeeded", "history has it still"
    assert (await old.clean(old.ages(), dry_run=False)).freed_bytes == 0


async def test_by_hand_another_age_can_be_given(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await ended(service, home, paper, "1")
    retention = later(desk, days=10)
    assert (await retention.clean(retention.ages(20 * DAY_S), dry_run=False)).sessions == ()
    view = await retention.clean(retention.ages(7 * DAY_S), dry_run=False)
    assert [row.what for row in view.sessions] == ["compacted"]


@pytest.mark.parametrize("what", ["job", "rules", "wait", "news", "halt", "lease", "just now"])
async def test_what_is_not_over_is_left_alone_and_said_why(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, what: str
) -> None:
    await ended(service, home, paper, "1")
    session = await one_session(desk)
    retention = later(desk, days=0.1 if what == "just now" else 400)
    ages = retention.ages(0.0001 * DAY_S)
    why = ""
    if what == "job":
        paper.states["2"] = "RUNNING"
        await service.register(home.caller(), type="paper", ids=["2"])
        why = "1 job(s) are watched"
    elif what == "rules":
        (record,) = [one.record for one in await desk.known([session])]
        change_rules(session, Change(record, 0, JobRules()), own=True)
        why = "rules have not seen the end"
    elif what == "wait":
        paper.states["2"] = "RUNNING"
        await service.register(home.caller(), type="paper", ids=["2"])
        await service.begin_wait(home.caller(), until="all_terminal", timeout_s=500 * DAY_S)
        paper.states["2"] = "COMPLETED"
        await service.status(home.caller())
        await service.status(home.caller())
        why = "somebody waits"
    elif what == "news":
        with session.transaction() as transaction:
            transaction.note("something to know", kind=EventKind.NOTE)
        why = "1 event(s) were never told"
    elif what == "halt":
        halt(session, at=utc_now(), by="person", reason="")
        why = "it is halted"
    elif what == "lease":
        assert Lease().acquire(session, this_process(), machine_id="m", stale_s=60)
        why = "a watcher holds it"
    else:
        retention, why = later(desk, minutes=30), "something has just happened"
        ages = retention.ages(60.0)
    before = kinds(home)
    view = await retention.clean(ages, dry_run=False)
    assert [(row.session, row.what) for row in view.sessions] == [("session-1", "left")]
    assert why in view.sessions[0].why
    assert kinds(home) == before


async def test_a_session_that_was_not_used_for_a_year_is_removed_with_its_folder_in_the_project(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await ended(service, home, paper, "1")
    await ended(service, home, paper, "2", session="other")
    other = next(one for one in await desk.world.sessions.known() if one.entry.session_id == "other")
    with other.transaction() as transaction:
        transaction.note("its agent has gone", kind=EventKind.NOTE)
    retention = later(desk, days=366)
    view = await retention.clean(retention.ages(), dry_run=False)
    assert {row.session: row.what for row in view.sessions} == {"session-1": "removed", "other": "left"}
    assert [one.entry.session_id for one in await desk.world.sessions.known()] == ["other"]
    assert not (home.project / ".claude" / "agents" / "session-1").exists()
    assert (home.project / ".claude" / "agents" / "other").exists()


@pytest.mark.parametrize("what", ["client", "plan"])
async def test_a_session_with_a_client_or_a_suspended_plan_is_not_removed_however_long_it_was_silent(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, what: str
) -> None:
    client = described(this_process(), desk.world.machine_id) if what == "client" else {}
    now = utc_now()
    entry = {"session_id": "session-1", "project": home.project, "created_at": now, "last_seen_at": now}
    Index(home.places).add(SessionEntry.model_validate({**entry, "agent": "claude-code", "client": client}))
    await ended(service, home, paper, "1")
    session = await one_session(desk)
    if what == "plan":
        spec = PlanSpec.model_validate({"name": "p"})
        state = PlanState(spec=spec, created_at=utc_now(), changed_at=utc_now(), suspended="the disk is full")
        change_plan(session, "p", lambda _state, _transaction: state)
    retention = later(desk, days=366)
    view = await retention.clean(retention.ages(), dry_run=False)
    assert "removed" not in {row.what for row in view.sessions}
    assert [one.entry.session_id for one in await desk.world.sessions.known()] == ["session-1"]


async def test_it_can_be_switched_off_and_is_done_once_a_day(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await ended(service, home, paper, "1")
    config = desk.world.config
    off = config.model_copy(update={"retention": config.retention.model_copy(update={"days": 0.0, "remove_days": 0.0})})
    assert await Retention(replace(desk.world, config=off)).daily() is None
    assert not (home.places.state / STAMP).exists()
    assert await Retention(desk.world).daily() is not None
    assert await Retention(desk.world).daily() is None
    assert await later(desk, days=1.1).daily() is not None


async def test_old_files_go_and_young_ones_and_this_machines_log_stay(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await ended(service, home, paper, "1")
    state, long_ago = home.places.state, utc_now().timestamp() - 200 * DAY_S
    mine = state / f"watcher-{os.uname().nodename}.log"
    files = {
        state / "watcher-gone.log.1": True,
        mine: False,
        state / "sessions" / "session-1" / "events.jsonl.torn-20260101T000000Z-1-2": True,
        state / "signing-key": False,
        home.places.runtime / "clients" / "999999.json": True,
        home.project / ".claude" / "agents" / "session-1" / "active_jobs.json.corrupt-20260101T000000.000000Z": True,
    }
    for path in files:
        _write(path, long_ago)
    young = state / "watcher-young.log"
    _write(young, utc_now().timestamp())
    retention = Retention(desk.world)
    said = await retention.clean(retention.ages(), dry_run=True)
    assert set(said.files) == {str(path) for path, goes in files.items() if goes}
    await retention.clean(retention.ages(), dry_run=False)
    assert {path: not path.exists() for path in files} == files
    assert young.exists()


def _write(path: Path, at: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    os.utime(path, (at, at))
