"""What a client's own settings say: a plug-in, beside which all would run twice; hooks that it will not run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from jobwarden.installing.clients import Places
from jobwarden.installing.entries import NAME


def enabled_plugin(places: Places, project: Path) -> str | None:
    """Name the plug-in that is switched on, `jobwarden@MARKETPLACE`; None where there is none, or none can be seen.

    Claude Code notes it in its settings (`enabledPlugins`, the project's own files last), Codex in config.toml.
    """
    if places.client == "codex":
        told = _mapping(_toml(places.home / "config.toml").get("plugins"))
        return _first({key: _mapping(one).get("enabled") is not False for key, one in told.items()})
    names = [places.home / "settings.json"]
    names += [project / ".claude" / name for name in ("settings.json", "settings.local.json")]
    switched: dict[str, bool] = {}
    for name in names:
        for key, value in _mapping(_json(name).get("enabledPlugins")).items():
            switched[key] = value is not False
    return _first(switched)


def hooks_that_wait(places: Places) -> str:
    """Say why a client does not run the hooks in its file, as far as its settings tell; or nothing."""
    if places.client == "claude":
        off = any(_json(path).get("disableAllHooks") is True for path in (places.hooks, places.home / "settings.json"))
        return "hooks are switched off (disableAllHooks)" if off else ""
    known = _mapping(_mapping(_toml(places.home / "config.toml").get("hooks")).get("state"))
    if any(key.startswith(f"{places.hooks}:") for key in known):
        return ""
    return "its hooks are not trusted yet: start codex, and trust them in /hooks"


def _first(switched: Mapping[str, bool]) -> str | None:
    return next((key for key, on in switched.items() if on and key.partition("@")[0] == NAME), None)


def _json(path: Path) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return {}


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _mapping(told: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
