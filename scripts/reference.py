"""Write docs/options.md: every command, option, key of the configuration, tool argument and variable, from the code.

    python scripts/reference.py            say whether the file is as the code is; exit code 1 if not
    python scripts/reference.py --write    write it

What a key means is the text below it in `config/`, what an option means its `--help`, what an argument means the tool's
schema: it is said there, and nowhere twice.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobwarden.cli.exit_codes import MEANINGS
from jobwarden.cli.main import build
from jobwarden.config.model import Config, ProjectConfig

ROOT = Path(__file__).parents[1]
TARGET = "docs/options.md"
TOOLS = "tests/protocol/tools_list.json"
_ENVIRONMENT = re.compile(r"env|environ|environment|process_env")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,}")
MEANT = {
    "JOBWARDEN_CONFIG": "The configuration file, instead of `~/.config/jobwarden/config.toml`.",
    "JOBWARDEN_SSH_CONFIG": "Another ssh configuration than `~/.ssh/config`, for jobwarden alone.",
    "CLAUDE_CODE_SESSION_ATTENDED": "Set by Claude Code: whether somebody sits at the session.",
    "CLAUDE_CODE_SESSION_ID": "The session of Claude Code that calls, as far as nothing better tells it.",
    "CLAUDE_PROJECT_DIR": "The project of Claude Code's session.",
    "CLAUDE_CONFIG_DIR": "Where Claude Code's own settings are, for `jobwarden install`.",
    "CLAUDE_PID": "Set by Claude Code for its hooks: the client's process.",
    "CODEX_HOME": "Where Codex's own settings are, for `jobwarden install` and for waking it.",
    "CODEX_THREAD_ID": "The thread of Codex that calls.",
    "CODEX_SESSION_ID": "The session of Codex that calls.",
    "HOME": "The user's home.",
    "JOBWARDEN_MACHINE_ID": "What tells this machine from others, where its name or `/etc/machine-id` changes.",
    "KRB5CCNAME": "The Kerberos tickets for logins by GSSAPI.",
    "LOGNAME": "The user's name, where `USER` is not set.",
    "NEL": "The program of nemo-evaluator-launcher, where the configuration names none.",
    "NEMO_EVALUATOR_EXEC_DB_FILE": "Where nemo-evaluator-launcher keeps its list of runs.",
    "NEMORUN_HOME": "Where nemo-run keeps its experiments.",
    "NO_COLOR": "Anything: no colours.",
    "PATH": "Where programs are looked for; never in a relative folder or in the project.",
    "SSH_AUTH_SOCK": "The ssh agent.",
    "TERM": "`dumb`: no colours.",
    "TMPDIR": "Where the folder for locks is, where `XDG_RUNTIME_DIR` is not set.",
    "USER": "The user's name.",
    "XDG_CONFIG_HOME": "Where `jobwarden/config.toml` is, instead of `~/.config`.",
    "XDG_DATA_HOME": "Where the copies of the hooks are, instead of `~/.local/share`.",
    "XDG_RUNTIME_DIR": "A local folder for locks and notes that need not outlive the login.",
    "XDG_STATE_HOME": "Where the journals are, instead of `~/.local/state`.",
}
"""What the variables mean; one that is read and stands not here is listed with where that is."""


def reference(root: Path) -> str:
    """Write the whole file."""
    parts = [
        "# Every option",
        "Made by `scripts/reference.py` from the code; `make check` says when it is not what the code is.",
        "What to use when is told by the README and the quickstarts beside this file.",
        "## Commands",
        *_commands(),
        "### Exit codes",
        _table(("code", "means"), [(str(code.value), meaning) for code, meaning in MEANINGS]),
        "## Configuration",
        "`~/.config/jobwarden/config.toml`, or the file that `JOBWARDEN_CONFIG` names. Times are seconds. Every key has"
        " a default; what the file holds beyond these is an error that names it.",
        *_sections(Config, ()),
        "## A project's configuration",
        "`.jobwarden.toml` in the project's folder. It comes with a repository, so it can only take away.",
        *_sections(ProjectConfig, ()),
        "## Tools",
        "The arguments of the MCP tools. What is not listed is refused.",
        *_tools(root),
        "## Environment variables",
        _table(("variable", "means"), _variables(root)),
    ]
    return "\n\n".join(parts) + "\n"


def _commands() -> Iterator[str]:
    group = build()
    context = click.Context(group, info_name="jobwarden")
    for name, command in group.commands.items():
        if not command.hidden:
            yield from _command(command, f"jobwarden {name}", context)


def _command(command: click.Command, name: str, context: click.Context) -> Iterator[str]:
    own = click.Context(command, info_name=name.rpartition(" ")[2], parent=context)
    yield f"### `{name}`"
    said = inspect.cleandoc(command.help or "").replace("\b\n", "").strip()
    yield said.split("\n\n")[0].replace("\n", " ") if said else "No more is said of it."
    yield f"`{' '.join([name, *command.collect_usage_pieces(own)])}`"
    rows = [_option(one) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if rows:
        yield _table(("option", "default", "means"), rows)
    if isinstance(command, click.Group):
        for below, inner in command.commands.items():
            if not inner.hidden:
                yield from _command(inner, f"{name} {below}", own)


def _option(option: click.Option) -> tuple[str, str, str]:
    names = ", ".join(f"`{one}`" for one in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        choices: Sequence[object] = option.type.choices
        names += " " + "\\|".join(str(one) for one in choices)
    elif not option.is_flag:
        names += f" {option.metavar or option.type.name.upper()}"
    default: object = option.default
    shown = isinstance(default, str | int | float) and default is not True and default is not False and default != ""
    return names, f"`{default}`" if shown else "", option.help or ""


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Write one table of the file, then those below it."""
    told = _texts(model)
    below: list[tuple[type[BaseModel], tuple[str, ...]]] = []
    rows: list[tuple[str, str, str]] = []
    for name, field in model.model_fields.items():
        section, named = _below(field)
        if section is not None:
            below.append((section, (*path, name, *(["NAME"] if named else []))))
            continue
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else "" if default is None else f"`{_toml(default)}`"
        rows.append((f"`{name}`", shown, told.get(name, "")))
    if path:
        yield f"### `[{'.'.join(path)}]`"
        yield _first(model)
    if rows:
        yield _table(("key", "default", "means"), rows)
    for section, where in below:
        yield from _sections(section, where)


