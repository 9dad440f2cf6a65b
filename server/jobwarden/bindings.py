"""Which session an agent's client process is in, as a hook of that client wrote it down; see `hooks/`.

Claude Code 2.1.328 starts its MCP servers once: after `/clear`, and under `--continue` from the start, the session in
their environment is another than the one that calls. Its hooks are told the right one, and the client's pid.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.paths import Places, check_session_id
from jobwarden_registry.processes import ProcessId, is_alive, this_process

CLIENTS = "clients"
CALLS = "calls"
ANNOUNCED = "announced"
PROCESS = "process"
"""The client's process in a session's entry."""

_CALL = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ANNOUNCEMENT = re.compile(r"[A-Za-z0-9_.-]{1,128}@[0-9]{1,20}")
_ANNOUNCED_S = 30.0
"""An older announcement is of a registration that came to nothing."""
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Binding:
    """One client process, and the session that it was last seen in.

    Attributes:
        process: The client.
        session_id: As the hook was told.
        agent: `claude-code` or `codex`.
        previous: The sessions that it was in before (`/clear` begins a new one), oldest first.
    """

    process: ProcessId
    session_id: str
    agent: str
    previous: tuple[str, ...] = ()


def binding_of(places: Places, pid: int) -> Binding | None:
    """Give what a hook bound to this process; None: nothing, or it was another process of the same pid."""
    binding = _read_binding(places.runtime / CLIENTS / f"{pid}.json")
    return binding if binding is not None and binding.process.pid == pid and is_alive(binding.process) else None


def sub_agent_of(places: Places, tool_use_id: object) -> tuple[str, str] | None:
    """Give the session and the sub-agent that make a tool call, where a hook wrote that down before it."""
    if not isinstance(tool_use_id, str) or _CALL.fullmatch(tool_use_id) is None:
        return None
    raw = _read(places.runtime / CALLS / f"{tool_use_id}.json")
    session, agent = raw.get("session_id"), raw.get("agent_id")
    return (session, agent) if isinstance(session, str) and isinstance(agent, str) and session and agent else None


def living(places: Places) -> tuple[Binding, ...]:
    """Give the bindings of all clients that live."""
    return tuple(one for one in _bindings(places) if is_alive(one.process))


def is_gone(entry: SessionEntry, machine: str, clients: Sequence[Binding]) -> bool | None:
    """Say whether no client is in this session any more; None where nothing tells.

    Args:
        entry: The session.
        machine: This machine's id.
        clients: See `living`.
    """
    if any(one.session_id == entry.session_id for one in clients):
        return False
    if any(entry.session_id in one.previous for one in clients):
        return True
    process = _process(entry.client.get(PROCESS))
    if process is None or _text(entry.client.get("machine")) != machine:
        return None
    if process.boot_id != this_process().boot_id:
        return True  # this machine has been started anew since
    lives = is_alive(process)
    return None if lives is None else not lives


def described(process: ProcessId, machine: str) -> dict[str, JsonValue]:
    """Write a client's process down for a session's entry."""
    return {PROCESS: asdict(process), "machine": machine}


def is_announced(places: Places, session_id: str, now: datetime) -> bool:
    """Whether a hook has seen a submission of this session that is still being registered."""
    with suppress(OSError):
        for path in (places.runtime / ANNOUNCED).glob(f"{glob.escape(session_id)}@*"):
            if abs(now.timestamp() - path.stat().st_mtime) < _ANNOUNCED_S:
                return True
    return False


def registered(places: Places, announcement: str) -> None:
    """Take a hook's announcement back: what it saw is registered, or cannot be."""
    if _ANNOUNCEMENT.fullmatch(announcement):
        (places.runtime / ANNOUNCED / announcement).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Lineage:
    """A process and its ancestors, nearest first.

    Attributes:
        pids: The process itself, its parent, and so on.
        environments: What each of them was started with, as far as that can be read; in the same order.
    """

    pids: tuple[int, ...]
    environments: tuple[Mapping[str, str], ...]

    def setter(self, name: str, value: str) -> int:
        """Say how far up stands the process that gave a variable this value; beyond all: it came from outside."""
        for depth, environment in enumerate(self.environments):
            if environment.get(name) != value:
                return depth
        return len(self.environments)


_MOST_ANCESTORS = 32
_PROC = Path("/proc")


def own_lineage() -> Lineage:
    """Give this process's lineage; empty where there is no /proc."""
    pids = tuple(_up(this_process().pid))
    return Lineage(pids, tuple(_environment(pid) for pid in pids))


def _up(pid: int) -> Iterator[int]:
    for _ in range(_MOST_ANCESTORS):
        try:
            text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        yield pid
        pid = int(text.rpartition(")")[2].split()[1])
        if pid <= 1:
            return


def _environment(pid: int) -> Mapping[str, str]:
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in raw.split(b"\0"))
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs}


def _bindings(places: Places) -> Iterator[Binding]:
    paths: list[Path] = []
    with suppress(OSError):
        paths = list((places.runtime / CLIENTS).iterdir())
    for path in paths:
        binding = _read_binding(path)
        if binding is not None:
            yield binding


def _read_binding(path: Path) -> Binding | None:
    raw = _read(path)
    process, session = _process(raw.get(PROCESS)), _text(raw.get("session_id"))
    if process is None or session is None:
        return None
    with suppress(InvalidIdError):
        check_session_id(session)
        return Binding(process, session, _text(raw.get("agent")) or "claude-code", _earlier(raw.get("previous")))
    return None


def _earlier(value: object) -> tuple[str, ...]:
    sessions = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(one for one in sessions if isinstance(one, str))


def _process(value: object) -> ProcessId | None:
    if not isinstance(value, dict):
        return None
    raw = cast("dict[str, object]", value)
    pid, texts = raw.get("pid"), [raw.get(name) for name in ("boot_id", "pid_namespace", "start_time")]
    if not isinstance(pid, int) or not all(isinstance(text, str) for text in texts):
        return None
    boot_id, namespace, start_time = cast("list[str]", texts)
    return ProcessId(boot_id, namespace, pid, start_time)


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw: object = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", raw) if isinstance(raw, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
