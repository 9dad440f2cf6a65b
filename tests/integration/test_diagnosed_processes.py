"""A real program on this machine that fails: its cause in the journal, and its diagnosis on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwarden.sources.process.state import processes_folder
from support.household import Household, cli, household
from support.processes import Warden

_PROGRAM = """
import sys
print("loading", flush=True)
rows = bytearray(3 * 10**7)
print({"tokens": 1}["labels"])
"""


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        made.env["CLAUDE_CODE_SESSION_ID"] = "session-1"
        yield made
        Warden(processes_folder(made.env)).clean()


def test_a_local_program_that_fails_is_diagnosed_by_its_log_and_what_its_supervisor_wrote(home: Household) -> None:
    (home.project / "train.py").write_text(_PROGRAM, encoding="utf-8")
    assert cli(home, "run", "--name", "sft", "--", sys.executable, "train.py").returncode == 0
    assert cli(home, "wait", "sft", "--timeout", "60").returncode == 3
    (end,) = [event for event in home.journal() if event.event == "finished"]
    assert "KeyError: 'labels'" in (end.record or {})["cause"]
    assert f"cause: {(end.record or {})['cause']}" in cli(home, "status").stdout
    found = json.loads(cli(home, "diagnose", "sft", "--json").stdout)
    assert (found["category"], found["retryable"]) == ("code_error", "after_change")
    assert any("KeyError" in line["text"] and line["line"] for line in found["evidence"])
    assert found["resources"]["max_rss_bytes"] > 3 * 10**7
    assert found["resources"]["elapsed_s"] is not None
