"""Jobs of a real Slurm that nobody watched for a while, or that are nowhere any more (see casebook)."""

from __future__ import annotations

from functools import partial

import pytest
from anyio import to_thread

from jobwarden.verdict.outputs import GONE
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

RESUBMITTED = ("resubmitted", "purged and resubmitted")
ENDED = (*RESUBMITTED, "two candidates", "ended")
GATE = "go-on"
PURGED = ("purged and resubmitted", "purged", "found again", "purged with its output", "purged without its output")


@pytest.fixture(scope="module")
def book(faulty_cluster: Cluster) -> Casebook:
    async def one_after_the_other(book: Casebook) -> None:
        await with_outputs(book)  # each registration asks about all jobs: none may fall where nobody watches
        await unwatched(book)

    return lived(faulty_cluster, one_after_the_other)


@pytest.fixture(scope="module")
def bare(faulty_cluster: Cluster, book: Casebook) -> Casebook:
    """The same cluster without accounting, after the others."""
    assert book.troubles == {}
    return lived(faulty_cluster, without_accounting)


@pytest.fixture(scope="module")
def reused(faulty_cluster: Cluster, bare: Casebook) -> Casebook:
    """The same cluster, whose controller loses its state, last of all."""
    assert bare.troubles == {}
    return lived(faulty_cluster, id_reused)


async def begin(book: Casebook, label: str, command: str, *expect: str) -> Case:
    job = await book.sbatch("-J", label, "--wrap", command)
    return await book.register(label, job, expect=expect)


async def again(book: Casebook, label: str) -> str:
    job = await book.sbatch("-J", label, "--wrap", f"until [ -e {GATE} ]; do sleep 0.2; done")
    await to_thread.run_sync(book.cluster.wait_for, job, {"RUNNING"})
    return job


async def unwatched(book: Casebook) -> None:
    """While nobody watches, all that can happen does; then a look at each."""
    cluster = book.cluster
    cases = {label: await begin(book, label, "sleep 300") for label in (*ENDED, "purged", "found again")}
    for label, made in (("purged with its output", "true"), ("purged without its output", "false")):
        command = f"{made} && echo whole >kept.txt; sleep 300"
        cases[label] = await begin(book, label, command, "kept.txt ~ ^whole" if made == "true" else "never.txt")
    for case in cases.values():
        await book.until_shown(case, "RUNNING")
    async with book.nobody_watching():
        for case in cases.values():
            await book.slurm("scancel", case.job)
        for case in cases.values():
            await to_thread.run_sync(cluster.wait_until_accounted, case.job, {"CANCELLED"})
        for label in RESUBMITTED:
            await again(book, label)
        others = [await again(book, "two candidates") for _ in range(2)]
        for label in PURGED:
            await to_thread.run_sync(cluster.wait_until_forgotten, cases[label].job)
            await to_thread.run_sync(cluster.purge, cases[label].job)
    for label in RESUBMITTED:
        await book.until(cases[label], lambda case: case.record.resubmitted_as is not None)
    await book.do(partial(cluster.run, ["touch", GATE]))
    for label in ("purged", "purged without its output", "found again"):
        await book.until_phase(cases[label], Phase.LOST)
    await to_thread.run_sync(partial(cluster.purge, cases["found again"].job, gone=False))
    for label in (*ENDED, "found again", "purged with its output"):
        await book.until_ended(cases[label])
    await book.slurm("scancel", *others)


async def with_outputs(book: Casebook) -> None:
    await book.do(partial(book.cluster.run, ["touch", "-d", "2020-01-01", "old.bin"]))
    await begin(book, "made its output", "mkdir -p out; echo '{}' >out/a.json; sleep 2", "out/*.json >= 2")
    await begin(book, "made nothing", "sleep 2", "out/missing-*.json")
    await begin(book, "made too little", "echo x >small.bin; sleep 2", "small.bin >= 1k")
    await begin(book, "left an old one", "sleep 2", "old.bin")
    await begin(book, "may not be looked at", "sleep 2", "/etc/passwd ~ root")
    await begin(book, "failed", "sleep 2; exit 3", "out/missing-*.json")
    for label in ("made its output", "made nothing", "made too little", "left an old one", "may not be looked at"):
        await book.until_ended(book[label])
    await book.until_ended(book["failed"])


async def without_accounting(book: Casebook) -> None:
    cluster = book.cluster
    with cluster.hidden("sacct"):
        seen = await begin(book, "seen to end", "sleep 3; exit 6")
        unseen = await begin(book, "ended unseen", "sleep 300")
        await book.until_ended(seen)
        async with book.nobody_watching():
            await book.slurm("scancel", unseen.job)
            await to_thread.run_sync(cluster.wait_until_forgotten, unseen.job)
        await book.until_phase(unseen, Phase.LOST)
    await book.until_ended(unseen)


