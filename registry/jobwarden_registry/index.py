"""Which sessions there are: one small file for each, in the user's state folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.disk import Folder, Steps, open_folder, temporary_name, told_plainly
from jobwarden_registry.errors import InvalidIdError, RegistryError, UnreadableError, UnwritableError
from jobwarden_registry.model import Utc
from jobwarden_registry.paths import SESSIONS, Places, check_session_id
from jobwarden_registry.rawjson import read_object, write_json

ENTRY = "session.json"


class SessionEntry(BaseModel):
    """One session: where its project is, and who works in it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    session_id: str
    project: Path
    agent: str = "manual"
    created_at: Utc
    last_seen_at: Utc
    client: dict[str, JsonValue] = Field(default_factory=dict)
    """What is known of the agent's client, for waking it. Never secret."""


class Index:
    """The user's sessions. Only folders that are the user's own, and that nobody else can write, are obeyed."""

    def __init__(self, places: Places, *, clock: Clock = utc_now, steps: Steps | None = None) -> None:
        self._places = places
        self._clock = clock
        self._steps = steps or Steps()

    def add(self, entry: SessionEntry) -> SessionEntry:
        """Remember a session, or that it was seen again.

        The first project stays the session's own: see `move`.

        Returns:
            The entry as it stands now.

        Raises:
            InvalidIdError: Its id is not safe as a folder's name.
            UnwritableError: The state folder cannot be written.
        """
        entry = entry.model_copy(update={"project": entry.project.absolute()})
        with self._folder(entry.session_id) as folder, told_plainly(folder.path):
            known = _read(folder, entry.session_id)
            if known is None and not self._create(folder, entry):
                known = _read(folder, entry.session_id)
            if known is None:
                return entry
            client = known.client | entry.client
            fresh = known.model_copy(update={"last_seen_at": self._clock(), "client": client})
            folder.replace(ENTRY, _written(fresh))
            return fresh

    def move(self, session_id: str, project: Path) -> SessionEntry | None:
        """Let a session's project be another folder from now on; None when there is no such session."""
        known = self.get(session_id)
        if known is None:
            return None
        fresh = known.model_copy(update={"project": project})
        with self._folder(session_id) as folder, told_plainly(folder.path):
            folder.replace(ENTRY, _written(fresh))
        return fresh

    def all(self) -> tuple[SessionEntry, ...]:
        """Give every session, oldest first; what cannot be read, or is not the user's own, is passed over.

        Raises:
            UnreadableError: The state folder did not answer; that is not "no sessions".
        """
        try:
            names = [path.name for path in (self._places.state / SESSIONS).iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UnreadableError(f"{self._places.state} cannot be listed: {error.strerror}.") from error
        found: list[SessionEntry] = []
        for name in names:
            with suppress(RegistryError):
                entry = self.get(name)
                if entry is not None:
                    found.append(entry)
        return tuple(sorted(found, key=lambda entry: (entry.created_at, entry.session_id)))

    def get(self, session_id: str) -> SessionEntry | None:
        """Give one session, or None when it is not known or its entry cannot be read.

        Raises:
            InvalidIdError: The id is not safe as a folder's name.
            UntrustedError: Its folder is not the user's own, or others may write in it.
        """
        parts = (SESSIONS, check_session_id(session_id))
        folder = open_folder(self._places.state, parts, self._steps, create=False)
        if folder is None:
            return None
        with folder:
            return _read(folder, session_id)

    def remove(self, session_id: str) -> None:
        """Forget a session; its journal stays where it is."""
        folder = open_folder(self._places.state, (SESSIONS, check_session_id(session_id)), self._steps, create=False)
        if folder is None:
            return
        with folder, told_plainly(folder.path), suppress(FileNotFoundError):
            folder.unlink(ENTRY)

    def _folder(self, session_id: str) -> Folder:
        parts = (SESSIONS, check_session_id(session_id))
        folder = open_folder(self._places.state, parts, self._steps, create=True)
        if folder is None:
            raise UnwritableError(f"{self._places.state} is gone.")
        return folder

    def _create(self, folder: Folder, entry: SessionEntry) -> bool:
        """Write the first entry; False when another process was quicker with one that can be read."""
        temporary = temporary_name(ENTRY)
        folder.create(temporary, _written(entry))
        try:
            folder.claim(temporary, ENTRY)
        except FileExistsError:
            if _read(folder, entry.session_id) is not None:
                return False
            folder.replace(ENTRY, _written(entry))
        finally:
            with suppress(OSError):
                folder.unlink(temporary)
        return True


def _written(entry: SessionEntry) -> bytes:
    return write_json(entry.model_dump(mode="json"), indent=2) + b"\n"


def _read(folder: Folder, session_id: str) -> SessionEntry | None:
    raw = read_object(folder.read(ENTRY) or b"")
    if raw is None:
        return None
    try:
        entry = SessionEntry.model_validate(raw)
        check_session_id(entry.session_id)
    except (ValidationError, InvalidIdError):
        return None
    return entry if entry.session_id == session_id and entry.project.is_absolute() else None
