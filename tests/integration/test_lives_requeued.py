"""Jobs of a real Slurm that run more than once under one id: never ended in between, each run kept (see casebook)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import pytest
from anyio import to_thread

from jobwarden.sources.base import Seen
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster
from support.witness import Witness

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

TWICE = '[ -n "$SLURM_RESTART_COUNT" ] || sleep 300; sleep 1; exit {code}'
ITSELF = '[ "${SLURM_RESTART_COUNT:-0}" -lt %d ] && { scontrol requeue $SLURM_JOB_ID; sleep 60; }; exit %d'
SOON = "StartTime=now+2seconds"
"""Not after Slurm's two minutes; and not in the second in which slurmd killed the run before, which it would refuse."""


@dataclass(frozen=True)
class Story:
    """What must have become of a job: the words of its runs, and its end."""

    runs: Sequence[str]
    phase: Phase = Phase.SUCCEEDED
    exit_code: int | None = 0


STORIES = {
    "preempted": Story(("PREEMPTED", "COMPLETED")),
    "node failed": Story(("NODE_FAIL", "FAILED"), Phase.FAILED, 7),
    "requeued": Story(("REQUEUED", "FAILED"), Phase.FAILED, 4),
    "requeued and held": Story(("REQUEUED", "COMPLETED")),
    "special exit": Story(("REQUEUED", "COMPLETED")),
    "requeues itself": Story(("REQUEUED", "FAILED"), Phase.FAILED, 5),
    "cancelled while waiting again": Story(("REQUEUED", "CANCELLED by 0"), Phase.CANCELLED, None),
    "loop": Story(("REQUEUED",) * 4 + ("COMPLETED",)),
}


@pytest.fixture(scope="module")
def witness(faulty_cluster: Cluster) -> Witness:
    return Witness(faulty_cluster)


@pytest.fixture(scope="module")
def book(faulty_cluster: Cluster, witness: Witness) -> Casebook:
    async def watched(book: Casebook) -> None:
        """Ask both programs by hand, five times a second, until every job has ended, and once after that."""
        over = False
        while not over and not book.troubles:
            over = all(label in book.cases and book[label].ended for label in STORIES)
            if book.cases:
                ids = [case.job for case in book.cases.values()]
                await to_thread.run_sync(witness.look, ids)
            await anyio.sleep(0.2)

    return lived(
        faulty_cluster,
        preempted,
        node_failed,
        requeued,
        requeued_and_held,
        special_exit,
        requeues_itself,
        cancelled_while_waiting_again,
        loop,
        watched,
    )


# -- the lives


async def begin(book: Casebook, label: str, *words: str, code: int = 0) -> Case:
    """Have a job run, whose first run waits for what is done to it."""
    case = await book.submit(label, "--requeue", *words, "--wrap", TWICE.format(code=code))
    await book.until_shown(case, "RUNNING")
    return case


async def waiting_again(book: Casebook, case: Case, run: int = 2) -> None:
    """Wait until it is seen to wait for this run."""
    await book.until(case, lambda case: len(case.record.attempts) == run)
    await book.until_phase(case, Phase.PENDING)


async def go_on(book: Casebook, case: Case) -> None:
    """Start the next run soon, when accounting knows that there will be one."""
    await waiting_again(book, case)
    # It is told every five seconds: until then, look after look falls where an error could be made.
    await book.do(lambda: book.cluster.wait_until_accounted(case.job, {"PENDING"}))
    await book.slurm("scontrol", "update", f"JobId={case.job}", SOON)
    await book.until_ended(case)


async def preempted(book: Casebook) -> None:
    case = await begin(book, "preempted", "-p", "preempt", "-w", "c3", "--exclusive")
    await book.sbatch("-w", "c3", "--exclusive", "--wrap", "sleep 4")
    await go_on(book, case)
    await book.again_when_forgotten(case)


async def node_failed(book: Casebook) -> None:
    case = await begin(book, "node failed", "-p", "frail", code=7)
    # Its slurmd goes on and brings the node back.
    await book.slurm("scontrol", "update", "nodename=c4", "state=down", "reason=test")
    await go_on(book, case)
    await book.again_when_forgotten(case)


async def requeued(book: Casebook) -> None:
    case = await begin(book, "requeued", code=4)
    await book.do(lambda: book.cluster.run(["scontrol", "requeue", case.job]))
    await go_on(book, case)
    await book.again_when_forgotten(case)


async def requeued_and_held(book: Casebook) -> None:
    case = await begin(book, "requeued and held")
    await book.slurm("scontrol", "requeuehold", case.job)
    await waiting_again(book, case)
    await book.slurm("scontrol", "release", case.job)
    await go_on(book, case)


async def special_exit(book: Casebook) -> None:
    case = await begin(book, "special exit")
    await book.slurm("scontrol", "requeuehold", "State=SpecialExit", case.job)
    await book.until_shown(case, "SPECIAL_EXIT")
    await book.slurm("scontrol", "release", case.job)
    await go_on(book, case)


