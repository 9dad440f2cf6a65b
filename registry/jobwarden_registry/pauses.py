"""What is not watched for a while: whole hosts and sessions, in one small file of the user's.

Single jobs say so themselves: `JobRecord.paused`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobwarden_registry.disk import Folder, Signature, Steps, open_folder, told_plainly
from jobwarden_registry.errors import UnwritableError
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.paths import Places
from jobwarden_registry.rawjson import read_object, write_json

PAUSED = "paused.json"
_LOCK = "paused.lock"


class HostPause(Pause):
    """A host of which nothing is watched."""

    host: str
    """As it was written."""
    site: str | None = None
    """Where that led then: another name of the same host is meant, too."""


class Paused(BaseModel):
    """All that is paused, beside single jobs."""

    model_config = ConfigDict(frozen=True, extra="allow")

    hosts: tuple[HostPause, ...] = ()
    sessions: Mapping[str, Pause] = Field(default_factory=dict[str, Pause])

    def of(self, session_id: str, record: JobRecord) -> Pause | None:
        """Say why a session's job is not watched; None where it is."""
        return record.paused or self.sessions.get(session_id) or self.of_host(record.host, record.site)

    def of_host(self, host: str, site: str | None) -> HostPause | None:
        """Say why a host is not asked; None where it is."""
        for one in self.hosts:
            if one.host == host or (site is not None and one.site == site):
                return one
        return None


class Pauses:
    """The file. Reading it again costs one look while it does not change."""

    def __init__(self, places: Places, *, steps: Steps | None = None) -> None:
        self._places = places
        self._steps = steps or Steps()
        self._known: tuple[Signature, Paused] = ((), Paused())

    def read(self) -> Paused:
        """Give what is paused. A file that cannot be read as one pauses nothing.

        Raises:
            UntrustedError: The state folder is not the user's own.
            UnreadableError: The disk did not answer.
        """
        folder = open_folder(self._places.state, (), self._steps, create=False)
        if folder is None:
            return Paused()
        with folder:
            signature = folder.signature(PAUSED)
            if signature != self._known[0]:
                self._known = (signature, _read(folder))
            return self._known[1] if signature else Paused()

    def change(self, work: Callable[[Paused], Paused]) -> Paused:
        """Write what `work` makes of it; nobody else of this machine writes meanwhile.

        Raises:
            UntrustedError, UnreadableError, UnwritableError: Nothing was changed.
        """
        folder = open_folder(self._places.state, (), self._steps, create=True)
        if folder is None:
            raise UnwritableError(f"{self._places.state} is gone.")
        with folder, self._locked(), told_plainly(folder.path):
            fresh = work(_read(folder))
            folder.replace(PAUSED, write_json(fresh.model_dump(mode="json"), indent=2) + b"\n")
            return fresh

    @contextmanager
    def _locked(self) -> Generator[None]:
        path = self._places.runtime / _LOCK
        with told_plainly(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(folder: Folder) -> Paused:
    try:
        return Paused.model_validate(read_object(folder.read(PAUSED) or b"") or {})
    except ValidationError:
        return Paused()
