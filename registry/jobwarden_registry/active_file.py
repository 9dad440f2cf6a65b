"""active_jobs.json in the project: read as it stands, set aside when broken, replaced whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from pydantic import JsonValue

from jobwarden_registry.disk import Folder, Signature, Steps, open_folder, temporary_name, told_plainly
from jobwarden_registry.paths import ACTIVE_JOBS, AGENTS
from jobwarden_registry.rawjson import NotJsonError, read_json, salvage, write_json

_IGNORE = ".gitignore"


class Found(Enum):
    """In what condition the file was."""

    MISSING = "missing"
    WHOLE = "whole"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Contents:
    """What the file held.

    Attributes:
        found: See `Found`.
        items: The array's items as they stand; of a broken file, the entries that could be salvaged.
        signature: Changes when anybody writes the file.
        place: The inode of its folder.
        data: The bytes, of a broken file only.
    """

    found: Found
    items: tuple[JsonValue, ...] = ()
    signature: Signature = ()
    place: int = 0
    data: bytes = b""


class ActiveFile:
    """One session's file in its project.

    Args:
        project: The project's folder; it may be gone.
        session_id: Checked already.
        steps: See `Steps`.
    """

    def __init__(self, project: Path, session_id: str, steps: Steps) -> None:
        self._project = project
        self._parts = (*AGENTS, session_id)
        self._steps = steps

    def read(self) -> Contents:
        """Read the file.

        Raises:
            UntrustedError: A folder above it in the project, or the file itself, is a link or not the user's own.
        """
        folder = self._open(create=False)
        if folder is None:
            return Contents(Found.MISSING)
        with folder:
            signature = folder.signature(ACTIVE_JOBS)
            data = folder.read(ACTIVE_JOBS)
            place = folder.inode()
        return Contents(Found.MISSING, place=place) if data is None else _contents(data, signature, place)

    def raw(self) -> tuple[bytes | None, int]:
        """Give the file's bytes, None for no file, and its folder's inode; raises as `read`."""
        folder = self._open(create=False)
        if folder is None:
            return None, 0
        with folder:
            return folder.read(ACTIVE_JOBS), folder.inode()

    def signature(self) -> Signature:
        """Look at the file without opening it; empty when it is not there."""
        path = self._project.joinpath(*self._parts, ACTIVE_JOBS)
        try:
            found = path.lstat()
        except OSError:
            return ()
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def prepare(self, items: list[JsonValue]) -> Prepared | None:
        """Write the new file beside the old one.

        Returns:
            None when the project is gone; it is not made again.

        Raises:
            UnwritableError: It cannot be written; the old one stands.
            UntrustedError: See `read`.
        """
        folder = self._open(create=True)
        if folder is None:
            return None
        temporary = temporary_name(ACTIVE_JOBS)
        try:
            with told_plainly(folder.path):
                folder.sweep(ACTIVE_JOBS)
                if not folder.signature(_IGNORE):
                    folder.create(_IGNORE, b"*\n", sync=False)
                folder.create(temporary, write_json(items, indent=2) + b"\n")
        except BaseException:  # whatever ends this, the folder is closed; it goes on up
            folder.close()
            raise
        return Prepared(folder, temporary)

    def _open(self, *, create: bool) -> Folder | None:
        return open_folder(self._project, self._parts, self._steps, create=create)


class Prepared:
    """A new file that waits to take its place. Whoever prepares it closes it."""

    def __init__(self, folder: Folder, temporary: str) -> None:
        self._folder = folder
        self._temporary = temporary
        self._placed = False

    def keep_aside(self, contents: Contents, now: datetime) -> str:
        """Keep a broken file under another name, once; the file itself stays until it is replaced.

        Returns:
            That name.

        Raises:
            OSError: It cannot be kept.
        """
        for name in self._folder.names():
            if name.startswith(f"{ACTIVE_JOBS}.corrupt-") and self._folder.read(name) == contents.data:
                return name
        name = f"{ACTIVE_JOBS}.corrupt-{now:%Y%m%dT%H%M%S.%fZ}"
        self._folder.replace(name, contents.data)
        return name

    def place_inode(self) -> int:
        """Give the inode of the folder; see `Projection.place`."""
        return self._folder.inode()

    def is_outdated(self, contents: Contents) -> bool:
        """Say whether somebody wrote the file since it was read."""
        return self._folder.signature(ACTIVE_JOBS) != contents.signature

    def place(self) -> None:
        """Put the new file in the old one's place.

        Raises:
            OSError: The old one stands.
        """
        self._folder.rename(self._temporary, ACTIVE_JOBS)
        self._placed = True

    def close(self) -> None:
        """Let go of the folder, and of the new file if it was not placed."""
        try:
            if not self._placed:
                with suppress(OSError):
                    self._folder.unlink(self._temporary)
        finally:
            self._folder.close()


def _contents(data: bytes, signature: Signature, place: int) -> Contents:
    try:
        value = read_json(data)
    except NotJsonError:
        value = None
    if isinstance(value, list):
        return Contents(Found.WHOLE, tuple(value), signature, place)
    entries = tuple(entry for entry in salvage(data) if "type" in entry and "id" in entry)
    return Contents(Found.BROKEN, entries, signature, place, data)
