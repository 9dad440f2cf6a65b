"""The ended jobs of a session, read from its journal as it grows; by way of an index where that is long.

Not on the event loop, and by one thread at a time (`Sessions.call`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from jobwarden.service.past import index
from jobwarden.service.past.index import Contents
from jobwarden.service.past.rows import Point, Row, point_of_event, row_of_event
from jobwarden_registry.disk import Folder, Opened
from jobwarden_registry.journal import EVENTS, read_line
from jobwarden_registry.model import JobRecord
from jobwarden_registry.scanning import Scan
from jobwarden_registry.session import Session

_WORDS = (b'"finished"', b'"removed"', b'"store_metric"')
_TAKEN = "taken over by session "
"""So begins what is said of a job that another session goes on with: its end is told there."""
_SAVE_BYTES = 256 << 10
_SAVE_PART = 20
"""The index is written again after so many new bytes of the journal, and a twentieth of what there was."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One job that is no longer watched.

    Attributes:
        record: As it stood at its end.
        seq: Its `finished` event.
    """

    record: JobRecord
    seq: int


@dataclass(slots=True)
class History:
    """What has been read so far; every call goes on from there."""

    _told: Contents = field(default_factory=Contents)
    _saved: int = 0
    _ended: dict[str, Ended | None] = field(default_factory=dict[str, Ended | None])
    """None: written by a newer jobwarden; its own reader shows it."""

    def rows(self, session: Session) -> Mapping[str, Row]:
        """Give what is known of the ended jobs, by uid, in the order in which their ends were journaled.

        Raises:
            UntrustedError, UnreadableError: The session's folder cannot be read.
        """
        folder = session.opened()
        if folder is None:
            self._forget()
            return {}
        with folder, folder.opened(EVENTS) as journal:
            self._go_on(folder, journal)
        return self._told.rows

    def points(self, session: Session) -> tuple[Point, ...]:
        """Give what rules stored of this session's jobs, as they were journaled; raises as `rows`."""
        self.rows(session)
        return tuple(self._told.points)

    def removed(self, session: Session) -> int:
        """Say how many jobs were watched no longer before their end was seen; raises as `rows`."""
        self.rows(session)
        return self._told.removed

    def ended(self, session: Session, uids: Collection[str] | None = None) -> dict[str, Ended]:
        """Give the whole records of ended jobs, of all or of some; raises as `rows`."""
        folder = session.opened()
        if folder is None:
            self._forget()
            return {}
        with folder, folder.opened(EVENTS) as journal:
            self._go_on(folder, journal)
            rows = (
                self._told.rows
                if uids is None
                else {uid: row for uid in uids if (row := self._told.rows.get(uid)) is not None}
            )
            if journal is not None:
                for uid, row in rows.items():
                    if uid not in self._ended:
                        self._ended[uid] = _ended(journal, row)
        return {uid: one for uid in rows if (one := self._ended.get(uid)) is not None}

    def _go_on(self, folder: Folder, journal: Opened | None) -> None:
        if journal is None:
            self._forget()
            return
        if not self._told.end or not self._told.goes_on_in(journal):
            self._begin(folder, journal)
        told = self._told
        scan = Scan(journal, _WORDS, told.end)
        for raw, start, length in scan:
            row = row_of_event(raw, start, length)
            if row is not None:
                told.rows.pop(row.uid, None)
                told.rows[row.uid] = row
                self._ended.pop(row.uid, None)
            elif raw["event"] == "removed":
                told.removed += not str(raw.get("text", "")).startswith(_TAKEN)
            elif (point := point_of_event(raw)) is not None:
                told.points.append(point)
        if scan.end != told.end or not told.mark:
            told.inode, told.end, told.mark = journal.inode(), scan.end, index.mark_of(journal, scan.end)
        if told.end - self._saved >= max(_SAVE_BYTES, self._saved // _SAVE_PART):
            index.save(folder, told)
            self._saved = told.end

    def _begin(self, folder: Folder, journal: Opened) -> None:
        self._forget()
        kept = index.load(folder)
        if kept is not None and kept.goes_on_in(journal):
            self._told = kept
            self._saved = kept.end

    def _forget(self) -> None:
        self._told = Contents()
        self._saved = 0
        self._ended.clear()


def _ended(journal: Opened, row: Row) -> Ended | None:
    raw = read_line(journal.read(row.start, row.length)) or {}
    try:
        return Ended(JobRecord.model_validate(raw.get("record")), row.seq)
    except ValidationError:  # written by a newer jobwarden: its own reader shows it
        return None
