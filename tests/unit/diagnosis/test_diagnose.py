"""What a diagnosis promises: it never fails, its lines are the log's, and it says how much to ask for."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.matching import find
from jobwarden.diagnosis.model import Category, Log, Outcome, Piece, Retryable
from jobwarden.diagnosis.signatures.table import SIGNATURES

GIB = 1 << 30
WORDS = st.sampled_from(
    [
        "Traceback (most recent call last):",
        '  File "/home/u/x.py", line 3, in f',
        "    raise ValueError",
        "ValueError: no",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "slurmstepd: error: *** JOB 1 ON n CANCELLED AT 2026-11-20T10:00:00 DUE TO TIME LIMIT ***",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
        "  + Exception Group Traceback (most recent call last):",
        "  +-+---------------- 1 ----------------",
        "    | Traceback (most recent call last):",
        "Original Traceback (most recent call last):",
        "Caused by: java.lang.X",
        "\tat a.b(C.java:3)",
        "[rank1]: Traceback (most recent call last):",
        "[rank1]: KeyError: 'a'",
        "3: step 4",
        "step 1/10",
        "done",
        "",
        "╭─── Traceback (most recent call last) ───╮",
        "│ /x.py:5 in f │",
        "╰─────────╯",
        "\x1b[31mError:\x1b[0m boom",
        "10%|#| 1/10\r20%|##| 2/10",
        "{name} [x {y}] $ ^ \\",
    ]
)
OUTCOMES = st.builds(
    Outcome,
    state=st.sampled_from(["", "FAILED", "TIMEOUT", "COMPLETED", "CANCELLED by 0", "OUT_OF_MEMORY", "x:y"]),
    ended=st.booleans(),
    exit_code=st.none() | st.integers(-300, 70000),
    signal=st.none() | st.integers(0, 128),
    slurm_exit=st.sampled_from(["", "0:9", "1:0", "0:53", "a:b"]),
    time_limit_s=st.none() | st.floats(0, 1e7),
    memory_limit_bytes=st.none() | st.integers(0, 1 << 45),
    max_rss_bytes=st.none() | st.integers(0, 1 << 45),
    quiet_s=st.none() | st.floats(0, 1e6),
)


@given(st.lists(st.lists(st.binary(max_size=200), max_size=3), max_size=3), OUTCOMES)
@settings(max_examples=80, deadline=None)
def test_no_bytes_make_it_fail(logs: list[list[bytes]], outcome: Outcome) -> None:
    diagnose([Log(str(n), tuple(Piece(data, None) for data in pieces)) for n, pieces in enumerate(logs)], outcome)


@given(st.lists(WORDS, max_size=30), OUTCOMES, st.integers(1, 10**6))
@settings(max_examples=150, deadline=None)
def test_each_line_of_evidence_is_that_line_of_the_log(lines: list[str], outcome: Outcome, first: int) -> None:
    found = diagnose([Log("job.log", (Piece("\n".join(lines).encode(), first),))], outcome)

    for evidence in found.evidence:
        if (
            evidence.file == "job.log"
            and "\x1b" not in (raw := lines[(evidence.line or 0) - first])
            and "\r" not in raw
        ):
            assert evidence.text == raw.rstrip()


def test_numbers_go_on_behind_a_gap() -> None:
    log = Log("a", (Piece(b"step 1\nstep 2\n", 1), Piece(b"step 999\nKeyError\nMemoryError\n", 999)))

    found = diagnose([log], Outcome(exit_code=1))

    assert (found.evidence[0].line, found.evidence[0].text) == (1001, "MemoryError")


def test_where_numbers_are_not_known_none_is_told() -> None:
    log = Log("a", (Piece(b"step 1\n", 1), Piece(b"MemoryError\n", None)))

    assert diagnose([log], Outcome(exit_code=1)).evidence[0].line is None


def test_time_grows_with_the_log_alone() -> None:
    """A generous bound: the worst of these takes a few seconds on a slow machine, and would take hours otherwise."""
    began = time.monotonic()
    for data in (
        b"'" * 400_000,
        b"0:" * 200_000,
        (b"'" * 1500 + b"\n") * 300,
        b"Traceback (most recent call last):\n" * 20_000,
    ):
        diagnose([Log("a", (Piece(data),))], Outcome())

    assert time.monotonic() - began < 60


def test_secrets_stay_where_they_are() -> None:
    data = (
        b"requests.exceptions.HTTPError: 401 Client Error for url https://u:hunter22secret@x/ "
        b'"Authorization: Bearer abcdef0123456789abcdef"\n'
    )

    found = diagnose([Log("a", (Piece(data),))], Outcome(exit_code=1))

    assert found.category is Category.AUTHENTICATION
    assert "hunter22secret" not in repr(found)
    assert "abcdef0123456789abcdef" not in repr(found)


def test_memory_to_ask_for_is_told_in_amounts() -> None:
    outcome = Outcome(state="OUT_OF_MEMORY", memory_limit_bytes=4 * GIB, max_rss_bytes=3 * GIB)
    log = Log("a", (Piece(b"slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch.\n"),))

    found = diagnose([log], outcome)

    assert "4.0 GiB" in found.change
    assert "--mem=6G" in found.change


def test_time_to_ask_for_comes_from_how_far_it_was() -> None:
    log = Log("a", (Piece(b"step 250/1000\nslurmstepd: error: *** JOB 1 ON n CANCELLED AT T DUE TO TIME LIMIT ***\n"),))

    found = diagnose([log], Outcome(state="TIMEOUT", time_limit_s=3600))

    assert "25 %" in found.change
    assert "04:36:00" in found.change


def test_of_several_ranks_the_first_by_the_clock_is_meant() -> None:
    def log(rank: int, second: int, error: str) -> Log:
        text = (
            f"2026-11-20 10:00:{second:02d} INFO step 3\nTraceback (most recent call last):\n"
            f'  File "/u/t.py", line {rank}, in f\n{error}\n'
        )
        return Log(f"rank{rank}.log", (Piece(text.encode()),), label=f"rank {rank}")

    found = diagnose([log(0, 40, "ValueError: late"), log(1, 20, "KeyError: 'first'")], Outcome(exit_code=1))

    assert found.cause.startswith("rank 1: KeyError")
    assert found.evidence[0].file == "rank1.log"


def test_a_living_job_that_writes_nothing_is_stuck() -> None:
    found = diagnose([Log("a", (Piece(b"step 1\n"),))], Outcome(state="RUNNING", ended=False, quiet_s=7200))

    assert found.category is Category.STUCK
    assert "120 minutes" in found.cause


def test_a_living_job_that_writes_is_well() -> None:
    found = diagnose([Log("a", (Piece(b"step 1\n"),))], Outcome(state="RUNNING", ended=False, quiet_s=10))

    assert found.category is Category.NONE


def test_a_killed_program_is_told_apart_from_a_bug() -> None:
    assert diagnose([], Outcome(exit_code=139)).category is Category.NATIVE_CRASH
    assert diagnose([], Outcome(slurm_exit="0:9", state="FAILED")).category is Category.OUT_OF_MEMORY
    assert diagnose([], Outcome(exit_code=143)).category is Category.CANCELLED
    assert diagnose([], Outcome(exit_code=1)).category is Category.UNKNOWN
    assert diagnose([], Outcome(exit_code=0)).category is Category.NONE


def test_silence_before_the_time_limit_is_told() -> None:
    lines = [f"2026-11-20 10:0{minute}:00 step {minute}" for minute in range(9)]
    lines.append("slurmstepd: error: *** JOB 1 ON n CANCELLED AT 2026-11-20T12:08:00 DUE TO TIME LIMIT ***")

    found = diagnose([Log("a", (Piece("\n".join(lines).encode()),))], Outcome(state="TIMEOUT"))

    assert found.category is Category.TIME_LIMIT
    assert found.also[0].startswith("stuck: it wrote nothing in its last 02:00:00")


def test_a_traceback_through_a_logger_is_read_behind_its_prefix() -> None:
    raw = ["Traceback (most recent call last):", '  File "/home/u/e.py", line 3, in run', "    go()", "ValueError: bad"]
    text = "\n".join(
        f"(EngineCore pid=12) ERROR 11-20 10:00:{9 + n}.123 [core.py:{98 + n}] {line}" for n, line in enumerate(raw)
    )

    found = diagnose([Log("a", (Piece(text.encode()),))], Outcome(exit_code=1))

    assert found.cause == "EngineCore pid=12: ValueError: bad, at /home/u/e.py:3 in run"


def test_who_cancelled_it_is_said() -> None:
    found = diagnose([], Outcome(state="CANCELLED", cancelled_by="alice"))

    assert "by alice" in found.cause
    assert "by user 1000" in diagnose([], Outcome(state="CANCELLED by 1000")).cause
    assert found.retryable is Retryable.NO


def test_names_of_signatures_are_unique_and_each_form_is_found_by_itself() -> None:
    assert len({signature.name for signature in SIGNATURES}) == len(SIGNATURES)
    for signature in SIGNATURES:
        for form in signature.forms:
            line = example(form)
            hits = find([line], [(0, 0)])
            assert signature.name in {hit.signature.name for hit in hits} or decoyed(signature.decoys, line), (
                form,
                line,
            )


def example(form: str) -> str:
    """Write a line that a form is meant for."""
    import re

    def one(token: re.Match[str]) -> str:
        if token[1]:
            return token[1]
        if token[2]:
            return {"n": "7", "size": "7 GiB"}.get(token[3] or "", "abc")
        return token[4].split("|")[0]

    text = re.sub(r"\\(.)|\{(\w+)(?::(\w+))?\}|\(([^()\\]*\|[^()\\]*)\)", one, form.removeprefix("^").removesuffix("$"))
    return text.replace("*", "")


def decoyed(decoys: tuple[str, ...], line: str) -> bool:
    return any(decoy.lower() in line.lower() for decoy in decoys)
