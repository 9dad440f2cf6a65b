"""The pages for people: links lead somewhere, codes and configuration in them are the program's own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jobwarden.cli.main import build
from jobwarden.config.model import Config

ROOT = Path(__file__).parents[2]
PAGES = ("quickstart-engineer", "quickstart-agent", "for-admins", "troubleshooting")


def read(page: str) -> str:
    path = ROOT / "docs" / f"{page}.md"
    if not path.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources() -> str:
    if not (ROOT / "server").is_dir():
        pytest.skip("no sources here: the installed wheel is tested")
    folders = ("server/jobwarden", "registry/jobwarden_registry")
    return "\n".join(path.read_text(encoding="utf-8") for name in folders for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_commands_files_and_settings_that_there_are(page: str) -> None:
    text = read(page)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / "docs" / link).exists(), link
    known = {name for name, command in build().commands.items() if not command.hidden}
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    named = re.findall(r"^jobwarden ([a-z-]+)", shell, re.MULTILINE) + re.findall(r"`jobwarden ([a-z-]+)", text)
    assert set(named) <= known
    assert named
    for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        Config.model_validate(tomllib.loads(block))


def test_every_code_of_the_troubles_is_one_of_the_programs(sources: str) -> None:
    text = read("troubleshooting")
    codes = set(re.findall(r"`((?:ssh|slurm|registry|job|id|source|config|log)\.[a-z_]+)`", text))
    assert len(codes) > 20
    assert {code for code in codes if f'"{code}"' not in sources} == set()
