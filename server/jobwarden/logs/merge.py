"""Two logs of one job as one, in order of time where both tell the time."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DAY = r"\d{4}[-/]\d\d[-/]\d\d"
_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_STAMP = re.compile(
    rf"[\[(<]?(?:(?P<full>{_DAY}[T ]{_TIME})\s?(?P<zone>Z|[+-]\d\d:?\d\d)?"
    rf"|(?P<glog>[IWEF]\d{{4}} {_TIME})|(?P<time>{_TIME}))"
)


def in_order(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, str]] | None:
    """Put the lines of two logs in the order of their times; each log keeps its own order.

    A line without a time belongs to the one above it.

    Returns:
        Lines with 0 or 1 for the log; None where a log tells no times, or they tell them differently.
    """
    kinds = [_kinds(lines) for lines in (first, second)]
    if not kinds[0] or not kinds[1] or len(kinds[0] | kinds[1]) != 1:
        return None
    left, right = _timed(first), _timed(second)
    merged: list[tuple[int, str]] = []
    at = [0, 0]
    while at[0] < len(left) or at[1] < len(right):
        later = at[0] == len(left) or (at[1] < len(right) and right[at[1]][0] < left[at[0]][0])
        which = 1 if later else 0
        merged.append((which, (left, right)[which][at[which]][1]))
        at[which] += 1
    return merged


def _kinds(lines: Sequence[str]) -> set[str]:
    found = [stamp for line in lines if (stamp := _STAMP.match(line)) is not None]
    return {"full" + (one["zone"] or "") if one["full"] else "glog" if one["glog"] else "time" for one in found}


def _timed(lines: Sequence[str]) -> list[tuple[str, str]]:
    times = [_time(line) for line in lines]
    last = next((time for time in times if time), "")
    timed: list[tuple[str, str]] = []
    for time, line in zip(times, lines, strict=True):
        last = time or last
        timed.append((last, line))
    return timed


def _time(line: str) -> str:
    found = _STAMP.match(line)
    if found is None:
        return ""
    text = found["full"] or (found["glog"] or "")[1:] or found["time"]
    # The fraction begins with a sign that sorts before any digit, however many digits follow.
    return text.replace("T", " ").replace("/", "-").replace(",", ".")
