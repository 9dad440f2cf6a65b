"""A job that was submitted again while nobody watched, that gets nowhere, or that must have made something."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from jobwarden.sources.base import Absent, Output, Seen, Sighting
from jobwarden.verdict.engine import Draft, Judgement, judge
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, Expectation, JobRecord
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, absent, at, job, proof, seen

FAR = 20_000.0
"""Seconds: long after, so that nobody can have been watching."""


def after(record: JobRecord, sighting: Sighting, seconds: float) -> Judgement:
    return judge(record, sighting, asked_at=at(seconds), now=at(seconds), clocks=CLOCKS)


def running(**fields: Any) -> JobRecord:
    started = seen("RUNNING", submitted_at=at(5), started_at=at(20), name="train", work_dir="/w")
    return after(job(**fields), started, 60).record


def candidate(job_id: str, submitted: float) -> Seen:
    run = Attempt(id=job_id, submitted_at=at(submitted), status="RUNNING", phase=Phase.RUNNING)
    return seen("RUNNING", submitted_at=at(submitted), started_at=at(submitted + 9), attempts=(run,))


def ended(word: str, *newer: Seen, when: float = 900.0) -> Seen:
    return seen(word, submitted_at=at(5), started_at=at(20), ended_at=at(when), exit_code=1, newer=newer)


def kinds(judgement: Judgement) -> list[EventKind]:
    return [draft.kind for draft in judgement.drafts]


# -- resubmitted under another id


@pytest.mark.parametrize("told", [(), (Attempt(id="7", submitted_at=at(5)),)], ids=["squeue", "sacct"])
@pytest.mark.parametrize("word", ["RUNNING", "CANCELLED by 1001"])
def test_a_late_answer_about_the_replaced_run_says_nothing_of_the_one_in_its_place(
    word: str, told: tuple[Attempt, ...]
) -> None:
    """Seen on 22.05.8: the watcher had asked about the old id when a rule's resubmission was noted."""
    record = after(running(), ended("FAILED", candidate("9", 1000)), FAR).record
    record = record.changed(phase=Phase.PENDING, last_status="PENDING")
    old = seen(word, submitted_at=at(5), started_at=at(20), attempts=told)
    judgement = after(record, old, FAR + 1)
    assert (judgement.record.phase, judgement.record.last_status) == (Phase.PENDING, "PENDING")
    assert [run.id for run in judgement.record.attempts] == ["7", "9"]
    assert (judgement.record.absence, judgement.finished) == (None, False)
    assert set(kinds(judgement)) <= {EventKind.UPDATED}


def test_the_replaced_runs_end_is_kept_with_it_when_it_comes_late() -> None:
    record = running()
    runs = (*record.attempts, Attempt(id="9", submitted_at=at(1000), phase=Phase.PENDING, status="PENDING"))
    record = record.changed(resubmitted_as="9", attempts=runs, phase=Phase.PENDING)
    judgement = after(record, seen("CANCELLED by 1001", submitted_at=at(5), ended_at=at(1002)), 1003)
    first, second = judgement.record.attempts
    assert (first.id, first.phase, first.ended_at) == ("7", Phase.CANCELLED, at(1002))
    assert (second.id, second.phase, judgement.record.phase) == ("9", Phase.PENDING, Phase.PENDING)


@pytest.mark.parametrize("word", ["FAILED", "TIMEOUT", "CANCELLED by 1001"])
def test_a_job_that_failed_unwatched_and_was_submitted_again_goes_on_as_one_job_with_two_attempts(word: str) -> None:
    judgement = after(running(), ended(word, candidate("9", 1000)), FAR)
    record = judgement.record
    assert kinds(judgement) == [EventKind.ATTEMPT]
    assert (record.id, record.resubmitted_as, record.phase) == ("7", "9", Phase.RUNNING)
    assert [(run.id, run.phase.final) for run in record.attempts] == [("7", True), ("9", False)]
    assert record.attempts[0].ended_at == at(900)
    assert (record.exit_code, record.log) == (None, None)
    text = judgement.drafts[0].text or ""
    assert "7" in text
    assert "9" in text


