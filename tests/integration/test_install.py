"""`jobwarden install` as a person runs it, and the real clients that read what it wrote; no account and no model."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.claude_code import ClaudeCode, claude_program, hook_answers, own_programs, plugin_copy
from support.codex import Codex, app_server, install_plugin, make_codex, trust_hooks
from support.codex_provider import StandIn, say, shell, stand_in
from support.household import Household, household

SKILLS = {"job-monitor", "job-triage", "cluster-setup"}


@pytest.fixture
def bare(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


@pytest.fixture
def home(bare: Household) -> Household:
    own_programs(bare)
    return bare


@pytest.fixture
def model() -> Iterator[StandIn]:
    with stand_in() as made:
        yield made


def jobwarden(env: Mapping[str, str], cwd: Path, *words: str, rc: int = 0) -> str:
    """Run the program that is on this PATH: what clients are told to start is what was called."""
    done = subprocess.run(
        ["jobwarden", *words],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout


def tree(*folders: Path) -> dict[str, bytes | None]:
    """Give what is in these folders, without what jobwarden itself keeps while it runs."""
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if ".local/state" not in str(path)]
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def make_worktree(home: Household) -> None:
    """Let the project be a worktree of a repository beside it, to which clients count it in their own ways."""
    main = home.root / "main"
    main.mkdir()
    shutil.rmtree(home.project)
    for words in (
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["worktree", "add", "-q", home.project],
    ):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, cwd=main)


@pytest.mark.parametrize("scope", ["user", "project"])
@pytest.mark.parametrize("client", ["claude", "codex"])
def test_the_command_shows_does_and_undoes_it_and_doctor_knows(home: Household, client: str, scope: str) -> None:
    words = ("install", client, "--scope", scope)
    below = home.project / "deep"
    below.mkdir()
    mine = (Path(home.env["HOME"]), home.project)
    before = tree(*mine)
    assert "Nothing was changed" in jobwarden(home.env, below, *words, "--dry-run")
    assert tree(*mine) == before
    jobwarden(home.env, below, *words, rc=2)
    assert jobwarden(home.env, below, *words, "--yes").endswith("Then: jobwarden doctor\n")
    checks = json.loads(jobwarden(home.env, home.project, "doctor", "--json"))["checks"]
    name = "Claude Code" if client == "claude" else "Codex"
    (found,) = [one for one in checks if one["subject"] == name]
    assert f"installed ({scope}): " in found["text"]
    assert found["outcome"] == ("ok" if client == "claude" else "warning")  # Codex's hooks want to be trusted first
    assert jobwarden(home.env, below, *words, "--yes").startswith("Nothing is to be changed.")
    jobwarden(home.env, below, *words, "--uninstall", "--yes")
    assert tree(*mine) == before


# -- Claude Code


@pytest.fixture
def claude(home: Household) -> ClaudeCode:
    return ClaudeCode(claude_program(), home)


@pytest.mark.node
@pytest.mark.parametrize("scope", ["user", "project"])
def test_claude_code_connects_runs_the_hooks_and_knows_the_skills(claude: ClaudeCode, scope: str) -> None:
    home = claude.home
    if scope == "project":
        make_worktree(home)
    jobwarden(claude.env, home.project, "install", "claude", "--scope", scope, "--yes")
    told = claude.run("mcp", "list")
    assert f"jobwarden: {home.root}/bin/jobwarden serve" in told
    assert told.rstrip().endswith("Connected"), told
    messages = claude.prompt("hello")
    for event in ("SessionStart", "UserPromptSubmit"):
        answers = hook_answers(messages, event)
        assert [(one["exit_code"], one["stdout"], one["stderr"]) for one in answers] == [(0, "", "")], event
    (begun,) = [one for one in messages if one.get("subtype") == "init"]
    assert [one["name"] for one in begun["mcp_servers"]] == ["jobwarden"]
    assert set(begun["skills"]) >= SKILLS


@pytest.mark.node
def test_what_claude_code_has_written_into_its_files_meanwhile_stays_when_ours_goes(claude: ClaudeCode) -> None:
    home, state = claude.home, Path(claude.home.env["HOME"]) / ".claude.json"
    claude.run("mcp", "add", "--scope", "user", "before", "--", "/bin/true")
    jobwarden(claude.env, home.project, "install", "claude", "--yes")
    claude.run("mcp", "add", "--scope", "user", "after", "--", "/bin/true")
    told: dict[str, Any] = json.loads(state.read_text(encoding="utf-8"))
    assert set(told["mcpServers"]) == {"before", "jobwarden", "after"}
    jobwarden(claude.env, home.project, "install", "claude", "--uninstall", "--yes")
    left: dict[str, Any] = json.loads(state.read_text(encoding="utf-8"))
    del told["mcpServers"]["jobwarden"]
    assert left == told
    assert "jobwarden" not in claude.run("mcp", "list")


@pytest.mark.node
def test_beside_the_plug_in_of_claude_code_nothing_is_installed(claude: ClaudeCode, tmp_path: Path) -> None:
    assert claude.install(plugin_copy(tmp_path / "jobwarden"))["outcome"] == "ok"
    before = tree(Path(claude.home.env["HOME"]))
    assert "as the plug-in jobwarden@jobwarden" in jobwarden(
        claude.env, claude.home.project, "install", "claude", "--yes"
    )
    assert tree(Path(claude.home.env["HOME"])) == before


# -- Codex


@pytest.fixture
def codex(bare: Household, model: StandIn) -> Codex:
    made = make_codex(bare, model)
    own = made.folder / "config.toml"
    own.write_text("# my own words\n" + own.read_text(encoding="utf-8"), encoding="utf-8")
    return made


def server_of(codex: Codex) -> object:
    told = tomllib.loads((codex.folder / "config.toml").read_text(encoding="utf-8"))
    return told.get("mcp_servers", {}).get("jobwarden")


@pytest.mark.node
def test_codex_takes_the_server_the_hooks_and_the_skills_and_gives_all_back(codex: Codex) -> None:
    project, before = codex.home.project, tree(codex.folder)
    jobwarden(codex.env, project, "install", "codex", "--yes")
    strict = codex.run("--strict-config", "app-server", "--print-startup-config")
    assert strict.returncode == 0, strict.stderr
    assert "enabled: true" in codex.run("mcp", "get", "jobwarden").stdout
    with app_server(codex) as server:
        (hooks,) = server.ask("hooks/list", cwds=[str(project)])["data"]
        assert (hooks["errors"], hooks["warnings"]) == ([], [])
        events = set(json.loads((codex.folder / "hooks.json").read_text(encoding="utf-8"))["hooks"])
        assert {one["eventName"].lower() for one in hooks["hooks"]} == {name.lower() for name in events}
        (skills,) = server.ask("skills/list", cwds=[str(project)])["data"]
        assert {one["name"] for one in skills["skills"]} >= SKILLS
        found = server.server(server.begin(project))
        assert (found["name"], found["runtimeStatus"]) == ("jobwarden", "connected")
        assert "check_status" in found["tools"]
    jobwarden(codex.env, project, "install", "codex", "--uninstall", "--yes")
    after, config = tree(codex.folder), str(codex.folder / "config.toml")
    written = after[config] or b""
    assert written.startswith(before[config] or b"absent")
    assert b"jobwarden" not in written  # Codex itself may have noted that it trusts the project
    assert {name: text for name, text in after.items() if name in before and name != config} == {
        name: text for name, text in before.items() if name != config
    }
    assert not (codex.folder / "hooks.json").exists()


@pytest.mark.node
def test_codex_takes_server_and_hooks_of_a_project_that_is_a_worktree_too(codex: Codex) -> None:
    project = codex.home.project
    make_worktree(codex.home)
    jobwarden(codex.env, project, "install", "codex", "--scope", "project", "--yes")
    with app_server(codex) as server:
        thread = server.begin(project)
        (hooks,) = server.ask("hooks/list", cwds=[str(project)])["data"]
        assert {one["sourcePath"] for one in hooks["hooks"]} == {str(codex.home.root / "main/.codex/hooks.json")}
        assert [one["name"] for one in server.ask("mcpServerStatus/list", threadId=thread)["data"]] == ["jobwarden"]


@pytest.mark.node
def test_a_trusted_hook_sees_what_codex_submits_and_codex_own_notes_stay_when_ours_go(codex: Codex) -> None:
    """`sbatch` is a script here: whether the job is watched is for the tests with a cluster."""
    home, config = codex.home, codex.folder / "config.toml"
    sbatch = home.root / "bin" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho Submitted batch job 4711\n", encoding="utf-8")
    sbatch.chmod(0o755)
    jobwarden(codex.env, home.project, "install", "codex", "--yes")
    with app_server(codex) as server:
        trust_hooks(server, home.project)
        codex.model.will(shell(f"{sbatch} job.sh"), say("Done."))
        server.prompt(server.begin(home.project), "Submit it.")
    checks = json.loads(jobwarden(codex.env, home.project, "doctor", "--json"))["checks"]
    assert [one["outcome"] for one in checks if one["subject"] == "Codex"] == ["ok"]
    told = "\n".join(request.says("developer") for request in codex.model.requests)
    assert "jobwarden registers slurm job 4711 on localhost for this session" in told
    assert server_of(codex) is not None
    jobwarden(codex.env, home.project, "install", "codex", "--uninstall", "--yes")
    assert server_of(codex) is None
    text = config.read_text(encoding="utf-8")
    assert "# my own words" in text
    assert "[hooks.state" in text


@pytest.mark.node
def test_beside_the_plug_in_of_codex_nothing_is_installed(codex: Codex) -> None:
    install_plugin(codex)
    before = tree(codex.folder)
    assert "as the plug-in jobwarden@jobwarden" in jobwarden(codex.env, codex.home.project, "install", "codex", "--yes")
    assert tree(codex.folder) == before
