"""What waits beside an idle session (`jobwarden_hooks/waking.py`); that a client is woken: test_claude_code_idle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobwarden.bindings import is_announced, registered
from jobwarden.delivery.news import is_urgent
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import Event, EventKind
from support.hook import HOOKS, hook_module
from support.household import Household, eventually, household

SCRIPT = HOOKS / "jobwarden_rewake.py"
ATTENDED = {"CLAUDE_CODE_SESSION_ATTENDED": "1", "CLAUDE_PID": str(os.getpid())}
STOP = {"session_id": "s-1", "hook_event_name": "Stop", "cwd": "/", "prompt_id": "p"}


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


@pytest.fixture
def journal(home: Household) -> Path:
    """Make a session that watches one job, of which nothing is to be told."""
    folder = home.places.state / "sessions" / "s-1"
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(json.dumps({"project": str(home.project)}), encoding="utf-8")
    active = home.project / ".claude" / "agents" / "s-1" / "active_jobs.json"
    active.parent.mkdir(parents=True)
    active.write_text('[{"id": "1"}]', encoding="utf-8")
    (folder / "events.jsonl").write_text('{"seq": 1, "event": "registered"}\n', encoding="utf-8")
    return folder / "events.jsonl"


def begin(home: Household, event: dict[str, Any], program: str = "true", **env: str) -> subprocess.Popen[str]:
    stub = home.root / "jobwarden-stub"
    stub.write_text(f"#!/bin/sh\ncat >/dev/null\n{program}\n", encoding="utf-8")
    stub.chmod(0o755)
    waiting = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), str(stub)],
        env={**home.env, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdin is not None
    waiting.stdin.write(json.dumps(event))
    waiting.stdin.close()
    waiting.stdin = None
    return waiting


def end(waiting: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = waiting.communicate(timeout=60)
    assert out == ""
    return waiting.returncode, err


def test_it_wakes_for_what_holds_a_stop_and_for_nothing_else() -> None:
    at = utc_now()
    urgent = {kind for kind in EventKind if is_urgent(Event(seq=1, timestamp=at, event=kind, session="s"))}
    urgent -= {EventKind.CANCEL_REQUESTED}
    assert set(hook_module("waking").URGENT) == urgent


ELSEWHERE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nobody sits there": ({}, {"CLAUDE_CODE_SESSION_ATTENDED": "0"}),
    "the client does not say": ({}, {"CLAUDE_CODE_SESSION_ATTENDED": ""}),
    "a sub-agent stops": ({"agent_id": "a"}, {}),
    "another event": ({"hook_event_name": "SessionStart"}, {}),
}


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_does_not_wait_where_a_client_would_wait_for_it(home: Household, where: str) -> None:
    more, env = ELSEWHERE[where]
    assert end(begin(home, {**STOP, **more}, **{**ATTENDED, **env})) == (0, "")
    assert not list((home.places.runtime).glob("idle/*"))


def test_it_does_not_wait_where_nothing_is_watched(home: Household) -> None:
    assert end(begin(home, STOP, **ATTENDED)) == (0, "")


def test_what_is_journaled_and_not_told_is_said_with_the_status_that_wakes(home: Household, journal: Path) -> None:
    waiting = begin(home, STOP, "echo it has ended", **ATTENDED)
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"seq": 2, "event": "finished"}\n')
    assert end(waiting) == (2, "it has ended\n")


def test_what_another_has_told_wakes_nobody_and_a_prompt_ends_the_waiting(home: Household, journal: Path) -> None:
    (journal.parent / "cursors.json").write_text('{"consumers": {"root": {"shown": 2}}}', encoding="utf-8")
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"seq": 2, "event": "finished"}\n')
    waiting = begin(home, STOP, "echo twice", **ATTENDED)
    idle = home.places.runtime / "idle" / "s-1.json"
    eventually(idle.exists, "it waits")
    prompt = json.dumps({**STOP, "hook_event_name": "UserPromptSubmit", "prompt": "go on"}).encode()
    words = [sys.executable, "-I", "-S", str(HOOKS / "jobwarden_hook.py"), "true"]
    subprocess.run(words, input=prompt, env=home.env, check=True, timeout=60)
    assert not idle.exists()
    assert end(waiting) == (0, "")


@pytest.mark.usefixtures("journal")
def test_the_next_stop_takes_the_place_of_the_one_before(home: Household) -> None:
    first = begin(home, STOP, **ATTENDED)
    idle = home.places.runtime / "idle" / "s-1.json"
    eventually(idle.exists, "the first waits")
    second = begin(home, STOP, **ATTENDED)
    assert end(first) == (0, "")
    assert json.loads(idle.read_text(encoding="utf-8")) == {"pid": second.pid}
    idle.unlink()
    assert end(second) == (0, "")


@pytest.mark.usefixtures("journal")
def test_one_that_is_ended_leaves_nothing_behind(home: Household) -> None:
    waiting = begin(home, STOP, **ATTENDED)
    idle = home.places.runtime / "idle" / "s-1.json"
    eventually(idle.exists, "it waits")
    waiting.terminate()
    assert end(waiting) == (0, "")
    assert not idle.exists()


def test_it_ends_when_the_last_job_has_left(home: Household, journal: Path) -> None:
    waiting = begin(home, STOP, **ATTENDED)
    eventually((home.places.runtime / "idle" / "s-1.json").exists, "it waits")
    assert journal.exists()
    (home.project / ".claude" / "agents" / "s-1" / "active_jobs.json").write_text("[]\n", encoding="utf-8")
    assert end(waiting) == (0, "")


def test_a_registration_is_announced_until_it_is_done(home: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", home.env["XDG_RUNTIME_DIR"])
    name = hook_module("folders").announce("s-1")
    assert is_announced(home.places, "s-1", utc_now())
    assert not is_announced(home.places, "s", utc_now())
    registered(home.places, "../" + name)
    assert is_announced(home.places, "s-1", utc_now())
    registered(home.places, name)
    assert not is_announced(home.places, "s-1", utc_now())
