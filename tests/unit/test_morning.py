"""The two policies of bench/bench_morning.py, on texts as Slurm and the tools really print them."""

from __future__ import annotations

import pytest

from support.morning import POLL_ENDS, Context, Polling, Waiting, look_closer, read_news, read_state

NEWS = """NEWS
18:42:38Z slurm:2 on cluster-b (train): RUNNING -> FAILED; ended: failed, exit 1, cause: KeyError: 'labels'
18:42:38Z slurm:4 on cluster-b (export): PENDING -> RUNNING
2 of 4 completed (1 failed), 2 running
job (slurm) on cluster-b	status	elapsed	name	note
2	FAILED	48s	train	exit 1, ended 18:42:34Z
Next: diagnose_job(job="2") shows why and what to change."""
REQUEUED = """NEWS
18:42:21Z slurm:4 on cluster-b (export): RUNNING -> PENDING; requeued: Run 2.
1 of 4 completed, 2 running, 1 pending"""
QUIET = "No change in 25m: 1 of 4 completed, 3 running. Call wait_for_change again, or go on with other work."


@pytest.mark.parametrize(
    ("answer", "state"),
    [("RUNNING\n", "RUNNING"), ("  FAILED \n", "FAILED"), ("CANCELLED by 1000\n", "CANCELLED"), ("", ""), ("\n", "")],
)
def test_a_poll_reads_the_one_word_of_an_answer(answer: str, state: str) -> None:
    assert read_state(answer) == state


def test_a_poll_tells_changes_alone_and_asks_no_more_about_what_it_takes_for_ended() -> None:
    policy = Polling({"1": "", "2": ""})
    assert policy.hear("1", "", 0.0) is None, "silence is no change"
    first = policy.hear("1", "RUNNING\n", 1.0)
    assert first is not None
    assert (first.words, first.ended, first.again) == (["RUNNING"], False, False)
    assert policy.hear("1", "RUNNING\n", 2.0) is None
    again = policy.hear("1", "PENDING\n", 3.0)
    assert again is not None
    assert (again.words, again.ended, again.again) == (["RUNNING", "PENDING"], False, True)
    end = policy.hear("1", "COMPLETED\n", 4.0)
    assert end is not None
    assert (end.words, end.ended) == (["PENDING", "COMPLETED"], True)
    assert policy.last == {"2": ""}


def test_a_poll_takes_a_preempted_job_for_ended_and_a_requeued_one_not() -> None:
    """As the list of words says that such functions come with; Slurm's accounting shows both in between two runs."""
    assert "PREEMPTED" in POLL_ENDS
    assert "REQUEUED" not in POLL_ENDS


def test_what_is_looked_at_closer_depends_on_the_end() -> None:
    assert look_closer("7", "COMPLETED").startswith("sacct -j 7 ")
    assert look_closer("7", "FAILED") == "tail -n 80 slurm-7.out"


def test_the_news_of_an_answer_are_read_line_by_line() -> None:
    failed, running = read_news(NEWS, 5.0)
    assert (failed.job, failed.words, failed.ended, failed.at) == ("2", ["RUNNING", "FAILED"], True, 5.0)
    assert (running.job, running.words, running.ended, running.again) == ("4", ["PENDING", "RUNNING"], False, False)
    (requeued,) = read_news(REQUEUED, 5.0)
    assert (requeued.ended, requeued.again) == (False, True)
    assert read_news(QUIET, 5.0) == []


def test_waiting_looks_into_what_failed_and_knows_what_is_alive() -> None:
    policy = Waiting({"2", "4"})
    told, failed = policy.hear(NEWS, 1.0)
    assert [each.job for each in told] == ["2", "4"]
    assert failed == ["2"]
    assert policy.alive == {"4"}


def test_a_context_counts_bytes_and_turns() -> None:
    context = Context()
    context.call("abc", "é")
    context.notice("1234")
    assert (context.turns, context.calls, context.written, context.read) == (2, 1, 3, 6)
