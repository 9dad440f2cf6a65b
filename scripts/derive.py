"""Write what must say the same as pyproject.toml: its version, its description, and who owns the repository.

    python scripts/derive.py            say which files differ; exit code 1 if any does
    python scripts/derive.py --write    write them

`server.json` is for the MCP registry (schema 2025-12-11), `packaging/manifest.json` for the .mcpb bundle (0.4),
and the registry looks into the README for the server's name.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MARKETPLACE = ".claude-plugin/marketplace.json"
_NAME = re.compile(r"<!-- mcp-name: \S* -->")


def derived(root: Path) -> dict[str, str]:
    """Give the files, by their path, as they should be."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]
    owner, name = repository.removeprefix("https://github.com/").split("/")
    server = f"io.github.{owner}/{name}"
    marketplace = json.loads((root / MARKETPLACE).read_text(encoding="utf-8"))
    readme = (root / "README.md").read_text(encoding="utf-8")
    return {
        "server.json": _json(_server(project, server)),
        "packaging/manifest.json": _json(_manifest(project, owner)),
        MARKETPLACE: _json({**marketplace, "owner": {**marketplace["owner"], "name": owner}}),
        "README.md": _NAME.sub(f"<!-- mcp-name: {server} -->", readme, count=1),
    }


def _server(project: Mapping[str, Any], name: str) -> dict[str, object]:
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": name,
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "repository": {"url": project["urls"]["Repository"], "source": "github"},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": project["name"],
                "version": project["version"],
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "packageArguments": [{"type": "positional", "value": "serve"}],
                "environmentVariables": [
                    {"name": "JOBWARDEN_CONFIG", "description": "Another configuration file", "format": "filepath"},
                    {"name": "JOBWARDEN_SSH_CONFIG", "description": "Another ssh configuration", "format": "filepath"},
                ],
            }
        ],
    }


def _manifest(project: Mapping[str, Any], owner: str) -> dict[str, object]:
    return {
        "manifest_version": "0.4",
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "author": {"name": owner, "url": f"https://github.com/{owner}"},
        "repository": {"type": "git", "url": project["urls"]["Repository"]},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "server/jobwarden/cli/main.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--project", "${__dirname}", "--frozen", "--no-dev", "jobwarden", "serve"],
            },
        },
        "tools_generated": True,
        "prompts_generated": True,
        "compatibility": {"platforms": ["darwin", "linux"], "runtimes": {"python": project["requires-python"]}},
    }


def _json(told: object) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def main(words: list[str]) -> int:
    """Compare, or write."""
    wanted = derived(ROOT)
    wrong = [name for name, text in wanted.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    for name in wrong:
        if "--write" in words:
            (ROOT / name).write_text(wanted[name], encoding="utf-8")
        print(f"{name}: {'written' if '--write' in words else 'is not what pyproject.toml says'}")
    return 1 if wrong and "--write" not in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
