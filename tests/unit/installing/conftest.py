"""A home with nothing in it but a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.installing import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    program = tmp_path / "bin" / "jobwarden"
    program.parent.mkdir()
    program.touch(mode=0o755)
    root = tmp_path / "home"
    (root / "project" / ".git").mkdir(parents=True)
    return Home(root, program, {"HOME": str(root), "PATH": "/usr/bin:/bin"})
