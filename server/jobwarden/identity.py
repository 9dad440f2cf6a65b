"""Who is calling, and from which project: one function for hooks, MCP and command line.

What the clients really hand over, measured with Claude Code 2.1.328 and Codex 0.169.0: Codex puts the root session
into every `tools/call`'s `_meta` and nothing into the server's environment; Claude Code puts a session id into the
environment of server and shell, which goes stale in the server after `/clear` and is wrong under `--continue`, and
tells its hooks the right one (`bindings.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from jobwarden.bindings import Binding, Lineage, binding_of, own_lineage, sub_agent_of
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.index import Index
from jobwarden_registry.paths import Places, check_session_id, is_repository
from jobwarden_registry.processes import ProcessId

CODEX_TURN = "x-codex-turn-metadata"
CLAUDE_CALL = "claudecode/toolUseId"
CLI = "cli"
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
        process: The agent's client, where a hook told which it is.
        borrower: The caller's own session, where that is known and the argument named another one.
    """

    session_id: str
    agent: str
    project: Path
    client: str
    detail: str | None = None
    claimed: bool = False
    process: ProcessId | None = None
    borrower: str | None = None

    def owns(self, session_id: str) -> bool:
        """Whether what this session watches is the caller's own: to name a session is not to be it."""
        return session_id == self.session_id and self.borrower is None


@dataclass(frozen=True, slots=True)
class _Session:
    session_id: str
    agent: str
    detail: str | None = None
    claimed: bool = False
    process: ProcessId | None = None
    borrower: str | None = None


def resolve_caller(
    env: Mapping[str, str],
    *,
    meta: Mapping[str, object] | None = None,
    session_id: str | None = None,
    cwd: Path,
    places: Places,
    http: bool = False,
    client: str = CLI,
    lineage: Callable[[], Lineage] = own_lineage,
) -> Caller:
    """Say who calls.

    Session, first that speaks: the request's metadata (Codex), the argument, the nearest of what a hook bound to an
    ancestor of this process and of what the environment says, the person at the terminal. Project: where the session
    was first seen, unless that folder is gone; Codex's workspaces, CLAUDE_PROJECT_DIR, the nearest folder with `.git`,
    the working directory. Over HTTP the server's environment and ancestors are nobody's.

    Args:
        env: The process's environment.
        meta: The MCP request's `_meta`.
        session_id: The tool's or command's explicit argument.
        cwd: The working directory, absolute.
        places: Where the index of known sessions is.
        http: Whether the call came over HTTP.
        client: Names the asking process; the command line is one client for all its processes.
        lineage: Gives this process's ancestors.

    Raises:
        InvalidIdError: A session id that cannot be one.
        UnknownCallerError: Over HTTP, without a session.
    """
    known: Mapping[str, str] = {} if http else env
    meta = meta or {}
    session = _from_meta(meta)
    if session is None:
        around = None if http else _around(known, places, lineage())
        own = around.session_id if around is not None else None
        if session_id and own is None and client == CLI and not http:
            own = _person_at(_project(known, meta, cwd))
        session = _with_sub_agent(_from_argument(session_id, around, own) or around, meta, places)
    if session is None:
        if http:
            raise UnknownCallerError(
                "Over HTTP the call itself must say which session it belongs to.",
                hint="Pass the argument session_id, or send the header X-Jobwarden-Session.",
            )
        session = _Session(_person_at(_project(known, meta, cwd)), "manual")
    return _caller(session, known, meta, cwd, places, client=client, http=http)


def caller_of_hook(
    env: Mapping[str, str],
    *,
    session_id: str,
    agent: str,
    detail: str | None,
    pid: int | None,
    cwd: Path,
    places: Places,
    client: str,
) -> Caller:
    """Say for whom a hook speaks: its client told it the session.

    Args:
        env: The hook's environment.
        session_id: The root session.
        agent: `claude-code` or `codex`.
        detail: The sub-agent.
        pid: The client's process, where it is known.
        cwd: Where the client works, absolute.
        places: See `resolve_caller`.
        client: Likewise.

    Raises:
        InvalidIdError: A session id that cannot be one.
    """
    bound = None if pid is None else binding_of(places, pid)
    process = bound.process if bound is not None and bound.session_id == session_id else None
    return _caller(_Session(session_id, agent, detail, process=process), env, {}, cwd, places, client=client)


