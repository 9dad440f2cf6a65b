"""Members of a JSON text, put in and taken out where they stand: what else is in the text stays as it is written.

Offsets and containers are found with the standard decoder, so that nothing here knows how JSON is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobwarden.installing.drafts import Draft
from jobwarden.installing.errors import UnparsableError

_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_DECODER = json.JSONDecoder()

Keys = Sequence[str | int]
"""The way from the root to a value."""


@dataclass(frozen=True, slots=True)
class Item:
    """One member of an object, or one element of an array, by its offsets in the text."""

    key: str | None
    start: int
    value: int
    end: int


def parse(text: str, name: str) -> object:
    """Read a text that must be an object, or empty, which counts as an object without members.

    Raises:
        UnparsableError: It is not.
    """
    try:
        told: object = json.loads(text.removeprefix("\ufeff")) if text.strip("\ufeff \t\r\n") else {}
    except (ValueError, RecursionError) as error:
        raise UnparsableError(
            f"{name} is not JSON: {error}.", hint="Mend the file first; it was left as it is."
        ) from error
    if not isinstance(told, dict):
        raise UnparsableError(f"{name} holds no object.", hint="The file was left as it is.")
    return told  # pyright: ignore[reportUnknownVariableType]  # what JSON holds is not known


def value_at(text: str, at: int) -> object:
    """Read the value that begins there."""
    told: object = _DECODER.raw_decode(text, at)[0]
    return told


def items(text: str, at: int) -> list[Item]:
    """Give the members or elements of the object or array that begins there."""
    found: list[Item] = []
    named, at = text[at] == "{", _past_space(text, at + 1)
    while text[at] not in "}]":
        start, key = at, None
        if named:
            told, end = _DECODER.raw_decode(text, at)
            key, at = str(told), _past_space(text, _past_space(text, end) + 1)
        value, (_, end) = at, _DECODER.raw_decode(text, at)
        found.append(Item(key, start, value, end))
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return found


def locate(text: str, path: Keys) -> int | None:
    """Find where a value begins; of keys that stand twice the last counts, as for every client."""
    at = _past_space(text, 0)
    for step in path:
        if at >= len(text) or text[at] != ("[" if isinstance(step, int) else "{"):
            return None
        inside = items(text, at)
        matching = inside[step : step + 1] if isinstance(step, int) else [one for one in inside if one.key == step]
        if not matching:
            return None
        at = matching[-1].value
    return at if at < len(text) else None


def put(draft: Draft, path: Sequence[str], value: object, name: str) -> None:
    """Put a value at the end of the object that holds it, and make the objects that are missing on the way.

    Raises:
        UnparsableError: What stands on the way is no object.
    """
    if locate(draft.text, ()) is None:
        draft.splice(0, len(draft.text), "{}" + draft.newline)
    known = 0
    while known < len(path) - 1 and locate(draft.text, path[: known + 1]) is not None:
        known += 1
    for count in range(known + 1, len(path)):
        draft.made.append(tuple(path[:count]))
    for key in reversed(path[known + 1 :]):
        value = {key: value}
    _insert(draft, path[:known], path[known], value, name)


def append(draft: Draft, path: Sequence[str], value: object, name: str) -> None:
    """Put an element at the end of an array, and make the array where it is missing.

    Raises:
        UnparsableError: What stands there is no array.
    """
    if locate(draft.text, path) is None:
        draft.made.append(tuple(path))
        put(draft, path, [value], name)
    else:
        _insert(draft, path, None, value, name)


def replace(draft: Draft, path: Keys, value: object) -> None:
    """Put another value in the place of one that is there."""
    at = locate(draft.text, path)
    assert at is not None, path
    draft.splice(at, _DECODER.raw_decode(draft.text, at)[1], json.dumps(value, ensure_ascii=False))


def remove(draft: Draft, path: Keys) -> None:
    """Take out the value that is there, with its key and one comma."""
    holder = locate(draft.text, path[:-1])
    assert holder is not None, path
    inside, last = items(draft.text, holder), path[-1]
    numbers = [number for number, one in enumerate(inside) if last in (number, one.key)]
    number = numbers[-1]
    if len(inside) == 1:
        draft.splice(holder + 1, _past_space(draft.text, inside[0].end), "")
    elif number:
        draft.splice(inside[number - 1].end, inside[number].end, "")
    else:
        draft.splice(inside[0].start, inside[1].start, "")


def _insert(draft: Draft, path: Sequence[str], key: str | None, value: object, name: str) -> None:
    holder = locate(draft.text, path)
    assert holder is not None, path
    if draft.text[holder] != ("[" if key is None else "{"):
        what = "array" if key is None else "object"
        raise UnparsableError(
            f"{name}: {'.'.join(path)} is no {what}.", hint="Mend the file first; it was left as it is."
        )
    inside = items(draft.text, holder)
    if inside:
        last = inside[-1]
        gap = draft.text[inside[-2].end if len(inside) > 1 else holder + 1 : last.start].replace(",", "")
        draft.splice(last.end, last.end, "," + (gap or " ") + _written(draft, key, value, gap))
        return
    end = _past_space(draft.text, holder + 1)
    if "\n" not in draft.text.strip() and items(draft.text, _past_space(draft.text, 0)):
        draft.splice(holder + 1, end, _written(draft, key, value, ""))
        return
    own = _indent_of(draft.text, holder)
    gap = draft.newline + own + _unit(draft.text)
    draft.splice(holder + 1, end, gap + _written(draft, key, value, gap) + draft.newline + own)


def _written(draft: Draft, key: str | None, value: object, gap: str) -> str:
    """Write a member as its neighbours are written: on lines of its own where they are."""
    head = "" if key is None else json.dumps(key, ensure_ascii=False) + ": "
    if "\n" not in gap:
        return head + json.dumps(value, ensure_ascii=False)
    indent = gap.rpartition("\n")[2]
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(draft.text)).split("\n")
    return head + (draft.newline + indent).join(lines)


def _unit(text: str) -> str:
    """Give what the text indents by, which its first member shows."""
    first = items(text, _past_space(text, 0))[:1]
    return (_indent_of(text, first[0].start) if first else "") or "  "


def _indent_of(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
