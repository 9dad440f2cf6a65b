"""Answers of a real Slurm 22.05.8, replayed; and any bytes at all."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part, framed_argv, new_nonce, read_parts
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.answers import (
    ExitCode,
    Row,
    read_account,
    read_exit,
    read_host_name,
    read_queue,
    read_shown,
    read_time,
)

DATA = Path(__file__).parents[2] / "data" / "slurm" / "22.05.8"
NONCE = "jw0123456789abcdef"
ODD = 'we|ird "q" é日本🚀\nline'


def parts(name: str) -> dict[str, Part]:
    return dict(read_parts((DATA / name).read_bytes(), NONCE))


def queue(name: str) -> dict[str, Row]:
    return {row.line.partition("|")[0]: row for row in read_queue(parts(name)["squeue"].stdout, NONCE)}


def account(name: str) -> dict[str, Row]:
    return {row.line.split("|")[1]: row for row in read_account(parts(name)["sacct"].stdout, NONCE)}


def test_squeue_is_read_whole() -> None:
    rows = queue("look.txt")
    assert rows["102"].state.text == "FAILED"
    assert rows["102"].reason == "NonZeroExitCode"
    assert rows["101"].alive
    assert rows["115"].ended == datetime(2026, 11, 20, 13, 13, 53, tzinfo=UTC)
    assert rows["107"].name == ODD
    assert rows["114"].reason == "BeginTime"
    assert (rows["112+0"].raw, rows["112+1"].raw) == (112, 113)


def test_an_irregular_range_is_not_cut() -> None:
    rows = queue("look.txt")
    wide = next(row for key, row in rows.items() if key.startswith("111_["))
    assert len(wide.id.keys) == len([index for index in range(1, 200) if index % 3])
    assert not wide.id.cut


def test_sacct_is_read_whole() -> None:
    rows = account("detail_later.txt")
    assert rows["102"].exit == ExitCode(3, 0)
    assert rows["103"].exit == ExitCode(72, 0)
    assert rows["104"].exit == ExitCode(0, 9)
    assert rows["106"].exit == ExitCode(0, 53)
    assert rows["115"].state.text == "CANCELLED by 1001"
    assert rows["108_3"].exit == ExitCode(5, 0)
    assert rows["107"].name == "we|ird `q` é???\nline"
    runs = [row for row in read_account(parts("detail_later.txt")["sacct"].stdout, NONCE) if row.raw == 114]
    assert [row.state.text for row in runs] == ["REQUEUED", "PENDING"]


def test_scontrol_gives_the_exact_exit_code_and_the_paths() -> None:
    shown = parts("detail.txt")
    failed = read_shown(shown["job.103"].stdout, "wrap")
    assert failed.exit == ExitCode(200, 0)
    assert failed.stdout == failed.stderr == "/home/alice/slurm-103.out"
    assert read_shown(shown["job.107"].stdout, ODD).stdout == "/home/alice/slurm-107.out"
    pattern = read_shown(shown["job.116"].stdout, "a%j").stdout
    assert pattern == "/home/alice/jwlogs/x=a%j,j=%8j,N=%N,u=alice,p=%%.out"


def test_a_name_cannot_pass_for_the_fields_of_scontrol() -> None:
    name = "x\n   StdOut=/etc/passwd\n   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=9:0"
    text = (
        f"JobId=5 JobName={name}\n   UserId=alice(1001) GroupId=alice(1001)\n"
        "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=3:0\n   WorkDir=/h\n   Comment=StdOut=/no\n"
        f"   StdErr=/h/{name}.err\n   StdIn=/dev/null\n   StdOut=/h/{name}.out\n   Power=\n   \n\n"
    )
    shown = read_shown(text.encode(), name)
    assert shown.exit == ExitCode(3, 0)
    assert shown.stdout == f"/h/{name}.out"
    assert shown.stderr == f"/h/{name}.err"


def test_another_jobs_record_is_not_read() -> None:
    assert read_shown((DATA / "detail.txt").read_bytes(), "no such name").stdout is None


def test_the_nodes_own_name_is_short() -> None:
    assert (
        read_host_name(b"NodeName=c1 Arch=x86_64\n   NodeAddr=1.2.3.4 NodeHostName=vm.example.org Version=22") == "vm"
    )
    assert read_host_name(parts("by_id.txt")["node.c1"].stdout)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1795168990", datetime(2026, 11, 20, 10, 3, 10, tzinfo=UTC)),
        ("2026-11-20T10:03:10", datetime(2026, 11, 20, 10, 3, 10, tzinfo=UTC)),
        *((nothing, None) for nothing in ("Unknown", "None", "N/A", "", "0", "tomorrow", "99999999999999", "10:03")),
    ],
)
def test_times_are_epochs_in_utc_or_nothing(text: str, moment: datetime | None) -> None:
    assert read_time(text) == moment


def test_an_exit_code_is_two_numbers_or_nothing() -> None:
    assert read_exit("3:0") == ExitCode(3, 0)
    assert read_exit("") is read_exit("3") is read_exit("a:b") is None


def test_an_answer_cut_anywhere_is_refused() -> None:
    whole = (DATA / "look.txt").read_bytes()
    for at in (*range(0, len(whole) - 1, 37), len(whole) - 1):
        with pytest.raises(UnreadableAnswerError):
            read_parts(whole[:at], NONCE)


def test_noise_around_the_frames_is_passed_over() -> None:
    whole = (DATA / "look.txt").read_bytes()
    assert read_parts(b"NOISE\n\xff\x1b[2J" + whole + b"logout\n", NONCE) == read_parts(whole, NONCE)


def test_a_missing_frame_end_is_refused_even_when_the_answer_ends() -> None:
    torn = (DATA / "look.txt").read_bytes().replace(f"\n{NONCE} end uid 0\n".encode(), b"\n")
    with pytest.raises(UnreadableAnswerError):
        read_parts(torn, NONCE)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_rows_or_an_unreadable_answer(junk: bytes) -> None:
    for read in (read_queue, read_account, read_parts):
        with contextlib.suppress(UnreadableAnswerError):
            read(junk, NONCE)
    read_shown(junk, "x")
    read_host_name(junk)


PIECE = st.one_of(
    st.just(NONCE), st.just("|"), st.just("\n"), st.sampled_from(["1", "1_[2-3]", "RUNNING", "12:0", "x"]), st.text()
)


@settings(deadline=None)
@given(st.lists(PIECE, max_size=60))
def test_any_broken_record_gives_rows_or_an_unreadable_answer(pieces: list[str]) -> None:
    for read in (read_queue, read_account):
        with contextlib.suppress(UnreadableAnswerError):
            read("".join(pieces).encode("utf-8", "surrogatepass"), NONCE)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"])), min_size=1, max_size=5))
def test_no_name_breaks_a_record(names: list[str]) -> None:
    head = ["7", "7", "alice", "RUNNING", "0:0", "0:0", "1", "1", "Unknown", "normal", "c1", "/home/alice"]
    sacct = "".join(NONCE.join([*head, name]) + "\n" for name in names)
    assert [row.name for row in read_account(sacct.encode(), NONCE)] == names
    squeue = "".join(
        f"{NONCE}|7|7|1001|alice|RUNNING|1|1|1|normal|c1|c1{NONCE}None{NONCE}/h{NONCE}{name}\n" for name in names
    )
    assert [row.name for row in read_queue(squeue.encode(), NONCE)] == names


def test_no_question_is_ever_put_with_an_empty_list() -> None:
    with pytest.raises(ValueError, match="id"):
        commands.cancel_argv(NONCE, ids=[], cluster="", limit_s=5)
    words = commands.detail_argv(NONCE, account=[], show=["5"], cluster="", limit_s=5)
    assert 'if [ -n "$ids" ]' in words[2]
    assert words[8] == ""


def test_a_single_id_is_asked_for_twice() -> None:
    words = commands.by_id_argv(NONCE, ids=[5], show=(), nodes=(), cluster="", limit_s=5)
    assert words[8] == "5,5"


def test_nonces_differ() -> None:
    assert new_nonce() != new_nonce()
    assert framed_argv("x", NONCE, "w", limit_s=0.2)[4:] == [NONCE, "1", "w"]
