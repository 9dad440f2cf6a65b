"""The house's own rules, where no linter has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = {"server": 400, "registry": 400, "bench": 400, "corpus": 400, "tests": 1000}
"""A test module may be a long list of facts about one thing."""


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:  # a folder may be missing, where the wheel is tested
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield path


@pytest.fixture
def in_checkout() -> None:
    """Skip where the tests run against the wheel, without the sources beside them."""
    if not (ROOT / "server").is_dir():
        pytest.skip("no sources here: the installed wheel is tested")


@pytest.mark.usefixtures("in_checkout")
@pytest.mark.parametrize(("folder", "package"), [("server", "jobwarden"), ("registry", "jobwarden_registry")])
def test_each_root_holds_one_package_so_that_nothing_is_missing_from_the_wheel(folder: str, package: str) -> None:
    assert [path.name for path in (ROOT / folder).iterdir() if path.name != "__pycache__"] == [package]
    for path in _files(folder):
        assert (path.parent / "__init__.py").exists(), f"{path} is in no package"


@pytest.mark.usefixtures("in_checkout")
def test_packages_open_with_an_empty_file() -> None:
    for path in _files("server", "registry"):
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            code = [node for node in body if not isinstance(node, ast.Expr)]
            assert code == [], path


def test_no_file_is_too_long_to_know() -> None:
    long: list[str] = []
    for folder, most in MOST_LINES.items():
        lengths = {path: len(path.read_bytes().splitlines()) for path in _files(folder)}
        long += [f"{path.relative_to(ROOT)}: {lines}" for path, lines in lengths.items() if lines > most]
    assert long == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = re.compile(r"(utils?|helpers?|common|misc|manager)\.py")
    assert [
        path for path in _files("server", "registry", "tests", "bench", "corpus") if drawers.fullmatch(path.name)
    ] == []


_QUIET = re.compile(r"#\s*(noqa|type: ignore|pyright: ignore|pragma: no cover)(?P<rest>.*)")
_NAMED = re.compile(r"(: [A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*|\[[\w,\s-]+\])\W*(?P<reason>.*)")


def test_what_quiets_a_checker_names_its_rule_and_reason() -> None:
    bare: list[str] = []
    for path in _files("server", "registry", "tests", "bench", "corpus"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            quiet = _QUIET.search(line)
            if quiet is None:
                continue
            named = _NAMED.match(quiet["rest"])
            if named is None or len(named["reason"]) < 5:
                bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert bare == []


@pytest.mark.usefixtures("in_checkout")
def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