def _below(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Give the table that a key holds, and whether that is one of several, each with a name."""
    kind: object = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, False
    for one in get_args(kind):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one, True
    return None, False


def _first(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Give what stands below each key in the code."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(body, ast.ClassDef)
    told: dict[str, str] = {}
    for key, after in zip(body.body, body.body[1:], strict=False):
        if not isinstance(key, ast.AnnAssign) or not isinstance(key.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            told[key.target.id] = " ".join(after.value.value.split())
    return told


def _toml(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, cast('Sequence[object]', value)))}]"
    return json.dumps(value)


def _tools(root: Path) -> Iterator[str]:
    for tool in json.loads((root / TOOLS).read_text(encoding="utf-8")):
        yield f"### `{tool['name']}`"
        yield str(tool["description"]).split("\n")[0]
        schema: Mapping[str, Any] = tool["inputSchema"]
        needed = set(schema.get("required", ()))
        rows = [_argument(name, one, needed=name in needed) for name, one in schema.get("properties", {}).items()]
        if rows:
            yield _table(("argument", "default", "means"), rows)


def _argument(name: str, schema: Mapping[str, Any], *, needed: bool) -> tuple[str, str, str]:
    choices: Sequence[object] = schema.get("enum", ())
    kinds = [str(one.get("type", "")) for one in (schema, *schema.get("anyOf", ()))]
    kind = " or ".join(dict.fromkeys(one for one in kinds if one and one != "null"))
    of = "\\|".join(str(one) for one in choices) or kind
    default = "required" if needed else f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    return f"`{name}` {of}".strip(), default, str(schema.get("description", ""))


def _variables(root: Path) -> list[tuple[str, str]]:
    found: dict[str, set[str]] = {}
    for folder in ("server/jobwarden", "registry/jobwarden_registry", "hooks"):
        for path in sorted((root / folder).rglob("*.py")):
            for name in _read_in(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(name, set()).add(path.relative_to(root).as_posix())
    return [
        (f"`{name}`", MEANT.get(name) or f"Read in {', '.join(sorted(where))}.")
        for name, where in sorted(found.items())
    ]


def _read_in(tree: ast.AST) -> Iterator[str]:
    """Give the variables that a module reads: what it gets from an environment, and every name of our own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in MEANT and node.value.startswith(("JOBWARDEN_", "CODEX_", "CLAUDE_", "NEMO_")):
                yield node.value
        elif isinstance(node, ast.Subscript):
            yield from _named(node.value, node.slice)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            yield from _named(node.func.value, node.args[0])


def _named(source: ast.expr, key: ast.expr) -> Iterator[str]:
    whose = source.attr if isinstance(source, ast.Attribute) else source.id if isinstance(source, ast.Name) else ""
    if not _ENVIRONMENT.fullmatch(whose) or not isinstance(key, ast.Constant):
        return
    if isinstance(key.value, str) and _VARIABLE.fullmatch(key.value):
        yield key.value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(head), "|".join(["---"] * len(head)), *(" | ".join(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _cell(text: str) -> str:
    text = " ".join(text.split())
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def main(words: Sequence[str]) -> int:
    """Compare, or write."""
    path, wanted = ROOT / TARGET, reference(ROOT)
    if path.exists() and path.read_text(encoding="utf-8") == wanted:
        return 0
    if "--write" in words:
        path.write_text(wanted, encoding="utf-8")
        print(f"{TARGET}: written")
        return 0
    print(f"{TARGET}: is not what the code says; run: .venv/bin/python scripts/reference.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
