"""What is brought along for clients: hooks, skills, and how they start the server; in the wheel, or in a checkout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

PLACE = "${CLAUDE_PLUGIN_ROOT}/hooks/"
"""How the plug-in's own files name the folder of the hooks."""


def root() -> Traversable:
    """Give the folder that holds `hooks/`, `skills/` and the MCP files; pyproject's force-include puts them there."""
    package = files("jobwarden")
    inside = package / "shipped"
    if inside.is_dir():
        return inside
    return Path(str(package)).parents[1]  # an editable install: the checkout itself


def hooks() -> dict[str, str]:
    """Give the files that the hooks run, by their path below the folder of the hooks."""
    folder = root() / "hooks"
    return {name: text for name, text in _texts(folder, "") if name.endswith(".py")}


def skills() -> dict[str, str]:
    """Give the files of the skills, by their path below a folder of skills."""
    return dict(_texts(root() / "skills", ""))


def hook_groups(client: str) -> dict[str, list[dict[str, object]]]:
    """Give the plug-in's hooks by event, as its file for that client has them."""
    name = "hooks/hooks.codex.json" if client == "codex" else "hooks/hooks.json"
    told = cast("Mapping[str, dict[str, list[dict[str, object]]]]", _json(name))
    return told["hooks"]


def server_entry(client: str) -> dict[str, object]:
    """Give the plug-in's server, as its file for that client has it."""
    name = ".mcp.codex.json" if client == "codex" else ".mcp.json"
    told = cast("Mapping[str, dict[str, dict[str, object]]]", _json(name))
    return told["mcpServers"]["jobwarden"]


def _json(name: str) -> object:
    told: object = json.loads((root() / name).read_text(encoding="utf-8"))
    return told


def _texts(folder: Traversable, below: str) -> Iterator[tuple[str, str]]:
    for one in sorted(folder.iterdir(), key=lambda found: found.name):
        name = f"{below}{one.name}"
        if one.is_dir():
            if one.name != "__pycache__":
                yield from _texts(one, f"{name}/")
        elif not one.name.startswith("."):
            yield name, one.read_text(encoding="utf-8")