def test_a_job_that_is_followed_ends_under_its_new_id_once() -> None:
    record = after(running(), ended("FAILED", candidate("9", 1000)), FAR).record
    over = seen("COMPLETED", submitted_at=at(1000), started_at=at(1009), ended_at=at(FAR + 30), exit_code=0)
    judgement = after(record, over, FAR + 60)
    assert kinds(judgement) == [EventKind.FINISHED]
    assert judgement.record.phase is Phase.SUCCEEDED
    assert [run.phase for run in judgement.record.attempts] == [Phase.FAILED, Phase.SUCCEEDED]


def test_an_answer_about_the_earlier_run_that_comes_late_is_no_run_of_the_new_id() -> None:
    """It was asked for before the job went on: it names no run, and its submission is the earlier one's."""
    record = after(running(), ended("FAILED", candidate("9", 1000)), FAR).record
    judgement = after(record, ended("FAILED"), FAR + 10)
    assert not judgement.finished
    assert [(run.id, run.submitted_at) for run in judgement.record.attempts] == [("7", at(5)), ("9", at(1000))]


def test_two_candidates_are_said_and_not_guessed() -> None:
    judgement = after(running(), ended("FAILED", candidate("9", 1000), candidate("10", 1001)), FAR)
    assert kinds(judgement) == [EventKind.FINISHED]
    assert judgement.record.phase is Phase.FAILED
    assert "9, 10" in (judgement.drafts[-1].text or "")
    assert judgement.drafts[-1].extra["observed_late"] is True


def test_a_job_that_may_continue_several_ended_ones_continues_none() -> None:
    shared = candidate("9", 1000).model_copy(update={"contested": True})
    judgement = after(running(), ended("FAILED", shared), FAR)
    assert (judgement.finished, judgement.record.phase) == (True, Phase.FAILED)
    assert "9" in (judgement.drafts[-1].text or "")


def test_a_resubmitted_array_has_elements_of_its_own() -> None:
    record = running().changed(elements=10)
    assert after(record, ended("FAILED", candidate("9", 1000)), FAR).record.elements is None


def test_a_success_is_never_taken_for_a_job_that_goes_on() -> None:
    judgement = after(running(), ended("COMPLETED", candidate("9", 1000)), FAR)
    assert judgement.record.phase is Phase.SUCCEEDED
    assert judgement.finished


def test_an_end_that_was_watched_is_told_as_it_is() -> None:
    judgement = after(running(), ended("FAILED", candidate("9", 1000), when=950), 1010)
    assert judgement.record.phase is Phase.FAILED
    assert "9" in (judgement.drafts[-1].text or "")


def test_a_job_submitted_while_ours_still_lived_is_a_chain_and_no_resubmission() -> None:
    judgement = after(running(), ended("FAILED", candidate("9", 800)), FAR)
    assert judgement.finished


def test_a_job_that_was_registered_after_its_end_is_not_followed() -> None:
    judgement = after(job(registered_at=at(FAR - 10)), ended("FAILED", candidate("9", 1000)), FAR)
    assert judgement.record.phase is Phase.FAILED


def gone(*newer: Seen) -> Absent:
    return Absent(where=("squeue", "sacct"), evidence=proof(), newer=newer)


def test_a_job_that_is_nowhere_and_was_submitted_again_goes_on_without_being_lost() -> None:
    judgement = after(running(), gone(candidate("9", 1000)), FAR)
    assert kinds(judgement) == [EventKind.ATTEMPT]
    assert (judgement.record.resubmitted_as, judgement.record.phase) == ("9", Phase.RUNNING)
    assert [run.id for run in judgement.record.attempts] == ["7", "9"]


def test_in_the_grace_after_a_submission_nothing_is_followed() -> None:
    record = after(job(), seen("PENDING", submitted_at=at(5), name="train"), 10).record
    assert after(record, gone(candidate("9", 30)), 60).record.resubmitted_as is None


