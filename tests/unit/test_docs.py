"""What the documents promise is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)::(?P<name>test_\w+)`")


def test_every_test_that_the_table_of_traps_names_exists() -> None:
    page = ROOT / "docs" / "slurm-traps.md"
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    named = [(found["path"], found["name"]) for found in _TEST.finditer(page.read_text(encoding="utf-8"))]
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []
    assert len(named) >= 60


def test_every_trap_names_a_test() -> None:
    page = ROOT / "docs" / "slurm-traps.md"
    if not page.exists():
        pytest.skip("no documents here: the installed wheel is tested")
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)]
    assert [row for row in rows if not _TEST.search(row)] == []
    numbers = {int(found[1]) for row in rows if (found := re.match(r"\| (\d+)", row))}
    assert numbers == set(range(1, 31))
