"""A run whose end somebody asked for does not come back by a rule: however that was asked for, and in which session."""

from __future__ import annotations

import anyio
import pytest

from jobwarden.actions.cancel import Doomed, Order, request_cancel
from jobwarden.actions.control import read_change, request_control
from jobwarden.rules.store import load_rules
from jobwarden.service.taking_over import take_over
from jobwarden.sources.controls import Control
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from support.deeds import call
from support.paper import QuietDesk
from unit.rules.test_restarting import Job, job, unanswered

__all__ = ["job"]
PERSON = Order("codex session 1", "1", "enough")
RESUBMIT = call("resubmit", modifications={"mem": "32G"}, cancel_original=False)


async def signal(job: Job, name: str) -> str:
    doomed = Doomed(job.stage.session, job.stage.current())
    change = read_change(Control.SIGNAL, name)
    (report,) = await request_control(job.stage.world.rounds, [doomed], PERSON, change)
    return report.text


def elsewhere(job: Job) -> tuple[Session, JobRecord]:
    """Let another session watch the same job, without any rule."""
    now = job.stage.clock()
    entry = SessionEntry(session_id="session-2", project=job.stage.home.project, created_at=now, last_seen_at=now)
    session = job.stage.world.sessions.of(job.stage.world.sessions.index.add(entry))
    with session.transaction() as transaction:
        record, _ = transaction.register(job.stage.current().changed(rules=(), restarts=False, uid=""))
    return session, record


async def test_a_signal_that_ends_a_job_calls_off_a_restart_that_is_under_way(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    original = unanswered(job)
    job.fail()
    await job.look()
    assert await signal(job, "KILL") == "Its run has ended; it is not started again."
    job.press.original = original  # it answers again
    job.stage.clock.later(minutes=10)
    await job.look()
    assert (job.made(), len(job.ends())) == ([], 1)


async def test_a_job_that_traps_what_another_session_sent_it_is_not_restarted(job: Job) -> None:
    job.rules("restart=[exit:75] times=2")
    session, theirs = elsewhere(job)
    await request_cancel(job.stage.world.rounds, [Doomed(session, theirs)], PERSON)
    job.fail("FAILED", exit_code=75)
    await job.look()
    assert job.made() == []
    (end,) = job.ends()
    assert "Its end was asked for" in (end.text or "")


async def test_a_rule_submits_no_run_again_whose_end_a_person_has_asked_for(job: Job) -> None:
    stage = job.stage
    original = unanswered(job)
    (done,) = await stage.do(RESUBMIT)
    assert done.outcome == "open"
    await request_cancel(stage.world.rounds, [Doomed(stage.session, stage.current())], PERSON)
    job.press.original = original  # it answers again
    stage.clock.later(minutes=10)
    (done,) = await stage.actor().take_up(stage.session)
    assert (done.outcome, job.made()) == ("failed", [])
    assert "Its end was asked for" in done.text


@pytest.mark.parametrize("session", ["its own", "another"])
async def test_a_resubmission_that_is_on_its_way_when_a_person_cancels_is_ended(job: Job, session: str) -> None:
    stage = job.stage
    submit = stage.press.submit
    where, theirs = elsewhere(job) if session == "another" else (stage.session, stage.current())

    async def slow(*args: object) -> str | None:
        await request_cancel(stage.world.rounds, [Doomed(where, theirs)], PERSON)
        return await submit(*args)  # type: ignore[arg-type]  # as it was called

    job.press.submit = slow
    stage.press.states["100"] = "FAILED"
    (done,) = await stage.do(RESUBMIT)
    assert (done.outcome, job.made()) == ("done", ["900"])
    assert stage.press.killed == {"900": 1}


async def test_an_end_that_was_told_is_followed_by_no_restart_whenever_a_watcher_comes(job: Job) -> None:
    """Nobody decided for hours, and whoever asked then was told the end."""
    job.rules("restart=[failed] times=2")
    job.fail()
    job.stage.clock.later(hours=4)
    job.fail()
    assert len(job.ends()) == 1
    await job.look()
    assert (job.made(), len(job.ends())) == ([], 1)


async def test_a_restart_that_is_open_when_the_end_is_told_is_not_done_after_it(job: Job) -> None:
    job.rules("restart=[failed] times=2")
    original = unanswered(job)
    job.fail()
    job.stage.clock.later(hours=2)
    await job.look()
    job.stage.clock.later(hours=1)
    job.fail()
    assert len(job.ends()) == 1
    job.press.original = original  # it answers again
    await job.look()
    assert (job.made(), len(job.ends())) == ([], 1)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_job_that_is_taken_over_is_started_again_no_more_often_than_its_rule_says(job: Job, times: int) -> None:
    job.rules(f"name=again restart=[failed] times={times}")
    job.fail()
    await job.look()
    assert job.made() == ["900"]
    async with anyio.create_task_group() as tasks:
        desk = QuietDesk(job.stage.world, tasks, version="0")
        caller = job.stage.home.caller("fresh")
        (taken,) = await take_over(desk, caller, job.stage.session, {job.stage.record.uid})
        session = await desk.session(caller)
        assert session is not None
        (record,) = session.load()
        assert (taken.uid, f"times={max(1, times - 1)}" in record.rules[0]) == (record.uid, True)
        assert load_rules(session)[record.uid].of("again").paused is (times == 1)
        tasks.cancel_scope.cancel()
