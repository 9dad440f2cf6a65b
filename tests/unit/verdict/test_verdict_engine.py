"""The rules of the engine, each by an example."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from jobwarden.sources.base import DependsOn, Output, Sighting
from jobwarden.verdict.engine import Judgement, judge, unanswered
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Absence, Attempt, Expectation, JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, absent, at, could_not_ask, job, proof, seen


def look(record: JobRecord, sighting: Sighting, seconds: float, now: datetime | None = None) -> Judgement:
    return judge(record, sighting, asked_at=at(seconds), now=now or at(seconds), clocks=CLOCKS)


def follow(record: JobRecord, sightings: Sequence[tuple[float, Sighting]]) -> tuple[JobRecord, list[EventKind]]:
    """Judge one after the other, as the watcher does; give the record and the kinds of all events."""
    kinds: list[EventKind] = []
    for seconds, sighting in sightings:
        judgement = look(record, sighting, seconds)
        record = judgement.record
        kinds += [draft.kind for draft in judgement.drafts]
    return record, kinds


def kinds(judgement: Judgement) -> list[EventKind]:
    return [draft.kind for draft in judgement.drafts]


# -- seen, and alive


def test_the_evidence_of_what_is_given_again_is_of_when_it_was_asked_for_last() -> None:
    standing = seen("RUNNING", stands=True, evidence=proof(10, "row"))
    (draft,) = look(job(), standing, 600).drafts
    assert draft.evidence == proof(600, "row")
    (draft,) = look(job(), seen("RUNNING", evidence=proof(10, "row")), 600).drafts
    assert draft.evidence == proof(10, "row")


def test_the_first_sighting_fills_the_record_and_tells_the_word() -> None:
    sighting = seen(
        "RUNNING",
        name="ptq",
        user="alice",
        node="c1",
        submitted_at=at(-5),
        started_at=at(-3),
        work_dir="/w",
        log={"stdout": "/w/o"},
    )
    judgement = look(job(), sighting, 10)
    record = judgement.record
    assert kinds(judgement) == [EventKind.STATUS_CHANGE]
    assert judgement.drafts[0].evidence == sighting.evidence
    assert judgement.drafts[0].record is record
    assert (record.phase, record.last_status, record.observed_at) == (Phase.RUNNING, "RUNNING", at(10))
    assert (record.name, record.user, record.node, record.work_dir) == ("ptq", "alice", "c1", "/w")
    assert (record.submitted_at, record.started_at, record.ended_at) == (at(-5), at(-3), None)
    assert record.log == LogPaths(stdout="/w/o")
    assert [run.submitted_at for run in record.attempts] == [at(-5)]
    assert not judgement.finished


def test_a_name_and_a_user_that_were_given_stay() -> None:
    record = look(job(name="mine", user="bob"), seen("RUNNING", name="theirs", user="alice"), 10).record
    assert (record.name, record.user) == ("mine", "bob")


def test_what_a_later_answer_does_not_tell_stays_known() -> None:
    first = look(job(), seen("RUNNING", node="c1", started_at=at(1), log={"stdout": "/o"}, work_dir="/w"), 10).record
    record = look(first, seen("COMPLETING", log={"stderr": "/e"}), 20).record
    assert (record.node, record.started_at, record.work_dir) == ("c1", at(1), "/w")
    assert record.log == LogPaths(stdout="/o", stderr="/e")


def test_the_same_answer_again_changes_nothing_and_is_the_same_record() -> None:
    first = look(job(), seen("RUNNING", submitted_at=at(-5)), 10).record
    for seconds in (10, 5, 70, 130):
        judgement = look(first, seen("RUNNING", submitted_at=at(-5)), seconds, now=at(130))
        assert judgement.record is first
        assert judgement.drafts == ()


def test_a_late_answer_changes_nothing() -> None:
    first = look(job(), seen("RUNNING"), 60).record
    late: list[Sighting] = [seen("PENDING"), seen("COMPLETED"), absent(), could_not_ask()]
    for sighting in late:
        for seconds in (30, 60):
            assert look(first, sighting, seconds, now=at(90)).record is first


def test_a_clock_that_was_set_back_does_not_freeze_the_job() -> None:
    """The answer behind the state was asked for in what is the future now: it makes nothing late."""
    first = look(job(), seen("RUNNING"), 3600).record
    assert look(first, seen("COMPLETED"), 60, now=at(60)).finished
    assert look(first, could_not_ask(), 60, now=at(60)).record.stale_since == at(60)


def test_only_the_reason_of_a_waiting_job_is_no_news() -> None:
    first = look(job(), seen("PENDING", reason="Priority"), 10).record
    judgement = look(first, seen("PENDING", reason="Resources"), 70)
    assert kinds(judgement) == [EventKind.UPDATED]
    assert judgement.record.reason == "Resources"
    assert look(judgement.record, seen("RUNNING"), 130).record.reason is None


def test_a_waiting_job_has_not_started_whatever_start_is_expected() -> None:
    record = look(job(), seen("PENDING", started_at=at(5000)), 10).record
    assert record.started_at is None
    assert record.attempts[0].started_at is None


def test_a_change_of_the_word_alone_is_news() -> None:
    first = look(job(), seen("RUNNING"), 10).record
    assert kinds(look(first, seen("COMPLETING"), 20)) == [EventKind.STATUS_CHANGE]


def test_suspended_and_back_is_one_run() -> None:
    times = {"submitted_at": at(1), "started_at": at(2)}
    words = ["RUNNING", "SUSPENDED", "RUNNING"]
    record, told = follow(job(), [(10.0 * n, seen(word, **times)) for n, word in enumerate(words, 1)])
    assert told == [EventKind.STATUS_CHANGE] * 3
    assert len(record.attempts) == 1


# -- ends


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("COMPLETED", Phase.SUCCEEDED),
        ("FAILED", Phase.FAILED),
        ("TIMEOUT", Phase.FAILED),
        ("CANCELLED by 0", Phase.CANCELLED),
    ],
)
def test_a_final_word_ends_the_job_once(word: str, phase: Phase) -> None:
    first = look(job(), seen("RUNNING", started_at=at(1)), 10).record
    judgement = look(first, seen(word, exit_code=3, ended_at=at(50)), 60)
    assert kinds(judgement) == [EventKind.FINISHED]
    assert judgement.finished
    record = judgement.record
    assert (record.phase, record.last_status, record.exit_code, record.ended_at) == (phase, word, 3, at(50))
    assert record.started_at == at(1)
    assert judgement.drafts[0].extra == {}
    again = look(record, seen(word, exit_code=3, ended_at=at(50)), 120)
    assert again == Judgement(record)


def test_an_end_without_a_time_ended_when_it_was_asked_about() -> None:
    assert look(job(), seen("FAILED"), 60).record.ended_at == at(60)


def test_an_end_of_long_ago_is_marked_as_observed_late() -> None:
    [draft] = look(job(), seen("COMPLETED", ended_at=at(60)), 60 + 181).drafts
    assert draft.extra == {"observed_late": True}
    [draft] = look(job(), seen("COMPLETED", ended_at=at(60)), 60 + 180).drafts
    assert draft.extra == {}


def test_ended_is_ended_whatever_comes_later() -> None:
    ended = look(job(), seen("COMPLETED"), 60).record
    later: list[Sighting] = [seen("RUNNING"), seen("FAILED"), seen("WHAT"), absent(), could_not_ask()]
    for sighting in later:
        assert look(ended, sighting, 600) == Judgement(ended)
    assert unanswered(ended, code="ssh.refused", text="no", at=at(600)) == Judgement(ended)


def test_an_end_seen_before_the_job_was_registered_may_be_another_jobs() -> None:
    """The id may have been in use before: an answer asked for afterwards must say so too."""
    record = job(registered_at=at(100))
    assert look(record, seen("COMPLETED"), 90, now=at(110)) == Judgement(record)
    assert look(record, seen("RUNNING"), 90, now=at(110)).record.phase is Phase.RUNNING
    assert look(record, seen("COMPLETED"), 110).finished


def test_exit_code_and_signal_are_kept() -> None:
    record = look(job(), seen("FAILED", exit_code=0, signal=9), 60).record
    assert (record.exit_code, record.signal) == (0, 9)


# -- words nobody knows


def test_an_unknown_word_is_shown_told_once_and_no_end() -> None:
    record, told = follow(job(), [(10, seen("RUNNING")), (70, seen("FROBBED")), (130, seen("FROBBED"))])
    assert (record.phase, record.last_status) == (Phase.UNKNOWN, "FROBBED")
    assert told == [EventKind.STATUS_CHANGE] * 2
    judgement = look(look(job(), seen("RUNNING"), 10).record, seen("FROBBED"), 70)
    assert judgement.drafts[0].extra == {"unknown_word": "FROBBED"}
    assert "FROBBED" in (judgement.drafts[0].text or "")
    back = look(judgement.record, seen("RUNNING"), 130).record
    again = look(back, seen("FROBBED"), 190)
    assert again.drafts[0].extra == {}
    other = look(back, seen("QUUXED"), 190)
    assert other.drafts[0].extra == {"unknown_word": "QUUXED"}


def test_the_words_that_were_told_survive_the_file() -> None:
    told = look(job(), seen("FROBBED"), 10).record
    read = JobRecord.model_validate_json(told.model_dump_json())
    back = look(read, seen("RUNNING"), 70).record
    assert look(back, seen("FROBBED"), 130).drafts[0].extra == {}


def test_a_source_cannot_say_that_a_job_is_lost() -> None:
    judgement = look(job(), seen("GONE", phase=Phase.LOST), 10)
    assert judgement.record.phase is Phase.UNKNOWN
    assert not judgement.finished


# -- runs


def test_a_requeue_is_a_new_run_of_the_same_job() -> None:
    """Slurm 22.05.8: same id, a new submission time, PENDING again for two minutes."""
    record, told = follow(
        job(),
        [
            (10, seen("RUNNING", submitted_at=at(1), started_at=at(2), node="c1")),
            (70, seen("PENDING", submitted_at=at(60), reason="BeginTime")),
        ],
    )
    assert told == [EventKind.STATUS_CHANGE, EventKind.REQUEUED]
    assert (record.phase, record.started_at, record.node, record.ended_at) == (Phase.PENDING, None, None, None)
    assert record.submitted_at == at(1)
    first, second = record.attempts
    assert (first.submitted_at, first.started_at, first.status, first.node) == (at(1), at(2), "RUNNING", "c1")
    assert (second.submitted_at, second.started_at, second.status) == (at(60), None, "PENDING")
    assert not record.phase.closed


def test_an_earlier_run_gets_its_end_when_the_accounting_tells_it() -> None:
    record, _ = follow(
        job(),
        [
            (10, seen("RUNNING", submitted_at=at(1), started_at=at(2))),
            (70, seen("PENDING", submitted_at=at(60))),
        ],
    )
    runs = (
        Attempt(id="7", submitted_at=at(1), started_at=at(2), ended_at=at(60), status="PREEMPTED", phase=Phase.FAILED),
        Attempt(id="7", submitted_at=at(60), status="PENDING", phase=Phase.PENDING),
    )
    judgement = look(record, seen("RUNNING", submitted_at=at(60), started_at=at(181), attempts=runs), 190)
    assert kinds(judgement) == [EventKind.STATUS_CHANGE]
    first, second = judgement.record.attempts
    assert (first.status, first.ended_at, first.phase) == ("PREEMPTED", at(60), Phase.FAILED)
    assert (second.status, second.started_at) == ("RUNNING", at(181))
    assert judgement.record.phase is Phase.RUNNING


def test_a_living_job_whose_times_went_back_is_not_absent() -> None:
    """The controller's clock was set back between a requeue and the next look."""
    record, _ = follow(job(), [(10, seen("RUNNING", submitted_at=at(60), started_at=at(61)))])
    for moment in range(70, 1000, 60):
        record = look(record, seen("RUNNING", submitted_at=at(1), started_at=at(2)), moment).record
        assert (record.phase, record.absence) == (Phase.RUNNING, None)


