"""`jobwarden install`, as a person and a script meet it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.fake_service import Terminal


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "jobwarden"
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def home(clean_environment: Path) -> Path:
    return clean_environment


def test_where_nobody_can_be_asked_nothing_is_done(terminal: Terminal, program: Path, home: Path) -> None:
    for words in ((), ("--json",)):
        ran = terminal("install", "claude", *words)
        assert ran.code == 2
        assert "--dry-run" in ran.err
    assert not (home / ".claude.json").exists()


def test_a_dry_run_shows_the_lines_and_changes_nothing(terminal: Terminal, program: Path, home: Path) -> None:
    ran = terminal("install", "claude", "--dry-run")
    assert ran.code == 0
    assert "make ~/.claude.json" in ran.out
    assert f'+      "command": "{program}",' in ran.out
    assert "make 1 file in ~/.claude/skills/job-monitor" in ran.out
    assert "Nothing was changed." in ran.out
    assert not (home / ".claude.json").exists()


def test_yes_does_it_and_uninstall_undoes_it(terminal: Terminal, program: Path, home: Path) -> None:
    assert "Done." in terminal("install", "codex", "--yes").out
    assert "trusted" in terminal("install", "codex", "--dry-run").out
    assert (home / ".codex" / "hooks.json").exists()
    assert terminal("install", "codex", "--yes").out.startswith("Nothing is to be changed.")
    assert "Done." in terminal("install", "codex", "--uninstall", "--yes").out
    assert not (home / ".codex").exists()


@pytest.mark.parametrize(("answer", "there"), [("y", True), ("n", False), ("", True)])
def test_on_a_terminal_a_person_is_asked(
    terminal: Terminal, program: Path, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, there: bool
) -> None:
    asked: list[str] = []

    def answered(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", answered)
    ran = terminal("install", "claude")
    assert ran.code == 0
    assert (home / ".claude.json").exists() is there
    assert len(asked) == 1
    assert ("Done." in ran.out, "Nothing was changed." in ran.out) == (there, not there)


def test_programs_are_told_in_json(terminal: Terminal, program: Path, home: Path) -> None:
    told = json.loads(terminal("install", "claude", "--dry-run", "--json").out)
    assert told["written"] is False
    assert {one["change"] for one in told["changes"]} == {"make"}
    told = json.loads(terminal("install", "claude", "--yes", "--json").out)
    assert told["written"] is True
    assert json.loads(terminal("install", "claude", "--yes", "--json").out)["written"] is False


def test_a_plug_in_is_an_answer_and_no_error(terminal: Terminal, program: Path, home: Path) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"enabledPlugins": {"jobwarden@m": true}}')
    ran = terminal("install", "claude", "--yes")
    assert (ran.code, ran.out) == (
        0,
        "note: Claude Code has jobwarden as the plug-in jobwarden@m: beside it all would run twice.\n",
    )


def test_a_file_that_cannot_be_read_is_an_error_with_its_name(terminal: Terminal, program: Path, home: Path) -> None:
    (home / ".claude.json").write_text("{ broken")
    ran = terminal("install", "claude", "--yes")
    assert ran.code == 1
    assert ".claude.json is not JSON" in ran.err
    assert (home / ".claude.json").read_text() == "{ broken"
