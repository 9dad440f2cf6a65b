"""Never two of one job alive, and none unwatched, whoever else acts on it at the same time (`actions.resubmit`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from jobwarden.actions.book import Book
from jobwarden.actions.call import Firing
from jobwarden.actions.deeds import CLAIMED, After, Deeds, intend, note_after
from jobwarden.actions.grants import Grants
from jobwarden.actions.planning import plan
from jobwarden.rules.looking import Looker
from jobwarden.rules.state import JobRules, RuleState
from jobwarden.rules.store import Change, Tell, change_rules, load_rules
from jobwarden.sources.base import CancelOutcome, Host, Sighting, Wanted
from jobwarden.sources.resubmitting import Original
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.deeds import BEGIN, Stage, call

RESUBMIT = call("resubmit", modifications={"mem": "32G"}, times=3)
NOBODY = call("resubmit", modifications={}, cancel_original=False)


@pytest.fixture(params=["named", "wrap"])
def stage_of_a_name(stage: Stage, request: pytest.FixtureRequest) -> Stage:
    """A job whose living twins are seen, or are not, as its name says nothing."""
    original = stage.press.original

    async def with_twins(host: Host, wanted: Wanted) -> Original:
        made = await original(host, wanted)
        job = int(wanted.resubmitted_as or wanted.id)
        living = (one for one, state in stage.press.states.items() if state in ("PENDING", "RUNNING"))
        return replace(made, twins=tuple(one for one in living if int(one) > job))

    if request.param == "named":
        stage.press.original = with_twins  # type: ignore[method-assign]  # it sees what lives
    return stage


def end(stage: Stage, phase: Phase = Phase.FAILED) -> JobRecord:
    """Let the job be over; answers it as it ended."""
    stage.press.states["100"] = "FAILED"
    with stage.session.transaction() as transaction:
        record = transaction.jobs[stage.record.uid]
        return transaction.finish(record.uid, record.changed(phase=phase, last_status="FAILED"))


def another_session(stage: Stage, record: JobRecord) -> tuple[Session, JobRecord]:
    now = stage.clock()
    entry = SessionEntry(session_id="session-2", project=stage.home.project, created_at=now, last_seen_at=now)
    session = stage.world.sessions.of(stage.world.sessions.index.add(entry))
    with session.transaction() as transaction:
        watched, _ = transaction.register(record)
    return session, watched


def firing_of(record: JobRecord) -> Firing:
    return Firing(f"{record.uid}/diverged/1", "diverged", record.uid, BEGIN, {}, "x", "stdout")


async def test_two_firings_at_the_end_make_one_job(stage_of_a_name: Stage) -> None:
    stage = stage_of_a_name
    record = end(stage)
    outcomes: list[str] = []
    for number in (1, 2):
        (done,) = await stage.actor().carry_out(stage.session, record, stage.firing(number), [RESUBMIT])
        outcomes.append(done.outcome)
    assert outcomes == ["done", "failed"]
    assert stage.press.made() == ["900"]
    (watched,) = stage.session.load()
    assert (watched.resubmitted_as, [one.id for one in watched.attempts]) == ("900", ["100", "900"])


async def test_a_job_that_two_sessions_watch_is_submitted_again_by_one(stage_of_a_name: Stage) -> None:
    stage = stage_of_a_name
    other, theirs = another_session(stage, stage.record)
    (done,) = await stage.do(RESUBMIT)
    stage.clock.later(seconds=5)
    (again,) = await stage.actor().carry_out(other, theirs, firing_of(theirs), [RESUBMIT])
    assert (done.outcome, again.outcome) == ("done", "failed")
    assert "900" in again.text
    assert stage.press.made() == ["900"]


async def test_a_run_that_another_session_knows_as_replaced_is_not_replaced_again(stage: Stage) -> None:
    """By hand, of which no deed tells; its name says nothing."""
    other, theirs = another_session(stage, stage.record)
    with other.transaction() as transaction:
        transaction.change(theirs.uid, theirs.changed(resubmitted_as="555"), EventKind.UPDATED, text="by hand")
    (done,) = await stage.do(RESUBMIT)
    assert (done.outcome, stage.press.made()) == ("failed", [])
    assert "goes on as 555" in done.text


async def test_two_sessions_at_one_moment_make_one_job(stage: Stage) -> None:
    other, theirs = another_session(stage, stage.record)
    actor = stage.actor()
    async with anyio.create_task_group() as group:
        group.start_soon(actor.carry_out, stage.session, stage.record, stage.firing(), [RESUBMIT])
        group.start_soon(actor.carry_out, other, theirs, firing_of(theirs), [RESUBMIT])
    for _ in range(3):
        stage.clock.later(minutes=11)
        await actor.take_up(stage.session)
        await actor.take_up(other)
    assert stage.press.made() == ["900"]
    assert sum("900" in runs for runs in ({r.resubmitted_as} for s in (stage.session, other) for r in s.load())) == 1


async def test_what_another_process_has_begun_is_not_begun_here(stage: Stage) -> None:
    """The other process is one line in the other session's journal, where a real one would have been killed."""
    other, theirs = another_session(stage, stage.record)
    claim(stage, other, theirs)
    (done,) = await stage.do(RESUBMIT)
    assert (done.outcome, stage.press.made()) == ("open", [])


async def test_two_processes_that_begin_at_one_moment_both_let_go(stage: Stage) -> None:
    other, theirs = another_session(stage, stage.record)
    claimed = Book.claim

    async def after_them(book: Book, *args: Any) -> bool:
        claim(stage, other, theirs)
        return await claimed(book, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Book, "claim", after_them)
        (done,) = await stage.do(RESUBMIT)
    assert (done.outcome, stage.press.made()) == ("failed", [])


