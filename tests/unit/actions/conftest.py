"""A home whose owner lets rules do what the tests are about."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from support.deeds import GRANTS, Stage, staged
from support.household import Household, household


@pytest.fixture
def granted() -> str:
    """What stands in the user's configuration; a test gives another."""
    return GRANTS


@pytest.fixture
def home(clean_environment: Path, granted: str) -> Iterator[Household]:
    with household(clean_environment, {"floor_s": 0.0, "cancel_grace_s": 0.2}, granted) as made:
        yield made


@pytest.fixture
async def stage(home: Household) -> AsyncGenerator[Stage]:
    async with staged(home) as made:
        yield made
