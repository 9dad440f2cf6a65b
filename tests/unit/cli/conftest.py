"""A terminal to type commands into."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobwarden.cli.main import main
from jobwarden.service.service import Service
from support.fake_service import NOW, Answers, FakeService, Ran, Terminal


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def terminal(
    answers: Answers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clean_environment: Path
) -> Terminal:
    """Type a command: `terminal("status", "--json")`."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    @asynccontextmanager
    async def opened(env: Mapping[str, str], *, project: Path | None = None) -> AsyncGenerator[Service]:
        yield FakeService(answers)

    def type_in(*words: str, env: Mapping[str, str] | None = None) -> Ran:
        home = {"HOME": str(clean_environment), "XDG_RUNTIME_DIR": str(clean_environment / "run")}
        code = main(words, open_service=opened, env=home | dict(env or {}), clock=lambda: NOW)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return type_in
