"""Jobs of a real Slurm that wait: merely, or for ever; each is told so, and what would help (see casebook)."""

from __future__ import annotations

import pytest

from jobwarden.mcp_server.rows import job_note
from jobwarden.service.compose import job_view
from jobwarden_registry.clock import utc_now
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

STUCK = {
    "held by its user": (("-H",), "JobHeldUser", "scontrol release {id}"),
    "held by an administrator": (("--begin=now+1hour",), "JobHeldAdmin", "administrator"),
    "partition down": (("-p", "downp"), "PartitionDown", "downp"),
    "longer than its partition": (("-p", "short", "-t", "10"), "PartitionTimeLimit", "short"),
    "more nodes than its partition": (("-p", "frail", "-N", "2"), "PartitionNodeLimit", "frail"),
    "more cores than there are": (("-n", "100"), "PartitionConfig", "normal"),
    "longer than its QOS": (("--qos=wall1", "-t", "10"), "QOSMaxWallDurationPerJobLimit", "each job"),
}
WAITS = {
    "for its time": (("--begin=now+1hour",), "BeginTime"),
    "for another job": (("--dependency=afterany:{held}",), "Dependency"),
    "for its user's other job": (("--qos=one",), "QOSMaxJobsPerUserLimit"),
}


@pytest.fixture(scope="module")
def book(faulty_cluster: Cluster) -> Casebook:
    return lived(faulty_cluster, stuck, waits, never_satisfied, released, resources)


async def settle(book: Casebook, case: Case, reason: str) -> None:
    """Wait until slurmctld has given its reason, then end the job."""
    await book.until(case, lambda case: bool(case.looks) and case.looks[-1].reason == reason)
    await book.slurm("scancel", case.job)


async def stuck(book: Casebook) -> None:
    cases = {label: await book.submit(label, *words, "--wrap", "true") for label, (words, _, _) in STUCK.items()}
    await book.slurm("scontrol", "hold", cases["held by an administrator"].job)
    for label, case in cases.items():
        await settle(book, case, STUCK[label][1])
    for case in cases.values():
        await book.until_ended(case)


async def waits(book: Casebook) -> None:
    held = await book.sbatch("-H", "--wrap", "true")
    first = await book.sbatch("--qos=one", "--wrap", "sleep 60")
    for label, (words, reason) in WAITS.items():
        case = await book.submit(label, *(word.format(held=held) for word in words), "--wrap", "true")
        await settle(book, case, reason)
        await book.until_ended(case)
    await book.slurm("scancel", held, first)


async def never_satisfied(book: Casebook) -> None:
    failing = await book.sbatch("--wrap", "exit 1")
    case = await book.submit("dependency never satisfied", f"--dependency=afterok:{failing}", "--wrap", "true")
    await settle(book, case, "DependencyNeverSatisfied")
    await book.until_ended(case)


async def released(book: Casebook) -> None:
    case = await book.submit("released", "-H", "--wrap", "sleep 1")
    await book.until(case, lambda case: case.record.stuck is not None)
    await book.do(lambda: book.cluster.run(["scontrol", "release", case.job]))
    await book.until_ended(case)


async def resources(book: Casebook) -> None:
    first = await book.sbatch("-p", "frail", "--exclusive", "-t", "2", "--wrap", "sleep 60")
    await book.do(lambda: book.cluster.wait_for(first, {"RUNNING"}))
    case = await book.submit("for resources", "-p", "frail", "--exclusive", "-t", "2", "--wrap", "true")
    await book.until(case, lambda case: any(one.expected_start_at is not None for one in case.seen))
    await book.slurm("scancel", first, case.job)
    await book.until_ended(case)


def note(case: Case, stage: int) -> str:
    """What an agent reads beside the job, at one of the looks."""
    look = case.looks[stage]
    record = case.record.changed(phase=look.phase, last_status=look.status, reason=look.reason, stuck=look.stuck)
    return job_note(job_view(record, now=utc_now(), answered_at=None, mine=True), utc_now())


@pytest.mark.parametrize("label", STUCK)
def test_a_job_that_cannot_go_on_by_itself_is_stuck_and_told_once_with_what_would_help(
    book: Casebook, label: str
) -> None:
    case, (_, _, told) = book[label], STUCK[label]
    (event,) = case.kinds("stuck")
    assert any(told.format(id=case.job) in (look.stuck or "") for look in case.looks)
    assert event.text
    assert event.phase == "pending"
    assert event.evidence is not None
    assert "STUCK" in note(case, [bool(look.stuck) for look in case.looks].index(True))
    assert case.end.phase == "cancelled"


def test_a_dependency_that_can_never_be_satisfied_is_stuck_and_no_end(book: Casebook) -> None:
    case = book["dependency never satisfied"]
    (event,) = case.kinds("stuck")
    assert "did not end as it demands" in (event.text or "")
    assert set(case.phases[:-1]) == {Phase.PENDING}


@pytest.mark.parametrize("label", WAITS)
def test_a_job_that_waits_its_turn_is_not_stuck_and_its_reason_is_shown(book: Casebook, label: str) -> None:
    case = book[label]
    assert case.kinds("stuck") == []
    assert any(look.reason == WAITS[label][1] for look in case.looks)


def test_a_job_that_was_released_is_no_longer_stuck_and_runs_to_its_end(book: Casebook) -> None:
    case = book["released"]
    assert len(case.kinds("stuck")) == 1
    assert case.record.stuck is None
    assert case.end.phase == "succeeded"


def test_a_job_that_waits_for_resources_has_an_expected_start_and_no_start(book: Casebook) -> None:
    case = book["for resources"]
    assert case.kinds("stuck") == []
    expected = [one.expected_start_at for one in case.seen if one.expected_start_at is not None]
    assert expected
    assert case.first.submitted_at is not None
    assert all(one > case.first.submitted_at for one in expected)
    assert all(one.started_at is None for one in case.seen if one.phase is Phase.PENDING)


def test_nothing_went_wrong_on_the_way(book: Casebook) -> None:
    assert book.troubles == {}
