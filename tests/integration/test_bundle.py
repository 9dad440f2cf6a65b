"""The bundle for desktop clients: made and checked by the format's own program, unpacked, and started as it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from support.node import node

ROOT = Path(__file__).parents[2]
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}


def run(*words: str, env: dict[str, str], said: str = "") -> str:
    done = subprocess.run(
        words, env=env, input=said, capture_output=True, text=True, timeout=280, check=False, cwd=env["HOME"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.node
def test_the_bundle_is_valid_and_what_it_says_starts_the_server(tmp_path: Path) -> None:
    node("mcpb")
    env = {**os.environ}
    said = run(str(ROOT / "scripts" / "mcpb.sh"), str(tmp_path), env=env)
    assert said.count("Manifest schema validation passes!") == 2
    (bundle,) = tmp_path.glob("*.mcpb")
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(bundle).extractall(folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (folder / manifest["server"]["entry_point"]).is_file()
    assert not [path for path in folder.rglob("*") if path.name in ("__pycache__", "tests", ".venv", ".git")]

    start = manifest["server"]["mcp_config"]
    uv = shutil.which("uv") or str(ROOT / ".tooling" / "bin" / "uv")
    words = [one.replace("${__dirname}", str(folder)) for one in start["args"]]
    assert start["command"] == "uv"
    env.pop("VIRTUAL_ENV", None)
    answer = json.loads(run(uv, *words, env=env, said=json.dumps(HELLO) + "\n").splitlines()[0])
    assert answer["result"]["serverInfo"]["name"] == "jobwarden"