def test_a_requeued_job_ends_with_its_last_run() -> None:
    record, _ = follow(
        job(),
        [
            (10, seen("RUNNING", submitted_at=at(1), started_at=at(2))),
            (70, seen("PENDING", submitted_at=at(60))),
        ],
    )
    runs = (
        Attempt(id="7", submitted_at=at(1), started_at=at(2), ended_at=at(60), status="REQUEUED", phase=Phase.PENDING),
        Attempt(id="7", submitted_at=at(60), ended_at=at(200), status="COMPLETED", phase=Phase.SUCCEEDED),
    )
    end = look(record, seen("COMPLETED", submitted_at=at(60), started_at=at(181), ended_at=at(200), attempts=runs), 210)
    assert end.finished
    assert [run.status for run in end.record.attempts] == ["REQUEUED", "COMPLETED"]


def test_an_earlier_run_that_has_ended_keeps_its_end() -> None:
    submitted = {"submitted_at": at(60)}
    ended = Attempt(id="7", submitted_at=at(1), status="PREEMPTED", phase=Phase.FAILED, ended_at=at(60))
    stub = Attempt(id="7", submitted_at=at(1), status="PENDING", phase=Phase.PENDING)
    first = look(job(), seen("PENDING", attempts=(ended,), **submitted), 70).record
    record = look(first, seen("RUNNING", attempts=(stub,), **submitted), 130).record
    assert [run.status for run in record.attempts] == ["PREEMPTED", "RUNNING"]


