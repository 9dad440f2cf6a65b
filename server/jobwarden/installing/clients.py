"""Where each client reads what: measured with Claude Code 2.1.328 and Codex 0.169.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """
    home = Path(env.get("HOME") or Path.home())
    if client == "claude":
        given = env.get("CLAUDE_CONFIG_DIR")
        own = Path(given) if given else home / ".claude"
        state = (own if given else home) / ".claude.json"
        if scope == "user":
            return Places(client, scope, own / "settings.json", state, ("mcpServers",), own / "skills", own, project)
        servers = ("projects", str(project), "mcpServers")
        local = project / ".claude"
        return Places(client, scope, local / "settings.local.json", state, servers, local / "skills", own, project)
    own = Path(env["CODEX_HOME"]) if env.get("CODEX_HOME") else home / ".codex"
    base, agents = (own, home) if scope == "user" else (project / ".codex", project)
    config = base / "config.toml"
    return Places(client, scope, base / "hooks.json", config, (), agents / ".agents" / "skills", own, project)


def data_folder(env: Mapping[str, str]) -> Path:
    """Name the folder that holds the copy of the hooks, and the notes of what was installed where."""
    given = Path(env.get("XDG_DATA_HOME") or "")
    home = Path(env.get("HOME") or Path.home())
    return (given if given.is_absolute() else home / ".local" / "share") / "jobwarden"


def project_of(cwd: Path) -> Path:
    """Give the nearest folder above that is a repository, or this one."""
    return next((one for one in (cwd, *cwd.parents) if (one / ".git").exists()), cwd)