def test_of_two_candidates_for_a_job_that_is_nowhere_none_is_taken_and_its_loss_names_them() -> None:
    record = running()
    drafts: list[Draft] = []
    for step in range(8):
        judgement = after(record, gone(candidate("9", 1000), candidate("10", 1001)), FAR + 60 * step)
        record = judgement.record
        drafts += judgement.drafts
    assert record.phase is Phase.LOST
    assert "9, 10" in (drafts[-1].text or "")


def test_a_lost_job_that_turns_up_under_another_id_is_found_again() -> None:
    record = running()
    for step in range(8):
        record = after(record, absent(), FAR + 60 * step).record
    assert record.phase is Phase.LOST
    judgement = after(record, gone(candidate("9", FAR + 600)), FAR + 660)
    assert kinds(judgement) == [EventKind.FOUND_AGAIN, EventKind.ATTEMPT]
    assert judgement.record.phase is Phase.RUNNING


# -- stuck


def test_a_job_that_is_stuck_is_told_once_and_when_it_is_no_longer() -> None:
    held = seen("PENDING", reason="JobHeldUser", stuck="is held by its user")
    first = after(job(), held, 5)
    assert kinds(first) == [EventKind.STUCK]
    assert (first.record.phase, first.record.stuck) == (Phase.PENDING, "is held by its user")
    assert after(first.record, held, 65).drafts == ()
    freed = after(first.record, seen("PENDING", reason="Priority"), 125)
    assert kinds(freed) == [EventKind.STATUS_CHANGE]
    assert "no longer" in (freed.drafts[0].text or "")
    assert freed.record.stuck is None


def test_a_job_that_starts_is_no_longer_stuck() -> None:
    record = after(job(), seen("PENDING", stuck="is held by its user"), 5).record
    assert after(record, seen("RUNNING", started_at=at(60)), 65).record.stuck is None
    assert after(record, ended("CANCELLED"), 1000).record.stuck is None


def requeues(*submissions: float) -> Seen:
    runs = [Attempt(id="7", submitted_at=at(one), status="REQUEUED", phase=Phase.PENDING) for one in submissions]
    return seen("PENDING", submitted_at=at(submissions[-1]), attempts=tuple(runs), reason="BeginTime")


def test_three_requeues_in_ten_minutes_are_a_loop_and_an_event() -> None:
    record = running()
    for submitted in (100.0, 250.0):
        judgement = after(record, requeues(5, *(one for one in (100.0, 250.0) if one <= submitted)), submitted + 5)
        assert kinds(judgement) == [EventKind.REQUEUED]
        record = judgement.record
    judgement = after(record, requeues(5, 100, 250, 400), 405)
    assert kinds(judgement) == [EventKind.REQUEUED, EventKind.STUCK]
    assert "requeued" in (judgement.record.stuck or "")
    again = after(judgement.record, requeues(5, 100, 250, 400, 500), 505)
    assert kinds(again) == [EventKind.REQUEUED]


def test_requeues_far_apart_are_no_loop_and_one_that_stopped_is_forgotten() -> None:
    assert after(running(), requeues(5, 100, 2000, 4000), 4005).record.stuck is None
    looping = after(running(), requeues(5, 100, 250, 400), 405).record
    assert looping.stuck is not None
    quiet = seen("RUNNING", submitted_at=at(400), started_at=at(420))
    assert after(looping, quiet, 1200).record.stuck is None


def test_an_expected_start_that_moves_by_little_is_not_written_again() -> None:
    record = after(job(), seen("PENDING", expected_start_at=at(5000)), 5).record
    assert record.expected_start_at == at(5000)
    assert after(record, seen("PENDING", expected_start_at=at(5100)), 65).drafts == ()
    assert after(record, seen("PENDING", expected_start_at=at(9000)), 65).record.expected_start_at == at(9000)


# -- expected output

