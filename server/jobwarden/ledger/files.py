"""The ledger's files: whole or not there, whatever dies.

For each key there are, in a folder on local disk: the answer, the wants, and one lock for each. The answer is
written only by who holds the asking lock, for the whole time of a question; the wants by anybody, under a lock that
is held for an instant. The kernel releases both when their holder dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from jobwarden.ledger.encoding import Encoder
from jobwarden.ledger.snapshot import LedgerKey, Snapshot, Stored, Wants
from jobwarden_registry.model import utc_text

MAX_BYTES = 32 * 1024 * 1024
"""A file that has grown beyond this is not read: it is not one of ours."""

_M = TypeVar("_M", bound=BaseModel)


class Busy(OSError):  # noqa: N818 -- a state of a lock, like BlockingIOError
    """Somebody else holds the lock."""


class KeyFiles:
    """The files of one key."""

    def __init__(self, folder: Path, key: LedgerKey) -> None:
        stem = hashlib.sha256(key.text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self._key = key.text
        self._folder = folder
        self._answer = folder / f"{stem}.answer.json"
        self._wants = folder / f"{stem}.wants.json"
        self._asking = folder / f"{stem}.asking"
        self._guard = folder / f"{stem}.lock"

    # -- reading: never waits, never fails

    def signature(self) -> tuple[int, ...]:
        """Give numbers that change whenever the answer has been written; none when there is no answer."""
        return _signature(self._answer)

    def read(self) -> Snapshot:
        """Give the stored answer; a file that is missing or cannot be believed is no answer."""
        stored = _load(self._answer, Stored)
        if stored is None or stored.key != self._key:
            return Snapshot()
        return Snapshot.model_construct(**{name: getattr(stored, name) for name in Snapshot.model_fields})

    def wants_signature(self) -> tuple[int, ...]:
        """As `signature`, of the wants."""
        return _signature(self._wants)

    def read_wants(self) -> Wants:
        """Give who is wanted; as `read`."""
        wants = _load(self._wants, Wants)
        return wants if wants is not None and wants.key == self._key else Wants(key=self._key)

    # -- writing

    def write(self, snapshot: Snapshot, lock: AskingLock, encoder: Encoder) -> bool:
        """Replace the stored answer, unless the lock has been broken meanwhile: then its new holder's answer stands."""
        if not lock.held():
            return False
        _replace(self._answer, _bounded(encoder.encode(snapshot)))
        return True

    def change_wants(self, change: Callable[[Wants], Wants]) -> tuple[tuple[int, ...], Wants]:
        """Read, change and write the wants; gives them with their signature.

        Raises:
            Busy: Somebody is doing so at this instant.
            OSError: The folder cannot be written.
        """
        with self._guarded():
            wants = change(self.read_wants())
            _replace(self._wants, wants.model_dump_json().encode())
            return self.wants_signature(), wants

    # -- who is asking

    def lock(self, now: datetime, stale_s: float) -> AskingLock:
        """Take the asking lock.

        A holder that has had it for longer than `stale_s` hangs (it is stopped, or its clock was set back): its lock
        is put aside, and what it may still answer is not stored.

        Raises:
            Busy: Somebody is asking.
            OSError: The folder cannot be written.
        """
        try:
            return self._take(now)
        except Busy:
            if not self._stale(now, stale_s):
                raise
        with self._guarded():
            if self._stale(now, stale_s):
                self._asking.unlink(missing_ok=True)
        return self._take(now)

    def _take(self, now: datetime) -> AskingLock:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = AskingLock(self._asking, _locked(self._asking))
        if not lock.held():
            lock.release()
            raise Busy(f"{self._asking} was put aside at this instant.")
        lock.sign(now)
        return lock

    def _stale(self, now: datetime, stale_s: float) -> bool:
        try:
            since = datetime.fromisoformat(self._asking.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False  # nobody has it, or its holder is about to sign
        return abs((now - since).total_seconds()) > stale_s

    @contextmanager
    def _guarded(self) -> Generator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _locked(self._guard)
        try:
            yield
        finally:
            os.close(descriptor)


class AskingLock:
    """The right to ask for one key, until it is released or put aside."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def held(self) -> bool:
        """Whether it has not been put aside as a hanging asker's."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def sign(self, now: datetime) -> None:
        """Write since when it is held."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, utc_text(now).encode(), 0)

    def release(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Busy(str(path)) from error
    except BaseException:  # whatever ends this, the descriptor is closed; it goes on up
        os.close(descriptor)
        raise
    return descriptor


def _signature(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _load(path: Path, model: type[_M]) -> _M | None:
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _bounded(encoded: bytes) -> bytes:
    """When it is too big, leave out the raw lines: the verdicts need them not, `explain` would show them."""
    if len(encoded) <= MAX_BYTES // 2:
        return encoded
    plain = json.loads(encoded)
    for sighting in plain["answered"].values():
        sighting["evidence"]["lines"] = []
    return json.dumps(plain).encode()


def _replace(path: Path, content: bytes) -> None:
    """Put new content in the file's place at once. Local disk, and no loss after a crash matters: no fsync."""
    # The lock of this file is held, so the name is ours: what a killed writer left is written over.
    fresh = path.with_suffix(".new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