async def requeues_itself(book: Casebook) -> None:
    await go_on(book, await book.submit("requeues itself", "--requeue", "--wrap", ITSELF % (1, 5)))


async def cancelled_while_waiting_again(book: Casebook) -> None:
    case = await begin(book, "cancelled while waiting again")
    await book.slurm("scontrol", "requeue", case.job)
    await waiting_again(book, case)
    await book.slurm("scancel", case.job)
    await book.again_when_forgotten(case)


async def loop(book: Casebook) -> None:
    case = await book.submit("loop", "--requeue", "--wrap", ITSELF % (4, 0))
    for run in range(2, 6):
        await waiting_again(book, case, run)
        await book.slurm("scontrol", "update", f"JobId={case.job}", SOON)
    await book.until_ended(case)


# -- what they tell


def test_all_lives_were_lived(book: Casebook) -> None:
    assert book.troubles == {}


@pytest.mark.parametrize("label", STORIES)
def test_a_job_that_runs_again_has_ended_only_with_its_last_run(book: Casebook, label: str) -> None:
    case, story = book[label], STORIES[label]
    assert not any(look.phase.final or look.phase is Phase.UNKNOWN for look in case.looks[:-1]), case.words
    assert not any(one.phase.final for one in case.seen if one.status != story.runs[-1]), case.words
    assert (case.record.phase, case.record.last_status) == (story.phase, story.runs[-1])
    assert (case.record.exit_code, case.record.signal) == (story.exit_code, None)
    assert (case.end.phase, case.end.new_status) == (story.phase, story.runs[-1])
    assert case.kinds("lost", "unreachable", "attempt") == []


@pytest.mark.parametrize("label", STORIES)
def test_each_run_is_recorded_with_its_own_times_and_state(book: Casebook, label: str) -> None:
    for case in (one for one in book.cases.values() if one.label in (label, f"{label}, late")):
        runs = case.record.attempts
        assert [run.status for run in runs] == list(STORIES[label].runs), case.label
        assert [run.submitted_at for run in runs] == [run.submitted for run in case.truth], case.label
        assert [run.ended_at for run in runs] == [run.ended for run in case.truth], case.label
        assert [run.started_at for run in runs] == [run.started for run in case.truth], case.label


@pytest.mark.parametrize("label", STORIES)
def test_each_requeue_is_one_event_and_one_run_more(book: Casebook, label: str) -> None:
    case = book[label]
    runs = [(event.model_extra or {}).get("run") for event in case.kinds("requeued")]
    assert runs == list(range(2, len(STORIES[label].runs) + 1))


@pytest.mark.parametrize("label", ["preempted", "node failed", "requeued", "cancelled while waiting again"])
def test_a_job_that_ran_twice_is_told_whole_to_who_hears_of_it_last(book: Casebook, label: str) -> None:
    late, story = book[f"{label}, late"], STORIES[label]
    assert (late.end.phase, late.end.new_status) == (story.phase, story.runs[-1])
    assert late.record.exit_code == story.exit_code


def test_a_held_or_special_job_waits_and_says_why(book: Casebook) -> None:
    held = [look for look in book["requeued and held"].looks if look.phase is Phase.PENDING]
    assert any("held" in (look.reason or "").lower() for look in held), held
    special = [look for look in book["special exit"].looks if look.status == "SPECIAL_EXIT"]
    assert {look.phase for look in special} == {Phase.PENDING}


def test_a_look_did_fall_where_accounting_has_an_end_and_squeue_a_waiting_job(book: Casebook) -> None:
    """Between the requeue and accounting's row for the next run: without such looks this module shows little."""
    fell = {
        label
        for label in STORIES
        for one in book[label].seen
        if one.phase is Phase.PENDING and [run.status for run in one.attempts] == [] and len(one.evidence.lines) == 2
    }
    assert fell, "no look fell there"


@pytest.mark.parametrize("label", STORIES)
def test_however_a_look_falls_between_the_two_programs_no_run_but_the_last_ends_the_job(
    book: Casebook, witness: Witness, label: str
) -> None:
    case = book[label]
    registered_at, over = case.record.registered_at, case.truth[-1].ended
    assert registered_at is not None
    assert over is not None
    looks = list(witness.looks(case.job, registered_at))
    ends = [(at, one) for at, one in looks if isinstance(one, Seen) and one.phase.final]
    assert len(looks) > len(ends) > 0
    assert {one.status for _, one in ends} == {STORIES[label].runs[-1]}
    assert all(at >= over for at, _ in ends)


def test_three_requeues_in_ten_minutes_are_a_loop_and_told_once(book: Casebook) -> None:
    case = book["loop"]
    told = case.kinds("stuck")
    assert len(told) == 1
    assert case.record.stuck is None
    assert any(look.stuck for look in case.looks)
    assert not any(look.stuck for look in book["requeues itself"].looks)
