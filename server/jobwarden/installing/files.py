"""Files of a client: read whole, written whole or not at all, through links, with the rights that they had."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from jobwarden.installing.errors import InstallError, LockedFileError, MovedOnError, UnparsableError


def read(path: Path) -> str | None:
    """Read a file, or give None where there is none.

    Raises:
        UnparsableError: It is not UTF-8.
        InstallError: It cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UnparsableError(f"{path} is not UTF-8.", hint="The file was left as it is.") from error
    except OSError as error:
        raise InstallError(f"{path} cannot be read: {error.strerror}.") from error


def check_writable(path: Path) -> None:
    """See that a file, or the first folder on its way that is there, may be changed.

    A file without a write bit is not, whoever asks: it is somebody's wish, or made by a tool (a Nix store).

    Raises:
        LockedFileError: It may not.
    """
    real = _real(path)
    hint = "Nothing was changed. Make it writable, or make the change where the file is made."
    if real.exists():
        if not real.is_file():
            raise LockedFileError(f"{path} is no file.", hint=hint)
        if not real.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(real, os.W_OK):
            raise LockedFileError(f"{path} is read-only{_where(path, real)}.", hint=hint)
    folder = next(one for one in real.parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise LockedFileError(f"{folder} cannot be written.", hint=hint)


def check_inside(path: Path, folder: Path) -> None:
    """See that a file of a project is in it: its links come with the repository, and are not the person's own.

    Raises:
        LockedFileError: It leads out of the project.
    """
    if path.is_relative_to(folder) and not _real(path).is_relative_to(_real(folder)):
        raise LockedFileError(f"{path} leads out of the project, to {_real(path)}.", hint="Nothing was changed.")


def write(path: Path, before: str | None, after: str, *, private: bool) -> list[Path]:
    """Put the new text where the link or the path leads, at once; give the folders that were made on the way.

    A `private` file is a person's: a new one is for its owner alone, an old one keeps its rights, and what is written
    is on the disk before it takes the old one's place. A copy of ours can be made again.

    Raises:
        MovedOnError: The file no longer holds `before`.
        InstallError: It cannot be written.
    """
    if read(path) != before:
        raise MovedOnError(f"{path} was changed meanwhile.", hint="Try again.")
    real = _real(path)
    made = [folder for folder in reversed(real.parents) if not folder.exists()]
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(after.encode("utf-8"))
            file.flush()
            if private:
                os.fsync(descriptor)
        if before is not None:
            _as_it_was(real, temporary)
        elif not private:
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(real)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise InstallError(f"{path} cannot be written: {error.strerror}.", hint="It is as it was.") from error
    return made


def delete(path: Path, before: str) -> None:
    """Remove a file that was made here; a link that leads to it stays.

    Raises:
        MovedOnError: It no longer holds `before`.
        InstallError: It cannot be removed.
    """
    if read(path) != before:
        raise MovedOnError(f"{path} was changed meanwhile.", hint="Try again.")
    try:
        _real(path).unlink()
    except OSError as error:
        raise InstallError(f"{path} cannot be removed: {error.strerror}.") from error


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise InstallError(f"{path} is a link that leads nowhere.") from error


def _where(path: Path, real: Path) -> str:
    return f" (it is {real})" if path.is_symlink() else ""


def _as_it_was(old: Path, new: Path) -> None:
    shutil.copystat(old, new)
    os.utime(new)
    found = old.stat()
    if (found.st_uid, found.st_gid) != (new.stat().st_uid, new.stat().st_gid):
        with suppress(PermissionError):
            os.chown(new, found.st_uid, found.st_gid)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
