"""The repository as a plug-in of the real Codex: installed from the tracked files, seen through Codex's app-server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwarden_registry.index import Index
from support.codex import Codex, app_server, install_plugin, make_codex, trust_hooks
from support.codex_provider import StandIn, stand_in
from support.household import Household, eventually, household

pytestmark = pytest.mark.node

TOOLS = {
    "register_job",
    "check_status",
    "wait_for_change",
    "tail_log",
    "diagnose_job",
    "cancel_job",
    "discover_jobs",
}
SKILLS = {"jobwarden:job-monitor", "jobwarden:job-triage", "jobwarden:cluster-setup"}


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


@pytest.fixture
def model() -> Iterator[StandIn]:
    with stand_in() as made:
        yield made


@pytest.fixture
def codex(home: Household, model: StandIn) -> Codex:
    made = make_codex(home, model)
    install_plugin(made)
    return made


def test_the_repository_is_a_plug_in_that_brings_server_hooks_and_skills(codex: Codex) -> None:
    listed = json.loads(codex.run("plugin", "list", "--json").stdout)["installed"]
    assert [(one["pluginId"], one["enabled"]) for one in listed] == [("jobwarden@jobwarden", True)]
    project = codex.home.project
    with app_server(codex) as server:
        (hooks,) = server.ask("hooks/list", cwds=[str(project)])["data"]
        assert (hooks["errors"], hooks["warnings"]) == ([], [])
        declared = json.loads((codex.home.root / "clone/hooks/hooks.codex.json").read_text(encoding="utf-8"))["hooks"]
        events = {one["eventName"].lower(): one for one in hooks["hooks"]}
        assert set(events) == {name.lower() for name in declared}
        assert {one["trustStatus"] for one in hooks["hooks"]} == {"untrusted"}  # until the user says so in /hooks
        assert all("${" not in one["command"] for one in hooks["hooks"])
        trust_hooks(server, project)
        (hooks,) = server.ask("hooks/list", cwds=[str(project)])["data"]
        assert {one["trustStatus"] for one in hooks["hooks"]} == {"trusted"}

        (skills,) = server.ask("skills/list", cwds=[str(project)])["data"]
        assert skills["errors"] == []
        assert {one["name"] for one in skills["skills"] if one["pluginId"] == "jobwarden@jobwarden"} == SKILLS

        found = server.server(server.begin(project))
        assert (found["name"], found["runtimeStatus"]) == ("jobwarden", "connected")
        assert set(found["tools"]) >= TOOLS


def test_a_model_is_shown_each_skill_with_its_whole_description(codex: Codex) -> None:
    shown = codex.run("debug", "prompt-input", "Is my job done?").stdout
    for skill in SKILLS:
        text = (codex.home.root / "clone/skills" / skill.partition(":")[2] / "SKILL.md").read_text(encoding="utf-8")
        (description,) = (line for line in text.splitlines() if line.startswith("description: "))
        told = json.dumps(description.removeprefix("description: "))[1:-1]
        assert json.dumps(f"{skill}: ")[1:-1] + told in shown, skill


@pytest.mark.parametrize("place", ["git", "plain"])
def test_a_tool_that_codex_calls_works_for_its_own_thread_and_in_the_folder_of_its_work(
    codex: Codex, place: str
) -> None:
    """Codex names a workspace only inside of a real git repository."""
    project = codex.home.root / "work"
    project.mkdir()
    if place == "git":
        subprocess.run(["git", "init", "-q", str(project)], check=True)
    with app_server(codex) as server:
        threads = [server.begin(project), server.begin(project)]
        arguments = {"type": "slurm", "id": "12", "host": "nowhere.invalid"}
        for thread in threads[:1]:
            told = server.ask(
                "mcpServer/tool/call", threadId=thread, server="jobwarden", tool="register_job", arguments=arguments
            )
            assert "12" in told["content"][0]["text"], told
    index = Index(codex.home.places)
    assert index.get(threads[1]) is None
    entry = index.get(threads[0])
    assert entry is not None
    assert (entry.project, entry.agent) == (project, "codex")
    (job,) = json.loads((project / ".claude/agents" / threads[0] / "active_jobs.json").read_text(encoding="utf-8"))
    assert (job["id"], job["owner"]) == ("12", {"agent": "codex", "session_id": threads[0]})


def test_where_nothing_can_be_started_codex_is_told_what_to_install(codex: Codex) -> None:
    codex.home.env["PATH"] = "/usr/bin:/bin"
    with app_server(codex) as server:
        trust_hooks(server, codex.home.project)
        thread = server.begin(codex.home.project)

        def failed() -> bool:
            return any(one.get("status") == "failed" for one in server.heard("mcpServer/startupStatus/updated"))

        eventually(failed, "the server has failed", within_s=60)
        assert server.server(thread)["tools"] == {}
        server.prompt(thread, "Train it.")
        said = [entry["text"] for one in server.heard("hook/completed") for entry in one["run"]["entries"]]
    assert len(said) == 1
    assert "Install uv" in said[0]
