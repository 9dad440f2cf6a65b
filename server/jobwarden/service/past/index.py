"""`history.idx`: what was read of a session's journal for lists and statistics, so that it need not be read again.

The journal is the truth. The index is used only where it is whole and the journal goes on from where it ends; anything
else about it (damaged, of another version, of a journal that was cut or replaced) means that it is made anew. It is
put in place whole, without a lock: whichever of two writers comes last, what stands there is true.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import from_json

from jobwarden.service.past.rows import Point, Row, Run
from jobwarden_registry.disk import Folder, Opened
from jobwarden_registry.errors import RegistryError

INDEX = "history.idx"
_VERSION = 2
_MARK_BYTES = 4096
_FORM = [_VERSION, list(Row._fields), list(Run._fields), list(Point._fields)]
"""Another form, and it is made anew."""


@dataclass(slots=True)
class Contents:
    """What has been read of a journal.

    Attributes:
        inode: The journal's file.
        end: It was read up to here, in bytes.
        mark: Of the bytes that stand at its beginning and before `end`.
        rows: By uid, in the order in which their ends were journaled.
        points: What rules stored.
        removed: How many were watched no longer, by anybody, before their end was seen.
    """

    inode: int = 0
    end: int = 0
    mark: str = ""
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    points: list[Point] = field(default_factory=list[Point])
    removed: int = 0

    def goes_on_in(self, journal: Opened) -> bool:
        """Whether the journal is still the one that was read, as far as it was."""
        return self.inode == journal.inode() and self.mark == mark_of(journal, self.end)


def mark_of(journal: Opened, end: int) -> str:
    """Name a journal by what stands at its beginning and before a place, which is the end of a line."""
    first = journal.read(0, min(end, _MARK_BYTES))
    start = max(0, end - _MARK_BYTES)
    last = journal.read(start, end - start)
    whole = len(last) == end - start and last.endswith(b"\n" if end else b"")
    return hashlib.sha256(first + last).hexdigest() if whole else ""


def load(folder: Folder) -> Contents | None:
    """Read the index; None where there is none that can be used."""
    with suppress(RegistryError, ValueError, TypeError, LookupError):
        checked, _, data = (folder.read(INDEX) or b"").partition(b"\n")
        if hashlib.sha256(data).hexdigest().encode() != checked:
            return None
        told = cast("dict[str, Any]", from_json(data))
        if told.get("form") != _FORM:
            return None
        rows = (Row(*row) for row in told["rows"])
        points = [Point(*point) for point in told["points"]]
        return Contents(
            told["inode"], told["end"], told["mark"], {row.uid: row for row in rows}, points, told["removed"]
        )
    return None


def save(folder: Folder, contents: Contents) -> None:
    """Put the index in place; where that cannot be (a read-only disk), the journal is read again next time."""
    told = {
        "form": _FORM,
        "inode": contents.inode,
        "end": contents.end,
        "mark": contents.mark,
        "removed": contents.removed,
        "rows": list(contents.rows.values()),
        "points": contents.points,
    }
    data = json.dumps(told, separators=(",", ":")).encode()
    with suppress(OSError, RegistryError):
        folder.replace(INDEX, hashlib.sha256(data).hexdigest().encode() + b"\n" + data, sync=False)
