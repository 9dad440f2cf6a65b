r"""From a log's bytes to the lines that rules look at, the same however the log is cut into pieces. Pure.

A line ends at `\n` or `\r` (a progress bar writes a line each time), and where it is longer than `LINE_BYTES`. Colours
and other escape sequences are left out, and so are empty lines.
"""

from __future__ import annotations

import re

LINE_BYTES = 65536

_LONG = re.compile(rb"[^\n\r]{%d}" % LINE_BYTES)
_ENDS = re.compile(rb"[\n\r]+")
_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|[\]PX^_][^\x07\x1b\n\r]{0,4096}(?:\x07|\x1b\\)|[ -/]{0,8}[0-~])"
)


def whole_bytes(data: bytes) -> int:
    """Say how many bytes of `data`, which begins where a line begins, belong to whole lines."""
    ended = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return ended + (len(data) - ended) // LINE_BYTES * LINE_BYTES


def first_lines(data: bytes, most: int) -> int:
    """Say how many bytes of `data` the first so many lines are."""
    if data.count(b"\n") + data.count(b"\r") < most:
        return len(data)
    for number, end in enumerate(_ENDS.finditer(data), start=1):
        if number == most:
            return end.end()
    return len(data)


def lines_of(data: bytes) -> bytes:
    """Give the lines of `data`, which begins where a line begins, with a line break between them."""
    if len(data) > LINE_BYTES:
        data = _LONG.sub(lambda found: found[0] + b"\n", data)
    if b"\x1b" in data:
        data = _ESCAPE.sub(b"", data)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").encode("utf-8")
    return _ENDS.sub(b"\n", data).strip(b"\n")
