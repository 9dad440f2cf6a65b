"""Which files of a host may be read as a job's log.

Server and watcher stand outside the agent's sandbox, so a log must be no way to any other file of the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobwarden.transport.base import Transport
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import LogPaths

_NEVER = tuple(PurePosixPath(folder) for folder in ("/proc", "/sys", "/dev"))
_HIDDEN_BUT_WORK = ((".claude", "worktrees"), (".codex", "worktrees"))
"""Where agents keep the worktrees that they work in: such a folder may be a job's working directory."""


class LogRefusedError(JobwardenError):
    """This file is not one that a log may be read from."""

    code: str = "log.refused"


@dataclass(frozen=True, slots=True)
class Readable:
    """Where one job's logs may be.

    Attributes:
        log: Where the job's own *source* says that it writes: never a path that a caller claimed.
        work_dir: Its working directory, by its source.
        folders: The user's own configuration (`HostConfig.read`).
        others: Further files that the source says that it writes.
        kept: Where supervised processes are kept (`processes_folder`); hidden, but our own. This machine only.
    """

    log: LogPaths | None = None
    work_dir: str | None = None
    folders: Sequence[str] = ()
    others: Sequence[str] = ()
    kept: str | None = None


async def allowed_path(transport: Transport, path: str, readable: Readable, *, timeout_s: float) -> PurePosixPath:
    """Give the file to read for a path, links resolved on its host, in one round trip.

    Returns:
        The resolved path: read this one, for the given one may be changed meanwhile. It need not exist.

    Raises:
        LogRefusedError: It is none of the job's, hidden, or leads elsewhere by a link.
        TransportError: As `Transport.run`.
    """
    found = (await allowed_paths(transport, [path], readable, timeout_s=timeout_s))[path]
    if isinstance(found, LogRefusedError):
        raise found
    return found


async def allowed_paths(
    transport: Transport, paths: Sequence[str], readable: Readable, *, timeout_s: float
) -> dict[str, PurePosixPath | LogRefusedError]:
    """As `allowed_path`, of several paths in the same one round trip; a refused one has its refusal in its place.

    Raises:
        LogRefusedError: Links cannot be resolved there.
        TransportError: As `Transport.run`.
    """
    found: dict[str, PurePosixPath | LogRefusedError] = {}
    asked: dict[str, PurePosixPath] = {}
    for path in paths:
        try:
            asked[path] = _asked(path, readable)
        except LogRefusedError as error:
            found[path] = error
    if not asked:
        return found
    trusted, work = _trusted(readable), _work_folder(readable)
    every = [*(one for path in asked.values() for one in (path, path.parent)), *trusted, *work]
    resolved = await _resolve(transport, every, timeout_s)
    homes = resolved[2 * len(asked) :]
    # A working directory may itself be a link to a hidden folder.
    homes = homes[: len(trusted)] + [home for home in homes[len(trusted) :] if _may_be_work(home)]
    for at, (path, one) in enumerate(asked.items()):
        there, parent = resolved[2 * at], resolved[2 * at + 1]
        own = one in _named(readable) and there.parent == parent and not _hidden(there) and not _is_never(there)
        if own or any(_below(there, home) for home in homes):
            found[path] = there
        else:
            found[path] = _refuse(path, f"it leads to {there}" if there != one else "it is hidden, or no ordinary file")
    return found


def _named(readable: Readable) -> set[PurePosixPath]:
    log = readable.log or LogPaths()
    return {PurePosixPath(text) for text in (log.stdout, log.stderr, *readable.others) if text}


def _asked(path: str, readable: Readable) -> PurePosixPath:
    """Give a path that may be looked at, as far as its name says.

    Raises:
        LogRefusedError: It is none of the job's.
    """
    named = _named(readable)
    # Slurm keeps the `..` of `--output=../logs/%j.out`; resolving takes it away.
    asked = PurePosixPath(path) if PurePosixPath(path) in named and path.startswith("/") else _plain(path)
    homes = (*_trusted(readable), *_work_folder(readable))
    if asked not in named and not any(_below(asked, folder) for folder in homes):
        raise _refuse(path, "it is neither the job's log nor below its working directory")
    return asked


async def readable_folders(transport: Transport, readable: Readable, *, timeout_s: float) -> tuple[PurePosixPath, ...]:
    """Give the folders below which this job's files may be read, links resolved, in one round trip.

    Raises:
        LogRefusedError: Links cannot be resolved there.
        TransportError: As `Transport.run`.
    """
    trusted, work = _trusted(readable), _work_folder(readable)
    if not trusted and not work:
        return ()
    homes = await _resolve(transport, (*trusted, *work), timeout_s)
    return (*homes[: len(trusted)], *(home for home in homes[len(trusted) :] if _may_be_work(home)))


def lies_below(path: PurePosixPath, folders: Sequence[PurePosixPath]) -> bool:
    """Whether a resolved path may be read: below one of these resolved folders, and not hidden there."""
    return any(_below(path, folder) for folder in folders)


def _plain(path: str) -> PurePosixPath:
    found = PurePosixPath(path)
    if not found.is_absolute() or ".." in found.parts or any(ord(letter) < 32 for letter in path):
        raise _refuse(path, "only an absolute path without `..` is read")
    # POSIX leaves the meaning of two leading slashes to the system; everywhere here it is one.
    return PurePosixPath("/", *found.parts[1:])


def _trusted(readable: Readable) -> list[PurePosixPath]:
    """Give the folders that the user's configuration or jobwarden itself names."""
    return [_plain(text) for text in (*readable.folders, *([readable.kept] if readable.kept else ()))]


def _work_folder(readable: Readable) -> list[PurePosixPath]:
    """Give the working directory, where files may be read below it: whoever submits a job chooses it."""
    folder = PurePosixPath(readable.work_dir or "")
    return [folder] if folder.is_absolute() and _may_be_work(folder) else []


def _may_be_work(folder: PurePosixPath) -> bool:
    return len(folder.parts) > 1 and not _hidden(folder) and not _is_never(folder)


def _below(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path != folder and path.is_relative_to(folder) and not _hidden(path.relative_to(folder))


def _hidden(path: PurePosixPath) -> bool:
    parts = path.parts
    return any(
        part.startswith(".") and tuple(parts[index : index + 2]) not in _HIDDEN_BUT_WORK
        for index, part in enumerate(parts)
    )


def _is_never(path: PurePosixPath) -> bool:
    return any(path.is_relative_to(folder) for folder in _NEVER)


async def _resolve(transport: Transport, paths: Sequence[PurePosixPath], timeout_s: float) -> list[PurePosixPath]:
    """Resolve links on the host; `realpath` of coreutils 8.15 (2012) and later: -m for what does not exist yet."""
    done = await transport.run(["realpath", "-m", "-z", "--", *map(str, paths)], timeout_s=timeout_s)
    resolved = [PurePosixPath(word.decode("utf-8", "surrogateescape")) for word in done.stdout.split(b"\0")[:-1]]
    if done.status != 0 or len(resolved) != len(paths):
        said = done.stderr.decode("utf-8", "replace").strip()[:200]
        raise LogRefusedError(
            f"The links in {paths[0]} cannot be resolved on {transport.host}: {said or done.status}.",
            hint="It needs `realpath` of GNU coreutils there.",
        )
    return resolved


def _refuse(path: str, because: str) -> LogRefusedError:
    shown = ascii(path) if len(path) <= 200 else ascii(path[:200]) + "…"
    return LogRefusedError(
        f"{shown} is not read: {because}.",
        hint="Only the job's own log, files below its working directory, and folders named by `read` for this host in "
        "the user's jobwarden configuration are.",
    )
