"""What doctor says about clients: what they have, and whether it leads anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobwarden.installing.clients import Client, data_folder
from jobwarden.installing.looking import Finding, look
from support.installing import Home

CLIENTS: tuple[Client, ...] = ("claude", "codex")


def only(home: Home) -> Finding:
    (found,) = look(home.env, home.root / "project")
    return found


def test_a_client_that_was_never_there_is_not_spoken_of(home: Home) -> None:
    assert look(home.env, home.root / "project") == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_without_jobwarden_is_told_how_to_get_it_and_that_is_no_trouble(home: Home, client: Client) -> None:
    home.at(client).home.mkdir()
    assert only(home) == Finding(client, "ok", f"without jobwarden; jobwarden install {client} gives it")


def install(home: Home, client: Client) -> None:
    """Install it, and let Codex be told to trust the hooks, as Codex 0.169.0 notes it."""
    home.install(client)
    if client == "codex":
        there = home.at(client)
        state = f'\n[hooks.state."{there.hooks}:stop:0:0"]\ntrusted_hash = "sha256:0"\n'
        there.server.write_text(there.server.read_text() + state)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_installed_well_is_well(home: Home, client: Client) -> None:
    install(home, client)
    found = only(home)
    assert (found.client, found.outcome) == (client, "ok")
    assert "user" in found.text


@pytest.mark.parametrize("client", CLIENTS)
def test_a_program_that_is_gone_is_a_problem(home: Home, client: Client) -> None:
    install(home, client)
    home.program.unlink()
    found = only(home)
    assert (found.outcome, found.mend) == ("problem", f"jobwarden install {client}")
    assert str(home.program) in found.text


def test_hooks_that_are_gone_are_a_problem_in_a_project_too(home: Home) -> None:
    home.install("claude", "project")
    (data_folder(home.env) / "hooks" / "jobwarden_hook.py").unlink()
    found = only(home)
    assert (found.outcome, found.mend) == ("problem", "jobwarden install claude --scope project")


def test_a_server_alone_is_half_of_it(home: Home) -> None:
    home.at("claude").server.write_text(
        json.dumps({"mcpServers": {"jobwarden": {"command": str(home.program), "args": ["serve"]}}})
    )
    found = only(home)
    assert (found.outcome, "without the hooks" in found.text) == ("warning", True)


def test_hooks_of_another_version_are_said(home: Home) -> None:
    install(home, "codex")
    path = data_folder(home.env) / "hooks" / "jobwarden_hook.py"
    path.write_text(path.read_text() + "# older\n")
    assert (only(home).outcome, "another version" in only(home).text) == ("warning", True)


def test_a_plug_in_is_known_and_with_an_installation_beside_it_is_a_problem(home: Home) -> None:
    path = home.at("claude").hooks
    path.parent.mkdir()
    path.write_text('{"enabledPlugins": {"jobwarden@m": true}}')
    assert (only(home).outcome, only(home).text) == ("ok", "the plug-in jobwarden@m")
    path.unlink()
    home.install("claude")
    path.write_text(json.dumps({**json.loads(path.read_text()), "enabledPlugins": {"jobwarden@m": True}}))
    first, _ = look(home.env, home.root / "project")
    assert (first.outcome, first.mend) == ("problem", "jobwarden install claude --uninstall")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_that_cannot_be_read_is_a_problem_and_no_crash(home: Home, client: Client) -> None:
    home.at(client).home.mkdir()
    home.at(client).server.write_text("{ broken")
    found = look(home.env, Path(home.root / "project"))
    assert {one.outcome for one in found} == {"problem"}


def test_hooks_that_codex_was_not_told_to_trust_are_said(home: Home) -> None:
    home.install("codex")
    assert (only(home).outcome, "/hooks" in only(home).text) == ("warning", True)


def test_hooks_that_are_switched_off_are_said(home: Home) -> None:
    home.at("claude").hooks.parent.mkdir()
    home.at("claude").hooks.write_text('{"disableAllHooks": true}')
    home.install("claude")
    assert (only(home).outcome, "disableAllHooks" in only(home).text) == ("warning", True)
