"""Jobs that a hook has announced to their agent and whose registration is under way: who asks meanwhile waits for them.

A hook answers at once and starts `jobwarden hook submitted`, which takes about a second to begin. An agent that asks in
between would hear that nothing is watched, of a job that it was just told is. The hook's note (`hooks/`) is a file that
is locked for as long as the registration lives.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import anyio
from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk

ARRIVING = "arriving"
PATIENCE_S = 20.0
_STEP_S = 0.05


async def settled(desk: Desk, caller: Caller) -> None:
    """Wait until what hooks have announced to this session is in the registry, or its registration has died."""
    folder = _folder(desk, caller)
    with anyio.move_on_after(PATIENCE_S):
        while await to_thread.run_sync(_any_on_its_way, folder):
            await anyio.sleep(_STEP_S)


async def arrived(desk: Desk, caller: Caller, note: str) -> None:
    """Take a note away: what it announced is in the registry, or never will be."""
    if note and "/" not in note and note not in (".", ".."):
        await to_thread.run_sync(_remove, _folder(desk, caller) / note)


def _folder(desk: Desk, caller: Caller) -> Path:
    return desk.world.places.runtime / ARRIVING / caller.session_id


def _any_on_its_way(folder: Path) -> bool:
    try:
        notes = list(folder.iterdir())
    except OSError:
        return False
    return any([_lives(note) for note in notes])


def _lives(note: Path) -> bool:
    """Say whether a note's registration lives; one that has died leaves nothing behind."""
    try:
        descriptor = os.open(note, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    _remove(note)
    return False


def _remove(note: Path) -> None:
    with suppress(OSError):
        note.unlink()
    with suppress(OSError):
        note.parent.rmdir()
