"""Every case of the corpus without a cluster: jobwarden is right at every moment, however the polls fall.

The recordings are from a real Slurm; those marked as edited show what a real one could not be made to show.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import naive_rules
import replay
from emulated import Ask, NotEmulatedError
from jobwarden.sources.slurm.recording import as_text
from recorder.edited import EDITED
from recorder.results import page
from recorder.writing import file_name
from support.corpus import Jobwarden

RECORDINGS = {recording["case"]: recording for recording in replay.load()}
ROOT = Path(__file__).parents[3]

FOLLOWED = 4
"""Looks after each beginning: what one that begins late may take wrong, it takes wrong then."""

each_case = pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS.keys())


@each_case
def test_jobwarden_is_right_at_every_moment(recording: replay.Recording) -> None:
    wrong = [one for one in replay.run(Jobwarden, recording) if not one.is_right]
    assert wrong == []


@each_case
def test_it_ends_once_with_the_true_exit_code_and_attempts(recording: replay.Recording) -> None:
    for job, end in recording["end"].items():
        verdict = Jobwarden()
        for moment in replay.moments(recording):
            verdict(Ask(recording, moment), job)
        assert verdict.record is not None
        assert verdict.record.phase.value == end["phase"]
        assert verdict.finished == (end["phase"] in replay.ENDED)
        assert (verdict.record.exit_code, verdict.record.signal) == (end["exit_code"], end["signal"])
        if "attempts" in end:
            assert len(verdict.record.attempts) == end["attempts"]


@each_case
def test_who_comes_after_the_end_finds_every_run_in_accounting(recording: replay.Recording) -> None:
    if "reused_s" in recording:
        pytest.skip("the id is another job's by then")
    for job, end in recording["end"].items():
        if "attempts" not in end:
            continue
        verdict = Jobwarden()
        assert verdict(Ask(recording, list(replay.moments(recording))[-1]), job) == end["phase"]
        assert verdict.record is not None
        assert len(verdict.record.attempts) == end["attempts"]


@each_case
def test_it_is_right_wherever_watching_begins_and_whichever_looks_it_gets(recording: replay.Recording) -> None:
    """Who has not seen the beginning may not know at first, and says so; wrong it may never be."""
    # Who begins to look when the id is another job's means that one.
    whole = [moment for moment in replay.moments(recording) if moment["at"] < recording.get("reused_s", float("inf"))]
    for job in recording["jobs"]:
        # Of the repetitions of the last answer one beginning is as good as another.
        beginnings = [at for at, moment in enumerate(whole) if moment["at"] <= recording["observed_s"] + 90]
        for first in beginnings:
            for step in (1, 3):
                _follow(recording, job, whole[first::step][:FOLLOWED])


def _follow(recording: replay.Recording, job: str, moments: Sequence[Any]) -> None:
    verdict = Jobwarden()
    for moment in moments:
        word = verdict(Ask(recording, moment), job)
        said = replay.Saying(moment["at"], job, word, frozenset(moment["right"][job]) | {"unknown"})
        assert said.is_right, (said, moments[0]["at"])


@each_case
def test_the_truth_never_lets_a_live_job_have_ended(recording: replay.Recording) -> None:
    """Of the recording itself: nothing ended lives again, and the last truth is the end."""
    for job, end in recording["end"].items():
        over = False
        for moment in replay.moments(recording):
            right = set(moment["right"][job])
            assert right
            assert right <= replay.WORDS
            assert not over or right & (replay.ENDED | {"lost"})
            assert not right & replay.ENDED or end["phase"] in right
            over = over or bool(right & replay.ENDED)
        assert over or end["phase"] not in replay.ENDED
        assert not over or end["phase"] in replay.ENDED | {"lost"}


def test_the_corpus_says_how_each_case_was_made() -> None:
    assert len(RECORDINGS) >= 35
    for recording in RECORDINGS.values():
        assert recording["how"] in ("recorded", "edited")
        assert ("edits" in recording) == (recording["how"] == "edited")


@pytest.mark.parametrize("make", EDITED)
def test_an_edited_case_is_what_the_recorded_one_and_its_edit_make(make: Callable[[], dict[str, Any]]) -> None:
    made = make()
    path = replay.CASES / file_name(made["case"])
    assert path.read_text(encoding="utf-8") == as_text(made), "run: python tests/recorder/edited.py"


def test_no_name_of_the_test_cluster_is_left_in_a_recording() -> None:
    for path in sorted(replay.CASES.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("alice", "bob", "/tmp", "localhost", "testbed") if word in text], path.name


def test_the_table_in_the_docs_is_what_the_replay_finds() -> None:
    """Written by `python tests/recorder/results.py`."""
    assert (ROOT / "docs" / "verdict-corpus.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("rule", naive_rules.RULES.values(), ids=naive_rules.RULES.keys())
def test_each_comparison_rule_runs_over_everything_and_errs_somewhere(rule: replay.Verdict) -> None:
    found = replay.tally(rule, list(RECORDINGS.values()))
    assert found.cases == len(RECORDINGS)
    assert found.wrong


def test_what_was_not_recorded_is_not_invented() -> None:
    recording = RECORDINGS["completed"]
    ask = Ask(recording, next(replay.moments(recording)))
    for argv in (["squeue", "-o", "%y"], ["sacct", "-o", "MaxRSS"], ["sinfo"], ["scontrol", "show", "config"]):
        with pytest.raises(NotEmulatedError):
            ask(argv)


def test_the_replay_needs_nothing_but_the_standard_library() -> None:
    command = [sys.executable, "-S", "-E", str(ROOT / "corpus" / "replay.py"), "naive_rules:left_the_queue"]
    shown = subprocess.run([*command, "--case", "requeued"], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("requeued: scontrol requeue while it runs")
    assert "succeeded" in shown
    counted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert counted.returncode == 1
    assert "| naive_rules:left_the_queue |" in counted.stdout