def test_a_requeue_that_nobody_saw_waiting_is_told_too() -> None:
    record, told = follow(
        job(),
        [
            (10, seen("RUNNING", submitted_at=at(1), started_at=at(2))),
            (300, seen("RUNNING", submitted_at=at(60), started_at=at(181))),
        ],
    )
    assert told == [EventKind.STATUS_CHANGE, EventKind.REQUEUED]
    assert [run.started_at for run in record.attempts] == [at(2), at(181)]
    assert record.started_at == at(181)


def test_requeued_and_ended_between_two_looks_is_told_in_order() -> None:
    first = look(job(), seen("RUNNING", submitted_at=at(1), started_at=at(2)), 10).record
    judgement = look(first, seen("COMPLETED", submitted_at=at(60), started_at=at(181), ended_at=at(190)), 300)
    assert kinds(judgement) == [EventKind.REQUEUED, EventKind.FINISHED]
    before, end = judgement.drafts
    assert not before.record.phase.final
    assert end.record.phase is Phase.SUCCEEDED
    assert (end.record.started_at, end.record.ended_at) == (at(181), at(190))


def test_the_end_of_an_earlier_run_does_not_end_the_job() -> None:
    """sacct tells of PREEMPTED under the old submission for some seconds after the requeue (22.05.8)."""
    record, _ = follow(
        job(),
        [
            (10, seen("RUNNING", submitted_at=at(1), started_at=at(2))),
            (70, seen("PENDING", submitted_at=at(60))),
        ],
    )
    judgement = look(record, seen("PREEMPTED", submitted_at=at(1), started_at=at(2), ended_at=at(60)), 75)
    assert not judgement.finished
    assert judgement.record.phase is Phase.PENDING
    assert judgement.record.attempts[0].status == "PREEMPTED"
    assert judgement.record.attempts[0].ended_at == at(60)
    assert kinds(judgement) == [EventKind.UPDATED]


