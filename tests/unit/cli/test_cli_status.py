"""What `status` and `wait` say, and the exit codes by which a script knows."""

from __future__ import annotations

import json
from datetime import timedelta

import click
import pytest

from jobwarden.cli.tables import show, status_text
from jobwarden.service.views import StatusView
from jobwarden_registry.phases import Phase
from support.fake_service import NOW, Answers, Terminal, event, failed_job, job, status_view

ENDED = {"ended_at": NOW, "phase": Phase.SUCCEEDED, "status": "COMPLETED"}
STALE = {"stale_since": NOW - timedelta(minutes=5), "stale_because": "ssh.refused: refused"}


@pytest.mark.parametrize(
    ("view", "code"),
    [
        (status_view(), 0),
        (status_view(job()), 0),
        (status_view(job(**ENDED)), 0),
        (status_view(job(), failed_job()), 3),
        (status_view(job(phase=Phase.CANCELLED, status="CANCELLED")), 3),
        (status_view(job(phase=Phase.LOST, status="RUNNING")), 3),
        (status_view(job(phase=Phase.UNKNOWN, status="")), 0),
        (status_view(job(**STALE)), 4),
        (status_view(job(), troubles=("cluster-a does not answer",)), 4),
        (status_view(failed_job(), job(**STALE)), 3),
    ],
)
def test_the_exit_code_of_status_says_what_a_script_must_know(
    terminal: Terminal, answers: Answers, view: StatusView, code: int
) -> None:
    answers.status = view
    assert terminal("status").code == code


@pytest.mark.parametrize(
    ("view", "code"),
    [
        (status_view(job(**ENDED), met=True), 0),
        (status_view(failed_job(), met=True), 3),
        (status_view(job(), met=False), 5),
        (status_view(job(**STALE), met=False), 4),
        (status_view(job(**ENDED), job(**STALE), met=True), 0),
    ],
)
def test_the_exit_code_of_wait_says_whether_it_happened(
    terminal: Terminal, answers: Answers, view: StatusView, code: int
) -> None:
    answers.waits = [view]
    assert terminal("wait", "--timeout", "1").code == code