def _caller(
    session: _Session,
    env: Mapping[str, str],
    meta: Mapping[str, object],
    cwd: Path,
    places: Places,
    *,
    client: str,
    http: bool = False,
) -> Caller:
    check_session_id(session.session_id)
    entry = Index(places).get(session.session_id)
    stays = entry is not None and (http or _is_folder(entry.project))
    where = entry.project if entry is not None and stays else _project(env, meta, cwd)
    return Caller(
        session.session_id,
        session.agent,
        where,
        client,
        session.detail,
        session.claimed,
        process=session.process,
        borrower=session.borrower,
    )


def _from_meta(meta: Mapping[str, object]) -> _Session | None:
    turn = _mapping(meta.get(CODEX_TURN))
    root = _text(meta.get("sessionId")) or _text(turn.get("session_id"))
    thread = _text(meta.get("threadId")) or _text(turn.get("thread_id"))
    if root is None and thread is None:
        return None
    session = root or cast("str", thread)
    return _Session(session, "codex", detail=thread if thread != session else None)


def _from_argument(session_id: str | None, around: _Session | None, own: str | None) -> _Session | None:
    if not session_id:
        return None
    if around is not None and around.session_id == session_id:
        return around
    agent = around.agent if around is not None else "manual"
    return _Session(session_id, agent, claimed=True, borrower=own if own != session_id else None)


def _around(env: Mapping[str, str], places: Places, lineage: Lineage) -> _Session | None:
    """Say in which client's hands this process is: clients start one another, and the innermost is meant.

    The environment alone cannot tell which that is. The nearest ancestor that was itself started without a variable
    is the one that set it; a binding stands at its own process, and there goes before the environment.
    """
    found: list[tuple[int, int, _Session]] = []
    bound = _nearest_binding(places, lineage)
    if bound is not None:
        depth, one = bound
        found.append((depth, 0, _Session(one.session_id, one.agent, process=one.process)))
    thread = env.get("CODEX_THREAD_ID") or None
    root = env.get("CODEX_SESSION_ID") or thread
    if root:
        name = "CODEX_SESSION_ID" if env.get("CODEX_SESSION_ID") else "CODEX_THREAD_ID"
        detail = thread if thread != root else None
        found.append((lineage.setter(name, root), 1, _Session(root, "codex", detail=detail)))
    claude = env.get("CLAUDE_CODE_SESSION_ID")
    if claude:
        depth = lineage.setter("CLAUDE_CODE_SESSION_ID", claude)
        found.append((depth, 2, _Session(claude, "claude-code")))
    return min(found, key=lambda one: one[:2])[2] if found else None


def _nearest_binding(places: Places, lineage: Lineage) -> tuple[int, Binding] | None:
    for depth, pid in enumerate(lineage.pids):
        binding = binding_of(places, pid)
        if binding is not None:
            return depth, binding
    return None


def _with_sub_agent(session: _Session | None, meta: Mapping[str, object], places: Places) -> _Session | None:
    """Add which sub-agent of that session calls, where a hook told so before this very call."""
    told = sub_agent_of(places, meta.get(CLAUDE_CALL))
    if session is None or told is None or told[0] != session.session_id:
        return session
    return replace(session, detail=told[1])


def _project(env: Mapping[str, str], meta: Mapping[str, object], cwd: Path) -> Path:
    told = _text(meta.get(HTTP_PROJECT)) or _workspace(meta, cwd) or env.get("CLAUDE_PROJECT_DIR")
    if told and Path(told).is_absolute() and _is_folder(Path(told)):
        return Path(told).resolve()
    cwd = cwd.resolve()
    for folder in (cwd, *cwd.parents):
        if is_repository(folder):
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


def _person_at(project: Path) -> str:
    """One session for the person in each project, whatever terminal: a new login finds the same jobs."""
    digest = hashlib.sha256(f"{os.getuid()}\0{project}".encode()).hexdigest()
    return f"terminal-{digest[:12]}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
