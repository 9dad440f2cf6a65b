"""How long from the start of the server to its first answers, with the front and without, in both protocol eras.

The bare server, an `MCPServer` with three tools, is what the SDK itself needs. All are started in turns, so that a busy
machine slows all. Plain is the same program without the front.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any

ROUNDS = 10
PLAIN = [sys.executable, "-m", "jobwarden.cli.main", "serve"]
SERVER = [str(Path(sys.executable).with_name("jobwarden")), "serve"]
BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")
@server.tool()
def one(a: str) -> str: return a
@server.tool()
def two(b: int = 1) -> str: return str(b)
@server.tool()
def three() -> str: return "3"
server.run()
"""
_HANDSHAKE = {"capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
_META = {"protocolVersion": "2026-07-28", "clientCapabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
_ENVELOPE = {"_meta": {f"io.modelcontextprotocol/{key}": value for key, value in _META.items()}}
_WANTED = dict.fromkeys(("toolsListChanged", "promptsListChanged", "resourcesListChanged"), True)
ERAS: Mapping[str, Sequence[dict[str, Any]]] = {
    "2025-06-18": (
        {"id": 1, "method": "initialize", "params": {**_HANDSHAKE, "protocolVersion": "2025-06-18"}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "none"},
    ),
    "2026-07-28": (
        {"id": 1, "method": "server/discover", "params": _ENVELOPE},
        {"id": 9, "method": "subscriptions/listen", "params": {**_ENVELOPE, "notifications": _WANTED}},
        {"id": 2, "method": "tools/list", "params": _ENVELOPE},
        {"id": 3, "method": "none", "params": _ENVELOPE},
    ),
}
"""Who is there, what it offers, and something that the SDK alone answers (there is no such method).

As Codex 0.169 and Claude Code 2.1.328 begin; the latter listens first, and goes on when that is acknowledged.
"""


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process to each answer, and its memory after the last two, in KiB."""

    who: float
    tools: float
    other: float
    listed_kib: float
    loaded_kib: float


def start(argv: Sequence[str], messages: Sequence[dict[str, Any]], env: Mapping[str, str]) -> Start:
    """Start a server and ask it, one question after the other, as clients do."""
    began = time.perf_counter()
    taken: list[float] = []
    memory: list[float] = []
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            process.stdin.flush()
            if message["method"] == "subscriptions/listen":
                while not _answer(process.stdout).get("method", "").endswith("/acknowledged"):
                    pass
            elif "id" in message:
                while _answer(process.stdout).get("id") != message["id"]:
                    pass
                taken.append(time.perf_counter() - began)
                memory.append(_memory_kib(process.pid))
        process.stdin.close()
        process.wait(30)
    return Start(*taken, *memory[1:])


def _answer(pipe: IO[bytes]) -> dict[str, Any]:
    line = pipe.readline()
    if not line:
        sys.exit("the server ended without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _memory_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def main() -> None:
    print(f"machine: {os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "XDG_STATE_HOME": f"{home}/state", "XDG_RUNTIME_DIR": home}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        kinds = {"bare": [sys.executable, "-c", BARE], "jobwarden, plain": PLAIN, "jobwarden": SERVER}
        for argv in kinds.values():
            start(argv, ERAS["2025-06-18"], env)  # writes the .pyc files
        for era, messages in ERAS.items():
            taken: dict[str, list[Start]] = {kind: [] for kind in kinds}
            for _ in range(ROUNDS):
                for kind, argv in kinds.items():
                    taken[kind].append(start(argv, messages, env))
            say(era, taken)
    load = os.getloadavg()[0]
    print(f"medians of {ROUNDS} starts, taken in turn; load average {load:.1f}")


def say(era: str, taken: Mapping[str, Sequence[Start]]) -> None:
    """Print an era's medians."""
    print(f"\n{era:<18} who is there  tools/list (least to most)  first other answer   memory then, at the end")
    for kind, runs in taken.items():
        who, tools, other = ([getattr(run, name) for run in runs] for name in ("who", "tools", "other"))
        listed, loaded = (median(getattr(run, name) for run in runs) / 1024 for name in ("listed_kib", "loaded_kib"))
        print(
            f"{kind:<18} {median(who):>10.3f} s {median(tools):>10.3f} s ({min(tools):.3f} to {max(tools):.3f})"
            f" {median(other):>14.3f} s {listed:>12.0f} {loaded:>4.0f} MiB"
        )
    plain, ours = (median(run.tools for run in taken[kind]) for kind in ("jobwarden, plain", "jobwarden"))
    bare = median(run.tools for run in taken["bare"])
    print(f"start to tools/list: {ours / plain:.2f} of plain; plain / bare MCPServer: {plain / bare:.2f}")


if __name__ == "__main__":
    main()
