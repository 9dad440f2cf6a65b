"""The one watcher of this user on this machine: its lock, its name plate, and the door bell.

All three lie on local disk. The lock is the kernel's, so that a killed watcher frees it; the name plate says who
holds it; the bell is a FIFO that takes one word a line: `wake`, `stop`, `handover`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from jobwarden_registry.model import Utc
from jobwarden_registry.paths import Places


class WatcherInfo(BaseModel):
    """The name plate."""

    model_config = ConfigDict(frozen=True)

    pid: int
    version: str
    started_at: Utc


def lock_path(places: Places) -> Path:
    """Name the lock."""
    return places.runtime / "watcher.lock"


def info_path(places: Places) -> Path:
    """Name the name plate."""
    return places.runtime / "watcher.json"


def bell_path(places: Places) -> Path:
    """Name the FIFO."""
    return places.runtime / "watcher.bell"


def log_path(places: Places) -> Path:
    """Name the watcher's log: one a machine, beside the sessions."""
    return places.state / f"watcher-{os.uname().nodename}.log"


class Presence:
    """Being the watcher."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock: int | None = None
        self._let_go = False
        self.bell: int | None = None

    def take(self, info: WatcherInfo) -> bool:
        """Become the watcher; answers False, and changes nothing, when there is one."""
        descriptor = os.open(lock_path(self._places), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        self._hang_bell()
        self._hang_plate(info)
        return True

    def let_go(self) -> None:
        """Free the lock, and keep the bell for a moment: see `take_again`."""
        info_path(self._places).unlink(missing_ok=True)
        if self._lock is not None:
            self._let_go = True
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def take_again(self, info: WatcherInfo) -> bool:
        """Lock anew after `let_go`; answers False when somebody else was quicker."""
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._let_go = False
        self._hang_plate(info)
        return True

    def leave(self) -> None:
        """Stop being the watcher; leaves another's name plate alone."""
        if self._lock is None:
            return
        # Once let go the lock is not touched again, not even for an instant: whoever looked just then would take us
        # for a watcher that stays.
        if not self._let_go:
            info_path(self._places).unlink(missing_ok=True)
        if self.bell is not None:
            os.close(self.bell)
        os.close(self._lock)
        self.bell = self._lock = None

    def rung(self) -> list[str]:
        """Give the words since the last look."""
        if self.bell is None:
            return []
        try:
            return os.read(self.bell, 65536).decode("utf-8", "replace").split("\n")[:-1]
        except BlockingIOError:
            return []

    def _hang_plate(self, info: WatcherInfo) -> None:
        fresh = info_path(self._places).with_suffix(".new")
        fresh.write_text(info.model_dump_json() + "\n", encoding="utf-8")
        fresh.replace(info_path(self._places))

    def _hang_bell(self) -> None:
        path = bell_path(self._places)
        if path.exists() and not stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink()
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Read and write: with a writer of our own the FIFO is never at its end.
        self.bell = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def is_running(places: Places) -> bool:
    """Say whether a watcher holds the lock."""
    try:
        descriptor = os.open(lock_path(places), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def read_info(places: Places) -> WatcherInfo | None:
    """Read the name plate of the watcher that runs; None when none does, or it has not hung one yet."""
    if not is_running(places):
        return None
    try:
        return WatcherInfo.model_validate_json(info_path(places).read_bytes())
    except (OSError, ValidationError):
        return None


def is_older(info: WatcherInfo | None, version: str) -> bool:
    """Say whether the watcher that runs is of an older version than this one."""
    return info is not None and _numbers(info.version) < _numbers(version)


def ring(places: Places, word: str) -> bool:
    """Tell the watcher something; answers whether anybody was there to hear."""
    try:
        bell = os.open(bell_path(places), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(bell, f"{word}\n".encode())
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(bell)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
