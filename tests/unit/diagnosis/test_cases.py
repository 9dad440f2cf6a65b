"""Short logs of every category, and healthy ones that sound ill, in tests/data/diagnosis.

A block begins with `=== category[/kind] | what it is [| facts of the end]`. Message shapes are those that the programs
print; logs of programs really run are in tests/data/failures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.model import Category, Diagnosis, Log, Outcome, Piece

DATA = Path(__file__).parents[2] / "data" / "diagnosis"


def blocks() -> Iterator[Any]:
    for path in sorted(DATA.glob("*.txt")):
        for block in re.split(r"(?m)^=== ", path.read_text("utf-8"))[1:]:
            head, _, text = block.partition("\n")
            right, about, *facts = (part.strip() for part in head.split("|"))
            yield pytest.param(right, facts[0] if facts else "", text, id=f"{path.stem}: {about}")


def told(text: str | bytes, **facts: Any) -> Diagnosis:
    data = text.encode() if isinstance(text, str) else text
    return diagnose([Log("job.log", (Piece(data),))], Outcome(**facts))


@pytest.mark.parametrize(("right", "facts", "text"), list(blocks()))
def test_a_log_tells_its_cause(right: str, facts: str, text: str) -> None:
    named = dict(fact.split("=", 1) for fact in facts.split())
    outcome: dict[str, Any] = {name: int(value) if value.isdigit() else value for name, value in named.items()}
    category, _, kind = right.partition("/")

    found = told(text, **outcome)

    assert found.category == category, (found.category, found.kind, found.cause, found.evidence[:2])
    assert not kind or found.kind == kind
    assert found.cause
    if found.category not in {Category.NONE, Category.UNKNOWN}:
        assert found.evidence
        assert found.confidence


def test_every_category_has_a_case() -> None:
    seen = {block.values[0].partition("/")[0] for block in blocks()}

    assert seen == {category.value for category in Category}
