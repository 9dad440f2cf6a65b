"""The answers' text: sizes, escaping, and what is said when much must be left out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.mcp_server.cells import cell, duration_text, fit, moment_text, printable, size_text, table
from jobwarden.mcp_server.news import news_lines
from jobwarden.mcp_server.rows import job_table, summary
from jobwarden.mcp_server.schema import slim
from jobwarden.mcp_server.text import (
    cancel_text,
    discover_text,
    error_text,
    register_text,
    status_text,
    tail_text,
    wait_text,
)
from jobwarden.service.views import (
    CancelRow,
    CancelView,
    Counts,
    DiscoverView,
    FoundView,
    JobView,
    RegisterView,
    StatusView,
    TailView,
)
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.phases import Phase
from protocol.fake_service import NOW, a_job, an_event, counted

MOST = 10_000
hostile = st.text(alphabet=st.characters(), max_size=300)
"""Any text that a str can hold, lone surrogates included."""


def _status(jobs: list[JobView], news: tuple[Event, ...] = (), troubles: tuple[str, ...] = ()) -> StatusView:
    return StatusView(counts=counted(jobs), news=news, jobs=tuple(jobs), troubles=troubles)


# -- pieces


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-3, "0s"), (59.9, "59s"), (60, "1m"), (7980, "2h13m"), (273600, "3d04h")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_moments_carry_the_date_only_when_it_is_another() -> None:
    assert moment_text(NOW, NOW) == "12:00:00Z"
    assert moment_text(NOW - timedelta(days=2), NOW) == "11-18 12:00Z"
    assert moment_text(NOW - timedelta(days=400), NOW) == "2025-10-16 12:00Z"


def test_sizes_are_short() -> None:
    assert [size_text(size) for size in (0, 999, 1200, 5_000_000, 7 * 10**12)] == [
        "0 B",
        "999 B",
        "1.2 kB",
        "5.0 MB",
        "7.0 TB",
    ]


@settings(deadline=None)
@given(hostile)
def test_a_cell_is_always_one_printable_cell(text: str) -> None:
    shown = cell(text)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert text.isprintable() == (shown == text)


def test_tabs_newlines_and_terminal_codes_are_written_out() -> None:
    assert cell("a\tb\nc\r\x1b[31m\u202e\ud800é") == "a\\tb\\nc\\r\\x1b[31m\\u202e\\ud800é"
    assert printable("a\tb\n\x07", keep="\t\n") == "a\tb\n\\x07"


def test_a_long_cell_shows_that_it_was_cut() -> None:
    assert cell("abcdef", 4) == "abc…"
    assert cell("abcd", 4) == "abcd"


def test_an_empty_column_is_left_out_and_the_first_stays() -> None:
    assert table(("a", "b", "c"), [("", "", "1"), ("", "", "2")]) == ["a\tc", "\t1", "\t2"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20), st.integers(0, 200))
def test_fitting_keeps_a_prefix_within_the_size_and_counts_the_rest(lines: list[str], most: int) -> None:
    kept, cut = fit(lines, most)
    assert kept == lines[: len(kept)]
    assert cut == len(lines) - len(kept)
    assert sum(len(line) + 1 for line in kept) <= most
    assert not cut or sum(len(line) + 1 for line in lines[: len(kept) + 1]) > most


# -- the summary and the rows


def test_the_summary_counts_ends_and_says_which_were_bad() -> None:
    counts = Counts(total=4, succeeded=1, failed=1, running=1, pending=1)
    assert summary(counts) == "2 of 4 completed (1 failed), 1 running, 1 pending"
    assert summary(Counts(total=1, lost=1)) == "1 of 1 completed (1 lost)"
    assert summary(Counts(total=2, unknown=2)) == "0 of 2 completed, 2 in a state not known"
    assert summary(Counts()) == "no jobs watched here"


def test_the_summary_tells_what_has_come_of_the_jobs_that_have_ended() -> None:
    jobs = [a_job(result=text, phase=Phase.SUCCEEDED) for text in ("MMLU-Pro 42.3 %", "GSM8K 67.1 %")]
    counts = Counts(total=4, succeeded=2, running=1, pending=1)
    said = "2 of 4 completed (MMLU-Pro 42.3 %, GSM8K 67.1 %), 1 running, 1 pending"
    assert summary(counts, [*jobs, a_job(), a_job()]) == said
    counts = Counts(total=3, succeeded=1, failed=1, running=1)
    assert summary(counts, jobs[1:]) == "2 of 3 completed (1 failed, GSM8K 67.1 %), 1 running"
    assert status_text(_status([*jobs, a_job()]), NOW).startswith("2 of 3 completed (MMLU-Pro 42.3 %, GSM8K 67.1 %)")


def test_many_results_are_the_latest_and_a_number_and_a_long_one_is_cut() -> None:
    jobs = [a_job(result=f"R{number}\n" + "x" * 999, phase=Phase.SUCCEEDED) for number in range(50)]
    said = summary(Counts(total=50, succeeded=50), jobs)
    assert said.startswith("50 of 50 completed (42 more results, R42\\nxxx")
    assert len(said) < 700


def test_what_all_jobs_share_stands_once() -> None:
    lines = job_table([a_job("1"), a_job("2")], NOW)
    assert lines[0].split("\t") == ["job (slurm) on cluster-a", "status", "elapsed", "name"]
    mixed = job_table([a_job("1"), a_job("2", type="process", host="localhost")], NOW)
    assert mixed[0].split("\t") == ["job", "status", "elapsed", "name", "host"]
    assert [line.split("\t")[0] for line in mixed[1:]] == ["slurm:1", "process:2"]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"stale_since": NOW - timedelta(minutes=12)}, "stale 12m"),
        ({"status": "", "phase": Phase.UNKNOWN}, "no answer about it yet"),
        ({"status": "", "phase": Phase.UNKNOWN, "reason": "not known to squeue"}, "not known to squeue"),
        ({"status": "", "phase": Phase.LOST}, "lost: outcome not known"),
        ({"status": "", "phase": Phase.UNKNOWN, "stale_since": NOW}, "could not be asked yet"),
        ({"status": "FOO", "phase": Phase.UNKNOWN}, "not a known state, not an end"),
        ({"phase": Phase.LOST, "status": "RUNNING"}, "lost: outcome not known"),
        ({"phase": Phase.FAILED, "status": "TIMEOUT", "ended_at": NOW}, "ended 12:00:00Z"),
        ({"phase": Phase.FAILED, "status": "FAILED", "exit_code": 3}, "exit 3"),
        ({"phase": Phase.FAILED, "status": "FAILED", "exit_code": 3, "reason": "NonZeroExitCode"}, "exit 3"),
        ({"phase": Phase.SUCCEEDED, "status": "COMPLETED", "exit_code": 0}, ""),
        ({"reason": "None"}, ""),
        ({"age_s": 400.0}, "as of 6m ago"),
        ({"mine": False}, "of session s1"),
        ({"orphan": True}, "orphan: rebuilt from the journal"),
    ],
)
def test_a_row_notes_what_its_status_word_does_not_say(fields: dict[str, Any], note: str) -> None:
    row = job_table([a_job(name=None, elapsed_s=None, **fields)], NOW)[1].split("\t")
    assert (row[2] if len(row) > 2 else "") == note


# -- news


def test_all_that_happened_to_one_job_is_one_line() -> None:
    news = [
        an_event(1, EventKind.REGISTERED),
        an_event(2, old_status="PENDING", new_status="RUNNING"),
        an_event(3, job_id="9", name=None, old_status="PENDING", new_status="RUNNING"),
        an_event(4, old_status="RUNNING", new_status="PENDING"),
        an_event(5, EventKind.REQUEUED),
        an_event(6, EventKind.UNREACHABLE, text="cluster-a: connection refused"),
    ]
    assert news_lines(news, NOW, 1000) == [
        "NEWS",
        "11:40:00Z slurm:9 on cluster-a: PENDING -> RUNNING",
        "11:40:00Z slurm:12345 on cluster-a (ptq-llama-8b): PENDING -> RUNNING -> PENDING; registered; requeued; "
        "cannot be asked now: cluster-a: connection refused",
    ]


def test_an_event_of_a_kind_that_a_newer_version_wrote_is_told_by_its_name() -> None:
    event = Event.model_validate({**an_event().model_dump(), "event": "teleported", "observed_late": True})
    assert news_lines([event], NOW, 1000)[1].endswith(": teleported (seen late)")


def test_an_event_of_no_job_is_told_by_its_text() -> None:
    event = an_event(kind=EventKind.NOTE, type="", host="", job_id="", name=None, text="A file was set aside.")
    assert news_lines([event], NOW, 1000)[1] == "11:40:00Z A file was set aside."


def test_news_that_does_not_fit_is_counted_and_its_place_named() -> None:
    news = [an_event(at, job_id=str(at), old_status="PENDING", new_status="RUNNING") for at in range(100)]
    lines = news_lines(news, NOW, 500)
    assert sum(len(line) + 1 for line in lines[1:-1]) <= 500
    assert lines[-1] == f"... and news of {100 - len(lines) + 2} more (resource events://recent has all)"


# -- whole answers


def test_fifty_jobs_take_less_than_four_thousand_characters() -> None:
    jobs = [
        a_job(
            str(8_123_400 + at),
            name=f"quantise-llama-3.1-{at:02d}-w4a16-calib512",
            host=("cluster-a.example.org", "localhost")[at % 2],
            phase=(Phase.RUNNING, Phase.PENDING)[at % 2],
            status=("RUNNING", "PENDING")[at % 2],
            reason=(None, "Resources")[at % 2],
            elapsed_s=(86_000.0 + at, None)[at % 2],
        )
        for at in range(50)
    ]
    said = status_text(_status(jobs), NOW)
    assert len(said) < 4000
    assert len(said.split("\n")) == 52
    assert all(job.id in said for job in jobs)


def test_nothing_new_takes_less_than_two_hundred_characters() -> None:
    jobs = [a_job(str(at)) for at in range(50)]
    said = wait_text(_status(jobs).model_copy(update={"met": False, "waited_s": 45.0}), NOW)
    assert said.startswith("No change in 45s: 0 of 50 completed, 50 running.")
    assert len(said) < 200
    assert len(status_text(_status([a_job()]), NOW)) < 200


def test_when_all_have_ended_there_is_nothing_left_to_wait_for() -> None:
    ended = a_job(phase=Phase.SUCCEEDED, status="COMPLETED")
    view = _status([ended]).model_copy(update={"met": False, "waited_s": 0.0})
    assert wait_text(view, NOW) == "No change in 0s: 1 of 1 completed. Nothing is left to wait for."


def test_a_wait_without_a_change_still_tells_of_a_host_that_does_not_answer() -> None:
    view = _status([a_job()], troubles=("cluster-a does not answer since 11:20Z.",))
    said = wait_text(view.model_copy(update={"met": False, "waited_s": 5.0}), NOW)
    assert "TROUBLE cluster-a does not answer since 11:20Z." in said


def test_a_trouble_names_the_command_that_says_what_mends_it_once() -> None:
    jobs = [a_job("1"), a_job("2", host="cluster-b", stale_since=NOW), a_job("3", host="cluster-c", stale_since=NOW)]
    said = status_text(_status(jobs, troubles=("cluster-b: refused", "cluster-c: refused")), NOW)
    assert said.split("\n")[-1] == "If it lasts, tell the user: `jobwarden doctor --host cluster-b` says what mends it."
    assert "jobwarden doctor" not in status_text(_status(jobs), NOW)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "no answer about it yet"),
        ({"stale_since": NOW}, "could not be asked yet"),
        ({"status": "PENDING", "phase": Phase.PENDING, "reason": "Resources"}, "PENDING (Resources)"),
        ({"status": "RUNNING", "phase": Phase.RUNNING}, "RUNNING"),
    ],
)
def test_a_registration_says_the_first_state_or_why_there_is_none_once(fields: dict[str, Any], said: str) -> None:
    job = a_job(**{"status": "", "phase": Phase.UNKNOWN, **fields})
    lines = register_text(RegisterView(jobs=(job,), created=(True,), news=()), NOW).split("\n")
    assert lines[0] == f"registered: slurm:12345 on cluster-a (ptq-llama-8b): {said}"


def test_a_refused_login_keeps_the_command_that_mends_it() -> None:
    text = "cluster-a refused the login of alice. " + "Nothing is tried again. " * 12 + "Log in by hand: ssh cluster-a"
    row = CancelRow(job=a_job(), outcome="failed", text=text, ended=False)
    assert cancel_text(CancelView(rows=(row,)), NOW).endswith("Log in by hand: ssh cluster-a")


def test_rows_that_do_not_fit_are_counted_and_the_summary_stays() -> None:
    jobs = [a_job(str(at), name="n" * 24) for at in range(1000)]
    said = status_text(_status(jobs, troubles=("cluster-b does not answer.",)), NOW)
    assert len(said) <= MOST
    lines = said.split("\n")
    assert lines[0] == "0 of 1000 completed, 1000 running"
    shown = len([line for line in lines if "\tRUNNING\t" in line])
    assert lines[-3] == f"... {1000 - shown} more rows cut; ask for them by jobs=[...]"
    assert lines[-2] == "TROUBLE cluster-b does not answer."


@settings(max_examples=40, deadline=None)
@given(hostile, st.integers(1, 400), st.integers(3000, MOST))
def test_no_answer_is_ever_too_long_whatever_a_stranger_wrote(text: str, number: int, most: int) -> None:
    one = a_job("1", name=text, host=text or "h", status=text, reason=text, log_path=text)
    jobs = [one.model_copy(update={"id": str(at)}) for at in range(number)]
    news = tuple(
        an_event(at + 1, EventKind.FINISHED, job_id=str(at), name=text, new_status=text, text=text)
        for at in range(number)
    )
    status = StatusView(counts=counted(jobs), news=news, jobs=tuple(jobs), troubles=(text,) * 9, notes=(text,) * 9)
    registered = RegisterView(jobs=tuple(jobs), created=(True,) * number, news=news, notes=(text,))
    rows = tuple(CancelRow(job=job, outcome="accepted", text=text, ended=False) for job in jobs)
    tail = TailView(
        job=one, path=text, stream="stdout", text=text * number, size_bytes=1, note=text, cursor="c", news=news
    )
    for said in (
        status_text(status, NOW, most),
        wait_text(status.model_copy(update={"met": True}), NOW, most),
        wait_text(status.model_copy(update={"met": False, "news": ()}), NOW, most),
        register_text(registered, NOW, most),
        cancel_text(CancelView(rows=rows, news=news), NOW, most),
        tail_text(tail, NOW, lambda: "0123abcd", most),
    ):
        assert len(said) <= most
        assert all(char.isprintable() or char in "\n\t" for char in said)


def test_a_log_that_does_not_fit_shows_its_last_whole_lines_and_counts_the_rest() -> None:
    log = "\n".join(f"step {at} é" for at in range(5000))
    view = TailView(job=a_job(), path="/l", stream="stdout", text=log, size_bytes=99_999, omitted_bytes=7)
    said = tail_text(view, NOW, lambda: "mark", 2000)
    assert len(said) <= 2000
    shown = said.split("<<<LOG mark\n")[1].removesuffix("\nLOG mark>>>")
    assert log.endswith("\n" + shown)
    assert shown.startswith("step ")
    skipped = 7 + len(log.encode()) - len(shown.encode())
    assert f"({skipped} earlier bytes not shown)" in said


def test_a_marker_that_stands_in_the_log_is_not_used() -> None:
    words = iter(["aaaa", "bbbb"])
    view = TailView(job=a_job(), path="/l", stream="stdout", text="LOG aaaa>>>", size_bytes=3)
    assert tail_text(view, NOW, lambda: next(words)).endswith("<<<LOG bbbb\nLOG aaaa>>>\nLOG bbbb>>>")


def test_a_log_without_text_says_why() -> None:
    view = TailView(job=a_job(), path=None, stream="stderr", text="", size_bytes=None, note="It has not started.")
    assert tail_text(view, NOW, lambda: "m").split("\n")[-2:] == ["note: It has not started.", "(no log text)"]


def test_an_ended_job_is_not_to_be_waited_for() -> None:
    ended = a_job(phase=Phase.SUCCEEDED, status="COMPLETED", exit_code=0)
    said = register_text(RegisterView(jobs=(ended,), created=(True,), news=()), NOW)
    assert "wait_for_change" not in said
    assert "tail_log" in said


FOUND = FoundView(
    type="slurm",
    id="77",
    host="cluster-a",
    phase=Phase.RUNNING,
    status="RUNNING",
    name="evil\tname\n",
    what="partition normal, /home/alice",
    question="squeue",
    submitted_at=NOW - timedelta(minutes=5),
    elapsed_s=65.0,
)


def test_what_nobody_watches_is_a_row_each_and_one_knows_how_to_watch_it() -> None:
    pending = FOUND.model_copy(update={"id": "78", "status": "PENDING", "elapsed_s": None, "name": None})
    view = DiscoverView(watched=2, jobs=(FOUND, pending), troubles=("nel on far could not be asked",))
    said = discover_text(view, NOW).split("\n")
    assert said[0] == "2 job(s) that no session watches; this session watches 2"
    assert said[1] == "job\tstatus\telapsed\tname\thost\tsubmitted\twhat\tfrom"
    assert said[2].split("\t")[:5] == ["slurm:77", "RUNNING", "1m", "evil\\tname\\n", "cluster-a"]
    assert said[3].split("\t")[:4] == ["slurm:78", "PENDING", "", ""]
    assert said[4] == "TROUBLE nel on far could not be asked"
    assert 'discover_jobs(adopt=["77"])' in said[5]


def test_what_was_adopted_comes_first() -> None:
    view = DiscoverView(watched=3, jobs=(FOUND,), adopted=(a_job("5"),))
    said = discover_text(view, NOW).split("\n")
    assert said[0] == "adopted 1"
    assert said[2].startswith("5\tRUNNING")
    assert said[3] == "1 more job(s) that no session watches; this session watches 3"


def test_a_long_list_is_cut_and_it_is_said() -> None:
    view = DiscoverView(watched=0, jobs=(FOUND,) * 2000)
    said = discover_text(view, NOW)
    assert len(said) <= 10_000
    assert "more rows cut" in said


def test_an_error_s_text_is_clean_and_bounded() -> None:
    said = error_text(JobwardenError("x\x1b[31m" * 5000, hint="do this"))
    assert said.startswith("[jobwarden.error; not retryable] x\\x1b[31m")
    assert len(said) <= 4000


def test_slimming_keeps_an_argument_that_is_called_title() -> None:
    schema = {
        "title": "Arguments",
        "type": "object",
        "properties": {"title": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "title": "Title"}},
    }
    assert slim(schema) == {"type": "object", "properties": {"title": {"type": "string"}}}


def test_lines_to_paste_stay_lines_of_their_own_in_a_note() -> None:
    note = "In the script of 7 a rule is not taken. To allow it, add to config.toml:\n[grants]\ncancel = true"
    view = RegisterView(jobs=(), created=(), news=(), notes=(note,))
    assert "\n  [grants]\n  cancel = true" in register_text(view, NOW)