def claim(stage: Stage, session: Session, record: JobRecord) -> None:
    known, now = Deeds().of(session), stage.clock()
    grants = Grants(cancel=True, resubmissions=5, gpu_hours=100)
    made = plan(RESUBMIT, 0, record=record, firing=firing_of(record), grants=grants, known=known, now=now)
    with session.transaction() as transaction:
        intend(transaction, made.deed, firing_of(record), made.text)
        note_after(transaction, made.deed, After(id=made.deed.id, step=CLAIMED, at=now), "begins", told=False)


async def test_a_neighbour_of_the_same_name_is_no_hindrance(stage: Stage) -> None:
    stage.press.twins = ("101",)
    with stage.session.transaction() as transaction:
        transaction.register(stage.record.changed(id="101", attempts=()))
    (done,) = await stage.do(RESUBMIT)
    assert done.outcome == "done"


async def test_news_of_the_old_run_meanwhile_does_not_lose_the_new_one(stage: Stage) -> None:
    observe = stage.press.observe

    async def with_news(host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        seen = await observe(host, wanted)
        if [one.id for one in wanted] == ["900"]:
            with stage.session.transaction() as transaction:
                record = transaction.jobs[stage.record.uid]
                news = record.changed(reason="news", observed_at=stage.clock())
                transaction.change(record.uid, news, EventKind.UPDATED, text="a round")
        return seen

    stage.press.observe = with_news  # type: ignore[method-assign]  # a round of another process comes in between
    (done,) = await stage.do(RESUBMIT)
    assert done.outcome == "done"
    assert (stage.current().resubmitted_as, stage.press.killed) == ("900", {"100": 1})


async def test_a_record_that_goes_on_elsewhere_keeps_the_old_run_alive(stage: Stage) -> None:
    """What was submitted and cannot be followed is no reason to cancel what is watched."""
    observe = stage.press.observe

    async def moved(host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        seen = await observe(host, wanted)
        if [one.id for one in wanted] == ["900"]:
            with stage.session.transaction() as transaction:
                record = transaction.jobs[stage.record.uid]
                transaction.change(record.uid, record.changed(resubmitted_as="555"), EventKind.UPDATED, text="by hand")
        return seen

    stage.press.observe = moved  # type: ignore[method-assign]  # somebody moves it meanwhile
    (done,) = await stage.do(RESUBMIT)
    assert (done.outcome, stage.press.killed, stage.current().resubmitted_as) == ("open", {}, "555")


@pytest.mark.parametrize("ended", [False, True])
async def test_what_is_lost_is_not_started_again(stage: Stage, ended: bool) -> None:
    record = stage.record.changed(phase=Phase.LOST, last_status="LOST")
    if ended:
        record = end(stage, Phase.LOST)
    else:
        with stage.session.transaction() as transaction:
            transaction.change(record.uid, record, EventKind.LOST, text="lost")
    (done,) = await stage.actor().carry_out(stage.session, record, stage.firing(), [NOBODY])
    assert (done.outcome, stage.press.made()) == ("failed", [])
    assert "lost" in done.text


async def test_a_refused_cancel_of_what_was_replaced_is_told(stage: Stage) -> None:
    async def refuse(*_: object) -> Mapping[str, CancelOutcome]:
        return {"100": CancelOutcome(accepted=False, text="Access/permission denied")}

    stage.press.cancel = refuse  # type: ignore[method-assign, assignment]  # pyright: ignore[reportAttributeAccessIssue] -- it is not ours any more
    stage.press.states["100"] = "RUNNING"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobwarden.actions.resubmit._LOOKS_S", (0.0,))
        (done,) = await stage.do(RESUBMIT)
    assert done.outcome == "done"
    assert "100 was not cancelled: Access/permission denied" in done.text
    assert (stage.deeds()[-1].model_extra or {})["told"] is True


async def test_the_rules_of_a_job_that_is_watched_again_go_on_where_they_were(stage: Stage) -> None:
    """What was paused, disabled or used up by the run before is so for the next one; logs begin anew."""
    rules = ("pattern=a action=notify", "pattern=b action=notify")
    with stage.session.transaction() as transaction:
        record = transaction.jobs[stage.record.uid]
        transaction.change(record.uid, record.changed(rules=rules), EventKind.UPDATED, text="rules")
    record = end(stage)
    states = {
        "rule-1": RuleState(paused=True, fired=3, last_fired_at=BEGIN, value="7", since=BEGIN, spent="end"),
        "rule-2": RuleState(disabled="it failed", failures=3),
    }
    kept = JobRules(sequence=4, rules=states, done=True, ended_at=BEGIN)
    change_rules(stage.session, Change(record, 0, kept, [Tell(EventKind.NOTE, "they fired")]))
    calls = [RESUBMIT, call("pause")]
    await stage.actor().carry_out(stage.session, record, stage.firing(), calls)
    (watched,) = stage.session.load()
    assert watched.uid != record.uid
    state = load_rules(stage.session)[watched.uid]
    assert state.of("rule-1") == RuleState(paused=True, fired=3, last_fired_at=BEGIN)
    assert state.of("rule-2") == RuleState(disabled="it failed", failures=3)
    assert state.of("diverged").paused
    assert (state.sequence, state.done, state.ended_at, state.files) == (4, False, None, {})
    stage.clock.later(minutes=1)
    await Looker(stage.world.rounds, stage.home.env).look(stage.session, watched.uid, lease=None)
    assert load_rules(stage.session)[watched.uid].of("rule-1").paused
