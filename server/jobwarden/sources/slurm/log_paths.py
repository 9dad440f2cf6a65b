"""From the pattern of `sbatch --output` to the file that the batch script writes.

`man sbatch`, "filename pattern", and what the batch step of 22.05.8 really does with it: `%t` and `%n` are 0, `%s` is
`batch`, `%a` of a job that is no array is 4294967294, `%N` is the node's short host name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_ELEMENT = 4294967294
"""What `%a` becomes in a job that is no array: NO_VAL."""

DEFAULT = "slurm-%j.out"
DEFAULT_OF_ARRAY = "slurm-%A_%a.out"

_SYMBOL = re.compile(r"%(?P<width>\d*)(?P<letter>[A-Za-z%])")
_MOST_WIDTH = 10


@dataclass(frozen=True, slots=True)
class LogNames:
    """What the symbols of a pattern stand for.

    Attributes:
        raw: %j, %J: the number of this job or element.
        name: %x.
        user: %u.
        array: %A; the job itself when it is no array.
        element: %a.
        host: %N; None while it is not known.
    """

    raw: int
    name: str
    user: str
    array: int | None = None
    element: int | None = None
    host: str | None = None


def expand_log_pattern(pattern: str, names: LogNames) -> str | None:
    """Expand a pattern as given to sbatch.

    Returns:
        The file's name, or None when it holds a symbol whose value is not known yet.
    """
    if "\\" in pattern:
        return pattern.replace("\\", "")  # a backslash switches all symbols off
    return _expand(pattern, _values(names))


def finish_log_path(path: str, names: LogNames) -> str | None:
    """Expand what `scontrol show job` has left of a pattern.

    It expands %j %x %u %A %a, and leaves %N %n %t %s %J, %% and widths (%8j) as they are. A bare %j that is left is
    therefore part of the job's name, and stays.

    Returns:
        The file's name, or None when it holds a symbol whose value is not known yet.
    """
    values = _values(names)
    bare = {letter: f"%{letter}" for letter in "jxuAa"}
    pieces = path.split(names.name) if "%" in names.name else [path]
    finished = [_expand(piece, values, bare=bare) for piece in pieces]
    if any(piece is None for piece in finished):
        return None
    return names.name.join(piece for piece in finished if piece is not None)


def _values(names: LogNames) -> dict[str, int | str | None]:
    return {
        "%": "%",
        "A": names.raw if names.array is None else names.array,
        "J": names.raw,
        "N": names.host,
        "a": NO_ELEMENT if names.element is None else names.element,
        "j": names.raw,
        "n": 0,
        "s": "batch",
        "t": 0,
        "u": names.user,
        "x": names.name,
    }


def _expand(pattern: str, values: dict[str, int | str | None], *, bare: dict[str, str] | None = None) -> str | None:
    unknown = False

    def one(found: re.Match[str]) -> str:
        nonlocal unknown
        letter, width = found["letter"], found["width"]
        if letter not in values:
            return found[0]
        value = values[letter]
        if not width and bare and letter in bare:
            value = bare[letter]
        unknown = unknown or value is None
        return str(value).zfill(min(int(width), _MOST_WIDTH)) if width and isinstance(value, int) else str(value)

    text = _SYMBOL.sub(one, pattern)
    return None if unknown else text
