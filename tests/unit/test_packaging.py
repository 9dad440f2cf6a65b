"""What others read about this package: the MCP registry, desktop clients, Docker; none of them is asked."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types; pyright infers them
import pytest

from jobwarden.cli.main import build

ROOT = Path(__file__).parents[2]
OWNER = re.compile(r"github\.com/([\w.-]+)/jobwarden|io\.github\.([\w.-]+)/jobwarden")

TEXT = {"type": "string", "minLength": 1}
VERSION = {"type": "string", "pattern": r"^\d+\.\d+\.\d+([-+.][\w.+-]+)?$", "maxLength": 255}
POSITIONAL = {
    "type": "object",
    "required": ["type", "value"],
    "additionalProperties": False,
    "properties": {"type": {"const": "positional"}, "value": TEXT},
}
VARIABLE = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "format": {"enum": ["string", "number", "boolean", "filepath"]},
        "isRequired": {"type": "boolean"},
        "isSecret": {"type": "boolean"},
    },
}
PACKAGE = {
    "type": "object",
    "required": ["registryType", "identifier", "version", "transport"],
    "additionalProperties": False,
    "properties": {
        "registryType": {"enum": ["npm", "pypi", "oci", "nuget", "mcpb", "maven"]},
        "identifier": TEXT,
        "version": VERSION,
        "runtimeHint": {"enum": ["npx", "uvx", "docker", "dnx", "jbang"]},
        "transport": {"type": "object", "required": ["type"], "properties": {"type": {"const": "stdio"}}},
        "packageArguments": {"type": "array", "items": POSITIONAL},
        "environmentVariables": {"type": "array", "items": VARIABLE},
    },
}
SERVER = {
    "type": "object",
    "required": ["$schema", "name", "description", "version", "repository", "packages"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {"type": "string", "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "title": {**TEXT, "maxLength": 100},
        "description": {**TEXT, "maxLength": 100},
        "version": VERSION,
        "repository": {"type": "object", "required": ["url", "source"], "properties": {"source": {"const": "github"}}},
        "packages": {"type": "array", "items": PACKAGE, "minItems": 1},
    },
}
"""The rules of the registry's schema 2025-12-11 for what we use of it, and stricter: nothing that it does not know."""


def load(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="utf-8"))
    return told


@pytest.fixture
def derive() -> Any:
    if not (ROOT / "server.json").exists():
        pytest.skip("no packaging here: the installed wheel is tested")
    spec = importlib.util.spec_from_file_location("derive", ROOT / "scripts" / "derive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_derived_from_the_project_says_what_it_says(derive: Any) -> None:
    for name, text in derive.derived(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"python scripts/derive.py --write  # {name}"


def test_another_owner_needs_one_line_alone(derive: Any, tmp_path: Path) -> None:
    for name in ("pyproject.toml", *derive.derived(ROOT)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "pyproject.toml":
            text = text.replace("github.com/jobwarden/", "github.com/somebody-else/", 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, text in derive.derived(tmp_path).items():
        owners = {one or other for one, other in OWNER.findall(text)}
        assert owners <= {"somebody-else"}, name
    assert json.loads(derive.derived(tmp_path)["server.json"])["name"] == "io.github.somebody-else/jobwarden"
    assert derive.derived(tmp_path)["README.md"].count("io.github.somebody-else/jobwarden") == 1


def test_the_owner_stands_in_no_other_file(derive: Any) -> None:
    told = {"pyproject.toml", *derive.derived(ROOT)}
    folders = [
        ROOT,
        *(ROOT / name for name in (".claude-plugin", ".codex-plugin", "docs", "scripts", "packaging", "skills")),
    ]
    files = [path for folder in folders for path in (folder.glob("*") if folder == ROOT else folder.rglob("*"))]
    texts = {path for path in files if path.is_file() and path.suffix in {".json", ".md", ".toml", ".sh", ".py", ""}}
    found = {
        path.relative_to(ROOT).as_posix()
        for path in texts
        if OWNER.search(path.read_text(encoding="utf-8", errors="replace"))
    }
    assert found <= told


@pytest.mark.usefixtures("derive")
def test_the_entry_for_the_registry_keeps_its_rules() -> None:
    told = load("server.json")
    jsonschema.validate(told, SERVER)
    (package,) = told["packages"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (package["identifier"], package["version"]) == (project["name"], project["version"])
    assert [one["value"] for one in package["packageArguments"]] == ["serve"]
    assert f"<!-- mcp-name: {told['name']} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("derive")
def test_each_variable_that_the_registry_is_told_of_is_read_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py"))
    for variable in load("server.json")["packages"][0]["environmentVariables"]:
        assert f'"{variable["name"]}"' in source


# -- Docker: not built anywhere here


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


@pytest.mark.usefixtures("derive")
def test_the_dockerfile_copies_what_is_there_and_all_that_the_wheel_is_made_of() -> None:
    known = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions()} <= known
    copied: set[str] = set()
    for name, rest in instructions():
        words = shlex.split(rest)
        if name == "COPY" and not words[0].startswith("--from"):
            copied |= set(words[:-1])
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    assert all((ROOT / name).exists() for name in copied)
    assert copied == allowed
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert {name.partition("/")[0] for name in (*wheel["packages"], *wheel["force-include"])} <= copied


@pytest.mark.usefixtures("derive")
def test_the_dockerfile_starts_a_command_that_there_is_and_as_nobody_special() -> None:
    told = dict(instructions())
    words = json.loads(told["CMD"])
    options = {option for one in build().commands[words[0]].params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= options
    assert told["USER"] == "jobwarden"
    assert told["ENTRYPOINT"] == '["/app/.venv/bin/jobwarden"]'
