"""Which job a row is about, from the questions to the verdict: ids that come round again, and several sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobwarden.sources.base import Absent, CouldNotAsk, Seen, Sighting, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.verdict.engine import judge
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.model import Absence, JobRecord
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, job
from support.slurm_fake import (
    NO_ACCOUNTING,
    NOW,
    SACCT_DOWN,
    T0,
    FakeSlurm,
    Said,
    Trouble,
    account_row,
    host,
    queue_row,
)

LONG_AGO = NOW - timedelta(days=9)
OLD = Wanted(id="7", user="alice", name="old", log_known=True, submitted_at=LONG_AGO, registered_at=LONG_AGO)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def look(slurm: FakeSlurm, wanted: Wanted) -> Sighting:
    return (await SlurmSource(clock=lambda: NOW).observe(host(slurm), [wanted]))[wanted.id]


# -- two sessions


async def phases(slurm: FakeSlurm, *records: JobRecord) -> list[Phase]:
    sightings = await SlurmSource(clock=lambda: NOW).observe(host(slurm), wanted_of_all(records))
    return [judge(one, sightings[one.id], asked_at=NOW, now=NOW, clocks=CLOCKS).record.phase for one in records]


async def test_elements_that_one_session_saw_vanish_are_not_forgotten_when_another_one_registers_the_array() -> None:
    first = job(uid="ua", registered_at=NOW - timedelta(hours=3), elements=4)
    late = job(uid="ub", registered_at=NOW - timedelta(minutes=3))
    ended = [
        account_row(f"7_{one}", "COMPLETED", raw=70 + one, submit=T0 - 9000, start=T0 - 8000, end=T0 - 400)
        for one in (1, 2)
    ]
    assert await phases(FakeSlurm(account=ended), first) == [Phase.CANCELLED]
    for records in ((first, late), (late, first)):
        assert await phases(FakeSlurm(account=ended), *records) == [Phase.CANCELLED, Phase.CANCELLED]


def test_a_session_that_registers_late_hides_neither_an_absence_nor_where_the_job_lives_now() -> None:
    first = job(registered_at=LONG_AGO, resubmitted_as="9", absence=Absence(since=NOW, last=NOW))
    (wanted,) = wanted_of_all([first, job(registered_at=NOW)])
    assert (wanted.resubmitted_as, wanted.absent_since, wanted.registered_at) == ("9", NOW, NOW)


# -- an id that has come round again


@pytest.mark.parametrize("account", [NO_ACCOUNTING, SACCT_DOWN])
@pytest.mark.parametrize("user", ["alice", "bob"])
@pytest.mark.parametrize("state", ["RUNNING", "COMPLETED", "FAILED"])
async def test_without_accounting_a_later_job_of_another_name_is_neither_ours_nor_our_end(
    account: Said, user: str, state: str
) -> None:
    """Ours may have been renamed and requeued: that nobody can tell, so it is neither gone nor ended."""
    row = queue_row("7", state, name="other", user=user)
    slurm = FakeSlurm(queue=[row] if user == "alice" else (), by_id=[row], account=account)
    sighting = await look(slurm, OLD)
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "slurm.id_in_doubt"
    assert "'other'" in sighting.text
    assert len(slurm.asked) == (2 if user == "alice" else 3)


async def test_a_later_job_of_another_name_is_not_ours_where_accounting_has_no_row_of_ours() -> None:
    for account in ((), [account_row("7", "RUNNING", name="other")], [account_row("7", "COMPLETED", name="other")]):
        row = queue_row("7", "RUNNING", name="other")
        assert isinstance(await look(FakeSlurm(queue=[row], by_id=[row], account=account), OLD), Absent)
    assert isinstance(await look(FakeSlurm(account=[account_row("7", "COMPLETED", name="other")]), OLD), Absent)


@pytest.mark.parametrize("theirs", [True, False])
async def test_a_later_job_of_another_name_is_not_ours_where_accounting_has_only_the_beginnings_of_a_record(
    theirs: bool,
) -> None:
    """Seen when a controller lost its state and gave the id anew within seconds: it was taken for a second attempt."""
    submit = T0 - 9 * 86400
    account = [account_row("7", "RUNNING", name="", partition="", submit=submit, end="Unknown")]
    if theirs:
        account.append(account_row("7", "RUNNING", name="", partition="", end="Unknown"))
    running = FakeSlurm(queue=[queue_row("7", "RUNNING", name="other")], account=account)
    ended = FakeSlurm(account=[account[0], account_row("7", "COMPLETED", name="other")])
    for slurm in (running, ended):
        sighting = await look(slurm, OLD)
        assert isinstance(sighting, Absent)  # what has lost its id is nowhere; in the end it is lost
        assert "got its id" in sighting.evidence.rule
        assert any("other" in line for line in sighting.evidence.lines)


async def test_a_job_that_accounting_calls_running_is_nowhere_when_another_one_runs_under_its_id() -> None:
    """A controller that lost its state leaves such a record for ever; ours was shown as running for ever."""
    ours = account_row("7", "RUNNING", name="old", submit=T0 - 9 * 86400, end="Unknown")
    theirs = account_row("7", "RUNNING", name="other", end="Unknown")
    slurm = FakeSlurm(queue=[queue_row("7", "RUNNING", name="other")], account=[ours, theirs])
    assert isinstance(await look(slurm, OLD), Absent)
    alone = await look(FakeSlurm(account=[ours]), OLD)
    assert isinstance(alone, Seen)
    assert alone.phase is Phase.RUNNING


async def test_a_job_is_not_nowhere_by_another_ones_row_while_its_own_id_could_not_be_asked_for() -> None:
    """squeue of the user alone does not show ours if it runs as somebody else now; by its id it would."""
    ours = account_row("7", "RUNNING", name="old", submit=T0 - 9 * 86400, end="Unknown")
    theirs = account_row("7", "RUNNING", name="other", end="Unknown")
    slurm = FakeSlurm(account=[ours, theirs], by_id=Trouble(1, "Unable to contact slurm controller"))
    assert not isinstance(await look(slurm, OLD), Absent)


async def test_a_job_of_which_accounting_has_only_the_beginnings_is_not_absent_while_its_id_is_its_own() -> None:
    submit = T0 - 9 * 86400
    stub = account_row("7", "RUNNING", name="", partition="", submit=submit, end="Unknown")
    assert isinstance(await look(FakeSlurm(account=[stub]), OLD), CouldNotAsk)
    both = [stub, account_row("7", "COMPLETED", name="other")]
    assert isinstance(await look(FakeSlurm(queue=Trouble(1, "down"), account=both), OLD), CouldNotAsk)


@pytest.mark.parametrize("account", [NO_ACCOUNTING, SACCT_DOWN])
async def test_a_requeued_job_is_ours_without_accounting_by_its_name_as_accounting_would_have_kept_it(
    account: Said,
) -> None:
    known = OLD.model_copy(update={"name": "a`b?"})
    sighting = await look(FakeSlurm(queue=[queue_row("7", "RUNNING", name='a"b\u2603')], account=account), known)
    assert isinstance(sighting, Seen)


@pytest.mark.parametrize("account", [NO_ACCOUNTING, SACCT_DOWN])
async def test_a_job_that_was_renamed_after_its_requeue_was_seen_is_ours(account: Said) -> None:
    requeued = OLD.model_copy(update={"run_submitted_at": NOW - timedelta(seconds=600)})
    sighting = await look(FakeSlurm(queue=[queue_row("7", "RUNNING", name="new")], account=account), requeued)
    assert isinstance(sighting, Seen)
    fresh = OLD.model_copy(update={"registered_at": NOW})  # another session registers the present one
    assert isinstance(
        await look(FakeSlurm(queue=[queue_row("7", "RUNNING", name="new")], account=account), fresh), Seen
    )


async def test_a_job_that_was_renamed_and_requeued_while_accounting_was_down_is_followed_once_it_answers() -> None:
    row = queue_row("7", "RUNNING", name="new")
    first = account_row("7", "REQUEUED", name="old", submit=T0 - 9 * 86400, start=T0 - 9000, end=T0 - 600)
    assert isinstance(await look(FakeSlurm(queue=[row], account=SACCT_DOWN), OLD), CouldNotAsk)
    sighting = await look(FakeSlurm(queue=[row], account=[first]), OLD)
    assert isinstance(sighting, Seen)
    assert (sighting.phase, sighting.name) == (Phase.RUNNING, "new")


async def test_a_renamed_and_requeued_element_ends_no_array_while_nobody_can_tell_whose_it_is() -> None:
    rows = [queue_row("7_1", "FAILED", raw=71, name="old", submit=T0 - 9 * 86400)]
    rows.append(queue_row("7_2", "RUNNING", raw=72, name="new"))
    assert isinstance(await look(FakeSlurm(queue=rows, account=NO_ACCOUNTING), OLD), CouldNotAsk)


async def test_the_parts_of_a_heterogeneous_job_have_names_of_their_own() -> None:
    rows = [queue_row("7+0", "RUNNING", raw=7, name="old"), queue_row("7+1", "RUNNING", raw=8, name="else")]
    assert isinstance(await look(FakeSlurm(queue=rows, account=NO_ACCOUNTING), OLD), Seen)


# -- cancelling


async def test_a_job_that_has_got_the_id_of_a_watched_one_is_not_cancelled_in_its_place() -> None:
    slurm = FakeSlurm(queue=[queue_row("7", "RUNNING", name="precious")])
    outcome = (await SlurmSource().cancel(host(slurm), [OLD]))["7"]
    assert not outcome.accepted
    assert "'precious'" in outcome.text
    assert "'old'" in outcome.text
    assert len(slurm.asked) == 1


async def test_an_array_of_which_one_element_is_another_job_is_not_cancelled_either() -> None:
    rows = [queue_row("7_1", "RUNNING", name="old"), queue_row("7_2", "RUNNING", raw=8, name="precious")]
    assert not (await SlurmSource().cancel(host(FakeSlurm(queue=rows)), [OLD]))["7"].accepted


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("old", OLD),
        ("new", OLD.model_copy(update={"run_submitted_at": NOW - timedelta(seconds=600)})),
        ("new", OLD.model_copy(update={"registered_at": NOW})),
        ("new", Wanted(id="7")),
    ],
)
async def test_a_requeued_job_that_is_known_by_its_name_or_its_run_is_cancelled(name: str, known: Wanted) -> None:
    slurm = FakeSlurm(queue=[queue_row("7", "RUNNING", name=name)])
    assert (await SlurmSource().cancel(host(slurm), [known]))["7"].accepted
