"""What the documents promise is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>test_\w+)`")


@pytest.mark.parametrize(("name", "least"), [("slurm-traps.md", 60), ("defects-elsewhere.md", 75)])
def test_every_test_that_a_table_names_exists(name: str, least: int) -> None:
    page = ROOT / "docs" / name
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    named = [(found["path"], found["name"]) for found in _TEST.finditer(page.read_text(encoding="utf-8"))]
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
    assert len(named) >= least


def test_every_trap_names_a_test() -> None:
    page = ROOT / "docs" / "slurm-traps.md"
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)]
    assert [row for row in rows if not _TEST.search(row)] == []
    numbers = {int(found[1]) for row in rows if (found := re.match(r"\| (\d+)", row))}
    assert numbers == set(range(1, 31))


def test_every_defect_names_a_test() -> None:
    page = ROOT / "docs" / "defects-elsewhere.md"
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| (?!the defect)", line)]
    assert len(rows) >= 45
    assert [row for row in rows if not _TEST.search(row.split(" | ")[2])] == []


def test_the_readme_tells_the_figures_of_the_corpus_as_its_page_does() -> None:
    page, readme = ROOT / "docs" / "verdict-corpus.md", ROOT / "README.md"
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    found = re.search(r"\*\*jobwarden\*\* \| (\d+) of (\d+) \| (\d+) of (\d+) ", page.read_text(encoding="utf-8"))
    assert found is not None
    assert (found[1], found[3]) == (found[2], found[4])
    said = " ".join(readme.read_text(encoding="utf-8").split())
    assert f"Over {found[1]} recordings" in said
    assert f"at each of {int(found[3]):,} moments" in said
