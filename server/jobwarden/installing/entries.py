"""Which entries of a client's files are ours, what they should be, and how they are put in and taken out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from jobwarden.installing import json_text, shipped, toml_text
from jobwarden.installing.clients import Places
from jobwarden.installing.drafts import Draft
from jobwarden.installing.errors import ForeignEntryError, InstallError

NAME = "jobwarden"

_SCRIPT = r"jobwarden_(?:hook|rewake|start)\.py"
"""By their names: a person's own script may be called `jobwarden_` and something, too."""
_OURS = re.compile(rf"(?:^|[\s/\"']){_SCRIPT}(?:$|[\s\"'])")
_NAMED = re.compile(rf'"{re.escape(shipped.PLACE)}({_SCRIPT})"')

Made = frozenset[tuple[str, ...]] | None
"""The containers that were put in for us; None: nobody knows, so what we leave empty goes."""


def is_our_hook(handler: object) -> bool:
    """Whether a handler runs a script of ours, by whichever path."""
    return (
        isinstance(handler, dict)
        and _OURS.search(str(cast("Mapping[str, object]", handler).get("command"))) is not None
    )


def wanted_hooks(places: Places, folder: Path, program: Path) -> dict[str, list[dict[str, object]]]:
    """Give the plug-in's hooks with the paths of this machine, and the program to start."""

    def placed(handler: Mapping[str, object]) -> dict[str, object]:
        command = str(handler["command"])
        script = _quoted(folder / _NAMED.findall(command)[0])
        words = _NAMED.sub(lambda _named: script, command)
        return {**handler, "command": f"{words} {_quoted(program)}"}

    return {
        event: [
            {**group, "hooks": [placed(one) for one in cast("list[Mapping[str, object]]", group["hooks"])]}
            for group in groups
        ]
        for event, groups in shipped.hook_groups(places.client).items()
    }


def wanted_server(places: Places, program: Path) -> dict[str, object]:
    """Give the plug-in's server, started by this program instead of from the plug-in's folder."""
    kind: dict[str, object] = {"type": "stdio"} if places.client == "claude" else {}
    told = shipped.server_entry(places.client)
    rest = {key: value for key, value in told.items() if key not in ("type", "command", "args", "cwd")}
    return kind | {"command": str(program), "args": ["serve"]} | rest


