"""Every way in which a job of a real Slurm ends, from its submission to the journal.

Each job is registered twice: at its submission, and by another session that hears of it only when slurmctld has
forgotten it. All jobs live at once (see support.casebook).
"""

from __future__ import annotations

import pwd
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from jobwarden.sources.base import Seen
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, accounted, lived
from support.cluster import Cluster, require_slurm, temporary_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

FORCED_END = Path(__file__).parents[1] / "cluster" / "forced_end.py"
HOG = "python3 -c 'a = [bytearray(10**7) for _ in range(100)]; import time; time.sleep(60)'"


@dataclass(frozen=True)
class End:
    """What must be said of an end, by a session that watched and, where it differs, by one that came late."""

    phase: Phase
    status: str
    exit_code: int | None = None
    signal: int | None = None
    late_exit_code: int | None = None
    started: bool = True


ENDS = {
    "completed": End(Phase.SUCCEEDED, "COMPLETED", 0),
    "exit 3": End(Phase.FAILED, "FAILED", 3),
    # sacct subtracts 128, and by then nobody knows better (22.05.8).
    "exit 200": End(Phase.FAILED, "FAILED", 200, late_exit_code=72),
    "signal 9": End(Phase.FAILED, "FAILED", None, 9),
    "cancelled by its user": End(Phase.CANCELLED, "CANCELLED by {alice}"),
    "cancelled by root": End(Phase.CANCELLED, "CANCELLED by 0"),
    "cancelled while waiting": End(Phase.CANCELLED, "CANCELLED by {alice}", started=False),
    "timeout": End(Phase.FAILED, "TIMEOUT"),
    "out of memory": End(Phase.FAILED, "OUT_OF_MEMORY"),
    "node fail": End(Phase.FAILED, "NODE_FAIL"),
    "boot fail": End(Phase.FAILED, "BOOT_FAIL"),
    "deadline": End(Phase.FAILED, "DEADLINE", started=False),
    "preempted": End(Phase.FAILED, "PREEMPTED"),
}
IN_GOOD_ORDER = {"registered", "status_change", "updated", "finished"}


@pytest.fixture(scope="module")
def ends_cluster() -> Iterator[Cluster]:
    """A cluster to be broken; with cgroups, for a real OUT_OF_MEMORY, where the machine has them free."""
    require_slurm()
    with ExitStack() as stack:
        try:
            made = stack.enter_context(temporary_cluster(flavor="cgroup"))
        except ClusterError:
            made = stack.enter_context(temporary_cluster())
        yield made


@pytest.fixture(scope="module")
def book(ends_cluster: Cluster) -> Casebook:
    return lived(
        ends_cluster,
        just_submitted,
        over_at_once,
        by_themselves,
        cancelled,
        timeout,
        out_of_memory,
        node_fail,
        boot_fail,
        preempted_and_deadline,
    )


# -- the lives


async def just_submitted(book: Casebook) -> None:
    """Register until accounting is still without the job afterwards: it hears of jobs every five seconds."""
    for _ in range(10):
        job = await book.sbatch("--wrap", "sleep 1")
        case = await book.register("just submitted", job)
        if not accounted(book.cluster, job):
            await book.until_ended(case)
            return
    raise AssertionError("accounting was quicker ten times")


async def over_at_once(book: Casebook) -> None:
    job = await book.sbatch("--wrap", "true")
    await book.do(lambda: book.cluster.wait_for(job, {"COMPLETED"}))
    await book.until_ended(await book.register("over at once", job))


async def by_themselves(book: Casebook) -> None:
    scripts = {
        "completed": "sleep 2; echo hi",
        "exit 3": "sleep 1; exit 3",
        "exit 200": "exit 200",
        "signal 9": "kill -9 $$",
    }
    cases = [await book.submit(label, "--wrap", script) for label, script in scripts.items()]
    for case in cases:
        await book.again_when_forgotten(case)


async def cancelled(book: Casebook) -> None:
    user = await book.submit("cancelled by its user", "--wrap", "sleep 100")
    root = await book.submit("cancelled by root", "--wrap", "sleep 100")
    waiting = await book.submit("cancelled while waiting", "--begin=now+1hour", "--wrap", "true")
    for case in (user, root):
        await book.until_shown(case, "RUNNING")
    await book.do(lambda: book.cluster.run(["scancel", user.job, waiting.job]))
    await book.slurm("scancel", root.job)
    for case in (user, root, waiting):
        await book.again_when_forgotten(case)


async def timeout(book: Casebook) -> None:
    case = await book.submit("timeout", "-t", "5", "--wrap", "sleep 600")
    await book.until_shown(case, "RUNNING")
    # Its time is up when slurmctld looks next, which is every 30 seconds.
    await book.slurm("scontrol", "update", f"JobId={case.job}", "EndTime=now+2seconds")
    await book.again_when_forgotten(case)


async def out_of_memory(book: Casebook) -> None:
    if "proctrack/cgroup" in book.cluster.slurm_conf.read_text(encoding="utf-8"):
        case = await book.submit("out of memory", "--mem=100M", "--wrap", HOG)
    else:
        case = await book.submit("out of memory", "--wrap", "sleep 100")
        await book.until_shown(case, "RUNNING")
        await book.slurm(sys.executable, str(FORCED_END), "OUT_OF_MEMORY", case.job)
    await book.again_when_forgotten(case)


