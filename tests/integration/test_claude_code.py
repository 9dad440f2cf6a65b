"""The real Claude Code takes this repository as a plug-in: it validates, installs, connects, and runs the hooks.

There is no account and no model: `claude -p` without a login ends after its session has begun, and that much is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.claude_code import (
    SERVER,
    TOOLS,
    ClaudeCode,
    Message,
    claude_program,
    hook_answers,
    own_programs,
    plugin_copy,
)
from support.household import Household, cli, household

pytestmark = pytest.mark.node

SKILLS = {"jobwarden:cluster-setup", "jobwarden:job-monitor", "jobwarden:job-triage"}
SESSION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plugin_copy(tmp_path_factory.mktemp("plugin") / "jobwarden")


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        own_programs(made)
        yield made


@pytest.fixture
def claude(home: Household, plugin: Path) -> ClaudeCode:
    made = ClaudeCode(claude_program(), home)
    assert made.install(plugin)["outcome"] == "ok"
    return made


def test_the_repository_itself_is_a_valid_plug_in_and_marketplace(home: Household, plugin: Path) -> None:
    told = json.loads(ClaudeCode(claude_program(), home).run("plugin", "validate", str(plugin), "--strict", "--json"))
    assert told["success"], told
    found = told["provides"]
    assert {one["event"] for one in found["hooks"]} >= {"SessionStart", "UserPromptSubmit", "Stop", "PostToolUse"}
    assert [one["name"] for one in found["mcpServers"]] == ["jobwarden"]
    assert set(found["skills"]) == SKILLS
    # What stands in the repository for other purposes is not taken for a part of the plug-in.
    other = ("commands", "agents", "bin", "lspServers", "monitors", "outputStyles", "workflows")
    assert {kind: found[kind] for kind in other} == {kind: [] for kind in other}


def test_installed_it_is_listed_with_its_parts_and_its_server_connects(claude: ClaudeCode, plugin: Path) -> None:
    (one,) = json.loads(claude.run("plugin", "list", "--json"))
    assert (one["id"], one["enabled"]) == ("jobwarden@jobwarden", True)
    inventory = claude.run("plugin", "details", "jobwarden")
    assert "Skills (3)" in inventory
    assert "MCP servers (1)  jobwarden" in inventory
    assert f"{SERVER}: python3" in (said := claude.run("mcp", "list"))
    assert said.rstrip().endswith("Connected"), said


def begun_with_its_server(claude: ClaudeCode) -> list[Message]:
    """Begin a session; another one where the client did not wait for the server of a slow machine."""
    begun: Message = {}
    for _ in range(5):
        messages = claude.prompt("hello", "--session-id", str(uuid4()))
        (begun,) = [one for one in messages if one.get("subtype") == "init"]
        if all(one["status"] != "pending" for one in begun["mcp_servers"]):
            return messages
    raise AssertionError(begun)


def test_a_session_begins_with_its_hooks_its_server_its_tools_and_its_skills(
    claude: ClaudeCode, home: Household
) -> None:
    messages = begun_with_its_server(claude)
    for event in ("SessionStart", "UserPromptSubmit"):
        answers = hook_answers(messages, event)
        assert [(one["exit_code"], one["stdout"], one["stderr"]) for one in answers] == [(0, "", "")], event
    (begun,) = [one for one in messages if one.get("subtype") == "init"]
    assert [(one["name"], one["status"]) for one in begun["mcp_servers"]] == [(SERVER, "connected")]
    assert set(begun["skills"]) >= SKILLS
    tools = {one.removeprefix(TOOLS) for one in begun["tools"] if one.startswith(TOOLS)}
    assert tools >= {"register_job", "check_status", "wait_for_change", "diagnose_job"}


def test_what_a_session_watches_is_said_at_its_start_and_follows_it_through_clear(
    claude: ClaudeCode, home: Household
) -> None:
    home.env["CLAUDE_CODE_SESSION_ID"] = SESSION
    assert cli(home, "run", "--name", "long one", "--", "sleep", "600").returncode == 0
    with claude.session("--session-id", SESSION) as opened:
        opened.ask("hello")
        (started,) = hook_answers(opened.messages, "SessionStart")
        assert "jobwarden watches 1 job(s)" in started["stdout"], started
        assert "long one" in started["stdout"]

        opened.say("/clear")
        opened.wait_for(lambda: len(hook_answers(opened.messages, "SessionStart")) > 1, "a new session has begun")
        cleared = hook_answers(opened.messages, "SessionStart")[-1]
        fresh = str(cleared["session_id"])
        assert fresh != SESSION
        assert "long one" in cleared["stdout"], cleared
    assert [job["name"] for job in home.active(fresh)] == ["long one"]
    assert home.active(SESSION) == []
    home.env["CLAUDE_CODE_SESSION_ID"] = fresh
    assert cli(home, "cancel", "long one").returncode == 0


def test_without_a_jobwarden_to_start_the_person_is_told_what_to_install(claude: ClaudeCode, home: Household) -> None:
    if any((Path(folder) / "uvx").exists() for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")):
        pytest.skip("uvx is installed for everybody on this machine")
    (home.root / "bin" / "jobwarden").unlink()
    assert "Failed to connect" in claude.run("mcp", "list")
    (started,) = hook_answers(claude.prompt("hello"), "SessionStart")
    assert "neither jobwarden nor uvx" in json.loads(started["stdout"])["systemMessage"]
