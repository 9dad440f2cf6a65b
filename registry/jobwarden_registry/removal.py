"""Removing a session whole: its state folder, and what is ours of its folder in the project."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from jobwarden_registry.disk import Folder, Steps, open_folder, told_plainly
from jobwarden_registry.errors import RegistryError
from jobwarden_registry.index import Index
from jobwarden_registry.journal import EVENTS
from jobwarden_registry.paths import ACTIVE_JOBS, AGENTS, SESSIONS, Places
from jobwarden_registry.rawjson import read_json
from jobwarden_registry.session import Session

_REMOVED = ".removed-"
_SMALL = 1 << 20


def remove_session(places: Places, session: Session, *, used_at: datetime, dry_run: bool = False) -> int:
    """Remove a session that nobody has used since; answers how many bytes that frees, 0: it is used again, and stays.

    The folder is first given a name that no session has, in one step: a crash leaves the session or a leftover, which
    `sweep_removed` removes. Whoever comes to use it in that very moment finds it again.

    Args:
        places: The user's folders.
        session: Which; it watches nothing.
        used_at: When it was used last, as the caller has seen it.
        dry_run: Only say it.

    Raises:
        RegistryError: It cannot be written.
    """
    folder = places.state / SESSIONS / session.entry.session_id
    freed = _size(folder) + _size(session.active_path.parent)
    if dry_run:
        return freed
    aside = folder.with_name(f"{_REMOVED}{session.entry.session_id}-{secrets.token_hex(4)}")
    with session.locked(), told_plainly(folder):
        if session.load() or _is_used(places, session, used_at):
            return 0
        before = (folder / EVENTS).stat().st_size if (folder / EVENTS).exists() else 0
        folder.rename(aside)
        entry = Index(places).get(session.entry.session_id)
        grown = (aside / EVENTS).exists() and (aside / EVENTS).stat().st_size != before
        if grown and entry is None:
            aside.rename(folder)
            return 0
        _tidy_project(session)
        shutil.rmtree(aside, ignore_errors=True)
    return freed


def sweep_removed(places: Places) -> None:
    """Remove what a crash has left of sessions that were being removed."""
    for path in (places.state / SESSIONS).glob(f"{_REMOVED}*"):
        if path.is_dir() and not path.is_symlink() and path.lstat().st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


def _is_used(places: Places, session: Session, used_at: datetime) -> bool:
    entry = Index(places).get(session.entry.session_id)
    if entry is None:
        return True
    latest = [event.timestamp for event in session.journal.tail(1)]
    return max([entry.last_seen_at, *latest]) > max(used_at, session.entry.last_seen_at)


def _project_folder(session: Session) -> Path:
    return session.entry.project.joinpath(*AGENTS, session.entry.session_id)


def set_aside(session: Session) -> list[Path]:
    """Give the broken files that were set aside in a session's folder in the project."""
    folder = _project_folder(session)
    with suppress(OSError):
        if not folder.is_symlink() and folder.lstat().st_uid == os.geteuid():
            return sorted(folder.glob(f"{ACTIVE_JOBS}.corrupt-*"))
    return []


def _tidy_project(session: Session) -> None:
    """Remove our own files from the project, and the folder if nothing else is in it; no link is followed there."""
    project = session.entry.project
    with suppress(OSError, RegistryError):
        folder = open_folder(project, (*AGENTS, session.entry.session_id), Steps(), create=False)
        if folder is None:
            return
        with folder:
            if not _is_empty(folder):
                return
            for name in folder.names():
                ignores = name == ".gitignore" and (folder.read(name) or b"").strip() == b"*"
                if ignores or name == ACTIVE_JOBS or name.startswith(f"{ACTIVE_JOBS}.corrupt-"):
                    folder.unlink(name)
        above = open_folder(project, AGENTS, Steps(), create=False)
        if above is not None:
            with above:
                above.remove_folder(session.entry.session_id)


def _is_empty(folder: Folder) -> bool:
    """Whether no job stands in the file: what somebody wrote there by hand stays."""
    found = folder.signature(ACTIVE_JOBS)
    return not found or (found[2] <= _SMALL and read_json(folder.read(ACTIVE_JOBS) or b"") == [])


def _size(folder: Path) -> int:
    with suppress(OSError):
        if not folder.is_symlink():
            return sum(path.lstat().st_size for path in folder.iterdir() if path.is_file())
    return 0
