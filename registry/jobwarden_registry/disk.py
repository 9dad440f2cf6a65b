"""Folders that are held open, so that nobody can put another in their place, and every change made in them.

Each change goes through `Steps`, one step at a time: a test stops there, as a kill or a full disk would.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from jobwarden_registry.errors import UnreadableError, UntrustedError, UnwritableError

_READ_ONCE = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Steps:
    """What stands between the registry and the disk."""

    def before(self, what: str) -> None:
        """Learn that a change named `what` comes next."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Write some of the data, and say how much."""
        return os.write(descriptor, data)


Signature = tuple[int, ...]
"""Changes whenever a file is written or replaced; empty for a file that is not there."""


class MovedError(Exception):
    """The file is not as long as it must be: somebody else wrote in it."""


_FULL = "Free some space or mend the folder's permissions; nothing was changed."
_READ_ONLY = (
    "Nothing was changed. Where this is an agent's sandboxed shell, jobwarden's MCP tools (register_job and the others)"
    " do the same from outside of it."
)


@contextmanager
def told_plainly(path: Path) -> Generator[None]:
    """Turn what the system says about a failed change into our error.

    Raises:
        UnwritableError: The disk is full, a quota is used up, or the folder is read-only.
    """
    try:
        yield
    except OSError as error:
        raise UnwritableError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint=_READ_ONLY if error.errno == errno.EROFS else _FULL,
        ) from error


class Opened:
    """One file that is held open for reading."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._fd = descriptor
        self._path = path

    def read(self, start: int, most: int | None = None) -> bytes:
        """Read from a place on: so many bytes, fewer only where the file ends; or all.

        Raises:
            UnreadableError: The disk did not answer.
        """
        try:
            parts: list[bytes] = []
            left = _READ_ONCE if most is None else most
            while left > 0 and (part := os.pread(self._fd, left, start)):
                parts.append(part)
                start += len(part)
                left -= 0 if most is None else len(part)
            return b"".join(parts)
        except OSError as error:
            raise UnreadableError(f"{self._path} cannot be read: {error.strerror}.") from error

    def inode(self) -> int:
        """Give the file's number in its file system."""
        return os.fstat(self._fd).st_ino


