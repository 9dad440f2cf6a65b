"""How far each consumer of a session's events has been told: `cursors.json` in the state folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pydantic import BaseModel, ConfigDict, ValidationError

from jobwarden_registry.disk import Folder, told_plainly
from jobwarden_registry.rawjson import Raw, read_object, write_json

CURSORS = "cursors.json"


class Cursor(BaseModel):
    """One consumer's place in the journal; both counts are numbers of events."""

    model_config = ConfigDict(frozen=True, extra="allow")

    shown: int = 0
    """The latest event that was in an answer to it."""
    acknowledged: int = 0
    """The latest event that it has certainly seen."""
    clients: tuple[str, ...] = ()
    """The processes that have asked, the latest last; a new one is told again what is not acknowledged."""


class Cursors:
    """The cursors of one session."""

    def __init__(
        self, opened: Callable[[], Folder | None], locked: Callable[[], AbstractContextManager[Folder]]
    ) -> None:
        self._opened = opened
        self._locked = locked

    def get(self, consumer: str) -> Cursor:
        """Give a consumer's cursor; one that is not known, or cannot be read, has been told nothing."""
        folder = self._opened()
        if folder is None:
            return Cursor()
        with folder:
            raw = _read(folder).get(consumer)
        try:
            return Cursor.model_validate(raw)
        except ValidationError:
            return Cursor()

    def put(self, consumer: str, cursor: Cursor) -> None:
        """Remember a consumer's cursor.

        Raises:
            LockTimeoutError, UnwritableError: It was not remembered.
        """
        with self._locked() as folder, told_plainly(folder.path):
            consumers = _read(folder)
            consumers[consumer] = cursor.model_dump(mode="json")
            folder.replace(CURSORS, write_json({"v": 1, "consumers": consumers}), sync=False)


def _read(folder: Folder) -> Raw:
    raw = read_object(folder.read(CURSORS) or b"") or {}
    consumers = raw.get("consumers")
    return consumers if isinstance(consumers, dict) else {}