def test_back_to_waiting_is_a_new_run_where_submissions_are_not_known() -> None:
    record, told = follow(job(), [(10, seen("RUNNING")), (70, seen("PENDING")), (130, seen("RUNNING"))])
    assert told == [EventKind.STATUS_CHANGE, EventKind.REQUEUED, EventKind.STATUS_CHANGE]
    assert [run.status for run in record.attempts] == ["RUNNING", "RUNNING"]


def test_waiting_again_under_the_same_submission_is_the_same_run() -> None:
    """An array waits again when its running elements have ended and others wait."""
    submitted = {"submitted_at": at(1)}
    record, told = follow(
        job(),
        [(10, seen("PENDING", **submitted)), (70, seen("RUNNING", **submitted)), (130, seen("PENDING", **submitted))],
    )
    assert told == [EventKind.STATUS_CHANGE] * 3
    assert len(record.attempts) == 1


def test_a_start_that_moves_is_not_a_new_run() -> None:
    submitted = {"submitted_at": at(1)}
    record, told = follow(
        job(),
        [(10, seen("RUNNING", started_at=at(2), **submitted)), (70, seen("RUNNING", started_at=at(50), **submitted))],
    )
    assert told == [EventKind.STATUS_CHANGE, EventKind.UPDATED]
    assert [run.started_at for run in record.attempts] == [at(50)]


