"""Job arrays of a real Slurm: one job with counts, however its elements wait, run, end or are cancelled."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from jobwarden.cli import words
from jobwarden.mcp_server.rows import job_table
from jobwarden.mcp_server.text import status_text
from jobwarden.service.views import JobView
from jobwarden_registry.phases import Phase
from support.casebook import Case, Casebook, lived
from support.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

HUGE = 10_000
IRREGULAR = ",".join(str(index) for index in range(1, 400, 3)) + ",9000-9009%7"
SIZES = {
    "all well": 4,
    "throttled": 8,
    "one cancelled": 4,
    "one element again": 3,
    "irregular": 143,
    "huge": HUGE,
}
ENDS = {
    "all well": (Phase.SUCCEEDED, "COMPLETED 4", None),
    "throttled": (Phase.FAILED, "COMPLETED 6, FAILED 2", "failed: 3-4"),
    "one cancelled": (Phase.CANCELLED, "COMPLETED 3, CANCELLED 1", None),
    "one element again": (Phase.SUCCEEDED, "COMPLETED 3", None),
    "irregular": (Phase.CANCELLED, "CANCELLED 143", None),
    "huge": (Phase.CANCELLED, "CANCELLED 10000", None),
}
FAILS_IN_THE_MIDDLE = "sleep 3; case $SLURM_ARRAY_TASK_ID in 3|4) exit 5;; esac; exit 0"


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Casebook:
    return lived(
        cluster,
        all_well,
        throttled,
        one_cancelled,
        cancelled_in_waiting,
        one_element_again,
        never_started,
    )


# -- the lives


def some_failed_some_wait(case: Case) -> bool:
    return any("FAILED" in status and "PENDING" in status for status in case.words[-1:])


async def all_well(book: Casebook) -> None:
    case = await book.submit("all well", "-a", "0-3", "--wrap", "sleep 1")
    await book.again_when_forgotten(case)


async def throttled(book: Casebook) -> None:
    """Two run at a time; one element is watched by itself, too, from the time when it waits."""
    job = await book.sbatch("--begin=now+1hour", "-a", "1-8%2", "--wrap", FAILS_IN_THE_MIDDLE)
    case = await book.register("throttled", job)
    alone = await book.register("element 4", f"{job}_4")
    well = await book.register("element 7", f"{job}_7")
    for one in (well, alone, case):
        await book.until_phase(one, Phase.PENDING)
    await book.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    await book.until(case, some_failed_some_wait)
    book.views["some failed, some wait"] = await book.shown()
    for one in (well, alone, case):
        await book.again_when_forgotten(one)


async def one_cancelled(book: Casebook) -> None:
    case = await book.submit("one cancelled", "-a", "0-3", "--wrap", "sleep 6")
    await book.until_shown(case, "RUNNING 4")
    await book.slurm("scancel", f"{case.job}_2")
    await book.again_when_forgotten(case)


async def cancelled_in_waiting(book: Casebook) -> None:
    case = await book.submit("cancelled in waiting", "-H", "-a", "0-9%8", "--wrap", "sleep 1")
    alone = await book.register("cancelled alone", f"{case.job}_7")
    await book.until_shown(case, "PENDING 10")
    await book.slurm("scancel", f"{case.job}_[4,7]")
    await book.until_shown(case, "PENDING 8")
    await book.slurm("scontrol", "release", case.job)
    await book.again_when_forgotten(case)
    await book.until_phase(alone, Phase.LOST)


async def one_element_again(book: Casebook) -> None:
    """One element is requeued while its siblings end."""
    script = '[ $SLURM_ARRAY_TASK_ID = 1 ] && [ -z "$SLURM_RESTART_COUNT" ] && sleep 300; sleep 1'
    case = await book.submit("one element again", "--requeue", "-a", "0-2", "--wrap", script)
    await book.until_shown(case, "RUNNING 1, COMPLETED 2")
    await book.slurm("scontrol", "requeue", f"{case.job}_1")
    await book.until_phase(case, Phase.PENDING)
    await book.do(lambda: book.cluster.wait_until_accounted(f"{case.job}_1", {"PENDING"}))
    await book.slurm("scontrol", "update", f"JobId={case.job}_1", "StartTime=now+2seconds")
    await book.again_when_forgotten(case)


async def never_started(book: Casebook) -> None:
    """Held, shown, and cancelled together: one with a list longer than squeue's columns, one as large as they get."""
    irregular = await book.submit("irregular", "-H", "-a", IRREGULAR, "--wrap", "true")
    huge = await book.submit("huge", "-H", "-a", f"0-{HUGE - 1}%50", "--wrap", "true")
    await book.until(huge, lambda case: len(case.looks) > 3)
    book.views["huge waits"] = await book.shown()
    await book.slurm("scancel", irregular.job, huge.job)
    for case in (irregular, huge):
        await book.again_when_forgotten(case)


# -- what they tell


def elements(status: str) -> int:
    """Give how many elements a status counts."""
    return sum(int(count) for count in re.findall(r"\b[A-Z_]+ (\d+)", status))


