"""What clients have of jobwarden, and whether it still leads anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from jobwarden.installing import entries, files, json_text, shipped
from jobwarden.installing.clients import NAMES, Client, Places, Scope, data_folder, places, project_of
from jobwarden.installing.errors import InstallError
from jobwarden.installing.planning import HOOKS
from jobwarden.installing.plugins import enabled_plugin, hooks_that_wait
from jobwarden.programs import on_path


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one client.

    Attributes:
        outcome: `ok`, `warning` or `problem`.
        mend: The command that mends it.
    """

    client: Client
    outcome: Literal["ok", "warning", "problem"]
    text: str
    mend: str = ""


def look(env: Mapping[str, str], cwd: Path) -> list[Finding]:
    """Look at both clients, for the user and for the project around the folder; nothing is started or changed."""
    project = project_of(cwd)
    return [one for client in NAMES for one in _look_at(client, env, project)]


def _look_at(client: Client, env: Mapping[str, str], project: Path) -> Iterator[Finding]:
    mend = f"jobwarden install {client}"
    user = places(client, "user", env, project)
    plugin = enabled_plugin(user, project)
    found = False
    for scope in ("user", "project"):
        there = user if scope == "user" else places(client, "project", env, project)
        where = "" if scope == "user" else " --scope project"
        try:
            handlers, server = _entries(there)
        except InstallError as error:
            yield Finding(client, "problem", error.text)
            found = True
            continue
        if not handlers and server is None:
            continue
        found = True
        if plugin:
            text = f"everything twice: the plug-in {plugin}, and installed ({scope})"
            yield Finding(client, "problem", text, f"{mend}{where} --uninstall")
        yield from _judged(there, scope, handlers, server, env, mend + where)
    if found:
        return
    if plugin:
        yield Finding(client, "ok", f"the plug-in {plugin}")
    elif user.home.exists():
        yield Finding(client, "ok", f"without jobwarden; {mend} gives it")


def _entries(there: Places) -> tuple[list[Mapping[str, object]], Mapping[str, object] | None]:
    hooks = files.read(there.hooks)
    handlers = entries.our_handlers(json_text.parse(hooks, str(there.hooks))) if hooks else []
    text = files.read(there.server)
    server = entries.server_in(there, text) if text else None
    return handlers, server if server is not None and entries.is_our_server(server) else None


def _judged(
    there: Places,
    scope: Scope,
    handlers: list[Mapping[str, object]],
    server: Mapping[str, object] | None,
    env: Mapping[str, str],
    mend: str,
) -> Iterator[Finding]:
    name, well = f"installed ({scope})", True
    gone = sorted({path for path in _paths(handlers, server, env) if not Path(path).exists()})
    if gone:
        well = False
        yield Finding(there.client, "problem", f"{name}: not there any more: {', '.join(gone)}", mend)
    missing = [what for what, has in (("MCP server", server), ("hooks", handlers)) if not has]
    if missing:
        well = False
        yield Finding(there.client, "warning", f"{name}: without the {missing[0]}", mend)
    if handlers and not gone and _is_old(there, env):
        well = False
        yield Finding(there.client, "warning", f"{name}: hooks or skills of another version of jobwarden", mend)
    if handlers and (why := hooks_that_wait(there)):
        well = False
        yield Finding(there.client, "warning", f"{name}: {why}")
    if handlers and on_path("python3", env) is None:
        well = False
        yield Finding(there.client, "problem", f"{name}: the hooks run with python3, which is not on PATH")
    if well:
        yield Finding(there.client, "ok", f"{name}: server, {len(handlers)} hooks")


def _paths(
    handlers: list[Mapping[str, object]], server: Mapping[str, object] | None, env: Mapping[str, str]
) -> Iterator[str]:
    """Give the files that the entries name, and programs that no PATH has."""
    for handler in handlers:
        words = entries.words_of(str(handler.get("command")))
        yield from (word for word in words if word.startswith("/"))
    if server is not None:
        args = cast("list[object]", server.get("args") or [])
        command = str(server.get("command"))
        if command.startswith("/") or on_path(command, env) is None:
            yield command
        yield from (str(one) for one in args if str(one).startswith("/"))


def _is_old(there: Places, env: Mapping[str, str]) -> bool:
    folder = data_folder(env) / HOOKS
    copies = {folder / name: text for name, text in shipped.hooks().items()} if folder.is_dir() else {}
    skills = {there.skills / name: text for name, text in shipped.skills().items()}
    copies |= {path: text for path, text in skills.items() if path.exists()}
    return any(files.read(path) != text for path, text in copies.items())
