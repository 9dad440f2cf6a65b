"""The repository as a plug-in of Claude Code and Codex: what its files name is there, and they agree.

That the clients take it is for a test with the real ones; here is what needs none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DAY_S = 86400
HOOKS = ("hooks/hooks.json", "hooks/hooks.codex.json")


def read(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="utf-8"))
    return told


def handlers(name: str) -> dict[str, list[dict[str, Any]]]:
    return {event: [one for group in groups for one in group["hooks"]] for event, groups in read(name)["hooks"].items()}


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_runs_a_script_of_ours_without_site_packages_and_within_a_limit(name: str) -> None:
    for event, found in handlers(name).items():
        for one in found:
            path = re.fullmatch(r'test ! -r ("\S+") \|\| exec python3 -I -S \1', one["command"])
            assert path is not None, event
            assert (ROOT / path[1].removeprefix('"${CLAUDE_PLUGIN_ROOT}/').rstrip('"')).is_file()
            assert one["timeout"] == DAY_S if one.get("asyncRewake") else 0 < one["timeout"] <= 20


@pytest.mark.parametrize("name", HOOKS)
def test_a_plug_in_whose_folder_is_gone_takes_no_prompt_away(tmp_path: Path, name: str) -> None:
    """python3 ends with 2 where there is no script, which holds every prompt in both clients."""
    gone = {"CLAUDE_PLUGIN_ROOT": str(tmp_path / "gone"), "PATH": os.environ["PATH"]}
    for command in {one["command"] for found in handlers(name).values() for one in found}:
        done = subprocess.run(
            ["sh", "-c", command], env=gone, input=b"{}", capture_output=True, timeout=30, check=False
        )
        assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("name", HOOKS)
def test_a_script_that_cannot_be_read_takes_no_prompt_away(name: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # root reads all, and nobody cannot enter pytest's folder
        scripts = Path(folder) / "hooks"
        shutil.copytree(ROOT / "hooks", scripts, ignore=shutil.ignore_patterns("__pycache__"))
        Path(folder).chmod(0o755)
        for one in scripts.glob("*.py"):
            one.chmod(0)
        for command in {one["command"] for found in handlers(name).values() for one in found}:
            done = subprocess.run(
                ["sh", "-c", command],
                env={"CLAUDE_PLUGIN_ROOT": folder, "PATH": os.defpath},
                cwd="/",
                user=65534 if os.geteuid() == 0 else None,
                input=b"{}",
                capture_output=True,
                timeout=30,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, b"")


def test_each_event_is_one_that_the_script_knows_and_codex_has_only_its_own() -> None:
    claude, codex = (set(handlers(name)) for name in HOOKS)
    source = (ROOT / "hooks/jobwarden_hooks/events.py").read_text(encoding="utf-8")
    assert all(f'"{event}"' in source for event in claude)
    assert claude - codex == {"PostToolUseFailure", "PreToolUse"}
    assert codex - claude == {"SessionEnd"}


@pytest.mark.parametrize("tool", ["mcp__jobwarden__check_status", "mcp__plugin_jobwarden_jobwarden__tail_log"])
def test_the_note_of_a_sub_agents_call_is_asked_for_with_our_tools_alone(tool: str) -> None:
    matcher = read(HOOKS[0])["hooks"]["PreToolUse"][0]["matcher"]
    assert re.fullmatch(matcher, tool)
    assert not re.fullmatch(matcher, "mcp__github__search")
    assert not re.fullmatch(matcher, "Bash")


def test_both_manifests_say_what_the_package_says() -> None:
    told = metadata("jobwarden")
    names = {"name": "Name", "version": "Version", "description": "Summary", "license": "License-Expression"}
    package = {key: told[name] for key, name in names.items()}
    for name in (".claude-plugin/plugin.json", ".codex-plugin/plugin.json"):
        manifest = read(name)
        assert {key: manifest[key] for key in package} == package
    offered = read(".claude-plugin/marketplace.json")["plugins"]
    assert [(one["name"], (ROOT / one["source"]).resolve()) for one in offered] == [(package["name"], ROOT)]


def test_what_the_manifest_for_codex_names_is_there() -> None:
    told = read(".codex-plugin/plugin.json")
    for key in ("mcpServers", "hooks", "skills"):
        assert (ROOT / told[key]).exists(), key


def test_each_client_starts_the_server_of_the_plug_in_itself() -> None:
    claude, codex = (read(name)["mcpServers"]["jobwarden"] for name in (".mcp.json", ".mcp.codex.json"))
    assert claude["command"] == "python3"
    assert claude["args"] == ["-I", "-S", "${CLAUDE_PLUGIN_ROOT}/hooks/jobwarden_start.py", "serve"]
    assert codex["command"] == "sh"
    assert "cwd" not in codex  # with one, Codex 0.169.0 starts it in the plug-in, and the project cannot be known


def test_the_server_for_codex_is_found_where_codex_keeps_its_plug_ins_and_works_in_the_thread_s_folder(
    tmp_path: Path,
) -> None:
    """Codex 0.169.0 expands nothing in its file, and keeps a plug-in below CODEX_HOME; of several the newest is it."""
    server = read(".mcp.codex.json")["mcpServers"]["jobwarden"]
    for release, written in (("0.10.0", 3000), ("0.9.0", 1000), ("0.8.0", 2000)):
        cached = tmp_path / "my codex" / "plugins" / "cache" / "a marketplace" / "jobwarden" / release / "hooks"
        cached.mkdir(parents=True)
        script = cached / "jobwarden_start.py"
        script.write_text(f"import os, sys; print('{release}', os.getcwd(), sys.argv[1:])", encoding="utf-8")
        os.utime(script, (written, written))
    assert (ROOT / "hooks" / "jobwarden_start.py").is_file()
    for env, moved in (({"CODEX_HOME": str(tmp_path / "my codex")}, ".codex"), ({"HOME": str(tmp_path)}, "gone")):
        done = subprocess.run(
            [server["command"], *server["args"]],
            env={"PATH": os.environ["PATH"], **env},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == f"0.10.0 {tmp_path} ['serve']\n", done.stderr
        next(tmp_path.glob("*codex")).rename(tmp_path / moved)
