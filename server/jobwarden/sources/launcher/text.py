"""From a launcher's raw output to whole lines: colours and links gone, bars at their last state, wrapping undone.

nemo-run 0.11 writes its own lines with rich: to 80 columns where the output is no terminal and COLUMNS is not set, so
that a line goes on in the next ones below its own column, and a word longer than that column is cut anywhere. What a
task prints comes through whole, each line after the last ten characters of the task's name, `/` and the replica.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

JOINT = "\x1f"
"""Where a wrapped line went on: a blank, or nothing in the middle of a word."""

_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
_CONTROL = re.compile(rf"{_STRING}|{_CSI}|\x1b[ -/]{{0,8}}[0-~]?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TASK = re.compile(r"(?P<prefix>\S{1,10})/(?P<replica>\d{1,5})(?: (?P<text>.*))?", re.DOTALL)
_RECORD = re.compile(
    r"(?:\[[^\]]{1,24}\]| {10,12}) (?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) +)?(?P<text>\S.*?) +[\w<>.-]+\.py:\d+"
)
_MORE = re.compile(r" {11,40}(?P<text>\S.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was meant.

    Attributes:
        task: The last ten characters of the name of the task that printed it; empty: the launcher's own.
        text: It, with `JOINT` where it was wrapped.
    """

    task: str
    text: str


def whole_lines(data: bytes) -> list[Line]:
    """Give the lines of an output, or of a piece of one; never fails."""
    text = _CONTROL.sub("", data.decode("utf-8", "replace"))
    return list(_joined([_physical(row) for row in text.split("\n")]))


def unwrapped(text: str) -> str:
    """Give a line's text for a reader, where each joint is a blank."""
    return text.replace(JOINT, " ")


def _physical(row: str) -> Line:
    found = _TASK.fullmatch(row.rstrip("\r"))
    if found is not None:
        return Line(found["prefix"], _last_state(found["text"] or ""))
    return Line("", _last_state(row))


def _last_state(row: str) -> str:
    """A bar that was drawn over itself shows what was drawn last."""
    states = [state for state in row.split("\r") if state.strip()]
    return states[-1].rstrip() if states else ""


def _joined(rows: list[Line]) -> Iterator[Line]:
    record: list[str] = []
    for row in rows:
        begins = None if row.task else _RECORD.fullmatch(row.text)
        more = None if row.task or begins or not record else _MORE.fullmatch(row.text)
        if more is not None:
            record.append(more["text"])
            continue
        if record:
            yield Line("", JOINT.join(record))
        record = [begins["text"]] if begins is not None else []
        if begins is None and row.text:
            yield row
    if record:
        yield Line("", JOINT.join(record))
