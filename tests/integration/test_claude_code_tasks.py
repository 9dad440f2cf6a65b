"""The real Claude Code and our tasks and dialogs. Its model is a script on loopback."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.claude_code import TOOLS as PLUGIN_TOOLS
from support.claude_code import ClaudeCode, claude_program, own_programs, plugin_copy
from support.household import Household, cli, eventually, household
from support.model import Model, call, standing_in, text

pytestmark = pytest.mark.node

SESSION = "11111111-2222-4333-8444-555555555555"
TOOLS = "mcp__jobwarden__"
ENDED = "ended: failed, exit 3"


@dataclass
class Desk:
    """A client with our server, and a program that it watches, which fails when the gate opens."""

    claude: ClaudeCode
    model: Model
    home: Household
    gate: Path

    def open_gate(self) -> None:
        self.gate.write_text("go\n", encoding="utf-8")


@pytest.fixture
def desk(clean_environment: Path) -> Iterator[Desk]:
    with household(clean_environment) as home, standing_in() as model:
        client = Path(home.env["HOME"], ".claude")
        client.mkdir()
        (client / "settings.json").write_text(json.dumps({"permissions": {"allow": ["mcp__jobwarden"]}}))
        names = ("HOME", "PATH", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JOBWARDEN_CONFIG")
        env = {name: home.env[name] for name in names}
        server = {"command": sys.executable, "args": ["-m", "jobwarden", "serve"], "env": env}
        Path(home.env["HOME"], ".claude.json").write_text(json.dumps({"mcpServers": {"jobwarden": server}}))
        gate = home.root / "gate"
        os.mkfifo(gate)
        home.env["CLAUDE_CODE_SESSION_ID"] = SESSION
        cli(home, "run", "--name", "gated", "--", "sh", "-c", f"read line < {gate}; exit 3").check_returncode()
        del home.env["CLAUDE_CODE_SESSION_ID"]
        yield Desk(ClaudeCode(claude_program(), home, model.url), model, home, gate)


def test_an_idle_model_is_woken_once_by_its_task_though_the_hook_waits_too(desk: Desk, tmp_path: Path) -> None:
    own_programs(desk.home)
    Path(desk.home.env["HOME"], ".claude.json").unlink()  # the plug-in brings the server
    assert desk.claude.install(plugin_copy(tmp_path / "plugin"))["outcome"] == "ok"
    desk.model.then(
        [call("ToolSearch", query="wait for job")],
        [call(PLUGIN_TOOLS + "check_status")],
        [call(PLUGIN_TOOLS + "wait_for_change", until="terminal")],
        [text("I wait.")],
        [text("It has failed.")],
        [text("Nothing more.")],
    )
    with desk.claude.terminal(SESSION) as terminal:
        terminal.enter("please wait for it", lambda: len(desk.model.asked) >= 4)
        eventually((desk.home.places.runtime / "idle" / f"{SESSION}.json").exists, "the hook waits too", within_s=60)
        desk.open_gate()
        eventually(lambda: len(desk.model.asked) >= 5, "the model is woken", within_s=90)
        terminal.enter("what else?", lambda: len(desk.model.asked) >= 6)
    first, loaded, _, begun, woken, prompted = desk.model.asked
    assert {name for name in first.tools if name.startswith(PLUGIN_TOOLS)} == {PLUGIN_TOOLS + "check_status"}
    assert PLUGIN_TOOLS + "wait_for_change" in loaded.tools, "found by searching"
    assert "moved to the background" in begun.new
    assert re.search(rf"<status>completed</status>.*NEWS.*gated.*{ENDED}", woken.new, re.DOTALL)
    assert "what else?" in prompted.new
    assert desk.model.seen.count(ENDED) == 1


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
