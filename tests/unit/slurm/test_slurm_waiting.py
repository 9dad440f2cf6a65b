"""Why a job waits: merely, or for ever; and what may be the resubmission of one that is over."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jobwarden.sources.base import Absent, CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.phases import Phase
from support.slurm_fake import NO_ACCOUNTING, NOW, T0, FakeSlurm, Trouble, account_row, host, queue_row


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def observe(slurm: FakeSlurm, *wanted: Wanted) -> Mapping[str, Sighting]:
    return await SlurmSource(clock=lambda: NOW).observe(host(slurm), wanted)


async def seen(slurm: FakeSlurm, **known: object) -> Seen:
    one = (await observe(slurm, Wanted.model_validate({"id": "7", "log_known": True, **known})))["7"]
    assert isinstance(one, Seen), one
    return one


async def absent(slurm: FakeSlurm, **known: object) -> Absent:
    one = (await observe(slurm, Wanted.model_validate({"id": "7", "log_known": True, **known})))["7"]
    assert isinstance(one, Absent), one
    return one


# -- stuck


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("JobHeldUser", "scontrol release 7"),
        ("JobHeldAdmin", "administrator"),
        ("job requeued in held state", "scontrol release 7"),
        ("job_requeued_in_held_state", "scontrol release 7"),
        ("launch failed requeued held", "could not be launched"),
        ("DependencyNeverSatisfied", "JobId=7"),
        ("PartitionDown", "partition normal is down"),
        ("PartitionTimeLimit", "partition normal (time)"),
        ("PartitionConfig", "more than its partition normal allows"),
        ("QOSMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit"),
        ("AssocMaxCpuPerJobLimit", "AssocMaxCpuPerJobLimit"),
        ("QOSMaxMemoryPerJob", "QOSMaxMemoryPerJob"),
        ("QOSMinMemory", "QOSMinMemory"),
        ("BadConstraints", "no node can ever"),
        ("InvalidQOS", "not valid"),
    ],
)
async def test_what_only_somebodys_deed_can_end_is_stuck_and_said_so(reason: str, told: str) -> None:
    one = await seen(FakeSlurm(queue=[queue_row("7", "PENDING", reason=reason)]))
    assert (one.phase, one.reason) == (Phase.PENDING, reason)
    assert told in (one.stuck or "")


@pytest.mark.parametrize(
    "reason",
    [
        "None", "Resources", "Priority", "Dependency", "BeginTime", "Licenses", "JobArrayTaskLimit", "Reservation",
        "QOSMaxJobsPerUserLimit", "QOSGrpCpuLimit", "AssocGrpCPUMinutesLimit", "QOSMaxCpuPerUserLimit", "Cleaning",
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
        "ReqNodeNotAvail", "NewReasonOfSlurm30",
    ],
)  # fmt: skip
async def test_what_merely_takes_its_time_is_not_stuck(reason: str) -> None:
    assert (await seen(FakeSlurm(queue=[queue_row("7", "PENDING", reason=reason)]))).stuck is None


@pytest.mark.parametrize("word", ["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
async def test_a_word_that_means_held_is_stuck_whatever_the_reason(word: str) -> None:
    assert "held" in ((await seen(FakeSlurm(queue=[queue_row("7", word)]))).stuck or "")


async def test_a_running_job_is_never_stuck_by_an_old_reason() -> None:
    assert (await seen(FakeSlurm(queue=[queue_row("7", "RUNNING", reason="JobHeldUser")]))).stuck is None


async def test_an_array_is_stuck_only_when_all_that_lives_of_it_is() -> None:
    held = queue_row("7_[2-4]", "PENDING", reason="JobHeldUser")
    done = account_row("7_1", "COMPLETED", raw=8)
    assert "is held by its user" in ((await seen(FakeSlurm(queue=[held], account=[done]))).stuck or "")
    running = queue_row("7_1", "RUNNING", raw=8)
    assert (await seen(FakeSlurm(queue=[held, running], account=[]))).stuck is None


async def test_the_expected_start_of_a_waiting_job_is_no_start() -> None:
    one = await seen(FakeSlurm(queue=[queue_row("7", "PENDING", start=T0 + 3600, reason="Resources")]))
    assert one.expected_start_at is not None
    assert int(one.expected_start_at.timestamp()) == T0 + 3600
    assert one.started_at is None
    none = await seen(FakeSlurm(queue=[queue_row("7", "PENDING", start="N/A")]))
    assert none.expected_start_at is None


# -- nowhere


async def test_without_accounting_scontrol_is_asked_before_a_job_is_called_absent() -> None:
    slurm = FakeSlurm(account=NO_ACCOUNTING)
    assert (await absent(slurm)).where == ("squeue", "squeue -j", "scontrol")
    assert any("job=7" in words for words in slurm.asked)


@pytest.mark.parametrize(
    "said", [Trouble(0, ""), Trouble(1, "slurm_load_jobs error: Unable to contact slurm controller"), Trouble(124, "")]
)
async def test_scontrol_that_shows_the_job_or_says_nothing_makes_no_absence(said: Trouble) -> None:
    one = (await observe(FakeSlurm(account=NO_ACCOUNTING, unlisted=said), Wanted(id="7")))["7"]
    assert isinstance(one, CouldNotAsk)


# -- resubmitted

KNOWN = {"name": "train", "work_dir": "/home/alice", "submitted_at": NOW}
BEFORE = {"submit": T0 - 5000, "start": T0 - 4900, "end": T0 - 4000}
ENDED = account_row("7", "FAILED", submit=T0 - 5000, start=T0 - 4900, end=T0 - 4000, code="1:0")


def newer(one: Seen | Absent) -> list[str]:
    return [other.attempts[-1].id for other in one.newer]


async def test_a_living_job_of_its_name_and_folder_that_came_later_may_be_its_resubmission() -> None:
    one = await seen(FakeSlurm(queue=[queue_row("9", "RUNNING")], account=[ENDED]))
    assert newer(one) == ["9"]
    assert one.newer[0].phase is Phase.RUNNING
    gone = await absent(FakeSlurm(queue=[queue_row("9", "PENDING")]), **{**KNOWN, "submitted_at": NOW.replace(hour=1)})
    assert newer(gone) == ["9"]


@pytest.mark.parametrize(
    "other",
    [
        queue_row("9", "RUNNING", name="other"),
        queue_row("9", "COMPLETED"),
        queue_row("9", "RUNNING", submit=T0 - 9000),
        queue_row("9", "RUNNING", submit="N/A"),
        (*queue_row("9", "RUNNING")[:12], "/scratch", "train"),
    ],
)
async def test_another_name_folder_or_time_and_a_dead_job_are_no_resubmission(other: tuple[str, ...]) -> None:
    assert newer(await seen(FakeSlurm(queue=[other], account=[ENDED]))) == []


async def test_a_name_that_nobody_gave_says_nothing() -> None:
    ended = account_row("7", "FAILED", name="wrap", submit=T0 - 5000, start=T0 - 4900, end=T0 - 4000)
    assert newer(await seen(FakeSlurm(queue=[queue_row("9", "RUNNING", name="wrap")], account=[ended]))) == []


async def test_a_job_that_somebody_watches_is_nobodys_resubmission() -> None:
    slurm = FakeSlurm(queue=[queue_row("9", "RUNNING")], account=[ENDED])
    one = (await observe(slurm, Wanted(id="7"), Wanted(id="9")))["7"]
    assert isinstance(one, Seen)
    assert newer(one) == []


async def test_an_array_that_was_resubmitted_is_one_candidate() -> None:
    rows = [queue_row("9_[3-5]", "PENDING"), queue_row("9_1", "RUNNING", raw=10), queue_row("9_2", "RUNNING", raw=11)]
    assert newer(await seen(FakeSlurm(queue=rows, account=[ENDED]))) == ["9"]


async def test_a_job_is_asked_about_under_the_id_that_it_lives_under_now() -> None:
    slurm = FakeSlurm(queue=[queue_row("9", "RUNNING")], account=[ENDED])
    one = await seen(slurm, resubmitted_as="9", submitted_at=NOW.replace(hour=11))
    assert one.status == "RUNNING"


async def test_one_living_job_is_nobodys_resubmission_while_two_ended_ones_could_be_continued_by_it() -> None:
    other = account_row("8", "FAILED", submit=T0 - 5000, start=T0 - 4900, end=T0 - 4000, code="1:0")
    slurm = FakeSlurm(queue=[queue_row("9", "RUNNING")], account=[ENDED, other])
    seen_both = await observe(slurm, Wanted(id="7"), Wanted(id="8"))
    for one in seen_both.values():
        assert isinstance(one, Seen)
        assert [(candidate.attempts[-1].id, candidate.contested) for candidate in one.newer] == [("9", True)]
    (alone,) = (await seen(FakeSlurm(queue=[queue_row("9", "RUNNING")], account=[ENDED]))).newer
    assert not alone.contested
