"""The real Claude Code and our dialogs, connected without hooks; its model is a script on loopback."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.claude_code import ClaudeCode, claude_program
from support.household import Household, cli, eventually, household
from support.model import Model, call, standing_in, text

pytestmark = pytest.mark.node

SESSION = "11111111-2222-4333-8444-555555555555"
TOOLS = "mcp__jobwarden__"


@dataclass
class Desk:
    """A client with our server, and a program that it watches, which fails when the gate opens."""

    claude: ClaudeCode
    model: Model
    home: Household
    gate: Path


@pytest.fixture
def desk(clean_environment: Path) -> Iterator[Desk]:
    with household(clean_environment) as home, standing_in() as model:
        client = Path(home.env["HOME"], ".claude")
        client.mkdir()
        (client / "settings.json").write_text(json.dumps({"permissions": {"allow": ["mcp__jobwarden"]}}))
        names = ("HOME", "PATH", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JOBWARDEN_CONFIG")
        server = {"command": sys.executable, "args": ["-m", "jobwarden", "serve"]}
        server["env"] = {name: home.env[name] for name in names}
        Path(home.env["HOME"], ".claude.json").write_text(json.dumps({"mcpServers": {"jobwarden": server}}))
        gate = home.root / "gate"
        os.mkfifo(gate)
        home.env["CLAUDE_CODE_SESSION_ID"] = SESSION
        cli(home, "run", "--name", "gated", "--", "sh", "-c", f"read line < {gate}; exit 3").check_returncode()
        del home.env["CLAUDE_CODE_SESSION_ID"]
        yield Desk(ClaudeCode(claude_program(), home, model.url), model, home, gate)


def test_without_a_person_a_dialog_is_dismissed_nothing_is_cancelled_and_the_named_way_works(desk: Desk) -> None:
    desk.model.then(
        [call("ToolSearch", query="select:" + TOOLS + "cancel_job")],
        [call(TOOLS + "cancel_job", all=True)],
        [call(TOOLS + "cancel_job", jobs=["gated"])],
        [text("It is cancelled.")],
    )
    desk.claude.prompt("cancel all", "--session-id", SESSION)
    _, _, swept, named = desk.model.asked
    assert "Nothing was cancelled: the question to the person was dismissed" in swept.new
    assert re.search(r"gated\)\taccepted", named.new)
    eventually(lambda: desk.home.kinds(SESSION).count("finished") == 1, "its end is journaled")
