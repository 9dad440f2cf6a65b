"""`jobwarden tail -f`: how growing logs are printed on a terminal, in a pipe and for programs, and its exit codes."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Sequence

import pytest

from jobwarden.cli.growing import PipePrinter, TerminalPrinter, choose_printer
from jobwarden.logs.colours import Line
from jobwarden.logs.follow import Feed
from jobwarden.service.told import Began, Ended, Noted, Told, Wrote
from jobwarden_registry.phases import Phase
from support.fake_service import NOW, Answers, Terminal, job

RED = Line((("31", "red"), ("", " plain")))


def line(text: str) -> Line:
    return Line((("", text),))


def ended(number: int = 0, /, unread: bool = False, **fields: object) -> Ended:
    base: dict[str, object] = {"name": "ptq", "phase": Phase.SUCCEEDED, "status": "COMPLETED", "ended_at": NOW}
    return Ended(number, job(**{**base, **fields}), unread)


STORY: list[Told] = [
    Began((job("1", name="ptq"), job("2", name="sft"))),
    Noted(0, "there is no file /out yet"),
    Wrote(0, (RED,)),
    Wrote(1, (line("one"), line("two"))),
    ended(0),
    ended(1, name="sft", phase=Phase.FAILED, status="FAILED", exit_code=3),
]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Screen:
    """What a terminal shows of what is written to it, as far as our own sequences go; rows never wrap."""

    def __init__(self, text: str) -> None:
        self.rows, at, column = [""], 0, 0
        for part in re.findall(r"\x1b\[(\d*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)", text):
            count, final, move, written = part
            match final or move:
                case "A":
                    at -= int(count)
                case "J":
                    assert column == 0
                    del self.rows[at:]
                    self.rows.append("")
                case "\r":
                    column = 0
                case "\n":
                    at, column = at + 1, 0
                    self.rows += [""] * (at + 1 - len(self.rows))
                case _:
                    self.rows[at] = self.rows[at][:column] + written + self.rows[at][column + len(written) :]
                    column += len(written)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], tuple[io.StringIO, io.StringIO]]:
    def make(tty: bool) -> tuple[io.StringIO, io.StringIO]:
        out, err = (Tty(), Tty()) if tty else (io.StringIO(), io.StringIO())
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        return out, err

    return make


Streams = Callable[[bool], tuple[io.StringIO, io.StringIO]]


def printed(story: Sequence[Told], streams: Streams, *, tty: bool, colour: str = "auto", **env: str) -> tuple[str, str]:
    out, err = streams(tty)
    printer = choose_printer(env, lambda: NOW, colour=colour, as_json=False)
    for number, told in enumerate(story):
        printer.take(told, float(number))
    printer.close()
    return out.getvalue(), err.getvalue()


def test_in_a_pipe_lines_have_their_jobs_names_and_no_colours(streams: Streams) -> None:
    out, err = printed(STORY, streams, tty=False)
    assert out == "ptq| red plain\nsft| one\nsft| two\n"
    assert err.splitlines()[0] == "ptq: there is no file /out yet"
    assert [said.partition(";")[0] for said in err.splitlines()[1:]] == [
        "ptq (12345) on cluster-a: COMPLETED after 1:02:03",
        "sft (12345) on cluster-a: FAILED after 1:02:03",
    ]
    assert "exit code 3" in err


def test_on_a_terminal_colours_are_kept_and_what_is_said_is_dim(streams: Streams) -> None:
    out, err = printed(STORY, streams, tty=True)
    assert "\x1b[36mptq|\x1b[0m \x1b[0;31mred\x1b[0m plain\n" in out
    assert "\x1b[33msft|\x1b[0m one\n" in out
    assert err.splitlines()[0] == "\x1b[2mptq: there is no file /out yet\x1b[0m"


@pytest.mark.parametrize(
    ("tty", "colour", "env", "coloured"),
    [
        (False, "always", {}, True),
        (True, "never", {}, False),
        (True, "auto", {"NO_COLOR": "1"}, False),
        (True, "auto", {"TERM": "dumb"}, False),
        (True, "auto", {"TERM": "xterm"}, True),
    ],
)
def test_colours_are_as_asked_for(
    streams: Streams, tty: bool, colour: str, env: dict[str, str], coloured: bool
) -> None:
    out, err = printed(STORY, streams, tty=tty, colour=colour, **env)
    assert ("\x1b[0;31m" in out) is coloured
    assert ("\x1b[" in err) is coloured


def test_one_job_has_no_prefix_and_jobs_of_one_name_are_told_apart(streams: Streams) -> None:
    one: list[Told] = [Began((job("1", name="ptq"),)), Wrote(0, (line("a"),))]
    assert printed(one, streams, tty=False)[0] == "a\n"
    same: list[Told] = [Began((job("1", name="ptq"), job("2", name="ptq"))), Wrote(1, (line("a"),))]
    assert printed(same, streams, tty=False)[0] == "2| a\n"


def test_a_bar_is_redrawn_in_place_and_what_is_said_stands_above_it(streams: Streams) -> None:
    feed, story = Feed(), list[Told]([Began((job("1"),))])
    for percent in range(0, 100, 10):
        lines = tuple(feed.take(b"\r%d%%" % percent))
        story.append(Wrote(0, lines, tuple(feed.pending())))
    story += [Noted(0, "hello"), Wrote(0, tuple(feed.take(b"\r100%\ndone\n")), ())]
    out, _ = printed(story, streams, tty=True)
    assert Screen(out).rows == ["100%", "done", ""]
    assert "90%" in out
    assert out.count("\n") == 2


def test_rows_that_change_are_as_wide_as_the_terminal_at_most(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TerminalPrinter, "_size", staticmethod(lambda: (20, 5)))
    rows = (line("x" * 50), line("日本" * 20), line("tab\tafter"))
    story: list[Told] = [Began((job("1", name="a"), job("2", name="b"))), Wrote(0, (), rows)]
    out, _ = printed(story, streams, tty=True, colour="never")
    assert out == "a| " + "x" * 16 + "\na| " + "日本" * 4 + "\na| tab    after\n"


def test_in_a_pipe_a_bar_shows_its_last_state_alone(streams: Streams) -> None:
    feed, story = Feed(), list[Told]([Began((job("1"),))])
    for percent in range(0, 110, 10):
        story.append(Wrote(0, tuple(feed.take(b"\r%d%%" % percent)), tuple(feed.pending())))
    story.append(Wrote(0, tuple(feed.take(b"\ndone\n")), ()))
    assert printed(story, streams, tty=False)[0] == "100%\ndone\n"


def pipe(streams: Streams) -> tuple[PipePrinter, io.StringIO]:
    out, _ = streams(False)
    printer = choose_printer({}, lambda: NOW, colour="auto", as_json=False)
    assert isinstance(printer, PipePrinter)
    printer.take(Began((job("1", name="a"), job("2", name="b"))), 0.0)
    return printer, out


def test_in_a_pipe_an_unfinished_line_is_shown_when_it_stands_still_and_then_finished(streams: Streams) -> None:
    printer, out = pipe(streams)
    printer.take(Wrote(0, (), (line("loading"),)), 1.0)
    printer.tick(1.5)
    assert out.getvalue() == ""
    printer.tick(4.0)
    printer.tick(30.0)
    assert out.getvalue() == "a| loading"
    printer.take(Wrote(0, (line("loading done"),), ()), 31.0)
    assert out.getvalue() == "a| loading done\n"


def test_in_a_pipe_an_unfinished_line_makes_room_for_another_jobs(streams: Streams) -> None:
    printer, out = pipe(streams)
    printer.take(Wrote(0, (), (line("loading"),)), 1.0)
    printer.tick(4.0)
    printer.take(Wrote(1, (line("other"),), ()), 5.0)
    printer.take(Wrote(0, (line("loading done"),), ()), 6.0)
    printer.close()
    assert out.getvalue() == "a| loading\nb| other\na| loading done\n"


def test_in_a_pipe_a_bar_that_never_stands_still_is_shown_now_and_then(streams: Streams) -> None:
    printer, out = pipe(streams)
    for second in range(60):
        printer.take(Wrote(0, (), (line(f"{second}%"),)), float(second))
        printer.tick(second + 0.5)
    printer.close()
    shown = out.getvalue().splitlines()
    assert 4 <= len(shown) <= 6
    assert shown == sorted(shown, key=lambda text: int(text[3:-1]))


def test_a_program_gets_one_object_a_line(terminal: Terminal, answers: Answers) -> None:
    answers.told = STORY
    ran = terminal("tail", "-f", "1", "2", "--json")
    said = [json.loads(row) for row in ran.out.splitlines()]
    kinds = [(row["job"], *(row.keys() - {"job", "host"})) for row in said]
    assert kinds == [("1", "note"), ("1", "line"), ("2", "line"), ("2", "line"), ("1", "ended"), ("2", "ended")]
    assert said[1] == {"job": "1", "host": "cluster-a", "line": "red plain"}
    assert said[-1]["ended"]["status"] == "FAILED"
    assert ran.err == ""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (ended(), 0),
        (ended(phase=Phase.FAILED), 3),
        (ended(phase=Phase.LOST, unread=True), 3),
        (ended(unread=True), 4),
        (ended(phase=Phase.RUNNING, status="RUNNING", ended_at=None), 4),
    ],
)
def test_the_exit_code_tells_how_the_job_ended(terminal: Terminal, answers: Answers, end: Ended, code: int) -> None:
    answers.told = [Began((job("1"),)), end]
    assert terminal("tail", "-f", "1").code == code


def test_what_is_asked_for_is_asked_for(terminal: Terminal, answers: Answers) -> None:
    terminal("tail", "-f", "a", "b", "-n", "5", "--stream", "stderr", "--task", "7")
    assert answers.asked == [
        ("follow_logs", {"jobs": ("a", "b"), "lines": 5, "stream": "stderr", "task": "7"}),
    ]


@pytest.mark.parametrize("words", [("a", "b"), ("-f", "a", "--grep", "x"), ("-f", "a", "--cursor", "x"), ("-f",)])
def test_what_does_not_go_together_is_refused(terminal: Terminal, answers: Answers, words: Sequence[str]) -> None:
    assert terminal("tail", *words).code == 2
    assert answers.asked == []
