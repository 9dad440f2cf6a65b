"""Where things are: the user's state folder, the folder on local disk, a project's file; and which machine this is."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobwarden_registry.errors import InvalidIdError, UntrustedError, UnwritableError

ACTIVE_JOBS = "active_jobs.json"
AGENTS = (".claude", "agents")
SESSIONS = "sessions"

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO, include/linux/proc_ns.h: the same after every boot."""


@dataclass(frozen=True, slots=True)
class Places:
    """The user's own two folders, both 0700.

    Attributes:
        state: What must last; often on a network file system, shared by several machines.
        runtime: On a local disk; gone after a reboot.
    """

    state: Path
    runtime: Path


def user_places(env: Mapping[str, str]) -> Places:
    """Find the user's folders, and make them where they are missing.

    Raises:
        UntrustedError: One of them is a link, another user's, or others may write in it; nothing is read there.
        UnwritableError: One of them cannot be made.
    """
    home = Path(env.get("HOME") or Path.home())
    state = _absolute(env.get("XDG_STATE_HOME")) or home / ".local/state"
    return Places(_own_folder(state / "jobwarden"), _runtime(env))


def check_session_id(text: str) -> str:
    """Give the id back when it is safe as the name of a folder.

    Raises:
        InvalidIdError: It is not: empty, too long, hidden, or with anything but letters, digits, `.`, `_` and `-`.
    """
    if _SESSION_ID.fullmatch(text) is None or ".." in text:
        raise InvalidIdError(
            f"{text[:200]!r} cannot be a session id.",
            hint="Letters, digits, '.', '_' and '-' only, at most 128, beginning with a letter or digit.",
        )
    return text


def active_jobs_path(project: Path, session_id: str) -> Path:
    """Name a session's file of watched jobs in its project.

    Raises:
        InvalidIdError: See `check_session_id`.
    """
    return project.joinpath(*AGENTS, check_session_id(session_id), ACTIVE_JOBS)


def is_repository(folder: Path) -> bool:
    """Whether a git repository, or a worktree of one, begins in this folder; one that cannot be seen does not.

    An empty `.git` is none: Codex's sandbox (0.169.0) leaves one in each folder that it opens for writing, /tmp too.
    """
    there = folder / ".git"
    with suppress(OSError):
        return there.is_file() or (there / "HEAD").exists()
    return False


def machine_id(env: Mapping[str, str]) -> str:
    """Name this machine by sixteen hex digits that stay the same over reboots.

    Cluster nodes are often started from one image and share /etc/machine-id, so the host's name counts too. Where
    there is no machine-id (a container), the pid namespace stands in for it: pids mean something only inside.
    `$JOBWARDEN_MACHINE_ID` overrides, for a machine whose name changes.
    """
    given = env.get("JOBWARDEN_MACHINE_ID", "")
    if given:
        return _digest("given", given)
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        if text:
            return _digest(text, socket.gethostname())
    return _digest(_namespace(), socket.gethostname())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(("jobwarden", *parts)).encode()).hexdigest()[:16]


def _namespace() -> str:
    try:
        name = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return "" if name == _INITIAL_PID_NAMESPACE else name


def _absolute(text: str | None) -> Path | None:
    """Read a folder from the environment; a relative one is invalid and counts as unset (XDG base directory 0.8)."""
    path = Path(text or "")
    return path if path.is_absolute() else None


def _runtime(env: Mapping[str, str]) -> Path:
    given = _absolute(env.get("XDG_RUNTIME_DIR"))
    if given is not None and _is_ours(given):
        return _own_folder(given / "jobwarden")
    temporary = _absolute(env.get("TMPDIR"))
    if temporary is None or not temporary.is_dir():
        temporary = Path("/tmp")  # noqa: S108 -- the folder below is checked to be our own, and no other is used
    return _own_folder(temporary / f"jobwarden-{os.geteuid()}")


def _is_ours(folder: Path) -> bool:
    """Tell a live runtime folder from one that another user's login left in the environment (su, sudo)."""
    try:
        found = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _own_folder(folder: Path) -> Path:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except FileExistsError as error:
        raise UntrustedError(f"{folder} is not a folder.", hint="Move it away.") from error
    except OSError as error:
        raise UnwritableError(
            f"{folder} cannot be made: {error.strerror}.", hint="Set XDG_STATE_HOME to a folder that you can write."
        ) from error
    if stat.S_ISLNK(found.st_mode):
        raise UntrustedError(f"{folder} is a link.", hint="Move it away.")
    if found.st_uid != os.geteuid():
        raise UntrustedError(f"{folder} belongs to another user (uid {found.st_uid}).", hint="Move it away.")
    if found.st_mode & 0o022:
        raise UntrustedError(f"Others may write in {folder}.", hint=f"Look at what it holds, then: chmod 700 {folder}")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder
