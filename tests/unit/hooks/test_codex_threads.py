"""What the hook writes down of a Codex that may be woken later (`hooks/jobwarden_hooks/threads.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwarden.delivery.codex import Thread
from support.hook import SCRIPT
from support.household import Household, household

CODEX = {"turn_id": "t-1", "model": "m"}


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        (made.places.state / "sessions" / "s-1").mkdir(parents=True)
        yield made


def noted(home: Household, name: str, parent: str = "codex", **more: object) -> Thread | None:
    """Run the hook below a shell that is called as Codex is; gives what stands there then."""
    shell = home.root / parent
    if not shell.exists():
        shutil.copy("/bin/bash", shell)
    event = {"session_id": "s-1", "cwd": str(home.project), "hook_event_name": name, **more}
    command = f'"{sys.executable}" -I -S "{SCRIPT}" no-such-program; true'
    subprocess.run(
        [str(shell), "-c", f"sh -c '{command}'; true"],
        input=json.dumps(event).encode(),
        env={**home.env, "CODEX_HOME": str(home.root / "codex-home")},
        cwd="/",
        timeout=60,
        check=True,
    )
    path = home.places.state / "sessions" / "s-1" / "codex.json"
    return Thread.model_validate_json(path.read_bytes()) if path.exists() else None


def test_a_turn_s_beginning_and_end_are_noted_with_the_program_that_runs_the_hook(home: Household) -> None:
    began = noted(home, "UserPromptSubmit", **CODEX)
    assert began is not None
    assert (began.program, began.home, began.idle_since) == (home.root / "codex", home.root / "codex-home", None)
    assert began.process.pid not in (0, os.getpid())
    stopped = noted(home, "Stop", stop_hook_active=True, **CODEX)
    assert stopped is not None
    assert stopped.idle_since is not None
    path = home.places.state / "sessions" / "s-1" / "codex.json"
    assert path.stat().st_mode & 0o777 == 0o600
    rollout = f"{home.root}/sessions/rollout-1.jsonl"
    assert noted(home, "SessionEnd", transcript_path=rollout) is None


@pytest.mark.parametrize(
    ("parent", "more"), [("another", CODEX), ("codex", {**CODEX, "agent_id": "sub-1"}), ("codex", {"prompt_id": "p"})]
)
def test_of_another_program_a_sub_agent_and_claude_code_nothing_is_noted(
    home: Household, parent: str, more: dict[str, object]
) -> None:
    assert noted(home, "Stop", parent, **more) is None


def test_of_a_session_that_watches_nothing_nothing_is_noted(home: Household) -> None:
    (home.places.state / "sessions" / "s-1").rmdir()
    assert noted(home, "Stop", **CODEX) is None
