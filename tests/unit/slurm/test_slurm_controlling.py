"""What is read of the answers of squeue, scontrol and scancel when a job is changed (recorded on 22.05.8)."""

from __future__ import annotations

import pytest

from jobwarden.sources.controls import Change, Control
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.answers import Row as SlurmRow
from jobwarden.sources.slurm.controlling import (
    FORMAT,
    Look,
    concerns,
    control_argv,
    elements_of,
    given_id,
    is_seen,
    not_now,
    read_looks,
    read_refusal,
    seconds,
    steps_of,
)
from jobwarden.sources.slurm.ids import SlurmId, parse_id, parse_row_id
from jobwarden.sources.slurm.vocabulary import read_state

ARRAY = "3_[1-4,6-9]|PENDING|JobHeldUser|1:00:00|0|0|0|0:00"
PART = "3_5|RUNNING|None|1:00:00|1000|0|0|0:01"
RUNS = "1|RUNNING|None|30:00|1000|0|0|10:03"
STOPPED = "1|STOPPED|JobHeldUser|30:00|0|0|0|0:03"
MIXED = "2_[1-6]|PENDING|BeginTime,JobHeldUser|1:00:00|1000|0|0|0:00"
REQUEUED = "1|PENDING|job requeued in held state|1:00:00|0|0|1|0:00"


def row(text: str) -> bytes:
    """Write a row as `squeue -O` does, in columns of fixed widths."""
    widths = [int(field.partition(":")[2]) for field in FORMAT.split(",")]
    return "".join(cell.ljust(width) for cell, width in zip(text.split("|"), widths, strict=True)).encode() + b"\n"


def looks(*texts: str) -> tuple[Look, ...]:
    return read_looks(Part(0, b"".join(map(row, texts)), ""))


def test_rows_are_read_by_their_columns_and_a_row_given_twice_is_one() -> None:
    one, other = looks(ARRAY, PART, PART)
    assert (str(other.id.id), other.state, other.reason, other.used) == ("3_5", "RUNNING", "None", "0:01")
    assert (one.held, one.partly_held, other.held) == (True, True, False)
    assert [(one.held, one.partly_held) for one in looks(MIXED, REQUEUED, STOPPED)] == [
        (False, True), (True, True), (False, False),
    ]  # fmt: skip


@pytest.mark.parametrize("part", [Part(1, b"", "slurm_load_jobs error"), Part(0, b"what is that\n", "")])
def test_what_is_no_row_is_no_answer(part: Part) -> None:
    with pytest.raises(UnreadableAnswerError):
        read_looks(part)


@pytest.mark.parametrize(
    ("action", "value", "before", "after", "seen"),
    [
        (Control.HOLD, "", (MIXED,), (MIXED,), False),
        (Control.HOLD, "", (), (ARRAY, PART), True),
        (Control.HOLD, "", (), (PART,), False),
        (Control.RELEASE, "", (), (MIXED,), False),
        (Control.RELEASE, "", (), (PART,), True),
        (Control.RELEASE, "", (), (), False),
        (Control.SUSPEND, "", (), (RUNS,), False),
        (Control.REQUEUE, "", (RUNS,), (REQUEUED,), True),
        (Control.REQUEUE, "", (RUNS,), (RUNS,), False),
        (Control.REQUEUE, "", (PART,), (ARRAY,), True),
        (Control.TIME_LIMIT, "30", (), (RUNS,), True),
        (Control.TIME_LIMIT, "20", (), (RUNS,), False),
        (Control.SIGNAL, "USR1", (), (RUNS,), None),
        (Control.SIGNAL, "STOP", (), (STOPPED,), True),
        (Control.SIGNAL, "CONT", (), (STOPPED,), False),
        (Control.SIGNAL, "KILL", (), (RUNS,), False),
        (Control.SIGNAL, "KILL", (), (), True),
        (Control.TOP, "", (), (RUNS,), None),
    ],
)
def test_a_change_is_seen_when_the_queue_shows_it(
    action: Control, value: str, before: tuple[str, ...], after: tuple[str, ...], seen: bool | None
) -> None:
    assert is_seen(Change(action, value), looks(*before), looks(*after)) is seen


