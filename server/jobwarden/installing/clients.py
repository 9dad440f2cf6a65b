"""Where each client reads what: measured with Claude Code 2.1.328 and Codex 0.169.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobwarden_registry.paths import is_repository

Client = Literal["claude", "codex"]
Scope = Literal["user", "project"]

NAMES: Mapping[Client, str] = {"claude": "Claude Code", "codex": "Codex"}


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one client in one scope.

    Attributes:
        client: Whose they are.
        scope: For all the user's projects, or for one.
        hooks: A JSON file with an object `hooks`.
        server: Where its MCP servers stand: JSON for Claude Code, TOML for Codex.
        servers: The way to the object that holds them by name, in JSON.
        skills: A folder with one folder for each.
        home: The client's own folder; where it is not, the client was never started.
        project: What `scope` "project" is about.
    """

    client: Client
    scope: Scope
    hooks: Path
    server: Path
    servers: tuple[str, ...]
    skills: Path
    home: Path
    project: Path


def places(client: Client, scope: Scope, env: Mapping[str, str], project: Path) -> Places:
    """Say where a client reads.

    In a project Claude Code has files that are one person's own (settings.local.json, and its "local" servers); what is
    written names paths of this machine, and has no place in files that a repository shares. Codex has only shared ones.
    Claude Code counts a worktree as a part of the repository that it belongs to; Codex reads the hooks there, and all
    else in the worktree.
    """
    home = Path(env.get("HOME") or Path.home())
    if client == "claude":
        given = env.get("CLAUDE_CONFIG_DIR")
        own = Path(given) if given else home / ".claude"
        state = (own if given else home) / ".claude.json"
        if scope == "user":
            return Places(client, scope, own / "settings.json", state, ("mcpServers",), own / "skills", own, project)
        project, called = _repository(project)
        servers = ("projects", str(called), "mcpServers")
        local = project / ".claude"
        return Places(client, scope, local / "settings.local.json", state, servers, local / "skills", own, project)
    own = Path(env["CODEX_HOME"]) if env.get("CODEX_HOME") else home / ".codex"
    if scope == "user":
        return Places(client, scope, own / "hooks.json", own / "config.toml", (), home / ".agents/skills", own, project)
    hooks = _repository(project)[0] / ".codex" / "hooks.json"
    return Places(client, scope, hooks, project / ".codex/config.toml", (), project / ".agents/skills", own, project)


def data_folder(env: Mapping[str, str]) -> Path:
    """Name the folder that holds the copy of the hooks, and the notes of what was installed where."""
    given = Path(env.get("XDG_DATA_HOME") or "")
    home = Path(env.get("HOME") or Path.home())
    return (given if given.is_absolute() else home / ".local" / "share") / "jobwarden"


def project_of(cwd: Path) -> Path:
    """Give the nearest folder above that is a repository, or this one."""
    return next((one for one in (cwd, *cwd.parents) if is_repository(one)), cwd)


def _repository(project: Path) -> tuple[Path, Path]:
    """Give the folder whose own settings clients read for a project, and what Claude Code calls the project.

    Both are the repository's main folder, also for a worktree; one of a bare repository is called by that.
    """
    try:
        link = (project / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        common = (project / link / "commondir").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return project, project
    found = (project / link / common).resolve()
    return (found.parent, found.parent) if found.name == ".git" else (project, found)
