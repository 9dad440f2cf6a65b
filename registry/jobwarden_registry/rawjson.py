"""JSON as files hold it, which a person or another program may have written; and what is left of a broken one."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import NoReturn

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

Raw = dict[str, JsonValue]
"""One JSON object as it stands in a file, unknown keys and all."""

_MOST_BROKEN = 10_000
"""Places of a broken file at which an entry is looked for."""


class NotJsonError(Exception):
    """The text is not JSON."""


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def read_json(data: bytes) -> JsonValue:
    """Read strict JSON: no NaN, no infinity.

    Raises:
        NotJsonError: It is something else, or nested too deeply.
    """
    try:
        value: JsonValue = _decoder().decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from error
    return value


def read_object(data: bytes) -> Raw | None:
    """Read one JSON object, or give None when it is anything else."""
    try:
        value = read_json(data)
    except NotJsonError:
        return None
    return value if isinstance(value, dict) else None


def write_json(value: JsonValue, *, indent: int | None = None) -> bytes:
    """Write JSON, readable by people where UTF-8 can hold it."""
    separators = (",", ": ") if indent else (",", ":")
    if indent is not None:  # json's own way to indent is ten times slower: a thousand entries take 50 ms
        with suppress(PydanticSerializationError, ValueError):
            return to_json(value, indent=indent)
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, allow_nan=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only \\u escapes can say
        return json.dumps(value, indent=indent, separators=separators, allow_nan=False).encode()


def salvage(data: bytes) -> list[Raw]:
    """Find the whole objects that a broken array still holds, outermost only, in order."""
    text = data.replace(b"\0", b"").decode("utf-8", errors="replace")
    decoder = _decoder()
    found: list[Raw] = []
    at = text.find("{")
    for _ in range(_MOST_BROKEN):
        if at < 0:
            break
        value: JsonValue = None
        end = at + 1
        # After a colon stands a part of an entry that is itself broken, never an entry.
        if not text[max(0, at - 64) : at].rstrip().endswith(":"):
            try:
                value, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                end = at + 1
        if isinstance(value, dict):
            found.append(value)
        at = text.find("{", end)
    return found
