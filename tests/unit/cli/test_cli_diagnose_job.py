"""diagnose JOB: what is asked, and how it is told; of --file alone nothing is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fake_service import Answers, Terminal


def test_a_watched_job_is_diagnosed_by_the_service(terminal: Terminal, answers: Answers) -> None:
    ran = terminal("diagnose", "ptq")
    assert answers.asked == [("diagnose", {"job": "ptq"})]
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "ptq (12345, 7_3): RUNNING",
        "out_of_memory (gpu), high confidence: CUDA out of memory on rank 3",
        "",
        "  /l/a.log",
        "  > 7  torch.OutOfMemoryError",
        "",
        "Start it again: after a change",
        "Change: a smaller batch",
        "Also: slurm said nothing",
        "Asked for: time 1:00:00, memory 64.0 GiB a node, gres/gpu=8",
        "Used: time 12:00, memory 512 MiB in one process",
        "Ran on: c1",
        "Step batch: FAILED 1:0",
        "Note: /x is not there.",
    ]


def test_a_program_gets_the_whole_view(terminal: Terminal, answers: Answers) -> None:
    view = json.loads(terminal("diagnose", "ptq", "--json").out)
    assert view["category"] == "out_of_memory"
    assert view["evidence"][0]["line"] == 7
    assert answers.asked


@pytest.mark.parametrize("words", [(), ("ptq", "--file", "/l/a.log")])
def test_either_a_job_or_files_are_named(terminal: Terminal, answers: Answers, words: tuple[str, ...]) -> None:
    assert terminal("diagnose", *words).code == 2
    assert answers.asked == []


def test_of_files_no_service_is_asked(terminal: Terminal, answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("fine\n", encoding="utf-8")
    assert terminal("diagnose", "--file", str(tmp_path / "a.log")).code == 0
    assert answers.asked == []
