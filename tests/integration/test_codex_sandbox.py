"""The command line inside of the real sandbox of Codex's shell: no network, and only the project may be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.codex import Codex, install_plugin, make_codex
from support.codex_provider import Item, Request, call, say, shell, stand_in, tool
from support.household import household

pytestmark = pytest.mark.node

ALONE = "[sandbox_workspace_write]\nexclude_slash_tmp = true\nexclude_tmpdir_env_var = true\n"
"""The whole home of a test lies in /tmp, which the sandbox leaves open otherwise."""


@pytest.fixture
def codex(clean_environment: Path) -> Iterator[Codex]:
    with household(clean_environment) as home, stand_in() as model:
        made = make_codex(home, model)
        config = made.folder / "config.toml"
        config.write_text(f"{config.read_text(encoding='utf-8')}\n{ALONE}", encoding="utf-8")
        install_plugin(made)
        yield made


def to_its_end(request: Request) -> Item:
    running = re.findall(r"session ID (\d+)", request.answers)
    if not running:
        return shell("true")(request)
    return call("write_stdin", {"session_id": int(running[0]), "chars": "", "yield_time_ms": 120000})(request)


def test_in_the_sandbox_the_command_line_reads_and_says_what_writes_instead(codex: Codex) -> None:
    """The sandbox refuses to send on any socket, also the one by which asyncio hears of its threads: it hung."""
    commands = "jobwarden status; echo status $?; jobwarden register slurm 13 --host nowhere.invalid; echo register $?"
    codex.model.will(
        tool("register_job", type="slurm", id="12", host="nowhere.invalid"), shell(commands), to_its_end, say("So.")
    )
    codex.exec("Look.", sandbox="workspace-write")
    said = "\n".join(request.answers for request in codex.model.requests)
    assert re.search(r"^UNKNOWN +12 ", said, re.MULTILINE), said
    assert "status 4" in said
    assert "Read-only file system" in said
    assert "MCP tools (register_job and the others) do the same from outside" in " ".join(said.split())
    assert "register 1" in said
