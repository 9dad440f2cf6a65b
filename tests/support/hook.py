"""The hook's own modules, as a client's event would use them, without starting a process."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

HOOKS = Path(__file__).parents[2] / "hooks"
SCRIPT = HOOKS / "jobwarden_hook.py"


@dataclass(frozen=True)
class Seen:
    """What the hook did with one command.

    Attributes:
        registered: `type:id@host`, with `?` after a host that is a guess.
        doubt: What it told the agent instead.
        payload: What it would start jobwarden with.
        told: All that it told the agent.
    """

    registered: list[str]
    doubt: str
    payload: dict[str, Any]
    told: str


def hook_module(name: str) -> ModuleType:
    """Give one of the hook's modules."""
    if str(HOOKS) not in sys.path:
        sys.path.insert(0, str(HOOKS))
    return importlib.import_module(f"jobwarden_hooks.{name}")


def run_hook(folder: Path, command: object, response: object, *, cwd: str = "", **more: object) -> Seen:
    """Hand the hook one shell command with what it printed."""
    events: Any = hook_module("events")
    event = {
        "session_id": "session-1",
        "prompt_id": "p",
        "cwd": cwd or str(folder),
        "hook_event_name": "PostToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": command},
        "tool_response": response,
        **more,
    }
    started: list[dict[str, Any]] = []

    def start(payload: dict[str, Any]) -> bool:
        started.append(payload)
        return True

    kept, events.start = events.start, start
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            events.handle(json.dumps(event).encode())
    finally:
        events.start = kept
    told = json.loads(out.getvalue())["hookSpecificOutput"]["additionalContext"] if out.getvalue() else ""
    jobs: list[dict[str, str]] = started[0]["jobs"] if started else []
    registered = [
        f"{one['type']}:{one.get('id') or one['output']}@{one['host']}{'?' if one['guess'] else ''}" for one in jobs
    ]
    return Seen(registered, told if "jobwarden:" in told else "", started[0] if started else {}, told)
