"""One writer at a time, on one machine and over a network file system.

Two locks work together. A flock on local disk queues the processes of one machine; it may fail, or exclude nobody.
A lock file in the session's state folder, made by `link`, excludes everybody who sees that folder; it names its
holder, so that a dead one's lock is broken, and it is looked at again before every write (fencing).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobwarden_registry.disk import Folder, Steps, told_plainly
from jobwarden_registry.errors import LockTimeoutError, RegistryError
from jobwarden_registry.processes import ProcessId, is_alive, is_stopped, this_process
from jobwarden_registry.rawjson import Raw, read_object, write_json

LOCK = "lock"
_QUICKEST_S = 0.001
_SLOWEST_S = 0.05
_SLOWEST_QUEUE_S = 0.01
_BEATS_PER_STALE = 4.0
_LIVING = 6
"""How many times longer a lock that does not beat is left to a holder that is seen to live."""
_LITTER_S = 3600.0
_UNLOCKED = (f".{LOCK}.", ".session.json.")
"""Temporary files that are written without the lock; the others are a killed holder's."""

Excluder = Callable[[int], bool]
"""Tries to lock an open file without waiting: True when it is ours now, False when another has it. OSError where the
file system cannot lock."""


def local_flock(descriptor: int) -> bool:
    """Lock by flock(2)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def judge(process: ProcessId) -> bool | None:
    """Say whether a holder can go on; one that stands under SIGSTOP cannot be judged so, only by its beats."""
    alive = is_alive(process)
    return None if alive and is_stopped(process) else alive


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the registry takes from the machine that it runs on.

    Attributes:
        steps: Stands before every change on disk.
        me: Names the calling process.
        judge: Says whether another process can go on; None when that cannot be seen from here.
        monotonic: Our own clock for other people's silence, in seconds.
        pause: Waits that many seconds.
    """

    steps: Steps = field(default_factory=Steps)
    me: Callable[[], ProcessId] = this_process
    judge: Callable[[ProcessId], bool | None] = judge
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = _pause


def read_process(raw: Raw) -> ProcessId | None:
    """Read who holds a lock or a lease."""
    boot, namespace, pid, start = (raw.get(key) for key in ("boot_id", "pid_namespace", "pid", "start_time"))
    if isinstance(boot, str) and isinstance(namespace, str) and isinstance(pid, int) and isinstance(start, str):
        return ProcessId(boot, namespace, pid, start)
    return None


def process_raw(process: ProcessId) -> Raw:
    """Write who holds a lock or a lease."""
    return dict(asdict(process))


class Held:
    """The lock, while it is ours."""

    def __init__(self, folder: Folder, token: str, around: Surroundings, stale_s: float) -> None:
        self._folder = folder
        self._token = token
        self._around = around
        self._beat_s = stale_s / _BEATS_PER_STALE
        self._beaten = around.monotonic()
        self._beats = 0

    def check(self) -> None:
        """Look whether the lock is still ours, and show that we are alive.

        Raises:
            LockTimeoutError: We stood still for so long that another machine broke it; nothing may be written now.
        """
        if not self.is_ours():
            raise LockTimeoutError("The session's lock was broken while we stood still.", hint="Try again.")
        self.beat()

    def is_ours(self) -> bool:
        """Say whether the lock still carries our token."""
        # By opening it: a network file system may answer `stat` from its memory, but asks again at `open`.
        raw = read_object(self._folder.read(LOCK) or b"")
        return raw is not None and raw.get("token") == self._token

    def beat(self) -> None:
        """Change the lock's content now and then, so that others see that its holder goes on."""
        if self._around.monotonic() - self._beaten < self._beat_s:
            return
        self._beaten = self._around.monotonic()
        self._beats += 1
        # Through our own name for it: if the lock was broken, another's must not be written over.
        with suppress(OSError):  # a lock that cannot be touched is judged by its age, and the next check tells us
            self._folder.overwrite(own_name(self._token), lock_content(self._token, self._around.me(), self._beats))

    def release(self) -> None:
        """Remove the lock, if it is still ours."""
        # What cannot be removed now is broken by others: we beat no longer.
        with suppress(OSError, RegistryError):
            if self.is_ours():
                self._folder.unlink(LOCK)
        with suppress(OSError):
            self._folder.unlink(own_name(self._token))


def own_name(token: str) -> str:
    """Name the file that a contender links to the lock, and keeps while it holds it."""
    return f".{LOCK}.{token}.tmp"


def lock_content(token: str, process: ProcessId, beats: int) -> bytes:
    """Say who holds a lock."""
    raw: Raw = {"token": token, "host": os.uname().nodename, "beats": f"{beats:08d}"}
    return write_json(raw | process_raw(process))