def test_the_first_line_tells_the_results_of_what_has_ended(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(job(result="MMLU-Pro 42.3 %", **ENDED), job())
    assert terminal("status").out.splitlines()[0] == "1 of 2 completed (MMLU-Pro 42.3 %), 1 running"


def test_what_ended_badly_comes_first_with_its_reason_and_the_next_step(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(job(name="eval"), failed_job(name="ptq", reason="NonZeroExitCode"))
    out = terminal("status").out
    lines = out.splitlines()
    assert lines[0] == "0 of 2 completed, 1 failed, 1 running"
    assert lines[2].split() == [
        "FAILED",
        "ptq",
        "12346",
        "cluster-a",
        "1:02:03",
        "exit",
        "code",
        "3;",
        "ended",
        "12:00:00",
    ]
    assert lines[3].split()[:3] == ["RUNNING", "eval", "12345"]
    assert lines[-1] == "Next: jobwarden diagnose ptq; jobwarden tail ptq"


def test_a_stale_state_is_called_the_last_known_one(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(job(**STALE), troubles=("cluster-a: ssh.refused",))
    out = terminal("status").out
    assert "last known state; no answer since 11:55:00: ssh.refused: refused" in out
    assert "Trouble: cluster-a: ssh.refused" in out
    assert out.endswith("Next: jobwarden doctor\n")


def test_a_cause_that_stands_below_is_not_said_in_every_row(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(
        failed_job(name="ptq"), job(**STALE), job("2", **STALE), troubles=("ssh.refused: refused",)
    )
    out = terminal("status").out
    assert out.count("no answer since 11:55:00") == 2
    assert out.count("ssh.refused: refused") == 1
    assert out.endswith("Next: jobwarden diagnose ptq; jobwarden tail ptq; jobwarden doctor\n")


def test_the_next_step_names_the_job_so_that_no_other_is_meant(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(failed_job(name="ptq"), job("9", name="ptq"))
    assert terminal("status").out.endswith("Next: jobwarden diagnose cluster-a:12346; jobwarden tail cluster-a:12346\n")


def test_a_job_without_a_first_answer_has_no_last_known_state(terminal: Terminal, answers: Answers) -> None:
    nowhere = job("9", phase="unknown", status="", reason="not known to squeue")
    answers.status = status_view(
        job(**STALE, phase="unknown", status=""), job("8", phase="unknown", status=""), nowhere
    )
    lines = terminal("status").out.splitlines()
    assert lines[2].endswith("1:02:03  no answer since 11:55:00: ssh.refused: refused")
    assert lines[3].endswith("1:02:03  no answer about it yet")
    assert lines[4].endswith("1:02:03  not known to squeue")


def test_a_wait_that_was_in_vain_says_so(terminal: Terminal, answers: Answers) -> None:
    answers.waits = [status_view(job(), met=False, waited_s=8.0)]
    assert "What was waited for has not happened (waited 0:08)." in terminal("wait", "--timeout", "8").out
    answers.waits = [status_view(job(**ENDED), met=True, waited_s=8.0)]
    assert "has not happened" not in terminal("wait", "--timeout", "8").out


def test_on_a_terminal_remarks_have_the_whole_line_and_commands_are_not_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    long = "n" * 100
    jobs = (failed_job(name="boom", reason="OutOfMemory"), job(name=long, status="COMPLETED 1, FAILED 2"))
    show(status_text(status_view(*jobs, failed_job(name=long)), NOW))
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert lines[1].split() == ["STATE", "JOB", "ID", "HOST", "TIME"]
    assert lines[2].split() == ["FAILED", "boom", "12346", "cluster-a", "1:02:03"]
    assert lines[3] == "  exit code 3; OutOfMemory; ended 12:00:00"
    assert [line for line in lines if len(line) > 80] == []
    assert "".join(lines).count("n") > 200
    show(status_text(status_view(failed_job(name=long)), NOW))
    assert (
        f"Next: jobwarden diagnose {long}; jobwarden tail {long}" in click.unstyle(capsys.readouterr().out).splitlines()
    )


def test_no_jobs_at_all_says_how_to_begin(terminal: Terminal) -> None:
    out = terminal("status").out
    assert out.startswith("No jobs are watched here.")
    assert "jobwarden register slurm" in out


def test_output_into_a_pipe_has_no_colour_and_one_line_a_job(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(failed_job(name="n" * 300, reason="r" * 300))
    out = terminal("status").out
    assert "\x1b" not in out
    assert len([line for line in out.splitlines() if "FAILED" in line]) == 1


def test_foreign_text_cannot_drive_the_terminal(terminal: Terminal, answers: Answers) -> None:
    evil = "a\x1b[2Jb\nc\u202ed"
    answers.status = status_view(
        job(evil, name=evil, reason=evil, host=evil, status=evil),
        troubles=(evil,),
        notes=(evil,),
        news=(event(text=evil),),
    )
    out = terminal("status").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "a\\x1b[2Jb c\\x202ed" in out


def test_news_are_told_in_one_line_each(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(job(), news=(event(),))
    assert "  #17 12:00:00 finished ptq (slurm 12345 on cluster-a): RUNNING -> COMPLETED" in terminal("status").out


def test_news_of_a_failure_carry_its_cause_and_so_does_its_row(terminal: Terminal, answers: Answers) -> None:
    failed = failed_job().model_copy(update={"cause": "KeyError: 'labels'"})
    answers.status = status_view(failed, news=(event(new_status="FAILED", record={"cause": "KeyError: 'labels'"}),))
    out = terminal("status").out
    assert "RUNNING -> FAILED; cause: KeyError: 'labels'" in out
    assert "cause: KeyError: 'labels'; ended" in out


def test_json_is_the_view_itself(terminal: Terminal, answers: Answers) -> None:
    answers.status = status_view(failed_job(), news=(event(),), troubles=("t",))
    ran = terminal("status", "--json")
    assert StatusView.model_validate(json.loads(ran.out)) == answers.status
    assert ran.code == 3


def test_a_person_is_shown_the_whole_project_and_an_agent_its_session(terminal: Terminal, answers: Answers) -> None:
    terminal("status")
    terminal("status", env={"CLAUDE_CODE_SESSION_ID": "abc"})
    terminal("status", "--scope", "session", "--no-refresh", "ptq")
    assert [asked[1] for asked in answers.asked] == [
        {"jobs": (), "refresh": True, "scope": "project"},
        {"jobs": (), "refresh": True, "scope": "session"},
        {"jobs": ("ptq",), "refresh": False, "scope": "session"},
    ]
    assert answers.callers[1].session_id == "abc"


def test_wait_has_no_limit_unless_told_and_waits_for_all_ends(terminal: Terminal, answers: Answers) -> None:
    first = status_view(job(), met=False, news=(event(1),), waited_s=600.0)
    last = status_view(job(**ENDED), met=True, news=(event(2),), waited_s=10.0)
    answers.waits = [first, last]
    ran = terminal("wait", "ptq", "--json")
    told = StatusView.model_validate(json.loads(ran.out))
    assert [news.seq for news in told.news] == [1, 2], "news of an earlier step must not be swallowed"
    assert told.waited_s == 610.0
    assert [asked[1]["until"] for asked in answers.asked] == ["all_terminal", "all_terminal"]
    assert ran.code == 0


def test_wait_ends_when_its_time_is_up(terminal: Terminal, answers: Answers) -> None:
    answers.waits = [status_view(job(), met=False), status_view(job(), met=False)]
    ran = terminal("wait", "--timeout", "700")
    assert [asked[1]["timeout_s"] for asked in answers.asked] == [600.0, 100.0]
    assert ran.code == 5


def test_a_wait_ends_at_once_when_nothing_is_left_that_could_change(terminal: Terminal, answers: Answers) -> None:
    """It asked again and again without a pause, at full load, for ever."""
    ended = status_view(job(**ENDED), met=False)
    answers.waits = [ended, ended, ended]
    terminal("wait", "--until", "change")
    assert len(answers.asked) == 1