def test_a_resubmission_under_another_id_is_an_attempt() -> None:
    first = look(job(), seen("RUNNING", submitted_at=at(1), started_at=at(2)), 10).record
    runs = (
        Attempt(id="7", submitted_at=at(1), status="TIMEOUT", phase=Phase.FAILED, ended_at=at(60)),
        Attempt(id="8", submitted_at=at(61), status="PENDING", phase=Phase.PENDING),
    )
    judgement = look(first, seen("PENDING", submitted_at=at(61), attempts=runs), 70)
    assert kinds(judgement) == [EventKind.ATTEMPT]
    assert [(run.id, run.status) for run in judgement.record.attempts] == [("7", "TIMEOUT"), ("8", "PENDING")]
    assert judgement.record.id == "7"


def test_runs_before_the_registration_are_listed_and_are_no_news() -> None:
    runs = (
        Attempt(id="7", submitted_at=at(-900), status="NODE_FAIL", phase=Phase.FAILED, ended_at=at(-500)),
        Attempt(id="7", submitted_at=at(-500), status="RUNNING", phase=Phase.RUNNING),
    )
    judgement = look(job(), seen("RUNNING", submitted_at=at(-500), attempts=runs), 10)
    assert kinds(judgement) == [EventKind.STATUS_CHANGE]
    assert [run.status for run in judgement.record.attempts] == ["NODE_FAIL", "RUNNING"]
    assert judgement.record.submitted_at == at(-900)


# -- absent


def absent_at(*moments: float, record: JobRecord | None = None) -> tuple[JobRecord, list[EventKind]]:
    return follow(record or look(job(), seen("RUNNING"), 10).record, [(moment, absent()) for moment in moments])


def test_absence_in_the_grace_after_registration_is_not_counted() -> None:
    record = job()
    assert look(record, absent(), 119) == Judgement(record)
    judged = look(record, absent(), 120)
    assert judged.record.absence == Absence(since=at(120), last=at(120), answers=1)


def test_grace_counts_from_the_submission_too() -> None:
    record = job(submitted_at=at(100), registered_at=at(0))
    assert look(record, absent(), 219).record is record
    assert look(record, absent(), 220).record.absence is not None


def test_a_submission_in_the_future_is_another_clocks_and_gives_no_grace() -> None:
    assert look(job(submitted_at=at(90000)), absent(), 300).record.absence is not None


def test_absence_alone_ends_nothing_before_its_time() -> None:
    record, told = absent_at(200, 260, 320, 380, 440)
    assert record.phase is Phase.RUNNING
    assert EventKind.LOST not in told
    assert record.absence == Absence(since=at(200), last=at(440), answers=5)


def test_long_absence_over_enough_answers_is_lost_and_not_finished() -> None:
    record, told = absent_at(200, 260, 320, 380, 440, 500)
    assert told[-1] is EventKind.LOST
    assert record.phase is Phase.LOST
    assert record.last_status == "RUNNING"
    assert record.ended_at is None
    judgement = look(absent_at(200, 260, 320, 380, 440)[0], absent(), 500)
    assert not judgement.finished


