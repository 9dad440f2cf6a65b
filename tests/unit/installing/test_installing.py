"""Clients' files in many states, into which jobwarden is installed and from which it is taken again."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.installing import entries, shipped
from jobwarden.installing.clients import Client, Scope, data_folder, places, project_of
from jobwarden.installing.doing import carry_out
from jobwarden.installing.errors import (
    ForeignEntryError,
    InstallError,
    LockedFileError,
    MovedOnError,
    UnparsableError,
)
from jobwarden.installing.planning import plan_install, plan_uninstall
from jobwarden.installing.program import running_program
from support.installing import Home

CLIENTS: tuple[Client, ...] = ("claude", "codex")
SCOPES: tuple[Scope, ...] = ("user", "project")
HANDLERS = sum(
    len(cast("list[object]", one["hooks"])) for found in shipped.hook_groups("claude").values() for one in found
)
THEIRS = {"type": "command", "command": "their-hook", "timeout": 5}


def write(path: Path, text: str | bytes | Mapping[str, object]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, Mapping):
        text = json.dumps(text, indent=2) + "\n"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path.read_bytes()


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    return told


def server(home: Home, client: Client, scope: Scope = "user") -> Mapping[str, object] | None:
    there = home.at(client, scope)
    return entries.server_in(there, there.server.read_text(encoding="utf-8"))


def ours(home: Home, client: Client, scope: Scope = "user") -> list[Mapping[str, object]]:
    return entries.our_handlers(read(home.at(client, scope).hooks))


# -- a client that has nothing


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_not_there_is_made_and_nothing_of_it_is_left(home: Home, client: Client, scope: Scope) -> None:
    before = home.tree()
    home.install(client, scope)
    there = home.at(client, scope)
    told = server(home, client, scope)
    assert told is not None
    assert (told["command"], told["args"]) == (str(home.program), ["serve"])
    events = set(read(there.hooks)["hooks"])
    assert events == set(shipped.hook_groups(client))
    assert {path.parent.name for path in there.skills.glob("*/SKILL.md")} == {
        "job-monitor",
        "job-triage",
        "cluster-setup",
    }
    assert home.uninstall(client, scope).notes == []
    assert home.tree() == before


@pytest.mark.parametrize("client", CLIENTS)
def test_each_hook_runs_the_copy_with_this_program_and_a_copy_that_is_gone_is_passed_over(
    home: Home, client: Client
) -> None:
    home.install(client)
    folder = data_folder(home.env) / "hooks"
    event = '{"hook_event_name": "Stop", "session_id": "a"}'
    for handler in ours(home, client):
        command = str(handler["command"])
        script = Path(shlex.split(command)[-2])
        assert script.parent == folder
        assert command.endswith(f"python3 -I -S {script} {home.program}")
        for _ in ("there", "gone"):
            done = subprocess.run(
                ["sh", "-c", command],
                env=home.env,
                input=event,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert (done.returncode, done.stderr) == (0, "")
            script.rename(script.with_suffix(".away")) if script.exists() else None
        script.with_suffix(".away").rename(script)


def test_folders_with_spaces_and_quotes_are_quoted(home: Home, tmp_path: Path) -> None:
    odd = tmp_path / "a 'b\" $c" / "jobwarden"
    home.env["XDG_DATA_HOME"] = str(tmp_path / "d e")
    home.install("claude", program=odd)
    for handler in ours(home, "claude"):
        words = shlex.split(str(handler["command"]))
        assert words[-1] == str(odd)
        assert Path(words[-2]).is_file()


def test_a_second_client_shares_the_copy_of_the_hooks_and_keeps_it(home: Home) -> None:
    before = home.tree()
    home.install("claude")
    home.install("codex")
    script = data_folder(home.env) / "hooks" / "jobwarden_hook.py"
    home.uninstall("claude")
    assert script.is_file()
    home.uninstall("codex")
    assert home.tree() == before


# -- files that hold something


SETTINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
GROUPS = st.lists(
    st.fixed_dictionaries({"hooks": st.lists(st.just(THEIRS), max_size=2)}, optional={"matcher": st.text(max_size=4)}),
    max_size=2,
)
HOOKS = st.dictionaries(st.sampled_from(["Stop", "PostToolUse", "SessionEnd"]), GROUPS, max_size=3)
REST = st.dictionaries(st.text(max_size=6).filter(lambda key: key not in ("hooks", "mcpServers")), SETTINGS, max_size=3)


@settings(max_examples=40)
@given(REST, st.none() | HOOKS, st.sampled_from([None, 1, 2, 4, "\t"]), st.booleans(), st.booleans())
def test_any_settings_come_back_to_the_byte_and_as_data_where_the_client_has_rewritten_them(
    told: dict[str, object], hooks: object, indent: int | str | None, rewritten: bool, twice: bool
) -> None:
    told |= {} if hooks is None else {"hooks": hooks}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), Path("/bin/jobwarden"), {"HOME": folder, "PATH": "/usr/bin:/bin"})
        paths = [home.at("claude").hooks, home.at("claude").server]
        before = [write(path, json.dumps(told, indent=indent)) for path in paths]
        home.install("claude")
        assert len(ours(home, "claude")) == HANDLERS
        assert server(home, "claude") is not None
        if twice:
            home.install("claude", program=Path("/other/jobwarden"))
        if rewritten:
            for path in paths:
                write(path, {**read(path), "new": 1})
        home.uninstall("claude")
        if rewritten:
            assert [read(path) for path in paths] == [{**told, "new": 1}] * 2
        else:
            assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_second_time_changes_nothing(home: Home, client: Client, scope: Scope) -> None:
    home.install(client, scope)
    before = home.tree()
    assert home.install(client, scope).changes == []
    assert home.tree() == before


def test_what_others_have_in_the_same_files_stays_as_it_is(home: Home) -> None:
    there = home.at("claude")
    write(there.hooks, {"model": "x", "hooks": {"Stop": [{"hooks": [THEIRS]}], "SessionEnd": []}})
    write(there.server, {"mcpServers": {"other": {"command": "y"}}, "numStartups": 7})
    home.install("claude")
    told = read(there.hooks)
    assert told["model"] == "x"
    assert told["hooks"]["Stop"][0] == {"hooks": [THEIRS]}
    assert told["hooks"]["SessionEnd"] == []
    assert read(there.server)["mcpServers"]["other"] == {"command": "y"}


@pytest.mark.parametrize("client", CLIENTS)
def test_an_upgrade_replaces_what_is_ours_and_still_gives_back_the_first_bytes(
    home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = home.at(client)
    first = write(there.hooks, '{"hooks": {"Stop": []},\n "x": [1,2 ]}')
    write(there.server, "# mine\na = 1" if client == "codex" else '{"a":1}')
    before = home.tree()
    with monkeypatch.context() as older:
        older.setattr(shipped, "hooks", lambda: {"jobwarden_hook.py": "old", "jobwarden_hooks/gone.py": "old"})
        older.setattr(shipped, "skills", lambda: {"job-monitor/SKILL.md": "old", "gone/SKILL.md": "old"})
        group = {"hooks": [{"type": "command", "command": f'python3 "{shipped.PLACE}jobwarden_hook.py"'}]}
        groups = {"SubagentStop": [group], "Stop": [group]}
        older.setattr(shipped, "hook_groups", {"claude": groups, "codex": groups}.__getitem__)
        home.install(client, program=Path("/old/jobwarden"))
    home.install(client)
    assert str(read(there.hooks)).count("/old/jobwarden") == 0
    assert "SubagentStop" not in read(there.hooks)["hooks"]
    told = server(home, client)
    assert told is not None
    assert told["command"] == str(home.program)
    assert not (there.skills / "gone").exists() or not any((there.skills / "gone").iterdir())
    assert (there.skills / "job-monitor" / "SKILL.md").read_text() == shipped.skills()["job-monitor/SKILL.md"]
    assert not (data_folder(home.env) / "hooks" / "jobwarden_hooks" / "gone.py").exists()
    home.uninstall(client)
    assert there.hooks.read_bytes() == first
    assert home.tree() == before


def test_what_a_person_added_to_our_server_outlives_an_upgrade(home: Home) -> None:
    home.install("claude", program=Path("/old/jobwarden"))
    path = home.at("claude").server
    told = read(path)
    told["mcpServers"]["jobwarden"]["env"] = {"JOBWARDEN_CONFIG": "/x"}
    write(path, told)
    home.install("claude")
    assert read(path)["mcpServers"]["jobwarden"]["env"] == {"JOBWARDEN_CONFIG": "/x"}
    home.uninstall("claude")
    assert not path.exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "jobwarden", "args": ["serve"], "env": {"A": "b"}},
        {"type": "stdio", "command": "uvx", "args": ["--from", "/x", "jobwarden", "serve"]},
    ],
)
def test_a_server_that_a_person_added_is_taken_over_and_given_back(home: Home, entry: Mapping[str, object]) -> None:
    path = home.at("claude").server
    before = write(path, {"mcpServers": {"jobwarden": entry}})
    home.install("claude")
    started = {"type": "stdio", "command": str(home.program), "args": ["serve"]}
    assert read(path)["mcpServers"]["jobwarden"] == {**entry, **started}
    home.uninstall("claude")
    assert path.read_bytes() == before


def test_what_codex_own_command_added_gets_what_it_lacks_and_is_given_back(home: Home) -> None:
    path = home.at("codex").server
    head = '[mcp_servers.jobwarden]\ncommand = "jobwarden"\nargs = ["serve"]\n'
    before = write(path, head + 'tool_timeout_sec = 60 # mine\nenv_vars = ["MINE"]\n')
    home.install("codex")
    told = server(home, "codex")
    assert told is not None
    assert (told["command"], told["tool_timeout_sec"]) == (str(home.program), 60)
    variables = cast("list[str]", told["env_vars"])
    assert variables[0] == "MINE"
    assert "SSH_AUTH_SOCK" in variables
    assert "startup_timeout_sec" in told
    assert "# mine" in path.read_text()
    assert home.install("codex").changes == []
    home.uninstall("codex")
    assert path.read_bytes() == before


def test_hooks_that_were_written_by_hand_are_replaced_since_all_would_run_twice(home: Home) -> None:
    path = home.at("claude").hooks
    by_hand = {"type": "command", "command": 'python3 -I -S "/checkout/hooks/jobwarden_hook.py"'}
    before = write(path, {"hooks": {"Stop": [{"hooks": [THEIRS, by_hand]}, {"hooks": [by_hand]}]}})
    home.install("claude")
    assert "/checkout/" not in path.read_text()
    assert read(path)["hooks"]["Stop"][0] == {"hooks": [THEIRS]}
    home.uninstall("claude")
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["/home/me/bin/jobwarden_slack.py", "python3 ~/jobwarden_hooks.py 'x'"])
def test_a_persons_own_script_whose_name_begins_as_ours_stays(home: Home, command: str) -> None:
    path = home.at("claude").hooks
    own = {"type": "command", "command": command}
    before = write(path, {"hooks": {"Stop": [{"hooks": [own]}]}})
    home.install("claude")
    assert {"hooks": [own]} in read(path)["hooks"]["Stop"]
    (data_folder(home.env) / "installed.json").unlink()
    home.uninstall("claude")
    assert json.loads(path.read_bytes()) == json.loads(before)


def test_every_script_that_is_shipped_is_known_as_ours() -> None:
    scripts = [name for name in shipped.hooks() if "/" not in name]
    assert len(scripts) == 3
    assert all(entries.is_our_hook({"command": f"python3 '/a b/{name}' x"}) for name in scripts)


def test_without_the_notes_all_that_is_ours_goes_and_no_skill(home: Home) -> None:
    write(home.at("claude").hooks, {"x": 1})
    home.install("claude")
    (data_folder(home.env) / "installed.json").write_text("{ broken")
    plan = home.uninstall("claude")
    assert read(home.at("claude").hooks) == {"x": 1}
    assert read(home.at("claude").server) == {}
    assert [note for note in plan.notes if "stays" in note]
    assert (home.at("claude").skills / "job-monitor" / "SKILL.md").exists()


@pytest.mark.parametrize("text", ["{ broken", "", "[]", '{"v": 9}', '{"installs": [{}]}'])
@pytest.mark.parametrize("again", [False, True])
def test_notes_that_cannot_be_read_leave_the_hooks_that_another_client_may_run(
    home: Home, text: str, again: bool
) -> None:
    home.install("claude")
    home.install("codex")
    (data_folder(home.env) / "installed.json").write_text(text)
    if again:  # which writes the notes anew
        home.install("claude")
    plan = home.uninstall("claude")
    assert any("that folder stays" in note for note in plan.notes)
    for handler in ours(home, "codex"):
        assert Path(shlex.split(str(handler["command"]))[-2]).is_file()
    plan = home.uninstall("codex")
    assert (ours(home, "codex") if home.at("codex").hooks.exists() else []) == []
    assert any("that folder stays" in note for note in plan.notes)


def test_a_skill_of_that_name_which_is_a_persons_own_is_left_alone(home: Home) -> None:
    path = home.at("codex").skills / "job-monitor" / "SKILL.md"
    before = write(path, "mine\n")
    plan = home.install("codex")
    assert any("your own" in note for note in plan.notes)
    home.uninstall("codex")
    assert path.read_bytes() == before


def test_a_skill_that_was_changed_after_it_was_installed_stays(home: Home) -> None:
    home.install("codex")
    path = home.at("codex").skills / "job-monitor" / "SKILL.md"
    write(path, path.read_text() + "mine\n")
    assert any("left alone" in note for note in home.install("codex").notes)
    assert any("stays" in note for note in home.uninstall("codex").notes)
    assert path.exists()


def test_the_table_of_codex_is_put_below_a_persons_own_with_their_comments(home: Home) -> None:
    there = home.at("codex")
    before = write(there.server, '# mine\nmodel = "x"  # good\n\n[mcp_servers.other]\ncommand = "y"')
    home.install("codex")
    text = there.server.read_text()
    assert text.startswith(before.decode())
    told = tomllib.loads(text)["mcp_servers"]
    assert set(told) == {"other", "jobwarden"}
    assert told["jobwarden"]["tool_timeout_sec"] >= 1800
    home.uninstall("codex")
    assert there.server.read_bytes() == before


# -- files that cannot be changed


def untouched(home: Home, client: Client, error: type[InstallError], match: str) -> None:
    before = home.tree()
    with pytest.raises(error, match=match):
        home.install(client)
    assert home.tree() == before


@pytest.mark.parametrize("text", ["{", "[]", b"\xff{}", '{"hooks": []}', '{"hooks": {"Stop": {}}}', "// c\n{}"])
@pytest.mark.parametrize("client", CLIENTS)
def test_hooks_that_cannot_be_understood_leave_everything_as_it_is(
    home: Home, client: Client, text: str | bytes
) -> None:
    write(home.at(client).hooks, text)
    untouched(home, client, UnparsableError, "settings.json|hooks.json")


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("claude", '{"mcpServers": 1}'),
        ("claude", '{"a": }'),
        ("codex", "a = \n"),
        ("codex", "mcp_servers = { other = { command = 'x' } }"),
    ],
)
def test_servers_that_cannot_be_understood_leave_everything_as_it_is(home: Home, client: Client, text: str) -> None:
    write(home.at(client).server, text)
    untouched(home, client, UnparsableError, ".claude.json|config.toml")


@pytest.mark.parametrize("client", CLIENTS)
def test_another_server_of_our_name_is_not_touched(home: Home, client: Client) -> None:
    toml = '[mcp_servers.jobwarden]\nurl = "http://x"\n'
    write(home.at(client).server, toml if client == "codex" else {"mcpServers": {"jobwarden": {"url": "http://x"}}})
    untouched(home, client, ForeignEntryError, "does not start jobwarden")
    assert home.uninstall(client).changes == []


def test_a_file_without_a_write_bit_is_not_written_not_even_by_root(home: Home) -> None:
    path = home.at("claude").hooks
    write(path, "{}")
    path.chmod(0o444)
    untouched(home, "claude", LockedFileError, "read-only")


def test_a_folder_in_the_place_of_a_file_is_said(home: Home) -> None:
    home.at("claude").hooks.mkdir(parents=True)
    untouched(home, "claude", InstallError, "settings.json")


def test_a_file_in_the_place_of_a_folder_is_said(home: Home) -> None:
    write(home.root / ".claude", "a file")
    untouched(home, "claude", InstallError, r"\.claude")


def test_a_link_is_written_through_and_stays_a_link(home: Home, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "settings.json"
    before = write(real, '{"x": 1}')
    real.chmod(0o640)
    path = home.at("claude").hooks
    path.parent.mkdir(parents=True)
    path.symlink_to(real)
    home.install("claude")
    assert path.is_symlink()
    assert len(ours(home, "claude")) == HANDLERS
    assert real.stat().st_mode & 0o777 == 0o640
    home.uninstall("claude")
    assert (path.is_symlink(), real.read_bytes()) == (True, before)


def test_a_link_that_leads_to_no_file_yet_gets_one_where_it_leads(home: Home, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "settings.json"
    path = home.at("claude").hooks
    path.parent.mkdir(parents=True)
    path.symlink_to(real)
    home.install("claude")
    assert real.is_file()
    home.uninstall("claude")
    assert (path.is_symlink(), real.exists()) == (True, False)


@pytest.mark.parametrize(
    "name", [".claude", ".claude/settings.local.json", ".claude/skills/job-monitor/SKILL.md", ".codex"]
)
def test_a_projects_link_that_leads_out_of_it_is_not_followed(home: Home, tmp_path: Path, name: str) -> None:
    client: Client = "codex" if "codex" in name else "claude"
    link = home.root / "project" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    before = home.tree()
    with pytest.raises(LockedFileError, match="leads out of the project"):
        home.install(client, "project")
    assert home.tree() == before
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_a_circle_is_said(home: Home) -> None:
    path = home.at("claude").hooks
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    untouched(home, "claude", InstallError, "settings.json")


def test_what_somebody_writes_between_the_look_and_the_writing_is_not_lost(home: Home) -> None:
    path = home.at("claude").hooks
    write(path, "{}")
    plan = plan_install(home.at("claude"), home.env, home.program)
    theirs = write(path, '{"theirs": 1}')
    with pytest.raises(MovedOnError):
        carry_out(plan)
    assert path.read_bytes() == theirs
    home.install("claude")
    home.uninstall("claude")
    assert read(path) == {"theirs": 1}


def test_no_temporary_file_is_left_behind_when_a_file_cannot_be_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home.at("claude").hooks, "{}")
    plan = plan_install(home.at("claude"), home.env, home.program)

    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InstallError, match="No space left"):
        carry_out(plan)
    monkeypatch.undo()
    assert home.at("claude").hooks.read_text() == "{}"
    assert not [path for path in home.root.rglob(".*.*") if path.is_file()]


# -- a plug-in


@pytest.mark.parametrize("client", CLIENTS)
def test_where_the_plug_in_is_on_nothing_is_done(home: Home, client: Client) -> None:
    if client == "claude":
        write(home.at("claude").hooks, {"enabledPlugins": {"jobwarden@market": True}})
    else:
        write(home.at("codex").server, '[plugins."jobwarden@market"]\nenabled = true\n')
    plan = plan_install(home.at(client), home.env, home.program)
    assert (plan.blocked, plan.changes) == (True, [])
    assert "jobwarden@market" in plan.notes[0]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_plug_in_that_is_off_or_anothers_is_no_obstacle(home: Home, client: Client) -> None:
    if client == "claude":
        write(home.at("claude").hooks, {"enabledPlugins": {"jobwarden@market": False, "other@market": True}})
    else:
        write(home.at("codex").server, '[plugins."jobwarden@market"]\nenabled = false\n[plugins."other@market"]\n')
    assert home.install(client).changes


# -- where things are


def test_other_folders_of_the_clients_are_honoured(home: Home, tmp_path: Path) -> None:
    home.env |= {"CLAUDE_CONFIG_DIR": str(tmp_path / "cc"), "CODEX_HOME": str(tmp_path / "cx")}
    home.install("claude")
    home.install("codex")
    assert (tmp_path / "cc" / "settings.json").exists()
    assert (tmp_path / "cc" / ".claude.json").exists()
    assert (tmp_path / "cx" / "config.toml").exists()
    assert (home.root / ".agents" / "skills" / "job-monitor").is_dir()


def test_a_project_is_the_repository_around_the_folder(home: Home) -> None:
    below = home.root / "project" / "a" / "b"
    below.mkdir(parents=True)
    assert project_of(below) == home.root / "project"
    assert project_of(home.root) in (home.root, *home.root.parents)


def git(*words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True)


def test_a_worktree_is_a_part_of_the_repository_that_it_belongs_to_to_codex_for_its_hooks_alone(
    home: Home, tmp_path: Path
) -> None:
    """Seen with Claude Code 2.1.328 (`claude mcp add --scope local` names the project) and Codex 0.169.0."""
    main, tree, bare = tmp_path / "main", tmp_path / "tree", tmp_path / "bare.git"
    git("init", "-q", str(main))
    git("-C", str(main), "commit", "-q", "--allow-empty", "-m", "x")
    git("-C", str(main), "worktree", "add", "-q", str(tree))
    git("clone", "-q", "--bare", str(main), str(bare))
    git("-C", str(bare), "worktree", "add", "-q", str(tmp_path / "other"))
    claude = [places("claude", "project", home.env, folder) for folder in (main, tree, tmp_path / "other")]
    assert [one.servers[1] for one in claude] == [str(main), str(main), str(bare)]
    assert [one.hooks.parents[1] for one in claude] == [main, main, tmp_path / "other"]
    codex = places("codex", "project", home.env, tree)
    assert [codex.hooks.parents[1], codex.server.parents[1], codex.skills.parents[1]] == [main, tree, tree]


def test_the_program_is_the_one_that_was_called_by_a_path_that_lasts(tmp_path: Path) -> None:
    real, link = tmp_path / "tool" / "bin" / "jobwarden", tmp_path / "bin" / "jobwarden"
    for folder in (real.parent, link.parent):
        folder.mkdir(parents=True)
    real.touch(mode=0o755)
    link.symlink_to(real)
    assert running_program(tmp_path, str(link), "/x/python") == link
    assert running_program(tmp_path / "tool", "../bin/jobwarden", "/x/python") == link
    main = str(tmp_path / "jobwarden" / "cli" / "main.py")
    assert running_program(tmp_path, main, str(real.parent / "python")) == real
    with pytest.raises(InstallError, match="no program of its own"):
        running_program(tmp_path, main, "/x/python")


def test_a_program_in_uvs_cache_is_refused_since_it_does_not_last(tmp_path: Path) -> None:
    program = tmp_path / "uv" / "archive-v0" / "abc" / "bin" / "jobwarden"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    with pytest.raises(InstallError, match="cache"):
        running_program(tmp_path, str(program), "/x/python")


def test_a_dry_look_touches_nothing_and_shows_no_line_that_does_not_change(home: Home) -> None:
    write(home.at("claude").hooks, {"env": {"KEY": "secret"}, "model": "x"})
    home.install("codex")
    before = home.tree()
    plan = plan_install(home.at("claude"), home.env, home.program)
    shown = "".join(change.diff() for change in plan.changes)
    plan_uninstall(home.at("codex"), home.env)
    assert home.tree() == before
    assert "jobwarden_hook.py" in shown
    assert "secret" not in shown


def test_a_large_file_is_shown_by_its_few_lines_that_change(home: Home) -> None:
    path = home.at("claude").server
    before = write(path, {"projects": {str(number): {"a": [1, 2], "b": "secret"} for number in range(3_000)}, "z": 1})
    plan = home.install("claude")
    (shown,) = [change.diff() for change in plan.changes if change.path == path]
    assert len(shown.splitlines()) < 15
    assert "secret" not in shown
    home.uninstall("claude")
    assert path.read_bytes() == before