EXPECT = (Expectation(path="out/model.pt"),)


def output(*, found: bool | None) -> tuple[Output, ...]:
    return (Output(expect=EXPECT[0], found=found, line=f"out/model.pt {found}"),)


def completed(seconds: float, outputs: tuple[Output, ...] = ()) -> tuple[Seen, datetime]:
    return seen("COMPLETED", exit_code=0, submitted_at=at(5), ended_at=at(seconds), outputs=outputs), at(seconds)


def test_a_success_with_its_output_is_one() -> None:
    judgement = after(running(expect=EXPECT), completed(900, output(found=True))[0], 910)
    assert (judgement.finished, judgement.record.phase) == (True, Phase.SUCCEEDED)
    assert "out/model.pt True" in (judgement.drafts[-1].evidence or proof()).lines


def test_a_success_without_its_output_is_looked_at_again_and_then_a_failure() -> None:
    sighting = completed(900, output(found=False))[0]
    first = after(running(expect=EXPECT), sighting, 910)
    assert (first.finished, first.record.phase) == (False, Phase.RUNNING)
    assert after(first.record, sighting, 920).finished is False
    last = after(first.record, sighting, 970)
    assert (last.finished, last.record.phase, last.record.last_status) == (True, Phase.FAILED, "COMPLETED")
    assert "expected output is missing: out/model.pt" in (last.record.reason or "")


def test_a_new_run_that_lacks_its_output_is_looked_at_again_too() -> None:
    first = after(running(expect=EXPECT), completed(900, output(found=False))[0], 910)
    again = after(first.record, seen("RUNNING", submitted_at=at(950), started_at=at(960)), 970)
    assert again.record.output_missing_since is None
    over = seen("COMPLETED", submitted_at=at(950), ended_at=at(2000), outputs=output(found=False))
    assert after(again.record, over, 2010).finished is False


def test_output_that_comes_late_is_a_success() -> None:
    first = after(running(expect=EXPECT), completed(900, output(found=False))[0], 910)
    assert after(first.record, completed(900, output(found=True))[0], 970).record.phase is Phase.SUCCEEDED


def test_output_that_nobody_has_looked_for_decides_nothing() -> None:
    judgement = after(running(expect=EXPECT), completed(900)[0], 910)
    assert (judgement.finished, judgement.record.phase) == (False, Phase.RUNNING)


def test_output_that_may_not_be_looked_at_fails_no_job_and_is_said() -> None:
    judgement = after(running(expect=EXPECT), completed(900, output(found=None))[0], 910)
    assert judgement.record.phase is Phase.SUCCEEDED
    assert "out/model.pt" in (judgement.record.reason or "")


def test_a_failure_needs_no_output_to_be_one() -> None:
    assert after(running(expect=EXPECT), ended("FAILED"), 1000).record.phase is Phase.FAILED


def test_a_job_that_is_nowhere_is_not_lost_before_its_output_was_looked_for() -> None:
    record = running(expect=EXPECT)
    for step in range(12):
        judgement = after(record, absent(), FAR + 60 * step)
        assert not judgement.finished
        record = judgement.record
    assert record.phase is Phase.RUNNING


@pytest.mark.parametrize(("found", "phase"), [(True, Phase.SUCCEEDED), (False, Phase.LOST), (None, Phase.LOST)])
def test_a_job_that_is_nowhere_any_more_has_succeeded_only_if_its_output_is_there(
    found: bool | None, phase: Phase
) -> None:
    record = running(expect=EXPECT)
    drafts: list[Draft] = []
    for step in range(8):
        judgement = after(record, absent().model_copy(update={"outputs": output(found=found)}), FAR + 60 * step)
        record = judgement.record
        drafts += judgement.drafts
        if judgement.finished:
            break
    assert record.phase is phase
    assert drafts[-1].kind is (EventKind.FINISHED if found else EventKind.LOST)
    assert "out/model.pt" in " ".join((drafts[-1].evidence or proof()).lines)