def test_a_run_that_is_nowhere_is_lost_though_an_earlier_one_is_known_and_output_is_expected() -> None:
    expect = Expectation(path="out")
    missing = Output(expect=expect, found=False, line="out is not there")
    first = look(job(expect=(expect,)), seen("RUNNING", submitted_at=at(0)), 10).record
    again = look(first, seen("PENDING", submitted_at=at(60)), 70).record
    earlier = seen("NODE_FAIL", submitted_at=at(0), ended_at=at(60), outputs=(missing,))
    record, told = follow(again, [(moment, earlier) for moment in (200, 260, 320, 380, 440, 500)])
    assert (record.phase, told[-1]) == (Phase.LOST, EventKind.LOST)


def test_few_answers_do_not_make_a_job_lost_however_long() -> None:
    slow = CLOCKS.model_copy(update={"poll_s": 400.0})
    record = look(job(), seen("RUNNING"), 10).record
    for seconds in (200, 600):
        record = judge(record, absent(), asked_at=at(seconds), now=at(seconds), clocks=slow).record
    assert record.phase is Phase.RUNNING
    record = judge(record, absent(), asked_at=at(1000), now=at(1000), clocks=slow).record
    assert record.phase is Phase.LOST


def test_many_answers_do_not_make_a_job_lost_before_its_time() -> None:
    record, _ = absent_at(*range(200, 499, 5))
    assert record.phase is Phase.RUNNING


def test_a_gap_between_good_answers_starts_the_absence_anew() -> None:
    record, told = absent_at(200, 260, 320, 501)
    assert record.absence == Absence(since=at(501), last=at(501), answers=1)
    assert EventKind.LOST not in told
    record, _ = absent_at(200, 260, 320, 500)
    assert record.absence == Absence(since=at(200), last=at(500), answers=4)


def test_a_clock_that_jumps_back_starts_the_absence_anew() -> None:
    record, _ = absent_at(4000, 4060, 4120)
    judgement = look(record.changed(observed_at=at(10)), absent(), 400, now=at(400))
    assert judgement.record.absence == Absence(since=at(400), last=at(400), answers=1)


def test_the_same_absent_answer_counts_once() -> None:
    record, _ = absent_at(200, 260)
    for seconds in (260, 230, 200):
        assert look(record, absent(), seconds, now=at(300)).record is record


def test_an_absent_answer_from_before_the_last_sighting_counts_for_nothing() -> None:
    record = look(job(), seen("RUNNING"), 600).record
    for seconds in (500, 600):
        assert look(record, absent(), seconds, now=at(700)).record is record


def test_reappearance_clears_the_absence_silently() -> None:
    record, _ = absent_at(200, 260)
    judgement = look(record, seen("RUNNING"), 320)
    assert judgement.record.absence is None
    assert kinds(judgement) == [EventKind.UPDATED]


def test_an_outage_in_an_absence_counts_for_nothing() -> None:
    record, _ = absent_at(200, 260)
    for seconds in (320, 380, 440, 500):
        record = look(record, could_not_ask(), seconds).record
    assert record.absence == Absence(since=at(200), last=at(260), answers=2)
    assert record.phase is Phase.RUNNING
    record = look(record, absent(), 560).record
    assert record.absence == Absence(since=at(560), last=at(560), answers=1)
    assert record.stale_since is None


# -- lost, and after


def lost() -> JobRecord:
    return absent_at(200, 260, 320, 380, 440, 500)[0]


def test_a_lost_job_that_is_alive_is_found_again() -> None:
    judgement = look(lost(), seen("RUNNING"), 900)
    assert kinds(judgement) == [EventKind.FOUND_AGAIN]
    assert (judgement.record.phase, judgement.record.absence) == (Phase.RUNNING, None)
    assert not judgement.finished


