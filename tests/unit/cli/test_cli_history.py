"""The command history, over a real service and a journal as the product writes it."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import click
import pytest

from jobwarden.cli.history_tables import spark
from jobwarden.cli.main import main
from jobwarden_registry.rawjson import Raw, write_json
from support.fake_service import Ran, Terminal
from support.household import Household, household
from support.journals import a_life, add_session

NOW = datetime.now(UTC)


@pytest.fixture
def home(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with household(clean_environment) as made:
        events: list[Raw] = []
        for number in range(30):
            begun = NOW - timedelta(days=3) + timedelta(hours=number)
            status = "FAILED" if number >= 28 else "COMPLETED"
            events += a_life(
                str(100 + number), Random(number), begun, seq=len(events) + 1, session="one", status=status,
                name="=train" if number % 2 else "eval", metrics=3, ran_s=100.0 + number,
            )  # fmt: skip
        add_session(made, "one", b"".join(write_json(event) + b"\n" for event in events), NOW)
        yield made


@pytest.fixture
def terminal(home: Household, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(home.project)

    def type_in(*words: str, env: object = None) -> Ran:
        code = main([*words, "--session", "one"], env=home.env, clock=lambda: NOW)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return type_in


def test_the_list_says_what_was_left_out_and_how_to_see_it(terminal: Terminal) -> None:
    ran = terminal("history", "--limit", "5")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0] == "30 ended jobs of this project: 28 succeeded, 2 failed"
    assert lines[1].split() == ["STATE", "JOB", "ID", "HOST", "ENDED", "TIME", "WAITED", "REMARK"]
    assert lines[2].split()[:3] == ["FAILED", "=train", "129"]
    assert lines[-1] == "Shown are 5; 25 older: --page 2, or --limit N"


def test_one_job_is_told_with_its_metrics_drawn(terminal: Terminal) -> None:
    ran = terminal("history", "110")
    assert "loss" in ran.out
    assert "3 values, 1 to 0.333333" in ran.out
    assert "registered eval" in ran.out


def test_statistics_say_what_they_are_over_and_what_goes_wrong(terminal: Terminal) -> None:
    ran = terminal("history", "--stats")
    assert "OK is of those that succeeded or failed" in ran.out
    assert "eval: 1 x CUDA out of memory" in ran.out
    everyone = terminal("history", "--stats", "--by", "type").out
    assert "slurm: failed 2 times in a row, last 129" in everyone


def test_a_program_gets_json_and_csv(terminal: Terminal) -> None:
    told = json.loads(terminal("history", "--json").out)
    assert (len(told["jobs"]), told["counts"]["total"], told["after"]) == (20, 30, 10)
    rows = list(csv.DictReader(io.StringIO(terminal("history", "--csv").out)))
    assert len(rows) == 30
    assert (rows[0]["id"], rows[0]["status"], rows[0]["ran_s"]) == ("129", "FAILED", "129")
    assert rows[0]["name"] == "'=train", "a spreadsheet would run it"
    groups = list(csv.DictReader(io.StringIO(terminal("history", "--stats", "--csv").out)))
    assert [group["name"] for group in groups] == ["'=train", "eval", "all"]
    assert groups[1]["success_rate"] == "0.933333"
    assert json.loads(terminal("history", "--stats", "--json").out)["total"]["runs"] == 30


def test_comma_separated_values_lose_no_second_and_hold_nothing_that_a_terminal_or_a_spreadsheet_obeys(
    home: Household, terminal: Terminal
) -> None:
    begun = NOW - timedelta(days=20)
    life = a_life(
        "7", Random(1), begun, seq=1, session="long", status="COMPLETED", name="\x1b[2Jgone\n=evil", ran_s=1234567.0,
        tags=["=cmd()", "b"],
    )  # fmt: skip
    add_session(home, "long", b"".join(write_json(event) + b"\n" for event in life), NOW)
    out = terminal("history", "7", "--scope", "user", "--csv").out
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["ran_s"] == "1234567"
    assert row["tags"] == "'=cmd() b"
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_what_does_not_fit_into_comma_separated_values_is_said_beside_them(terminal: Terminal) -> None:
    ran = terminal("history", "--csv", "--limit", "5")
    assert len(ran.out.splitlines()) == 6
    assert ran.err == "5 of 30 are in it; --page 2 has older ones.\n"
    assert terminal("history", "--csv").err == ""


@pytest.mark.parametrize("job", [(), ("110",)])
def test_a_drawing_is_whole_and_holds_nothing_that_runs(
    terminal: Terminal, home: Household, job: tuple[str, ...]
) -> None:
    ran = terminal("history", *job, "--plot", "out.svg")
    assert ran.code == 0, ran.err
    drawn = (home.project / "out.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(drawn)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "rect", "text", "line", "circle", "polyline"}
    assert "circle" in names


def test_what_cannot_be_drawn_or_asked_says_what_to_do(terminal: Terminal, home: Household) -> None:
    png = terminal("history", "--plot", "out.png")
    assert (png.code, "rsvg-convert" in png.err) == (2, True)
    assert not (home.project / "out.png").exists()
    assert terminal("history", "--plot", "a.svg", "--csv").code == 2
    assert terminal("history", "--state", "running").code == 2
    assert terminal("history", "--plot", "no/such/folder.svg").code == 2
    missing = terminal("history", "nobody")
    assert (missing.code, "scope" in missing.err) == (6, True)


def test_a_history_with_nothing_new_shown_tells_an_agent_its_news_later(terminal: Terminal, home: Household) -> None:
    terminal("history", "--csv")
    assert not (home.places.state / "sessions" / "one" / "cursors.json").exists()


def test_sparks_are_as_high_as_the_numbers() -> None:
    assert spark([1.0]) == ""
    assert len(spark(list(map(float, range(100))))) == 24
    drawn = spark([0.0, 1.0, 0.5])
    assert drawn[1] > drawn[2] > drawn[0] or not drawn.isascii() or drawn == "_#+"


@pytest.mark.parametrize("words", [(), ("--stats",)])
def test_on_a_terminal_of_80_columns_no_cell_is_torn(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = click.unstyle(terminal("history", *words).out).splitlines()
    head = lines[1].split()
    assert head == (
        ["NAME", "RUNS", "OK", "FAILED", "CANC", "LOST", "TIME"] if words else ["STATE", "JOB", "ID", "HOST", "TIME"]
    )
    assert all(len(line) <= 80 for line in lines)
    assert lines[3].startswith("  "), "what has no column stands below"
    assert ("last failed" if words else "cause: CUDA") in "\n".join(lines)


def test_a_page_beyond_the_end_names_no_other_that_is_empty(terminal: Terminal) -> None:
    assert terminal("history", "--page", "9").out.splitlines()[-1] == "Shown are 0; 30 newer: leave out --page"
