"""For any sequence of answers, torn, late, repeated, out of order or contradictory."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Output, Seen, Sighting
from jobwarden.verdict.engine import Judgement, judge, unanswered
from jobwarden.verdict.outputs import GONE
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Attempt, Expectation, JobRecord
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, absent, at, could_not_ask, job, proof

WORDS = {
    "PENDING": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "SUSPENDED": Phase.SUSPENDED,
    "FROBBED": Phase.UNKNOWN,
    "LOST?": Phase.LOST,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}
SECONDS = st.integers(-300, 100_000)
MOMENTS = st.none() | st.integers(-500, 2000).map(at)


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    word = draw(st.sampled_from(sorted(WORDS)))
    return Attempt(
        id=draw(st.sampled_from(["7", "8"])),
        submitted_at=draw(MOMENTS),
        started_at=draw(MOMENTS),
        status=word,
        phase=WORDS[word],
    )


EXPECT = Expectation(path="out")
OUTPUTS = st.sampled_from([(), *((Output(expect=EXPECT, found=found, line=""),) for found in (True, False, None))])
RECORDS = st.sampled_from([job(), job(expect=(EXPECT,))])


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Seen, ...]:
    ids = draw(st.lists(st.sampled_from(["9", "10"]), max_size=2, unique=True))
    runs = [Attempt(id=one, submitted_at=draw(MOMENTS), status="RUNNING", phase=Phase.RUNNING) for one in ids]
    return tuple(
        Seen(phase=run.phase, status=run.status, submitted_at=run.submitted_at, attempts=(run,), evidence=proof())
        for run in runs
    )


@st.composite
def absents(draw: st.DrawFn) -> Absent:
    return absent().model_copy(update={"newer": draw(candidates()), "outputs": draw(OUTPUTS)})


@st.composite
def seens(draw: st.DrawFn) -> Seen:
    # Ends are drawn less often, so that stories go on.
    word = draw(st.sampled_from(["PENDING", "RUNNING"]) | st.sampled_from(sorted(WORDS)))
    return Seen(
        phase=WORDS[word],
        status=word,
        submitted_at=draw(MOMENTS),
        started_at=draw(MOMENTS),
        ended_at=draw(MOMENTS),
        attempts=tuple(draw(st.lists(attempts(), max_size=2))),
        stuck=draw(st.sampled_from([None, None, "is held"])),
        expected_start_at=draw(MOMENTS),
        newer=draw(candidates()) if WORDS[word].final else (),
        outputs=draw(OUTPUTS) if WORDS[word].final else (),
        evidence=proof(),
    )


SIGHTINGS: st.SearchStrategy[Sighting] = st.one_of(
    seens(),
    st.builds(absent),
    absents(),
    st.builds(could_not_ask, code=st.sampled_from(["a.b", "c.d"])),
    st.just(DependsOn(slurm_ids=("8",), evidence=proof())),
)


@st.composite
def steps(draw: st.DrawFn) -> tuple[datetime, datetime, Sighting | None]:
    """When it was asked, when that is applied, and what was answered; None: nobody answered at all."""
    asked_at = at(draw(SECONDS))
    now = asked_at + timedelta(seconds=draw(st.sampled_from([0, 1, 60, 5000])))
    return asked_at, now, draw(st.none() | SIGHTINGS)


# Stories at the usual pace, in order, reach the clocks' limits; the others try what should not happen.
PACED = st.lists(
    st.tuples(st.sampled_from([1, 20, 60, 61, 179, 200, 90_000]), st.none() | SIGHTINGS | st.builds(absent)),
    max_size=25,
)
STORIES: st.SearchStrategy[list[tuple[datetime, datetime, Sighting | None]]] = st.one_of(
    st.lists(steps(), max_size=25),
    PACED.map(
        lambda paced: [
            (at(sum(gap for gap, _ in paced[: index + 1])), at(sum(gap for gap, _ in paced[: index + 1])), sighting)
            for index, (_, sighting) in enumerate(paced)
        ]
    ),
)


def step(record: JobRecord, asked_at: datetime, now: datetime, sighting: Sighting | None) -> Judgement:
    if sighting is None:
        return unanswered(record, code="ssh.refused", text="no", at=asked_at, now=now)
    return judge(record, sighting, asked_at=asked_at, now=now, clocks=CLOCKS)


@settings(max_examples=300, deadline=None)
@given(RECORDS, STORIES)
@example(job(), [(at(seconds), at(seconds), absent()) for seconds in (120, 300, 420, 90_420)])
def test_no_job_goes_back_from_its_end_and_each_ends_at_most_once(
    record: JobRecord, story: list[tuple[datetime, datetime, Sighting | None]]
) -> None:
    finished = 0
    for asked_at, now, sighting in story:
        before, judgement = record, step(record, asked_at, now, sighting)
        record = judgement.record
        if before.phase.final:
            assert judgement == Judgement(before)
        kinds = [draft.kind for draft in judgement.drafts]
        assert kinds.count(EventKind.FINISHED) == int(judgement.finished)
        # What was lost for long is watched no more, and that is all there is to say of it.
        assert (record is before) == (not kinds) or (record.phase is Phase.LOST and judgement.finished)
        if kinds:
            assert judgement.drafts[-1].record is record
        if judgement.finished:
            assert kinds[-1] is EventKind.FINISHED
            finished += 1
            if record.phase is Phase.LOST:  # no longer watched: that is the end of its story
                break
    assert finished <= 1
    assert finished == int(record.phase.final or (record.phase is Phase.LOST and finished == 1))


@settings(max_examples=300, deadline=None)
@given(RECORDS, STORIES)
def test_only_positive_evidence_of_its_own_ends_a_job(
    record: JobRecord, story: list[tuple[datetime, datetime, Sighting | None]]
) -> None:
    for asked_at, now, sighting in story:
        before, judgement = record, step(record, asked_at, now, sighting)
        record = judgement.record
        if record.phase.final and not before.phase.final:
            assert isinstance(sighting, Seen | Absent)
            if isinstance(sighting, Absent):
                assert (record.phase, record.last_status) == (Phase.SUCCEEDED, GONE)
                assert record.expect
                assert all(one.found for one in sighting.outputs)
            elif sighting.phase is Phase.SUCCEEDED and record.phase is Phase.FAILED:
                assert before.output_missing_since is not None
                assert any(one.found is False for one in sighting.outputs)
            else:
                assert sighting.phase is record.phase
        if sighting is None or isinstance(sighting, CouldNotAsk | DependsOn):
            kept: dict[str, Any] = {"stale_since": record.stale_since, "stale_because": record.stale_because}
            assert record == before.changed(**kept)
            assert not judgement.finished
        if isinstance(sighting, Absent) and record.phase is not before.phase and record.phase is not Phase.SUCCEEDED:
            known = {before.id, before.resubmitted_as, *(run.id for run in before.attempts)}
            fresh = [one.attempts[-1].id for one in sighting.newer if one.attempts[-1].id not in known]
            followed = fresh == [record.resubmitted_as]
            assert record.phase is Phase.LOST or followed
            assert record.ended_at is None
        if record.phase.final:
            break


@settings(max_examples=300, deadline=None)
@given(RECORDS, STORIES)
def test_no_job_is_lost_before_its_time_over_enough_unbroken_good_answers(
    record: JobRecord, story: list[tuple[datetime, datetime, Sighting | None]]
) -> None:
    absences: list[datetime] = []
    for asked_at, now, sighting in story:
        before, record = record, step(record, asked_at, now, sighting).record
        earlier_end = isinstance(sighting, Seen) and record.absence is not None and record.absence.last == asked_at
        if record.resubmitted_as != before.resubmitted_as:  # it goes on as another job
            absences = []
        elif isinstance(sighting, Absent) or earlier_end:  # of the present run neither says anything
            absences.append(asked_at)
        elif isinstance(sighting, Seen) and record.absence is None and before is not record:
            absences = []
        if record.phase is Phase.LOST and before.phase is not Phase.LOST:
            assert record.absence is not None
            counted = sorted({moment for moment in absences if moment >= record.absence.since})
            assert len(counted) >= CLOCKS.lost_answers
            assert (counted[-1] - counted[0]).total_seconds() >= CLOCKS.lost_after_s
            assert (counted[0] - at(0)).total_seconds() >= CLOCKS.grace_s
        if record.phase.final:
            break


@settings(max_examples=200, deadline=None)
@given(RECORDS, STORIES)
def test_applying_an_answer_twice_is_applying_it_once(
    record: JobRecord, story: list[tuple[datetime, datetime, Sighting | None]]
) -> None:
    for asked_at, now, sighting in story:
        judgement = step(record, asked_at, now, sighting)
        record = judgement.record
        if judgement.finished:
            break
        if asked_at <= now and (record.observed_at is None or record.observed_at <= now):
            again = step(record, asked_at, now, sighting)
            # Runs that contradict one another may still be told apart better; that is no news, and no other state.
            assert {draft.kind for draft in again.drafts} <= {EventKind.UPDATED}
            assert again.record.changed(attempts=record.attempts) == record


@settings(max_examples=200, deadline=None)
@given(RECORDS, STORIES)
def test_a_run_that_is_known_is_never_forgotten_and_the_file_gives_the_record_back(
    record: JobRecord, story: list[tuple[datetime, datetime, Sighting | None]]
) -> None:
    for asked_at, now, sighting in story:
        before, record = record, step(record, asked_at, now, sighting).record
        assert len(record.attempts) >= len(before.attempts)
        read = JobRecord.model_validate_json(record.model_dump_json())
        assert read == record
        if record.phase.final:
            break
