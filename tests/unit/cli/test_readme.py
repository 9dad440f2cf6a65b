"""The README is held to what the program says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jobwarden.cli.exit_codes import MEANINGS
from jobwarden.cli.main import build
from jobwarden.config.model import Config
from jobwarden.identity import Caller
from jobwarden.mcp_server.app import build_server
from support.fake_service import Answers, FakeService

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _table(readme: str, head: str) -> dict[str, str]:
    lines = readme[readme.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1] for row in rows}


def _no_caller(**_request: object) -> Caller:
    raise NotImplementedError


async def test_the_tools_are_those_of_the_server(readme: str) -> None:
    server = build_server(FakeService(Answers()), find_caller=_no_caller)
    assert set(_table(readme, "tool")) == {tool.name for tool in await server.list_tools()}


def test_the_exit_codes_are_those_of_the_program(readme: str) -> None:
    assert _table(readme, "exit code") == {str(code.value): meaning for code, meaning in MEANINGS}


def test_the_commands_are_those_of_the_program(readme: str) -> None:
    told = [name for name, command in build().commands.items() if not command.hidden]
    assert list(_table(readme, "command")) == told


def test_the_example_configuration_can_be_used_and_shows_the_real_defaults(readme: str) -> None:
    block = re.search(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    shown = tomllib.loads(block.group(1))
    config, defaults = Config.model_validate(shown), Config()
    assert config.clocks == defaults.clocks
    assert config.limits == defaults.limits
    assert config.hosts["cluster-a"].prelude == "module load slurm"


def test_the_blocks_that_ci_runs_are_there(readme: str) -> None:
    assert re.findall(r"<!-- run: ([a-z-]+) -->\n```sh\n", readme) == ["demo", "test", "install", "command-line"]


def test_files_that_the_readme_links_to_exist(readme: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
