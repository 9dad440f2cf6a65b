"""What is done about a planned job, out of what is known of it (`jobwarden.plans.deciding`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.plans.deciding import Do, Known, Standing, decide, stale_dependencies
from jobwarden.plans.spec import After, JobSpec, Needs, PlanSpec
from jobwarden.plans.state import FILE, INTENDED, NEVER, REFUSED, SUBMITTED, UNSURE, PlanState, Run
from jobwarden.sources.submitting import Listed, Listing
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIMIT_S = 60.0
PREP = JobSpec(name="prep", host="h", script="/p.sh")
TRAIN = JobSpec(name="train", host="h", script="/t.sh", after=(After(job="prep"),))
SPEC = PlanSpec(name="plan", jobs=(PREP, TRAIN))


def run(step: str = SUBMITTED, job_id: str = "", *, age_s: float = 600.0, **more: Any) -> Run:
    token = "" if step == SUBMITTED and more.get("how") in (FILE, "adopted") else f"jw{job_id or 'x'}"
    return Run(step=step, at=NOW - timedelta(seconds=age_s), id=job_id, token=token, **more)


def record(job_id: str, phase: Phase = Phase.RUNNING, *, now_as: str | None = None) -> JobRecord:
    runs = tuple(Attempt(id=one) for one in (job_id, now_as) if one)
    return JobRecord(
        type="slurm", id=job_id, host="h", phase=phase, last_status=phase.upper(), resubmitted_as=now_as, attempts=runs
    )


def listed(job_id: str, phase: Phase = Phase.RUNNING, **more: Any) -> Listed:
    told: dict[str, Any] = {"name": "prep", "work_dir": "/home", **more}
    return Listed(job_id, phase=phase, **told)


def known(
    runs: Mapping[str, tuple[Run, ...]] | None = None,
    records: Mapping[str, JobRecord] | None = None,
    *jobs: Listed,
    **more: Any,
) -> Known:
    listing = Listing(jobs, accounted=more.pop("accounted", True), trouble=more.pop("trouble", ""), asked_at=NOW)
    state = PlanState(spec=SPEC, created_at=NOW, changed_at=NOW, runs=runs or {}, suspended=more.pop("suspended", None))
    standings = {name: Standing(one, live=not one.phase.final) for name, one in (records or {}).items()}
    return Known(
        state=state,
        standings=standings,
        listing=listing,
        folders=("/home",),
        watched=more.pop("watched", {}),
        others=more.pop("others", {}),
        now=NOW,
        limit_s=LIMIT_S,
        **more,
    )


def test_what_nobody_has_submitted_is_submitted() -> None:
    assert decide(PREP, known()).do is Do.SUBMIT


def test_a_suspended_plan_submits_nothing_and_says_why() -> None:
    decision = decide(PREP, known(suspended="the data is wrong"))
    assert decision.do is Do.BLOCKED
    assert "the data is wrong" in decision.text


@pytest.mark.parametrize("step", [REFUSED, NEVER])
def test_what_was_certainly_not_submitted_is_submitted(step: str) -> None:
    assert decide(PREP, known({"prep": (run(step),)})).do is Do.SUBMIT


def test_a_submission_whose_answer_was_lost_is_found_by_its_token_wherever_it_is() -> None:
    for queued in (True, False):
        found = listed("7", token="jwx", queued=queued)
        decision = decide(PREP, known({"prep": (run(INTENDED, age_s=1),)}, None, found))
        assert (decision.do, decision.job) == (Do.FOUND, found)


def test_one_that_may_be_on_its_way_is_waited_for_and_not_repeated() -> None:
    for age_s in (-7200, 0, LIMIT_S):  # a clock that was set back shortens no wait
        assert decide(PREP, known({"prep": (run(INTENDED, age_s=age_s),)})).do is Do.WAIT


def test_one_that_is_nowhere_when_its_time_is_up_never_arrived() -> None:
    assert decide(PREP, known({"prep": (run(INTENDED, age_s=LIMIT_S + 1),)})).do is Do.NEVER


def test_without_an_answer_of_accounting_it_is_not_repeated() -> None:
    open_one = {"prep": (run(INTENDED),)}
    assert decide(PREP, known(open_one, accounted=False, trouble="timed out")).do is Do.BLOCKED
    assert decide(PREP, known(open_one, accounted=False)).do is Do.UNSURE
    unsure = {"prep": (run(UNSURE),)}
    assert decide(PREP, known(unsure, accounted=False)).do is Do.BLOCKED
    assert decide(PREP, known(unsure, accounted=False, retry=("unsure",))).do is Do.SUBMIT
    assert decide(PREP, known(unsure, accounted=True)).do is Do.NEVER


def test_what_was_submitted_and_nobody_watches_is_watched() -> None:
    assert decide(PREP, known({"prep": (run(SUBMITTED, "7"),)})).do is Do.WATCH


def test_a_living_job_of_its_name_and_folder_is_adopted_and_not_doubled() -> None:
    decision = decide(PREP, known(None, None, listed("5")))
    assert (decision.do, decision.job and decision.job.id) == (Do.ADOPT, "5")
    assert decide(PREP, known(None, None, listed("5", work_dir="/elsewhere"))).do is Do.SUBMIT
    assert decide(PREP, known(None, None, listed("5", Phase.SUCCEEDED))).do is Do.SUBMIT
    assert decide(PREP, known(None, None, listed("5", name="other"))).do is Do.SUBMIT


def test_one_that_another_session_watches_or_two_that_fit_are_left_to_the_person() -> None:
    assert "session two" in decide(PREP, known(None, None, listed("5"), watched={"5": "two"})).text
    decision = decide(PREP, known(None, None, listed("5"), listed("6")))
    assert decision.do is Do.BLOCKED
    assert "5, 6" in decision.text


def test_a_job_of_another_plan_is_no_twin_and_one_registered_by_hand_is() -> None:
    assert decide(PREP, known(None, None, listed("5"), others={"5": "another"})).do is Do.SUBMIT
    assert decide(PREP, known(None, None, listed("5"), others={"5": ""})).do is Do.ADOPT


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PENDING, Phase.SUSPENDED, Phase.UNKNOWN])
def test_what_lives_is_never_submitted_again(phase: Phase) -> None:
    one = known({"prep": (run(SUBMITTED, "7"),)}, {"prep": record("7", phase)}, retry=tuple(Phase))
    assert decide(PREP, one).do is Do.NOTHING


def test_what_failed_is_submitted_again_only_where_that_is_asked_for_and_it_is_meant() -> None:
    one = known({"prep": (run(SUBMITTED, "7"),)}, {"prep": record("7", Phase.FAILED)})
    assert decide(PREP, one).do is Do.NOTHING
    decision = decide(PREP, replace(one, retry=("failed",)))
    assert (decision.do, decision.again) == (Do.SUBMIT, True)
    assert decide(PREP, replace(one, retry=("cancelled",))).do is Do.NOTHING
    assert decide(PREP, replace(one, retry=("failed",), chosen=["train"])).do is Do.NOTHING


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.CANCELLED, Phase.LOST])
def test_what_ended_and_was_requeued_under_its_own_id_since_is_not_submitted_beside_itself(phase: Phase) -> None:
    runs, records = {"prep": (run(SUBMITTED, "7"),)}, {"prep": record("7", phase)}
    for lives in (listed("7", Phase.PENDING), listed("7", Phase.RUNNING, name="renamed", work_dir="/else")):
        decision = decide(PREP, known(runs, records, lives, retry=(phase.value,)))
        assert (decision.do, decision.text.split()[0]) == (Do.BLOCKED, "7")
    again = {"prep": record("7", phase, now_as="9")}
    assert decide(PREP, known(runs, again, listed("9"), retry=(phase.value,))).do is Do.BLOCKED
    ended = listed("7", Phase.FAILED)
    assert decide(PREP, known(runs, records, ended, retry=(phase.value,))).do is Do.SUBMIT


def test_a_retry_of_which_nobody_knows_whether_it_arrived_is_repeated_where_the_person_says_so() -> None:
    runs = {"prep": (run(SUBMITTED, "7"), run(UNSURE))}
    one = known(runs, {"prep": record("7", Phase.FAILED)}, accounted=False)
    assert decide(PREP, one).do is Do.BLOCKED
    decision = decide(PREP, replace(one, retry=("unsure",)))
    assert (decision.do, decision.again) == (Do.SUBMIT, True)
    alive = known(runs, {"prep": record("7", Phase.FAILED)}, listed("7"), accounted=False, retry=("unsure",))
    assert decide(PREP, alive).do is Do.BLOCKED


def test_what_failed_and_lives_again_by_another_hand_is_adopted_instead() -> None:
    runs, records = {"prep": (run(SUBMITTED, "7"),)}, {"prep": record("7", Phase.FAILED)}
    for retry in ((), ("failed",)):
        assert decide(PREP, known(runs, records, listed("9"), retry=retry)).do is Do.ADOPT
    assert decide(PREP, known(runs, records, listed("5"))).do is Do.NOTHING  # it came before
    done = {"prep": record("7", Phase.SUCCEEDED)}
    assert decide(PREP, known(runs, done, listed("9"))).do is Do.NOTHING


def test_a_job_of_a_session_file_that_is_nowhere_is_followed_by_name() -> None:
    runs, records = {"prep": (run(SUBMITTED, "7", how=FILE),)}, {"prep": record("7", Phase.UNKNOWN)}
    assert decide(PREP, known(runs, records, listed("9"))).do is Do.ADOPT
    assert decide(PREP, known(runs, records)).do is Do.NOTHING  # not found is no end, and no timeout
    assert decide(PREP, known(runs, records, listed("7"), listed("9"))).do is Do.NOTHING


# -- dependencies


def waiting_for(run_of_prep: Run | None, rec: JobRecord | None, *jobs: Listed, needs: Needs = Needs.OK) -> Any:
    spec = TRAIN.model_copy(update={"after": (After(job="prep", needs=needs),)})
    runs = {"prep": (run_of_prep,)} if run_of_prep else {}
    return decide(spec, known(runs, {"prep": rec} if rec else None, *jobs))


def test_a_job_waits_for_the_one_before_it_by_its_id() -> None:
    decision = waiting_for(run(SUBMITTED, "7"), record("7"), listed("7"))
    assert (decision.do, decision.words, decision.after) == (Do.SUBMIT, ("afterok:7",), {"prep": "7"})


def test_it_waits_for_the_run_that_took_its_place() -> None:
    decision = waiting_for(run(SUBMITTED, "7"), record("7", now_as="9"), listed("9"))
    assert decision.words == ("afterok:9",)


@pytest.mark.parametrize(
    ("phase", "needs", "begins"),
    [
        (Phase.SUCCEEDED, Needs.OK, True),
        (Phase.SUCCEEDED, Needs.ANY, True),
        (Phase.SUCCEEDED, Needs.NOT_OK, False),
        (Phase.FAILED, Needs.OK, False),
        (Phase.FAILED, Needs.ANY, True),
        (Phase.FAILED, Needs.NOT_OK, True),
        (Phase.CANCELLED, Needs.OK, False),
    ],
)
def test_an_end_that_is_known_decides_itself_and_is_not_left_to_the_scheduler(
    phase: Phase, needs: Needs, *, begins: bool
) -> None:
    """Slurm takes a dependency on a job that it has forgotten for fulfilled."""
    decision = waiting_for(run(SUBMITTED, "7"), record("7", phase), needs=needs)
    assert decision.do is (Do.SUBMIT if begins else Do.BLOCKED)
    assert decision.words == ()


def test_what_nobody_knows_now_is_no_end_and_gives_no_dependency() -> None:
    for rec in (record("7", Phase.RUNNING), record("7", Phase.LOST), record("7", Phase.UNKNOWN), None):
        assert waiting_for(run(SUBMITTED, "7"), rec).do is Do.BLOCKED
    assert waiting_for(None, None).do is Do.BLOCKED
    assert waiting_for(run(INTENDED), None).do is Do.BLOCKED


def test_a_waiting_job_gets_another_dependency_when_what_it_waited_for_was_replaced() -> None:
    mine = run(SUBMITTED, "8", after={"prep": "7"})
    again = (run(SUBMITTED, "7"), run(SUBMITTED, "9", how="retried"))
    pending, dead = record("8", Phase.PENDING), record("7", Phase.PENDING, now_as="9")
    one = known({"prep": again, "train": (mine,)}, {"prep": dead, "train": pending}, listed("9"))
    assert stale_dependencies(TRAIN, one) == ({"prep": "9"}, ("afterok:9",))
    over = known(
        {"prep": again, "train": (mine,)}, {"prep": record("7", Phase.SUCCEEDED, now_as="9"), "train": pending}
    )
    assert stale_dependencies(TRAIN, over) == ({}, ())
    failed = {"prep": record("7", Phase.FAILED, now_as="9"), "train": pending}
    assert stale_dependencies(TRAIN, known({"prep": again, "train": (mine,)}, failed)) is None
    running = {"prep": dead, "train": record("8", Phase.RUNNING)}
    assert stale_dependencies(TRAIN, known({"prep": again, "train": (mine,)}, running, listed("9"))) is None
    same = known({"prep": again[:1], "train": (mine,)}, {"prep": record("7"), "train": pending}, listed("7"))
    assert stale_dependencies(TRAIN, same) is None


_RUNS = st.lists(
    st.builds(
        run,
        st.sampled_from([SUBMITTED, INTENDED, REFUSED, NEVER, UNSURE]),
        st.sampled_from(["7", "8", "9"]),
        age_s=st.floats(-100, 1000),
    ),
    max_size=3,
)


@given(
    runs=_RUNS,
    phase=st.sampled_from(list(Phase)),
    jobs=st.lists(st.builds(listed, st.sampled_from(["7", "8", "9"]), st.sampled_from(list(Phase))), max_size=3),
    accounted=st.booleans(),
    retry=st.sets(st.sampled_from(["failed", "cancelled", "lost", "unsure"])),
    suspended=st.sampled_from([None, "why"]),
)
def test_nothing_is_submitted_beside_what_lives_or_may_live(
    runs: list[Run],
    phase: Phase,
    jobs: list[Listed],
    accounted: bool,
    retry: set[str],
    suspended: str | None,
) -> None:
    real = [one for one in runs if one.step == SUBMITTED]
    records = {"prep": record(real[-1].id, phase)} if real else {}
    one = known({"prep": tuple(runs)}, records, *jobs, accounted=accounted, retry=tuple(retry), suspended=suspended)
    if decide(PREP, one).do is not Do.SUBMIT:
        return
    assert suspended is None
    assert not real or (phase.closed and phase.value in retry)
    if runs and runs[-1].step == INTENDED:
        pytest.fail("an open submission was repeated")
    if runs and runs[-1].step == UNSURE:
        assert "unsure" in retry
    mine = {each.id for each in runs}
    assert not [each for each in jobs if each.alive and each.id not in mine]
