"""How long from the start of the server to an answered `tools/list`, against a bare `MCPServer` with three tools.

The bare server is the limit: what the SDK itself needs. Both are started in turns, so that a busy machine slows both.
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
from pathlib import Path
from statistics import median
from typing import IO, Any

ROUNDS = 10
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
MESSAGES: Sequence[dict[str, Any]] = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
)


def start(argv: Sequence[str], env: Mapping[str, str]) -> tuple[float, int]:
    """Give the seconds to an answered tools/list, and the server's memory then, in KiB."""
    began = time.perf_counter()
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in MESSAGES:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        while _answer(process.stdout).get("id") != 2:
            pass
        took = time.perf_counter() - began
        memory = _memory_kib(process.pid)
        process.stdin.close()
        process.wait(30)
    return took, memory


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
        kinds = {"bare": [sys.executable, "-c", BARE], "jobwarden": SERVER}
        for argv in kinds.values():
            start(argv, env)  # writes the .pyc files
        taken: dict[str, list[tuple[float, int]]] = {kind: [] for kind in kinds}
        for _ in range(ROUNDS):
            for kind, argv in kinds.items():
                taken[kind].append(start(argv, env))
    times = {kind: median(took for took, _memory in runs) for kind, runs in taken.items()}
    for kind, runs in taken.items():
        spread = f"{min(took for took, _ in runs):.2f} to {max(took for took, _ in runs):.2f}"
        print(f"{kind}: median {times[kind]:.2f} s ({spread}), {median(memory for _, memory in runs) / 1024:.0f} MiB")
    print(f"start to tools/list, jobwarden / bare MCPServer: {times['jobwarden'] / times['bare']:.2f}")


if __name__ == "__main__":
    main()