def words_of(command: str) -> list[str]:
    """Split a hook's command; what no shell could read is no words."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


# -- hooks: {"hooks": {EVENT: [{"matcher": ..., "hooks": [HANDLER, ...]}, ...]}}


def our_handlers(told: object) -> list[Mapping[str, object]]:
    """Give all handlers of ours in a file of hooks."""
    return [one for _, _, one in _ours(told)]


def put_hooks(draft: Draft, wanted: Mapping[str, Sequence[object]], name: str, made: Made) -> None:
    """Put in what is wanted and not there, and take out what is ours and not wanted.

    Raises:
        UnparsableError: The file's `hooks` are of another shape.
    """
    take_out_hooks(draft, name, made, keep=wanted)
    for event, groups in wanted.items():
        there = _groups(json_text.parse(draft.text, name)).get(event, [])
        for group in groups:
            if group not in there:
                json_text.append(draft, ("hooks", event), group, name)


def take_out_hooks(draft: Draft, name: str, made: Made, keep: Mapping[str, Sequence[object]] | None = None) -> None:
    """Take out our handlers, and what was there only to hold them."""
    keep = keep or {}
    while True:
        told = json_text.parse(draft.text, name)
        groups = _groups(told)
        found = next(
            (
                (event, number)
                for event, number, _ in _ours(told)
                if groups[event][number] not in keep.get(event, ())
                or groups[event].index(groups[event][number]) != number
            ),
            None,
        )
        if found is None:
            return
        event, number = found
        handlers = cast("list[object]", cast("Mapping[str, object]", groups[event][number])["hooks"])
        if all(is_our_hook(one) for one in handlers):
            json_text.remove(draft, ("hooks", event, number))
            _drop_empty(draft, ("hooks", event), made)
        else:
            place = next(index for index, one in enumerate(handlers) if is_our_hook(one))
            json_text.remove(draft, ("hooks", event, number, "hooks", place))


def _groups(told: object) -> dict[str, list[object]]:
    hooks = cast("Mapping[str, object]", told).get("hooks")
    if not isinstance(hooks, dict):
        return {}
    return {
        event: cast("list[object]", groups)
        for event, groups in cast("Mapping[str, object]", hooks).items()
        if isinstance(groups, list)
    }


def _ours(told: object) -> list[tuple[str, int, Mapping[str, object]]]:
    found: list[tuple[str, int, Mapping[str, object]]] = []
    for event, groups in _groups(told).items():
        for number, group in enumerate(groups):
            handlers = cast("Mapping[str, object]", group).get("hooks") if isinstance(group, dict) else None
            for handler in cast("list[object]", handlers) if isinstance(handlers, list) else []:
                found += [(event, number, cast("Mapping[str, object]", handler))] if is_our_hook(handler) else []
    return found


def _drop_empty(draft: Draft, path: Sequence[str], made: Made) -> None:
    """Take out a container that is empty now, and those around it, as far as they are ours."""
    for depth in range(len(path), 0, -1):
        at = json_text.locate(draft.text, path[:depth])
        if at is None or json_text.items(draft.text, at) or (made is not None and tuple(path[:depth]) not in made):
            return
        json_text.remove(draft, path[:depth])


# -- the server


def server_in(places: Places, text: str) -> Mapping[str, object] | None:
    """Give our server's entry as it stands in the client's file.

    Raises:
        UnparsableError: The file cannot be read.
    """
    name = str(places.server)
    if places.client == "codex":
        return toml_text.server(toml_text.parse(text, name), NAME)
    told = json_text.parse(text, name)
    for key in (*places.servers, NAME):
        told = cast("Mapping[str, object]", told).get(key) if isinstance(told, dict) else None
    return cast("Mapping[str, object]", told) if isinstance(told, dict) else None


def put_server(draft: Draft, places: Places, wanted: Mapping[str, object]) -> None:
    """Put our server in; where it is there, it gets what it lacks, and what a person added stays.

    Raises:
        ForeignEntryError: Another server has our name.
        UnparsableError: The file is of another shape.
    """
    name, there = str(places.server), server_in(places, draft.text)
    toml = places.client == "codex"
    if there is None:
        if toml:
            toml_text.put(draft, NAME, wanted, name)
        else:
            json_text.put(draft, (*places.servers, NAME), wanted, name)
        return
    if not is_our_server(there):
        raise ForeignEntryError(
            f"{name} has a server called {NAME} that does not start jobwarden.", hint="Rename or remove it first."
        )
    for key, value in _amended(there, wanted).items():
        if toml:
            toml_text.replace(draft, NAME, key, value, name)
        elif key in there:
            json_text.replace(draft, (*places.servers, NAME, key), value)
        else:
            json_text.put(draft, (*places.servers, NAME, key), value, name)


def _amended(there: Mapping[str, object], wanted: Mapping[str, object]) -> dict[str, object]:
    """Give what must change in an entry: what starts the server, and what it lacks; a person's own values stay."""
    changed: dict[str, object] = {}
    for key, value in wanted.items():
        old, new = there.get(key), value
        if key not in ("command", "args"):
            new = old if key in there else value
            if isinstance(old, list) and isinstance(value, list):
                lacking = [one for one in cast("list[object]", value) if one not in cast("list[object]", old)]
                new = [*cast("list[object]", old), *lacking]
        if key not in there or old != new:
            changed[key] = new
    return changed


def take_out_server(draft: Draft, places: Places, made: Made) -> None:
    """Take our server out."""
    there = server_in(places, draft.text)
    if there is None or not is_our_server(there):
        return
    if places.client == "codex":
        toml_text.remove(draft, NAME, str(places.server))
    else:
        json_text.remove(draft, (*places.servers, NAME))
        _drop_empty(draft, places.servers, made)


def is_our_server(entry: Mapping[str, object]) -> bool:
    """Whether an entry starts jobwarden, by whichever path or through uvx and its like."""
    args = entry.get("args")
    given = cast("list[object]", args) if isinstance(args, list) else []
    words = [str(entry.get("command")), *(str(one) for one in given)]
    return "serve" in words and any(Path(word).name == NAME or word == "jobwarden.cli.main" for word in words)


def _quoted(path: Path) -> str:
    text = str(path)
    if not text.isprintable() or any("\ud800" <= one <= "\udfff" for one in text):
        raise InstallError(f"{text!r} cannot stand in a client's file.", hint="Install jobwarden in another folder.")
    return shlex.quote(text)
