"""A home, a source of paper, and the service over both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from jobwarden.service.service import Service
from support.household import Household, household
from support.paper import FAR, Paper, QuietDesk, paper_service


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    clocks = {"floor_s": 0.0, "poll_s": 0.05, "quick_budget": 1000, "cancel_grace_s": 3.0}
    with household(clean_environment, clocks, FAR) as made:
        yield made


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
async def opened(home: Household, paper: Paper) -> AsyncGenerator[tuple[Service, QuietDesk]]:
    async with paper_service(home, paper) as made:
        yield made


@pytest.fixture
def service(opened: tuple[Service, QuietDesk]) -> Service:
    return opened[0]


@pytest.fixture
def desk(opened: tuple[Service, QuietDesk]) -> QuietDesk:
    return opened[1]
