"""What was submitted with which token, out of squeue's and sacct's answers (`jobwarden.sources.slurm.submissions`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.sources.errors import SourceError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.submissions import read_listing
from jobwarden.sources.slurm.submit_line import comment_with
from jobwarden.sources.slurm.submitting import read_submitted
from jobwarden.sources.submitting import Listing

NONCE = "jw0123456789abcdef"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOKEN = "jw" + "0a" * 10
GOOD = Part(0, b"", "")


def row(job: str, word: str, *, name: str = "train", folder: str = "/home/a", comment: str = "(null)") -> str:
    return f"{NONCE}|{job}|{word}|1795300325{NONCE}{folder}{NONCE}{name}{NONCE}{comment}{NONCE}\n"


def listing(
    queue: str, account: str = "", *, sacct: Part | None = None, complaint: str = "", ended: Part = GOOD
) -> Listing:
    parts = {"squeue": Part(0, queue.encode(), complaint), "sacct": sacct or Part(0, account.encode(), "")}
    return read_listing({**parts, "ended": ended}, NONCE, NOW)


def test_a_token_is_found_in_the_queue_and_in_accountings_submit_lines_whatever_else_the_comment_holds() -> None:
    for comment in ("", "mine", '{"paid":"by x"}'):
        told = comment_with(comment, TOKEN)
        assert listing(row("7", "PENDING", comment=told)).of_token(TOKEN)
        line = f"8{NONCE}sbatch --parsable --comment={told} /dev/stdin\n"
        found = listing("", f"5{NONCE}sbatch a.sh\n{line}").of_token(TOKEN)
        assert found is not None
        assert (found.id, found.queued, found.alive) == ("8", False, False)


def test_an_array_is_one_job_under_its_base_id_and_lives_while_an_element_does() -> None:
    rows = row("7", "COMPLETED", comment=f"jobwarden:{TOKEN}") + row("7", "RUNNING") + row("7", "FAILED")
    found = listing(rows).of_id("7")
    assert found is not None
    assert found.alive
    accounted = f"9_[0-3%2]{NONCE}sbatch --comment=jobwarden:{TOKEN} x\n"
    assert (told := listing("", accounted).of_token(TOKEN)) is not None
    assert told.id == "9"


def test_a_name_or_submit_line_with_line_breaks_and_bars_breaks_no_record() -> None:
    found = listing(row("7", "RUNNING", name="a|b\nc") + row("8", "RUNNING"))
    assert [(one.id, one.name) for one in found.jobs] == [("7", "a|b\nc"), ("8", "train")]
    lines = f"5{NONCE}sbatch --wrap echo\n6 and more\n7{NONCE}sbatch --comment=jobwarden:{TOKEN} x\n"
    assert (told := listing("", lines).of_token(TOKEN)) is not None
    assert told.id == "7"


def test_a_word_that_nobody_knows_is_no_end() -> None:
    found = listing(row("7", "TELEPORTING")).of_id("7")
    assert found is not None
    assert found.alive


def test_living_jobs_are_found_by_name_and_folder() -> None:
    rows = (
        row("7", "RUNNING") + row("8", "COMPLETED") + row("9", "PENDING", folder="/b") + row("10", "PENDING", name="x")
    )
    assert [one.id for one in listing(rows).living("train", ("/home/a",))] == ["7"]
    assert [one.id for one in listing(rows).living("train", ())] == ["7", "9"]


@pytest.mark.parametrize(
    ("sacct", "trouble"),
    [
        (Part(1, b"", "Slurm accounting storage is disabled"), ""),
        (Part(127, b"", "sacct: not found"), ""),
        (Part(1, b"", "sacct: error: Problem talking to the database"), "Problem talking"),
        (Part(1, b"", "sacct: fatal: Invalid field: SubmitLine"), "Invalid field"),
        (Part(124, b"", ""), "exit 124"),
    ],
)
def test_without_accountings_answer_a_token_that_is_nowhere_means_nothing(sacct: Part, trouble: str) -> None:
    for found in (listing(row("7", "RUNNING"), sacct=sacct), listing(row("7", "RUNNING"), ended=sacct)):
        assert not found.accounted
        assert trouble in found.trouble
        assert bool(found.trouble) is bool(trouble)


def test_what_ended_before_it_could_begin_is_found_though_the_window_of_accounting_leaves_it_out() -> None:
    ended = Part(0, f"8_[0-2]{NONCE}sbatch --comment=jobwarden:{TOKEN} x\n".encode(), "")
    assert (told := listing("", ended=ended).of_token(TOKEN)) is not None
    assert told.id == "8"
    parts = {"squeue": GOOD, "sacct": GOOD, "ended": Part(0, f"x {TOKEN} y{NONCE}8\n".encode(), "")}
    assert read_submitted(parts, NONCE, TOKEN) == "8"
    with pytest.raises(SourceError):
        read_submitted({"squeue": GOOD, "sacct": GOOD}, NONCE, TOKEN)


@pytest.mark.parametrize(
    "queue",
    [Part(1, b"", "slurm_load_jobs error: Unable to contact"), Part(0, b"", "squeue: error: Invalid user"), None],
)
def test_without_the_queues_answer_there_is_none(queue: Part | None) -> None:
    parts = {"sacct": GOOD} if queue is None else {"squeue": queue, "sacct": GOOD}
    with pytest.raises(SourceError):
        read_listing(parts, NONCE, NOW)


@given(queue=st.binary(), account=st.binary(), marks=st.integers(0, 3))
def test_any_bytes_give_a_listing_or_a_source_error(queue: bytes, account: bytes, marks: int) -> None:
    mark = NONCE.encode()
    text = queue + (mark + b"|" + queue) * marks
    try:
        found = read_listing({"squeue": Part(0, text, ""), "sacct": Part(0, account + mark, "")}, NONCE, NOW)
    except SourceError:
        return
    assert all(one.id.isdigit() for one in found.jobs)