class SessionLock:
    """The lock of one session's state folder.

    Args:
        runtime: The user's folder on local disk.
        timeout_s: How long to wait for it.
        stale_s: A lock whose holder cannot be judged, and whose content did not change for so long by our own
            clock, is broken; that of a living one after six times as long.
        exclude: The lock on local disk.
        around: See `Surroundings`.
    """

    def __init__(
        self, runtime: Path, *, timeout_s: float, stale_s: float, exclude: Excluder, around: Surroundings
    ) -> None:
        self._runtime = runtime
        self._timeout_s = timeout_s
        self._stale_s = stale_s
        self._exclude = exclude
        self._around = around
        self._watched = _Watched(around, stale_s)

    @contextmanager
    def hold(self, folder: Folder) -> Generator[Held]:
        """Wait for both locks and hold them.

        Raises:
            LockTimeoutError: Somebody else kept them for too long.
            UnwritableError: The folder cannot be written.
        """
        began = self._around.monotonic()
        with self._queue(folder, began):
            with told_plainly(folder.path):
                held = self._take(folder, began + self._timeout_s)
            try:
                yield held
            finally:
                held.release()

    @contextmanager
    def _queue(self, folder: Folder, began: float) -> Generator[None]:
        """Stand in this machine's queue; where that does not work, the lock file alone decides."""
        name = hashlib.sha256(os.fsencode(folder.path.resolve())).hexdigest()[:32]
        try:
            descriptor = os.open(
                self._runtime / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError:
            yield
            return
        try:
            self._await_turn(descriptor, began + min(self._timeout_s, self._stale_s))
            yield
        finally:
            os.close(descriptor)

    def _await_turn(self, descriptor: int, deadline: float) -> None:
        wait_s = _QUICKEST_S
        with suppress(OSError):
            while not self._exclude(descriptor) and self._around.monotonic() < deadline:
                self._around.pause(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 -- spreads waits, hides nothing
                wait_s = min(wait_s * 1.5, _SLOWEST_QUEUE_S)

    def _take(self, folder: Folder, deadline: float) -> Held:
        token = secrets.token_hex(16)
        try:
            self._compete(folder, token, deadline)
        except (OSError, LockTimeoutError):
            with suppress(OSError):
                folder.unlink(own_name(token))
            raise
        self._sweep(folder, own_name(token))
        return Held(folder, token, self._around, self._stale_s)

    def _compete(self, folder: Folder, token: str, deadline: float) -> None:
        wait_s = _QUICKEST_S
        while not self._try_link(folder, token):
            content = folder.read(LOCK)
            if content is not None and self._watched.is_stale(content):
                _break(folder, content, token)
                continue
            if self._around.monotonic() >= deadline:
                raise LockTimeoutError(
                    f"Another process has held the lock of {folder.path} for {self._timeout_s:.0f} s.",
                    hint=f"It says: {(content or b'').decode(errors='replace')[:300]}",
                )
            self._around.pause(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 -- spreads waits, hides nothing
            wait_s = min(wait_s * 1.5, _SLOWEST_S)

    def _sweep(self, folder: Folder, mine: str) -> None:
        """Remove what killed processes left: what is written under the lock at once, contenders' files when dead."""
        for name in folder.names():
            if not name.startswith(".") or not name.endswith(".tmp") or name == mine:
                continue
            unlocked = name.startswith(_UNLOCKED)
            if unlocked and not self._is_dead(folder, name) and folder.age_s(name, before=mine) < _LITTER_S:
                continue
            with suppress(OSError):
                folder.unlink(name)

    def _is_dead(self, folder: Folder, name: str) -> bool:
        process = read_process(read_object(folder.read(name) or b"") or {})
        return process is not None and self._around.judge(process) is False

    def _try_link(self, folder: Folder, token: str) -> bool:
        mine = own_name(token)
        if not folder.signature(mine):
            folder.create(mine, lock_content(token, self._around.me(), 0), sync=False)
        try:
            folder.claim(mine, LOCK)
        except FileExistsError:
            # A network file system may lose the answer to a link that was made, and see its own link at the repeat.
            return (folder.read(LOCK) or b"") == (folder.read(mine) or b"-")
        except FileNotFoundError:
            return False  # a writer swept our file away; it is made again
        return True


class _Watched:
    """What we have seen of others' locks, by our own clock, over all our attempts."""

    def __init__(self, around: Surroundings, stale_s: float) -> None:
        self._around = around
        self._stale_s = stale_s
        self._content: bytes | None = None
        self._since = 0.0

    def is_stale(self, content: bytes) -> bool:
        now = self._around.monotonic()
        if content != self._content:
            self._content, self._since = content, now
        process = read_process(read_object(content) or {})
        can_go_on = self._around.judge(process) if process is not None else None
        if can_go_on is False:
            return True
        # One that lives and does not beat could not remove its lock, or does not know that it has it.
        return now - self._since >= self._stale_s * (_LIVING if can_go_on else 1)


def _break(folder: Folder, content: bytes, token: str) -> None:
    """Take away a lock that was judged by this content; give it back if it is another one by now."""
    aside = f".{LOCK}.{token}.broken.tmp"
    try:
        folder.rename(LOCK, aside)
    except FileNotFoundError:
        return
    if folder.read(aside) != content:
        with suppress(FileExistsError):
            folder.claim(aside, LOCK)
    folder.unlink(aside)
