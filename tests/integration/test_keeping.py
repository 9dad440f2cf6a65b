"""The commands that stop, look once, tell who did what and clean up, as a person types them, over real programs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from support.household import Household, cli, eventually, household


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment, {"linger_s": 60.0}) as made:
        yield made


def run(home: Household, *words: str, code: int = 0) -> str:
    done = cli(home, *words)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_everything_is_stopped_by_a_person_and_the_audit_and_cron_tell_it(home: Household) -> None:
    """The watcher is dead when it counts: stop-all does it itself."""
    assert run(home, "audit") == ""
    run(home, "run", "--name", "one", "--", "sleep", "600")
    run(home, "run", "--name", "two", "--session", "other", "--", "sleep", "600")
    assert run(home, "watch", "--once", "--all") == "", "the watcher looks itself"
    eventually(lambda: home.watcher_pid() is not None, "the watcher has begun")
    home.kill_watcher()
    assert run(home, "watch", "--once", "--all") == ""
    run(home, "stop-all", code=2)  # nobody is there to be asked
    told = run(home, "stop-all", "--dry-run")
    assert told.startswith("Living: 2 jobs of 2 sessions")
    assert "one" in told
    assert "two" in told
    told = run(home, "stop-all", "--yes", "--reason", "enough")
    assert "Rules of 2 sessions halted; ended: 2 of 2 jobs" in told
    assert "jobwarden stop-all --lift" in told
    lines = [line.split() for line in run(home, "audit", "--since", "1h").splitlines()]
    assert [line[1] for line in lines].count("register") == 2
    assert [(line[1], line[4]) for line in lines if line[1] == "cancel"] == [("cancel", "accepted")] * 2
    assert {line[2].partition("/")[0] for line in lines} == {"manual"}
    assert "enough" in run(home, "status", "--scope", "project", code=3)
    assert "act again" in run(home, "rules", "resume", "--all", "--session", "other")
    assert "act again" in run(home, "stop-all", "--lift")
    assert run(home, "stop-all", "--lift") == "No rules were halted.\n"
    assert run(home, "cleanup", "--dry-run") == "Would free 0 bytes.\n"


def test_a_pass_of_cron_finds_an_end_without_a_watcher_and_starts_none(home: Household) -> None:
    run(home, "run", "--name", "one", "--", "sleep", "600")
    eventually(lambda: home.watcher_pid() is not None, "the watcher has begun")
    home.kill_watcher()
    run(home, "watch", "--once", "--all")
    (session,) = [path.name for path in (home.places.state / "sessions").iterdir()]
    (row,) = home.active(session)
    facts = cast("dict[str, object]", row["facts"])
    os.kill(int(str(facts["pid"])), signal.SIGTERM)
    found: list[str] = []

    def told() -> bool:
        done = cli(home, "watch", "--once", "--all")
        found.extend(done.stdout.splitlines())
        assert done.returncode == (8 if done.stdout else 0), done.stderr
        return any("one" in line and session in line for line in found)

    eventually(told, "its end is told by one pass", within_s=60.0)
    assert len(found) == 1, "once"
    assert home.watcher_pid() is None
    assert json.loads(run(home, "watch", "--once", "--all", "--json"))["changes"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("watch", "--once"),
        ("watch", "--all"),
        ("watch", "--once", "--all", "--after", "3"),
        ("audit", "--json", "--csv"),
        ("audit", "--since", "yesterday"),
        ("audit", "--follow", "-o", "x"),
        ("stop-all", "--session", "a", "--project", "--yes"),
        ("rules", "resume"),
        ("rules", "pause", "--all"),
        ("rules", "resume", "1", "--all"),
        ("cleanup", "--older-than", "a"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(home: Household, words: tuple[str, ...]) -> None:
    run(home, *words, code=2)
    assert not (home.places.state / "sessions").exists()
