"""What a process that lives for weeks remembers of deeds, and what it forgets (`actions.deeds`)."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from jobwarden.actions.deeds import CLAIMED, DONE, FAILED, INTENDED, After, Deed, Deeds, Known
from support.deeds import BEGIN, GRANTS, Stage, call


@pytest.fixture
def granted() -> str:
    return f'{GRANTS}\n[notify.boss]\nenv = "NONE"\nper_hour = 3\n'


def _deed(number: int, action: str, step: str, at_s: float) -> Deed:
    firing = f"abc:rule:{number}"
    at = BEGIN + timedelta(seconds=at_s)
    return Deed(
        id=f"{firing}#0", action=action, rule="rule", firing=firing, uid="abc", run="1", lineage="1", step=step, at=at
    )


def test_metrics_leave_nothing_behind_but_an_hours_times() -> None:
    known = Known()
    for number in range(5000):
        known.take_deed(_deed(number, "store_metric", DONE, number * 10), "loss = 1")
    assert (known.deeds, known.after, known.said, known.ended, known.open()) == ({}, {}, {}, {}, [])
    assert len(known.hour["store_metric"]) == 360
    assert known.lately(["store_metric"], BEGIN + timedelta(seconds=49_990)) == 360
    assert known.latest == {"abc": "abc:rule:4999"}


def test_of_a_deed_that_has_ended_its_id_and_outcome_are_kept() -> None:
    known = Known()
    for number, step in enumerate((DONE, FAILED)):
        deed = _deed(number, "cancel_job", INTENDED, number)
        known.take_deed(deed, "cancel_job")
        known.take_after(After(id=deed.id, step=CLAIMED, at=BEGIN), "begins")
        assert (known.open(), known.step(deed.id), known.said) == ([deed], CLAIMED, {deed.id: "begins"})
        known.take_after(After(id=deed.id, step=step, at=BEGIN), "x")
        assert (known.step(deed.id), known.is_noted(deed)) == (step, True)
    assert (known.deeds, known.after, known.said, known.open()) == ({}, {}, {}, [])


def test_a_resubmission_counts_for_the_budget_as_long_as_it_was_not_refused() -> None:
    known = Known()
    for number, step in enumerate((CLAIMED, DONE, FAILED)):
        deed = _deed(number, "resubmit", INTENDED, number)
        known.take_deed(deed, "resubmit")
        known.take_after(After(id=deed.id, step=step, at=BEGIN, gpu_hours=8), "x")
    assert [(one.id, hours) for one, hours in known.submissions()] == [("abc:rule:0#0", 8), ("abc:rule:1#0", 8)]
    assert [one.id for one in known.open()] == ["abc:rule:0#0"]


async def test_a_metric_of_a_firing_that_is_given_again_is_stored_once(stage: Stage) -> None:
    for _ in range(3):  # each time a new process
        (done,) = await stage.do(call("store_metric", name="loss", value=1))
        assert done.outcome == "done"
    assert len(stage.deeds()) == 1
    assert Deeds().of(stage.session).ended == {}


async def test_who_fires_too_often_is_heard_again_an_hour_later(stage: Stage) -> None:
    """What was not done for the limit does not count towards it."""
    outcomes: list[str] = []
    for number in range(10):
        (done,) = await stage.do(call("notify", target="boss", message="x"), number=number)
        outcomes.append("$NONE is not set" if "$NONE" in done.text else "limit")
        stage.clock.later(minutes=10)
    assert outcomes == [*["$NONE is not set"] * 3, *["limit"] * 3, *["$NONE is not set"] * 3, "limit"]


async def test_of_a_session_that_was_removed_and_is_used_again_no_deed_is_overlooked(stage: Stage) -> None:
    """A cleanup removes what was not used for long; its numbers begin anew when its agent comes back."""
    deeds = Deeds()
    for number in range(5):
        await stage.do(call("notify", message="x"), number=number)
    before = deeds.of(stage.session)
    assert before.ended
    folder = stage.session.opened()
    assert folder is not None
    with folder:
        shutil.rmtree(folder.path)
    with stage.session.transaction() as transaction:
        transaction.note("it is used again")
    after = deeds.of(stage.session)
    assert (after.seq, after.ended) == (stage.session.journal.last_seq(), {})
    assert after.seq < before.seq
