"""register, run, tail, explain, cancel, watch, doctor, watcher: what is asked, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobwarden.mcp_server.run import PORT
from jobwarden.service.views import (
    CancelRow,
    CancelView,
    DiscoverView,
    DoctorView,
    FoundView,
    JobView,
    RegisterView,
    TailView,
    WatcherView,
)
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from support.fake_service import EVIDENCE, NOW, Answers, Terminal, check, event, failed_job, job


def test_register_passes_everything_on_and_says_the_first_state(terminal: Terminal, answers: Answers) -> None:
    words = "register slurm 12345 12346 --host cluster-a --user alice --name ptq --tag a --tag b --log /l --expect out"
    ran = terminal(*words.split(), "--ready", "8000", "--rule", "pattern=x", "--description", "PTQ of llama")
    assert answers.asked == [
        (
            "register",
            {
                "type": "slurm",
                "ids": ("12345", "12346"),
                "host": "cluster-a",
                "user": "alice",
                "name": "ptq",
                "tags": ("a", "b"),
                "log_path": "/l",
                "description": "PTQ of llama",
                "expect": ("out",),
                "ready": "8000",
                "rules": ("pattern=x",),
            },
        )
    ]
    assert ran.out.splitlines() == [
        "Watching ptq (slurm 12345 on cluster-a): RUNNING",
        "Next: jobwarden wait ptq; jobwarden tail ptq",
    ]
    assert ran.code == 0


def test_registering_twice_is_said(terminal: Terminal, answers: Answers) -> None:
    answers.register = RegisterView(jobs=(job(),), created=(False,), news=())
    assert terminal("register", "slurm", "12345").out.startswith("Watched already: 12345")


def test_run_takes_the_command_after_the_dashes_as_it_is(terminal: Terminal, answers: Answers) -> None:
    terminal("run", "--name", "n", "--", "python", "train.py", "--name", "theirs", "--json")
    verb, asked = answers.asked[0]
    assert verb == "run"
    assert asked["argv"] == ("python", "train.py", "--name", "theirs", "--json")
    assert (asked["name"], asked["cwd"]) == ("n", Path.cwd())


def test_the_log_alone_is_on_stdout(terminal: Terminal, answers: Answers) -> None:
    answers.tail = TailView(
        job=job(),
        path="/o\x1b",
        stream="stderr",
        text="one\ntwo",
        size_bytes=100,
        omitted_bytes=93,
        note="cut",
        cursor="c1",
    )
    ran = terminal("tail", "ptq", "-n", "2", "--stream", "stderr")
    assert ran.out == "one\ntwo\n"
    assert ran.err.splitlines() == ["/o\\x1b (100 bytes, 93 before that not shown)", "cut", "cursor: c1"]
    assert answers.asked == [("tail", {"job": "ptq", "lines": 2, "stream": "stderr"})]
    terminal("tail", "ptq", "--task", "3", "--cursor", "c1", "--grep", "a|b", "--context", "2")
    asked = {"job": "ptq", "lines": 80, "task": "3", "cursor": "c1", "grep": "a|b", "context": 2}
    assert answers.asked[1:] == [("tail", asked)]


@pytest.mark.parametrize(
    ("fields", "said"), [({"size_bytes": 4}, "/o (4 bytes)"), ({"size_bytes": None, "note": "no file"}, "/o")]
)
def test_of_a_log_no_size_is_said_that_says_nothing(
    terminal: Terminal, answers: Answers, fields: dict[str, object], said: str
) -> None:
    view = {"job": job(), "path": "/o", "stream": "stdout", "text": "", **fields}
    answers.tail = TailView.model_validate(view)
    assert terminal("tail", "ptq").err.splitlines()[0] == said


def _registered(*jobs: JobView) -> RegisterView:
    return RegisterView(jobs=jobs, created=(True,) * len(jobs), news=())


def test_a_registration_whose_host_is_silent_leads_to_doctor_and_is_no_success(
    terminal: Terminal, answers: Answers
) -> None:
    silent = job(phase="unknown", status="", stale_since=NOW, stale_because="ssh.unresolved: no such name")
    answers.register = _registered(silent)
    ran = terminal("register", "slurm", "12345")
    assert ran.out.splitlines() == [
        "Watching 12345 (slurm 12345 on cluster-a): UNKNOWN; no answer since 12:00:00: ssh.unresolved: no such name",
        "Next: jobwarden doctor --host cluster-a",
    ]
    assert ran.code == 4


def test_after_a_registration_no_wait_is_proposed_for_what_has_ended(terminal: Terminal, answers: Answers) -> None:
    answers.register = _registered(failed_job(name="boom"), job(name="my job"), job("7"))
    out = terminal("register", "slurm", "12346").out
    assert out.splitlines()[-1] == "Next: jobwarden wait 'my job' 7; jobwarden diagnose boom; jobwarden tail boom"
    answers.register = _registered(job(phase="succeeded", status="COMPLETED", name="fine"))
    assert terminal("register", "slurm", "1").out.splitlines()[-1] == "Next: jobwarden tail fine"


def test_explain_shows_when_what_was_asked_the_raw_lines_and_the_rule(terminal: Terminal, answers: Answers) -> None:
    parts = ("asked at 12:00:00", "$ sacct -j 12345", "| 12345|COMPLETED|0:0", f"rule: {EVIDENCE.rule}")
    out = terminal("explain", "ptq").out
    assert [out.count(part) for part in parts] == [1, 1, 1, 1]
    later = EVIDENCE.model_copy(update={"lines": ()})
    answers.explain = answers.explain.model_copy(update={"now": later})
    out = terminal("explain", "ptq").out
    assert [out.count(part) for part in parts] == [2, 2, 1, 2]
    assert "The present state rests on:" in out
    assert "| (no line about this job)" in out


@pytest.mark.parametrize(
    ("outcome", "code"), [("accepted", 0), ("already ended", 0), ("would cancel", 0), ("refused", 7), ("failed", 7)]
)
def test_cancel_tells_what_became_of_each(terminal: Terminal, answers: Answers, outcome: str, code: int) -> None:
    answers.cancel = CancelView(rows=(CancelRow(job=job(name="ptq"), outcome=outcome, text="why", ended=False),))
    ran = terminal("cancel", "ptq", "--reason", "r", "--force")
    assert ran.out.startswith(f"{outcome}: ptq (slurm 12345 on cluster-a): why")
    assert ran.code == code
    assert ("its end was not seen yet" in ran.out) == (outcome == "accepted")


@pytest.mark.parametrize("words", [("cancel",), ("cancel", "ptq", "--all")])
def test_cancel_wants_names_or_all_and_never_guesses(
    terminal: Terminal, answers: Answers, words: tuple[str, ...]
) -> None:
    assert terminal(*words).code == 2
    assert answers.asked == []


def test_watch_prints_one_line_for_each_event_that_it_is_given(terminal: Terminal, answers: Answers) -> None:
    answers.events = [event(1), event(3, event=EventKind.ACTION, text="x\ny"), event(4)]
    ran = terminal("watch", "--after", "0", "--count", "2")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["#1", "#3"]
    assert answers.asked == [("follow", {"after_seq": 0})]


def test_watch_json_is_one_event_a_line(terminal: Terminal, answers: Answers) -> None:
    answers.events = [event(1), event(2, event="from_a_newer_version")]
    lines = [json.loads(line) for line in terminal("watch", "--json").out.splitlines()]
    assert [(line["seq"], line["event"]) for line in lines] == [(1, "finished"), (2, "from_a_newer_version")]


def test_doctor_shows_the_command_that_mends_and_fails_on_a_problem(terminal: Terminal, answers: Answers) -> None:
    answers.doctor = DoctorView(
        checks=(check("ok"), check("warning", mend="loginctl enable-linger"), check("problem", subject="host a"))
    )
    ran = terminal("doctor", "--host", "a", "--host", "b")
    assert ran.code == 1
    assert "         mend: loginctl enable-linger" in ran.out.splitlines()
    assert ran.out.endswith("1 problem, 1 warning.\n")
    assert answers.asked == [("doctor", {"hosts": ("a", "b")})]


def test_doctor_is_content_with_warnings(terminal: Terminal, answers: Answers) -> None:
    answers.doctor = DoctorView(checks=(check("warning"),))
    assert terminal("doctor").code == 0
    answers.doctor = DoctorView(checks=(check("ok"),))
    assert terminal("doctor").out.endswith("All is well.\n")


def test_doctor_records_instead_of_looking_and_says_what_to_do_with_the_file(
    terminal: Terminal, answers: Answers
) -> None:
    ran = terminal("doctor", "--host", "a", "--record", "answers.json", "--for", "10m")
    path = Path.cwd() / "answers.json"
    assert answers.asked == [("record", {"host": "a", "path": path, "for_s": 600.0})]
    assert ran.out.splitlines()[0] == f"{path}: 2 moments of 1 jobs, 3 bytes."
    assert "Read it before you share it" in ran.out
    assert (ran.code, ran.err) == (0, "Recording what Slurm answers on a for 600 s.\n")
    assert json.loads(terminal("doctor", "--record", "answers.json", "--json").out)["host"] == "localhost"


@pytest.mark.parametrize("words", [("--host", "a", "--host", "b"), ("--for", "soon"), ("--for", "-1")])
def test_doctor_records_one_host_for_a_time_that_can_be_read(
    terminal: Terminal, answers: Answers, words: tuple[str, ...]
) -> None:
    assert terminal("doctor", "--record", "answers.json", *words).code == 2
    assert answers.asked == []


def test_the_watcher_can_be_looked_at_and_ended(terminal: Terminal, answers: Answers) -> None:
    ran = terminal("watcher", "status")
    assert (ran.code, ran.out) == (1, "not running\nlog: /state/watcher.log\n")
    assert terminal("watcher", "stop").out == "it was not running\n"
    answers.watcher = WatcherView(running=True, pid=7, version="1", started_at=NOW, log_path="/l")
    ran = terminal("watcher", "status")
    assert (ran.code, ran.out) == (0, "running since 12:00:00: pid 7, version 1\nlog: /l\n")
    assert terminal("watcher", "stop", "--json").out == '{"was_running": true}\n'
    assert terminal("watcher", "log").out == "/l\n"
    assert json.loads(terminal("watcher", "log", "--json").out) == {"log_path": "/l"}


@pytest.mark.parametrize(
    "words",
    [
        ("register", "slurm", "1"),
        ("run", "--", "true"),
        ("status",),
        ("tail", "x"),
        ("explain", "x"),
        ("cancel", "x"),
        ("doctor",),
        ("watcher", "status"),
        ("version",),
    ],
)
def test_every_answer_is_json_when_a_program_asks(terminal: Terminal, words: tuple[str, ...]) -> None:
    at = words.index("--") if "--" in words else len(words)
    assert isinstance(json.loads(terminal(*words[:at], "--json", *words[at:]).out), dict)


def test_the_session_can_be_named(terminal: Terminal, answers: Answers) -> None:
    terminal("status", "--session", "my-session")
    assert answers.callers[0].session_id == "my-session"
    assert terminal("status", "--session", "../evil").code == 2


def test_the_help_names_the_servers_own_port(terminal: Terminal) -> None:
    assert f"[default: {PORT};" in terminal("serve", "--help").out


FOUND = FoundView(
    type="slurm",
    id="77",
    host="cluster-a",
    phase=Phase.RUNNING,
    status="RUNNING",
    name="ptq\x1b[31m",
    what="partition normal, /home/alice",
    question="squeue",
    submitted_at=NOW,
    elapsed_s=61.0,
)


def test_discover_passes_everything_on_and_lists_what_nobody_watches(terminal: Terminal, answers: Answers) -> None:
    answers.discover = DiscoverView(watched=2, jobs=(FOUND,))
    ran = terminal("discover", "--host", "cluster-a", "--type", "slurm")
    assert answers.asked == [("discover", {"host": "cluster-a", "type": "slurm", "adopt": ()})]
    assert ran.out.splitlines()[0] == "1 jobs that nobody watches; 2 are watched here."
    (row,) = [line for line in ran.out.splitlines() if "slurm:77" in line]
    assert row.startswith("RUNNING")
    assert "\x1b" not in row
    assert row.endswith("partition normal, /home/alice  squeue")
    assert ran.out.splitlines()[-1] == "Next: jobwarden discover --adopt 77"
    assert ran.code == 0


def test_discover_says_what_was_adopted(terminal: Terminal, answers: Answers) -> None:
    answers.discover = DiscoverView(watched=3, jobs=(), adopted=(job("77"),))
    ran = terminal("discover", "--adopt", "77", "--adopt", "slurm:cluster-a:78", "--json")
    assert answers.asked[0][1]["adopt"] == ("77", "slurm:cluster-a:78")
    assert json.loads(ran.out)["adopted"][0]["id"] == "77"
    assert terminal("discover").out.startswith("Watching 1 more:")


def test_a_host_that_did_not_say_what_it_has_shows_in_the_exit_code(terminal: Terminal, answers: Answers) -> None:
    answers.discover = DiscoverView(watched=0, jobs=(), troubles=("slurm on cluster-a could not be asked",))
    ran = terminal("discover")
    assert "Trouble: slurm on cluster-a could not be asked" in ran.out
    assert ran.code == 4
