"""Who is calling, and from which project: one function for hooks, MCP and command line.

What the clients really hand over, measured with Claude Code 2.1.328 and Codex 0.169.0: Codex puts the root session
into every `tools/call`'s `_meta` and nothing into the server's environment; Claude Code puts a session id into the
environment of server and shell, which goes stale after `/clear` and is wrong under `--continue`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.index import Index
from jobwarden_registry.paths import Places, check_session_id

CODEX_TURN = "x-codex-turn-metadata"
HTTP_PROJECT = "jobwarden/project"
"""Where the HTTP face puts the project header into the metadata."""


class UnknownCallerError(JobwardenError):
    """Nothing says which session is calling."""

    code: str = "identity.unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's origin.

    Attributes:
        session_id: Names the session folder; safe as a file name.
        agent: `claude-code`, `codex` or `manual`.
        project: The project's folder, absolute.
        client: What process asks, so that a new one is told again what an old one may not have shown.
        detail: A sub-agent of that session; its answers never move the root session's cursor.
        claimed: Whether the session id was an argument that nothing else confirms.
    """

    session_id: str
    agent: str
    project: Path
    client: str
    detail: str | None = None
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class _Session:
    session_id: str
    agent: str
    detail: str | None = None
    claimed: bool = False


def resolve_caller(
    env: Mapping[str, str],
    *,
    meta: Mapping[str, object] | None = None,
    session_id: str | None = None,
    cwd: Path,
    places: Places,
    http: bool = False,
    client: str = "cli",
) -> Caller:
    """Say who calls.

    Session, first that speaks: the request's metadata (Codex), the argument, the environment, the person at the
    terminal. Project: where the session was first seen, unless that folder is gone; Codex's workspaces,
    CLAUDE_PROJECT_DIR, the nearest folder with `.git`, the working directory. Over HTTP the server's environment is
    nobody's.

    Args:
        env: The process's environment.
        meta: The MCP request's `_meta`.
        session_id: The tool's or command's explicit argument.
        cwd: The working directory, absolute.
        places: Where the index of known sessions is.
        http: Whether the call came over HTTP.
        client: Names the asking process; the command line is one client for all its processes.

    Raises:
        InvalidIdError: A session id that cannot be one.
        UnknownCallerError: Over HTTP, without a session.
    """
    known: Mapping[str, str] = {} if http else env
    meta = meta or {}
    session = _from_meta(meta) or _from_argument(session_id, known) or _from_environment(known)
    if session is None:
        if http:
            raise UnknownCallerError(
                "Over HTTP the call itself must say which session it belongs to.",
                hint="Pass the argument session_id, or send the header X-Jobwarden-Session.",
            )
        project = _project(known, meta, cwd)
        session = _Session(_person_at(project), "manual")
    check_session_id(session.session_id)
    entry = Index(places).get(session.session_id)
    stays = entry is not None and (http or _is_folder(entry.project))
    where = entry.project if entry is not None and stays else _project(known, meta, cwd)
    return Caller(session.session_id, session.agent, where, client, session.detail, session.claimed)


def _from_meta(meta: Mapping[str, object]) -> _Session | None:
    turn = _mapping(meta.get(CODEX_TURN))
    root = _text(meta.get("sessionId")) or _text(turn.get("session_id"))
    thread = _text(meta.get("threadId")) or _text(turn.get("thread_id"))
    if root is None and thread is None:
        return None
    session = root or cast("str", thread)
    return _Session(session, "codex", detail=thread if thread != session else None)


def _from_argument(session_id: str | None, env: Mapping[str, str]) -> _Session | None:
    if not session_id:
        return None
    told = _from_environment(env)
    if told is not None and told.session_id == session_id:
        return told
    return _Session(session_id, told.agent if told is not None else "manual", claimed=True)


def _from_environment(env: Mapping[str, str]) -> _Session | None:
    thread = env.get("CODEX_THREAD_ID") or None
    root = env.get("CODEX_SESSION_ID") or thread
    if root:
        return _Session(root, "codex", detail=thread if thread != root else None)
    claude = env.get("CLAUDE_CODE_SESSION_ID")
    return _Session(claude, "claude-code") if claude else None


def _project(env: Mapping[str, str], meta: Mapping[str, object], cwd: Path) -> Path:
    told = _text(meta.get(HTTP_PROJECT)) or _workspace(meta, cwd) or env.get("CLAUDE_PROJECT_DIR")
    if told and Path(told).is_absolute() and _is_folder(Path(told)):
        return Path(told).resolve()
    cwd = cwd.resolve()
    for folder in (cwd, *cwd.parents):
        if _is_there(folder / ".git"):
            return folder
    return cwd


def _workspace(meta: Mapping[str, object], cwd: Path) -> str | None:
    folders = [str(folder) for folder in _mapping(_mapping(meta.get(CODEX_TURN)).get("workspaces"))]
    here = sorted((folder for folder in folders if cwd.is_relative_to(folder)), key=len, reverse=True)
    return next(iter(here or folders), None)


def _is_folder(path: Path) -> bool:
    """Look without failing: what a caller names may be too long, or where nobody may look."""
    with suppress(OSError, ValueError):
        return path.is_dir()
    return False


def _is_there(path: Path) -> bool:
    with suppress(OSError):
        return path.exists()
    return False


def _person_at(project: Path) -> str:
    """One session for the person in each project, whatever terminal: a new login finds the same jobs."""
    digest = hashlib.sha256(f"{os.getuid()}\0{project}".encode()).hexdigest()
    return f"terminal-{digest[:12]}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