async def node_fail(book: Casebook) -> None:
    case = await book.submit("node fail", "-p", "frail", "--no-requeue", "--wrap", "sleep 300")
    await book.until_shown(case, "RUNNING")
    await book.do(lambda: book.cluster.kill("slurmd-c4"))
    await book.again_when_forgotten(case)


async def boot_fail(book: Casebook) -> None:
    case = await book.submit("boot fail", "--no-requeue", "--wrap", "sleep 100")
    await book.until_shown(case, "RUNNING")
    await book.slurm(sys.executable, str(FORCED_END), "BOOT_FAIL", case.job)
    await book.again_when_forgotten(case)


async def preempted_and_deadline(book: Casebook) -> None:
    preempted = await book.submit("preempted", "-p", "scav", "-w", "c3", "--exclusive", "--wrap", "sleep 100")
    await book.until_shown(preempted, "RUNNING")
    await book.sbatch("-w", "c3", "--exclusive", "--wrap", "sleep 25")
    await book.until_ended(preempted)
    deadline = await book.submit(
        "deadline", "-w", "c3", "--exclusive", "-t", "1", "--deadline=now+64seconds", "--wrap", "true"
    )
    for case in (preempted, deadline):
        await book.again_when_forgotten(case)


# -- what they tell


def both(book: Casebook, label: str) -> tuple[Case, Case]:
    return book[label], book[f"{label}, late"]


def word(label: str) -> str:
    return ENDS[label].status.format(alice=pwd.getpwnam("alice").pw_uid)


def test_all_lives_were_lived(book: Casebook) -> None:
    assert book.troubles == {}
    print(f"{book.rounds} rounds, {len(book.cases)} cases")


def test_a_job_registered_before_accounting_knows_it_is_shown_as_squeue_has_it_and_nothing_is_wrong(
    book: Casebook,
) -> None:
    case = book["just submitted"]
    assert case.first.phase in (Phase.PENDING, Phase.RUNNING)
    assert case.first.status
    assert case.first.stale_because is None
    assert all(isinstance(one, Seen) for one in case.sightings)
    assert {look.stale for look in case.looks} == {None}
    assert {str(event.event) for event in case.events} <= IN_GOOD_ORDER


def test_a_job_that_is_over_before_accounting_knows_it_is_said_to_be_so_by_squeues_word(book: Casebook) -> None:
    case = book["over at once"]
    assert (case.first.phase, case.first.status, case.first.exit_code) == (Phase.SUCCEEDED, "COMPLETED", 0)
    assert case.record.ended_at == case.truth[-1].ended


@pytest.mark.parametrize("label", ENDS)
def test_a_watched_job_ends_once_with_its_word_code_and_time(book: Casebook, label: str) -> None:
    case, told = book[label], ENDS[label]
    record = case.record
    assert (record.phase, record.last_status) == (told.phase, word(label))
    assert (record.exit_code, record.signal) == (told.exit_code, told.signal)
    assert (case.end.phase, case.end.new_status) == (told.phase, word(label))


@pytest.mark.parametrize("label", ENDS)
def test_a_job_first_heard_of_when_only_accounting_knows_it_ends_the_same_way(book: Casebook, label: str) -> None:
    case, told = book[f"{label}, late"], ENDS[label]
    record = case.record
    assert (record.phase, record.last_status) == (told.phase, word(label))
    assert (record.exit_code, record.signal) == (told.late_exit_code or told.exit_code, told.signal)
    assert (case.end.phase, case.end.new_status) == (told.phase, word(label))
    assert (case.end.model_extra or {}).get("observed_late") is True
    assert {str(event.event) for event in case.events} <= IN_GOOD_ORDER


@pytest.mark.parametrize("label", ENDS)
def test_its_times_are_those_of_accounting_whoever_looked_and_when(book: Casebook, label: str) -> None:
    for case in both(book, label):
        (run,) = case.truth
        assert case.record.ended_at == run.ended, case.label
        assert case.record.submitted_at == run.submitted, case.label
        assert case.record.started_at == run.started, case.label
        assert (run.started is not None) is ENDS[label].started, case.label
        assert [attempt.status for attempt in case.record.attempts] == [word(label)], case.label


@pytest.mark.parametrize("label", ENDS)
def test_its_end_is_journaled_with_the_rows_and_the_questions_that_decided(book: Casebook, label: str) -> None:
    for case in both(book, label):
        evidence = case.end.evidence
        assert evidence is not None
        assert any(word(label).split()[0] in line and case.job in line for line in evidence.lines), evidence
        assert any(question.startswith("squeue") for question in evidence.question)
        assert any(question.startswith("sacct") for question in evidence.question)
    late = book[f"{label}, late"].end.evidence
    assert late is not None
    assert "sacct has its end" in late.rule


def test_most_ends_were_first_seen_in_squeue(book: Casebook) -> None:
    """It remembers them for five seconds: who watches hears of them from there, who comes late from sacct alone."""
    rules = [evidence.rule for evidence in (book[label].end.evidence for label in ENDS) if evidence]
    assert sum(rule.startswith("squeue") for rule in rules) > len(ENDS) / 2, rules


@pytest.mark.parametrize("label", ENDS)
def test_until_its_end_it_was_only_ever_waiting_or_running(book: Casebook, label: str) -> None:
    case = book[label]
    assert set(case.phases[:-1]) <= {Phase.PENDING, Phase.RUNNING}, case.words
    assert case.phases[-1] is ENDS[label].phase
    assert {str(event.event) for event in case.events} <= IN_GOOD_ORDER
