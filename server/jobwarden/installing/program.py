"""The program that clients are to start: the one that runs now, by a path that lasts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobwarden.installing.entries import NAME
from jobwarden.installing.errors import InstallError

_PASSING = ("archive-v0", "builds-v0", "environments-v2")
"""Folders of uv's cache in which `uvx` and `uv run --with` keep what they run; cleaned without asking."""


def running_program(cwd: Path, called: str | None = None, interpreter: str | None = None) -> Path:
    """Give the absolute path of the jobwarden that was started.

    A link (uv tool, pipx) stays one, since it outlives upgrades.

    Args:
        cwd: What a relative path is from.
        called: `sys.argv[0]`, unless a test says otherwise.
        interpreter: `sys.executable`, likewise.

    Raises:
        InstallError: It is in a folder that does not last, or there is none (python -m).
    """
    named = Path(called or sys.argv[0])
    beside = Path(interpreter or sys.executable).parent / NAME
    found = next((one for one in (cwd / named, beside) if one.name == NAME and _starts(one)), None)
    if found is None:
        raise InstallError(
            "This jobwarden has no program of its own that a client could start.",
            hint="Install it first: uv tool install jobwarden",
        )
    found = Path(os.path.normpath(found))
    if any(part in _PASSING for part in found.resolve().parts):
        raise InstallError(
            f"{found} is in uv's cache, and gone when that is cleaned.",
            hint="Install it first: uv tool install jobwarden",
        )
    return found


def _starts(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