@pytest.mark.parametrize(
    ("value", "said"), [("40", "operator"), ("10", "end it at once"), ("11", "end it at once"), ("12", ""), ("30", "")]
)
def test_a_limit_is_only_lowered_and_not_below_what_has_run(value: str, said: str) -> None:
    refused = not_now(Change(Control.TIME_LIMIT, value), (), looks(RUNS), has_steps=False)
    assert said in refused
    assert bool(said) is bool(refused)


def waiting(reason: str) -> SlurmRow:
    state, row_id = read_state("PENDING"), parse_row_id("7")
    return SlurmRow(row_id, 7, state, "alice", None, None, None, "", "", "late", "", reason)


def test_a_hold_that_slurm_would_soon_call_an_operators_is_not_begun() -> None:
    """22.05.8: within seconds such a hold on a job whose dependency has failed is JobHeldAdmin; a release is denied."""
    dead, queued = waiting("DependencyNeverSatisfied"), waiting("Dependency")
    assert "cannot begin" in not_now(Change(Control.HOLD), (dead,), (), has_steps=False)
    assert not_now(Change(Control.HOLD), (queued,), (), has_steps=False) == ""
    assert not_now(Change(Control.HOLD), (dead, queued), (), has_steps=False) == ""


@pytest.mark.parametrize(
    ("action", "status", "stderr", "failed", "said"),
    [
        (Control.SUSPEND, 1, "Access/permission denied for job 77", False, "signal STOP"),
        (Control.TIME_LIMIT, 1, "Access/permission denied for job 1", False, "only lower it"),
        (Control.TOP, 1, "Access/permission denied for job 4", False, "enable_user_top"),
        (Control.REQUEUE, 1, "Job is pending execution for job 4", False, "waits already"),
        (Control.HOLD, 1, "Unable to contact slurm controller (connect failure)", True, "contact"),
        (Control.HOLD, 124, "", True, "124"),
        (Control.HOLD, 0, "slurm_suspend error: Invalid job id specified", False, "Invalid job id"),
    ],
)
def test_a_refusal_says_what_helps_and_silence_is_none(
    action: Control, status: int, stderr: str, failed: bool, said: str
) -> None:
    outcome = read_refusal(Part(status, b"", stderr), Change(action))
    assert outcome is not None
    assert (outcome.accepted, outcome.failed) == (False, failed)
    assert said in outcome.text


def test_what_was_taken_in_silence_is_no_refusal() -> None:
    assert read_refusal(Part(0, b"", ""), Change(Control.HOLD)) is None


def test_elements_are_written_as_slurm_takes_them_and_rows_are_told_apart() -> None:
    job = parse_id("3")
    assert given_id(job, Change(Control.HOLD, elements="5")) == "3_5"
    assert given_id(job, Change(Control.HOLD, elements="1-4,7")) == "3_[1-4,7]"
    some = elements_of(job, Change(Control.HOLD, elements="1-4,7"))
    assert some == frozenset({1, 2, 3, 4, 7})
    assert concerns(parse_row_id("3_[4-6]"), job, some)
    assert not concerns(parse_row_id("3_5"), job, some)
    assert not concerns(parse_row_id("4_1"), job, some)
    with pytest.raises(ValueError, match="1"):
        elements_of(SlurmId(3, element=5), Change(Control.HOLD, elements="1"))


def test_steps_of_srun_are_told_from_the_batch_script() -> None:
    part = Part(0, b"1.batch\n2.0\n3_5.1\n1.extern\n", "")
    assert [steps_of(part, parse_id(job)) for job in ("1", "2", "3_5", "3", "9")] == [False, True, True, True, False]


def test_each_element_has_a_row_of_its_own_where_elements_are_meant() -> None:
    words = control_argv("jw", ids=["3_5"], base=[3], change=Change(Control.HOLD), cluster="", limit_s=5)
    assert words[-2:] == ["-r", "3_5"]
    assert words[-5:-2] == ["3,3", "hold", ""]


@pytest.mark.parametrize(("text", "number"), [("30:00", 1800), ("1:00:00", 3600), ("1-00:00:30", 86430), ("0:03", 3)])
def test_squeues_times_are_read(text: str, number: float) -> None:
    assert seconds(text) == number
    assert seconds("UNLIMITED") == float("inf")