def test_a_lost_job_that_has_ended_is_found_again_and_then_finished() -> None:
    judgement = look(lost(), seen("COMPLETED", ended_at=at(150)), 900)
    assert kinds(judgement) == [EventKind.FOUND_AGAIN, EventKind.FINISHED]
    assert judgement.finished
    assert not judgement.drafts[0].record.phase.closed
    assert judgement.record.phase is Phase.SUCCEEDED
    assert judgement.drafts[1].extra == {"observed_late": True}


def test_a_lost_job_is_kept_and_then_no_longer_watched() -> None:
    record = lost()
    for seconds in (560, 40_000, 500 + 86_400):
        assert look(record, absent(), seconds) == Judgement(record)
    judgement = look(record, absent(), 500 + 86_401)
    assert kinds(judgement) == [EventKind.FINISHED]
    assert judgement.finished
    assert judgement.record.phase is Phase.LOST


def test_a_lost_job_whose_host_does_not_answer_stays_lost() -> None:
    judgement = look(lost(), could_not_ask(), 500 + 200_000)
    assert not judgement.finished
    assert judgement.record.phase is Phase.LOST


# -- nobody could be asked


def test_who_could_not_be_asked_changes_no_state() -> None:
    first = look(job(), seen("RUNNING"), 10).record
    judgement = look(first, could_not_ask(), 70)
    assert kinds(judgement) == [EventKind.UPDATED]
    assert judgement.record == first.changed(stale_since=at(70), stale_because="slurm.unavailable: sacct: error")


def test_an_outage_begins_with_its_first_failure() -> None:
    record = look(job(), could_not_ask(), 70).record
    assert look(record, could_not_ask(text="something else"), 130) == Judgement(record)
    other = unanswered(record, code="ssh.auth_rejected", text="Login refused.", at=at(130)).record
    assert other.stale_since == at(70)
    assert other.stale_because == "ssh.auth_rejected: Login refused."


def test_a_good_answer_ends_the_outage_even_when_nothing_else_changed() -> None:
    first = look(job(), seen("RUNNING"), 10).record
    stale = look(first, could_not_ask(), 70).record
    judgement = look(stale, seen("RUNNING"), 130)
    assert kinds(judgement) == [EventKind.UPDATED]
    assert (judgement.record.stale_since, judgement.record.stale_because) == (None, None)


def test_an_answer_from_before_the_outage_does_not_end_it() -> None:
    first = look(job(), seen("RUNNING"), 10).record
    stale = look(first, could_not_ask(), 70).record
    assert look(stale, seen("RUNNING"), 65, now=at(80)) == Judgement(stale)


def test_an_absent_answer_ends_the_outage_too() -> None:
    stale = look(job(), could_not_ask(), 70).record
    assert look(stale, absent(), 100).record.stale_since is None


def test_known_terminal_evidence_is_used_during_an_outage() -> None:
    stale = look(job(), could_not_ask(), 70).record
    judgement = look(stale, seen("FAILED", exit_code=1), 130)
    assert judgement.finished
    assert judgement.record.stale_since is None


def test_a_dependence_that_nobody_resolved_changes_no_state() -> None:
    first = look(job(), seen("RUNNING"), 10).record
    judgement = look(first, DependsOn(slurm_ids=("8",), evidence=proof()), 70)
    assert judgement.record.phase is Phase.RUNNING
    assert judgement.record.stale_because is not None
    assert judgement.record.stale_because.startswith("verdict.unresolved")


def test_every_change_is_in_an_event() -> None:
    """What is not in an event is lost with the project's file."""
    story: list[tuple[float, Any]] = [
        (10, seen("PENDING", reason="Priority")),
        (70, seen("PENDING", reason="Resources")),
        (130, could_not_ask()),
        (190, absent()),
        (250, seen("RUNNING")),
        (310, seen("WHAT")),
    ]
    record = job()
    for seconds, sighting in story:
        judgement = look(record, sighting, seconds)
        assert (judgement.record is record) == (judgement.drafts == ())
        if judgement.drafts:
            assert judgement.drafts[-1].record is judgement.record
        record = judgement.record