async def id_reused(book: Casebook) -> None:
    cluster = book.cluster
    case = await begin(book, "ours", "sleep 300")
    await book.until_shown(case, "RUNNING")
    async with book.nobody_watching():
        await to_thread.run_sync(cluster.lose_state)
        script = f"for i in $(seq {case.job}); do sbatch --parsable -H -J theirs --wrap 'sleep 60'; done"
        ids = (await to_thread.run_sync(partial(cluster.run, ["sh", "-c", script]))).stdout.split()
        assert case.job in ids
        await book.slurm("scontrol", "release", case.job)
        await to_thread.run_sync(cluster.wait_for, case.job, {"RUNNING"})
    await book.until(case, lambda case: case.ended or case.record.phase is Phase.LOST)
    await book.slurm("scancel", "--user=alice")


# -- nobody watched


@pytest.mark.parametrize("label", RESUBMITTED)
def test_a_job_that_was_submitted_again_while_nobody_watched_is_one_job_with_two_attempts(
    book: Casebook, label: str
) -> None:
    case = book[label]
    first, second = case.record.attempts
    assert (first.id, second.phase) == (case.job, Phase.SUCCEEDED)
    assert case.record.resubmitted_as == second.id != case.job
    assert (len(case.kinds("attempt")), len(case.kinds("finished"))) == (1, 1)
    assert Phase.LOST not in case.phases
    assert case.end.phase == "succeeded"
    if label == "resubmitted":
        assert first.phase is Phase.CANCELLED
        assert first.ended_at == case.truth[0].ended


def test_two_candidates_are_named_and_the_end_is_told_as_it_was(book: Casebook) -> None:
    case = book["two candidates"]
    assert case.end.phase == "cancelled"
    assert len(case.record.attempts) == 1
    assert "Register what continues it" in (case.end.text or "")


def test_what_ended_while_nobody_watched_is_told_once_as_seen_late_with_its_true_end(book: Casebook) -> None:
    case = book["ended"]
    assert (case.end.model_extra or {})["observed_late"] is True
    assert case.record.ended_at == case.truth[0].ended
    assert case.end.text is None


# -- nowhere any more


def test_a_job_that_is_nowhere_is_lost_and_never_ended(book: Casebook) -> None:
    case = book["purged"]
    (lost,) = case.kinds("lost")
    assert case.kinds("finished") == []
    assert lost.evidence is not None
    assert "Neither squeue nor sacct knows it" in lost.evidence.rule


def test_a_lost_job_that_turns_up_in_accounting_is_found_again_and_then_ended(book: Casebook) -> None:
    case = book["found again"]
    assert [event.event for event in case.kinds("lost", "found_again", "finished")] == [
        "lost", "found_again", "finished",
    ]  # fmt: skip
    assert case.end.phase == "cancelled"


def test_output_decides_for_a_job_that_its_scheduler_has_forgotten(book: Casebook) -> None:
    case = book["purged with its output"]
    assert (case.end.phase, case.end.new_status) == ("succeeded", GONE)
    assert "kept.txt is there" in str(case.end.evidence)
    without = book["purged without its output"]
    assert without.kinds("finished") == []
    assert "never.txt" in (without.kinds("lost")[0].text or "")


def test_without_accounting_scontrol_has_the_last_word_and_a_job_that_ended_unseen_is_lost(bare: Casebook) -> None:
    case = bare["ended unseen"]
    (lost,) = case.kinds("lost")
    assert lost.evidence is not None
    assert "scontrol says that there is no such job" in lost.evidence.rule
    assert case.kinds("found_again")
    assert case.end.phase == "cancelled"


def test_without_accounting_an_end_that_was_seen_is_one(bare: Casebook) -> None:
    assert (bare["seen to end"].end.phase, bare["seen to end"].record.exit_code) == ("failed", 6)


def test_another_job_under_the_same_id_is_never_taken_for_ours(reused: Casebook) -> None:
    case = reused["ours"]
    assert len(case.truth) == 2
    assert len(case.record.attempts) == 1
    assert case.record.job_name == "ours"
    assert case.kinds("requeued", "attempt") == []
    assert case.phases[-1] in (Phase.CANCELLED, Phase.LOST)


# -- expected output


@pytest.mark.parametrize(
    ("label", "phase", "told"),
    [
        ("made its output", "succeeded", ""),
        ("made nothing", "failed", "out/missing-*.json"),
        ("made too little", "failed", "small.bin"),
        ("left an old one", "failed", "old.bin"),
        ("may not be looked at", "succeeded", "/etc/passwd"),
        ("failed", "failed", ""),
    ],
)
def test_a_success_is_one_only_with_its_expected_output(book: Casebook, label: str, phase: str, told: str) -> None:
    case = book[label]
    assert case.end.phase == phase
    assert told in (case.record.reason or "")
    assert case.record.last_status == ("FAILED" if label == "failed" else "COMPLETED")


def test_nothing_went_wrong_on_the_way(book: Casebook, bare: Casebook, reused: Casebook) -> None:
    assert (book.troubles, bare.troubles, reused.troubles) == ({}, {}, {})
