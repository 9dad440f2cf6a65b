"""A home with quick clocks, and server processes that share it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.household import Household, household
from support.mcp_processes import Processes
from support.paper import FAR


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    clocks = {"floor_s": 0.0, "poll_s": 0.05, "quick_budget": 1000, "cancel_grace_s": 3.0}
    with household(clean_environment, clocks, FAR) as made:
        yield made


@pytest.fixture
async def world(home: Household) -> AsyncGenerator[Processes]:
    async with AsyncExitStack() as stack:
        yield Processes(home, stack)