def of(view: str, book: Casebook, label: str) -> JobView:
    return next(job for job in book.views[view].jobs if job.id == book[label].job)


def row(job: JobView) -> str:
    """Give the job's line as an agent is shown it."""
    return job_table([job], datetime.now(UTC))[1]


def test_all_lives_were_lived(book: Casebook) -> None:
    assert book.troubles == {}


@pytest.mark.parametrize("label", SIZES)
def test_every_look_counts_every_element_once(book: Casebook, label: str) -> None:
    statuses = {look.status for look in book[label].looks}
    assert {elements(status) for status in statuses} == {SIZES[label]}, statuses


@pytest.mark.parametrize("label", ENDS)
def test_an_array_ends_once_when_every_element_has_with_the_failed_ones_by_index(book: Casebook, label: str) -> None:
    for case in (book[label], book[f"{label}, late"]):
        record = case.record
        assert (record.phase, record.last_status, record.reason) == ENDS[label], case.label
        assert case.end.phase == ENDS[label][0]
        assert case.record.ended_at == max(run.ended for run in case.truth if run.ended), case.label
    live = book[label]
    assert not any(look.phase.final or look.phase is Phase.UNKNOWN for look in live.looks[:-1]), live.words
    assert live.kinds("lost", "unreachable", "note") == []


def test_a_throttled_array_shows_what_runs_what_waits_and_what_has_ended(book: Casebook) -> None:
    shown = book["throttled"].words
    assert "RUNNING 2, PENDING 6" in shown, shown
    assert any(re.match(r"RUNNING \d, PENDING \d, COMPLETED \d", words) for words in shown), shown
    waits = [look for look in book["throttled"].looks if "PENDING" in look.status]
    assert any("JobArrayTaskLimit" in (look.reason or "") for look in waits)


def test_failed_elements_are_told_by_index_while_others_still_run_or_wait(book: Casebook) -> None:
    view = of("some failed, some wait", book, "throttled")
    assert view.phase in (Phase.RUNNING, Phase.PENDING)
    text, said = row(view), words.remark(view, datetime.now(UTC))
    for shown in (text, said):
        assert re.search(r"failed: (3-4|3|4)\b", shown), shown
    assert elements(text) == elements(words.state(view)) == SIZES["throttled"], text


def test_one_element_is_followed_by_itself_from_its_waiting_to_its_own_end(book: Casebook) -> None:
    failed, well = book["element 4"], book["element 7"]
    assert failed.words[0] == well.words[0] == "PENDING"
    for case in (failed, book["element 4, late"]):
        assert (case.record.phase, case.record.last_status, case.record.exit_code) == (Phase.FAILED, "FAILED", 5)
    assert (well.record.phase, well.record.exit_code) == (Phase.SUCCEEDED, 0)
    assert failed.record.ended_at is not None
    assert well.record.ended_at is not None
    assert failed.record.ended_at < well.record.ended_at
    assert "RUNNING" in well.words


def test_elements_cancelled_while_they_wait_leave_no_trace_in_slurm_and_are_not_called_ended(book: Casebook) -> None:
    """Neither squeue nor sacct of 22.05.8 has a row for them once others of their array go on."""
    case, alone = book["cancelled in waiting"], book["cancelled alone"]
    assert not [run for run in case.truth if "CANCELLED" in run.state]
    assert {elements(look.status) for look in case.looks} == {10, 8}
    told = "2 of 10 elements left no record: cancelled while they waited"
    assert (case.record.phase, case.record.last_status, case.record.reason) == (Phase.CANCELLED, "COMPLETED 8", told)
    late = book["cancelled in waiting, late"]  # it knows of them through the session that saw them wait
    assert (late.record.phase, late.record.last_status, late.record.reason) == (Phase.CANCELLED, "COMPLETED 8", told)
    assert (alone.record.phase, alone.record.last_status) == (Phase.LOST, "PENDING")
    assert len(alone.kinds("lost")) == 1
    assert alone.kinds("finished") == []


def test_a_requeued_element_keeps_the_whole_array_alive(book: Casebook) -> None:
    case = book["one element again"]
    assert case.phases[-4:] == [Phase.RUNNING, Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED], case.words


def test_ten_thousand_waiting_elements_are_a_short_line(book: Casebook) -> None:
    view = of("huge waits", book, "huge")
    assert (view.phase, view.status) == (Phase.PENDING, "PENDING 10000")
    assert len(row(view)) < 120
    assert len(words.remark(view, datetime.now(UTC))) < 120
    assert of("huge waits", book, "irregular").status == "PENDING 143"
    assert len(status_text(book.views["huge waits"], datetime.now(UTC))) < 3000


def test_what_is_written_of_ten_thousand_elements_is_small(book: Casebook) -> None:
    for case in (book["huge"], book["huge, late"]):
        assert max(len(event.model_dump_json()) for event in case.events) < 8000
        assert len(case.record.model_dump_json()) < 3000


def test_an_array_is_counted_from_the_moment_of_its_registration(book: Casebook) -> None:
    for label, size in SIZES.items():
        assert elements(book[label].first.status) == size, label
