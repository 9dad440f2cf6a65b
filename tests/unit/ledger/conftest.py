"""A ledger on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobwarden.config.clocks import Clocks
from support.ledger_bench import Bench


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "ledger")


@pytest.fixture
def benches(tmp_path: Path) -> Callable[[Clocks], Bench]:
    return lambda clocks: Bench(tmp_path / "ledger", clocks)
