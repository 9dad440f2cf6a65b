"""A table `[mcp_servers.NAME]` in Codex's config.toml: put at the file's end, and taken out again; comments stay.

Python's own reader is the judge: a changed text must say exactly what the old one said and what was meant, or nothing
is changed (decision 0022).
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import cast

from jobwarden.installing.drafts import Draft
from jobwarden.installing.errors import UnparsableError

TABLE = "mcp_servers"
Told = dict[str, object]

_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_SILENT = re.compile(r"\s*(#.*)?")
_HINT = "The file was left as it is."


def parse(text: str, name: str) -> Told:
    """Read the text.

    Raises:
        UnparsableError: It is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnparsableError(f"{name} is not TOML: {error}.", hint=f"Mend the file first. {_HINT}") from error


def server(told: Mapping[str, object], key: str) -> Mapping[str, object] | None:
    """Give the table of a server."""
    servers = told.get(TABLE)
    found = cast("Mapping[str, object]", servers).get(key) if isinstance(servers, dict) else None
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else None


def put(draft: Draft, key: str, values: Mapping[str, object], name: str) -> None:
    """Put a server's table at the end of the text.

    Raises:
        UnparsableError: The text has its servers in a form that takes no further table.
    """
    wanted = _with(parse(draft.text, name), key, values)
    newline = draft.newline
    lines = [f"[{TABLE}.{key}]", *(f"{one} = {_written(value)}" for one, value in values.items())]
    gap = "" if not draft.text else newline if draft.text.endswith("\n") else newline * 2
    block = gap + newline.join(lines) + newline
    if _read(draft.text + block) != wanted:
        raise UnparsableError(
            f"{name} has its servers in a form that takes no further table.",
            hint=f"{_HINT} Write there yourself:\n{block.strip()}",
        )
    draft.splice(len(draft.text), len(draft.text), block)


def replace(draft: Draft, key: str, setting: str, value: object, name: str) -> None:
    """Give a setting of a server's table another value, or add it.

    Raises:
        UnparsableError: The table is not written under a header of its own.
    """
    told = parse(draft.text, name)
    wanted = _with(told, key, {**(server(told, key) or {}), setting: value})
    for header, end in _regions(draft.text, key, whole=False):
        start, stop = _place_of(draft.text, setting, header, end)
        put = f"{setting} = {_written(value)}{draft.newline}"
        put = put if draft.text[start - 1] == "\n" else draft.newline + put
        if _read(draft.text[:start] + put + draft.text[stop:]) == wanted:
            draft.splice(start, stop, put)
            return
    raise _not_ours(key, name)


def remove(draft: Draft, key: str, name: str) -> None:
    """Take a server's table out, with those below it.

    Raises:
        UnparsableError: It is not written under a header of its own.
    """
    wanted = _without(parse(draft.text, name), key)
    while server(told := parse(draft.text, name), key) is not None:
        for start, end in _regions(draft.text, key, whole=True):
            after = _read(draft.text[:start] + draft.text[end:])
            if after is not None and after != told and _without(after, key) == wanted:
                draft.splice(start, end, "")
                break
        else:
            raise _not_ours(key, name)


def _read(text: str) -> Told | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _without(told: Told, key: str) -> Told:
    """Give what is said beside a server; a table of servers that is empty says nothing."""
    servers = cast("Told", told.get(TABLE) or {})
    rest = {TABLE: {name: one for name, one in servers.items() if name != key}}
    return {**told, **rest} if rest[TABLE] else {name: one for name, one in told.items() if name != TABLE}


def _with(told: Told, key: str, values: Mapping[str, object]) -> Told:
    wanted = copy.deepcopy(told)
    servers = wanted.setdefault(TABLE, {})
    if isinstance(servers, dict):
        servers[key] = dict(values)
    return wanted


def _regions(text: str, key: str, *, whole: bool) -> Iterator[tuple[int, int]]:
    """Guess where a server's table may stand: below its header; or whole, its sub-tables one after the other.

    What looks like a header may be part of a string or an array; the reader knows, and whoever asks must ask it.
    """
    part, close = rf"(?:{key}|\"{key}\"|'{key}')", r"[\].]" if whole else r"\]"
    table = rf"(?:{TABLE}|\"{TABLE}\")"
    head = re.compile(rf"(?:^|\n)[ \t]*\[[ \t]*{table}[ \t]*\.[ \t]*{part}[ \t]*{close}[^\n]*(?:\n|$)")
    for found in head.finditer(text):
        start = found.start() + (found.start() > 0 and text[found.start() - 1] != "\n")
        ends = [following.start() for following in _HEADER.finditer(text, found.end())]
        for end in (*ends, len(text)):
            kept = ""
            for line in reversed(text[found.end() : end].splitlines(keepends=True)):
                if not _SILENT.fullmatch(line.rstrip("\r\n")):
                    break
                kept = line + kept
            # a comment above the next header, or at the file's end, is not the table's
            cut = len(kept) if end < len(text) or "#" in kept else 0
            yield start if whole else found.end(), end - cut


def _place_of(text: str, setting: str, header: int, end: int) -> tuple[int, int]:
    """Find the lines of a setting, or else the place below the header."""
    for match in re.compile(rf"^[ \t]*[\"']?{setting}[\"']?[ \t]*=", re.MULTILINE).finditer(text, header, end):
        return match.start(), _end_of_setting(text, match.start(), end)
    return header, header


def _end_of_setting(text: str, start: int, most: int) -> int:
    """Find the end of the lines that a setting takes: the first at which they can be read."""
    end = start
    while end < most:
        end = text.find("\n", end) + 1 or len(text)
        if _read(text[start:end]) is not None:
            break
    return end


def _written(value: object) -> str:
    """Write a value: TOML's strings, numbers, truths and arrays are JSON's, where no character is escaped in halves."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return "{ " + ", ".join(f"{json.dumps(key)} = {_written(one)}" for key, one in pairs) + " }"
    return json.dumps(value, ensure_ascii=False)


def _not_ours(key: str, name: str) -> UnparsableError:
    return UnparsableError(
        f"{name}: {TABLE}.{key} is not written as a table under its own header.",
        hint=f"Change it by hand; {_HINT[0].lower()}{_HINT[1:]}",
    )