class Folder:
    """One folder of the user's own, held open; names are names in it, never paths."""

    def __init__(self, path: Path, descriptor: int, steps: Steps) -> None:
        self.path = path
        self._fd = descriptor
        self._steps = steps

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._fd)

    def read(self, name: str, *, start: int = 0) -> bytes | None:
        """Read a file from `start` to its end, or give None when there is none.

        Raises:
            UntrustedError: It is a link, not a plain file, or another user's.
            UnreadableError: The disk did not answer.
        """
        with self.opened(name) as file:
            return None if file is None else file.read(start)

    @contextmanager
    def opened(self, name: str) -> Generator[Opened | None]:
        """Hold one file open, so that all that is read of it is of one file; None where there is none.

        Raises:
            UntrustedError, UnreadableError: See `read`.
        """
        descriptor = self._open(name, os.O_RDONLY)
        if descriptor is None:
            yield None
            return
        try:
            yield Opened(descriptor, self.path / name)
        finally:
            os.close(descriptor)

    def signature(self, name: str) -> Signature:
        """Look at a file without opening it."""
        try:
            found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UnreadableError(f"{self.path / name} cannot be looked at: {error.strerror}.") from error
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def names(self) -> list[str]:
        """List the folder."""
        try:
            return os.listdir(self._fd)  # noqa: PTH208 -- pathlib cannot list an open folder
        except OSError as error:
            raise UnreadableError(f"{self.path} cannot be listed: {error.strerror}.") from error

    def inode(self) -> int:
        """Give the folder's number in its file system."""
        return os.fstat(self._fd).st_ino

    def create(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Write a new file, 0600; one that could not be written whole is not left behind.

        Raises:
            OSError: FileExistsError when the name is taken; others as the system says.
        """
        self._steps.before(f"create {name}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._fd)
        try:
            self._write(descriptor, name, data)
            if sync:
                self._steps.before(f"fsync {name}")
                os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                self.unlink(name)
            raise
        finally:
            os.close(descriptor)

    def replace(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Put a file in place whole, so that a reader sees the old or the new one."""
        temporary = temporary_name(name)
        self.create(temporary, data, sync=sync)
        try:
            self.rename(temporary, name)
        except OSError:
            with suppress(OSError):
                self.unlink(temporary)
            raise

    def append(self, name: str, data: bytes, *, size: int) -> bool:
        """Add to the end of a file that must be `size` bytes long, and make it last.

        Returns:
            Whether it stands where it should. If not, another writer appended at the same moment.

        Raises:
            MovedError: The file has another length; nothing was written.
            OSError: Nothing of it is left in the file.
        """
        self._steps.before(f"open {name}")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._fd)
        try:
            if os.fstat(descriptor).st_size != size:
                raise MovedError(name)
            try:
                self._write(descriptor, name, data)
                self._steps.before(f"fsync {name}")
                os.fsync(descriptor)
                if size == 0:
                    os.fsync(self._fd)
            except OSError:
                with suppress(OSError):
                    self._steps.before(f"truncate {name}")
                    os.ftruncate(descriptor, size)
                raise
            try:
                return os.pread(descriptor, len(data), size) == data
            except OSError:
                return False  # it is on the disk; only where, we cannot say
        finally:
            os.close(descriptor)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file."""
        self._steps.before(f"truncate {name}")
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def overwrite(self, name: str, data: bytes) -> None:
        """Write over the beginning of a file, in place."""
        self._steps.before(f"overwrite {name}")
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def age_s(self, name: str, *, before: str) -> float:
        """Say by how many seconds a file is older than another one, by the file system's own clock."""
        one, other = self.signature(name), self.signature(before)
        return (other[3] - one[3]) / 1e9 if one and other else 0.0

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, atomically."""
        self._steps.before(f"rename {old} {new}")
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def link(self, old: str, new: str) -> None:
        """Give a file a second name; FileExistsError when that is taken."""
        self._steps.before(f"link {old} {new}")
        os.link(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)

    def claim(self, old: str, new: str) -> None:
        """Give a file a second name that nobody has; a copy where the file system knows no second names.

        Raises:
            FileExistsError: The name is taken.
        """
        try:
            self.link(old, new)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self.create(new, self.read(old) or b"", sync=False)

    def settle(self) -> None:
        """Make last which names there are."""
        self._steps.before("fsync folder")
        os.fsync(self._fd)

    def unlink(self, name: str) -> None:
        """Remove a name."""
        self._steps.before(f"unlink {name}")
        os.unlink(name, dir_fd=self._fd)

    def remove_folder(self, name: str) -> None:
        """Remove a folder in it that is empty."""
        self._steps.before(f"rmdir {name}")
        os.rmdir(name, dir_fd=self._fd)

    def sweep(self, name: str) -> None:
        """Remove what a killed process left of its attempts to write `name`; call it under the lock only."""
        for other in self.names():
            if other.startswith(f".{name}.") and other.endswith(".tmp"):
                with suppress(OSError):
                    self.unlink(other)

    def _open(self, name: str, flags: int) -> int | None:
        try:
            descriptor = os.open(name, flags | _FILE, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unopened(self.path / name, error) from error
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            os.close(descriptor)
            raise UntrustedError(f"{self.path / name} is not a plain file of yours.", hint="Look at it; move it away.")
        return descriptor

    def _write(self, descriptor: int, name: str, data: bytes) -> None:
        self._steps.before(f"write {name}")
        view = memoryview(data)
        while view:
            view = view[self._steps.write(descriptor, bytes(view)) :]


def temporary_name(name: str) -> str:
    """Make up the name under which a file is written before it takes its place; see `Folder.sweep`."""
    return f".{name}.{secrets.token_hex(6)}.tmp"


def open_folder(root: Path, parts: Sequence[str], steps: Steps, *, create: bool) -> Folder | None:
    """Walk down from `root`, which may be anybody's, through folders that must be the user's own.

    Links are followed up to `root` and never below it. The last folder must not be writable by others.

    Args:
        root: Must exist already.
        parts: The names of the folders below it.
        steps: See `Steps`.
        create: Make the folders that are missing, 0700.

    Returns:
        None when one of them is not there.

    Raises:
        UntrustedError: One of them is a link or another user's, or others may write in the last one.
        UnwritableError: One of them cannot be made.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unopened(root, error) from error
    path = root
    for part in parts:
        path /= part
        try:
            below = _step_down(descriptor, part, path, steps, create=create)
        finally:
            os.close(descriptor)
        if below is None:
            return None
        descriptor = below
    if os.fstat(descriptor).st_mode & 0o022:
        os.close(descriptor)
        raise UntrustedError(f"Others may write in {path}.", hint=f"Look at what it holds, then: chmod 700 {path}")
    return Folder(path, descriptor, steps)


def _step_down(above: int, part: str, path: Path, steps: Steps, *, create: bool) -> int | None:
    descriptor = _open_own(above, part, path)
    if descriptor is None and create:
        with told_plainly(path):
            steps.before(f"mkdir {part}")
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=above)
        descriptor = _open_own(above, part, path)
    return descriptor


def _open_own(above: int, part: str, path: Path) -> int | None:
    try:
        descriptor = os.open(part, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unopened(path, error) from error
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise UntrustedError(f"{path} belongs to another user.", hint="It is not obeyed; move it away.")
    return descriptor


def _unopened(path: Path, error: OSError) -> UntrustedError | UnreadableError:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return UntrustedError(f"{path} is a link, or not what it should be.", hint="It is not obeyed; move it away.")
    return UnreadableError(f"{path} cannot be opened: {error.strerror}.")
