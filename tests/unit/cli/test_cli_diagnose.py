"""`jobwarden diagnose --file`: the same without a job."""

from __future__ import annotations

import json
from pathlib import Path

from support.fake_service import Terminal

TRACEBACK = b"""step 1
Traceback (most recent call last):
  File "/home/u/train.py", line 3, in main
    x = d["a"]
KeyError: 'a'
"""


def test_json_tells_all_that_a_program_needs(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(TRACEBACK)

    ran = terminal("diagnose", "--file", str(log), "--exit-code", "1", "--json")
    told = json.loads(ran.out)

    assert ran.code == 0
    assert list(told) == ["category", "kind", "cause", "confidence", "evidence", "retryable", "change", "also"]
    assert (told["category"], told["confidence"], told["retryable"]) == ("code_error", "high", "after_change")
    assert told["evidence"][0] == {"file": str(log), "line": 5, "text": "KeyError: 'a'", "context": False}


def test_a_person_reads_the_cause_the_lines_and_what_to_change(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(b"step 1\nslurmstepd: error: *** JOB 1 ON n1 CANCELLED AT T DUE TO TIME LIMIT ***\n\x1b[2J")

    ran = terminal("diagnose", "--file", str(log), "--state", "TIMEOUT")

    assert ran.code == 0
    assert ran.out.startswith("time_limit, high confidence: The job reached its time limit")
    assert f"  {log}\n  > 2  slurmstepd: error" in ran.out
    assert "Change: Ask for more time" in ran.out
    assert "\x1b" not in ran.out


def test_a_healthy_log_is_no_failure_and_no_error(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(b"step 1\nERROR: lost it, retrying\nstep 2\nstep 3\ndone\n")

    ran = terminal("diagnose", "--file", str(log))

    assert (ran.code, ran.out) == (0, "none, medium confidence: Nothing shows a failure\n")


def test_several_files_are_one_job(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"step 1\nRuntimeError: Connection closed by peer [10.0.0.2]:41234\n")
    (tmp_path / "1").write_bytes(TRACEBACK)

    ran = terminal("diagnose", "--file", str(tmp_path / "0"), "--file", str(tmp_path / "1"), "--json")

    assert json.loads(ran.out)["evidence"][0]["file"] == str(tmp_path / "1")


def test_a_file_that_is_not_there_is_a_wrong_argument(terminal: Terminal, tmp_path: Path) -> None:
    ran = terminal("diagnose", "--file", str(tmp_path / "no.log"))

    assert ran.code == 2
    assert "no.log: No such file or directory" in ran.err


def test_of_a_large_file_both_ends_are_read_and_lines_keep_their_numbers(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    line = b"a quite ordinary line of a long log, one among many of them\n"
    count = (10 << 20) // len(line)
    log.write_bytes(line * count + b"MemoryError\n")

    told = json.loads(terminal("diagnose", "--file", str(log), "--exit-code", "1", "--json").out)

    assert told["category"] == "out_of_memory"
    assert told["evidence"][0]["line"] == count + 1


def test_a_traceback_in_the_middle_of_a_large_file_is_found(terminal: Terminal, tmp_path: Path) -> None:
    """The ranks that waited for the one that died fill the rest of the log."""
    log = tmp_path / "job.log"
    quiet = b"a quite ordinary line of a long log, one among many of them\n"
    noise = (
        b"[rank1]:[E1120 10:10:00.1 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout\n"
    )
    before = (5 << 20) // len(quiet)
    dead = TRACEBACK.replace(b"\n", b"\n[rank0]: ").removesuffix(b"[rank0]: ").removeprefix(b"step 1\n")
    log.write_bytes(quiet * before + dead + noise * ((8 << 20) // len(noise)))

    told = json.loads(terminal("diagnose", "--file", str(log), "--exit-code", "1", "--json").out)

    assert told["category"] == "code_error"
    assert told["evidence"][0]["line"] == before + 4
