"""The small pieces of an answer: safe words, short times, and tables of tab-separated lines.

Names, reasons and log lines are written by strangers. Whatever they hold, a cell stays a cell and a line a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
SAY_NOTHING = frozenset({"None", "NonZeroExitCode"})
"""Reasons of Slurm that add nothing to the status and the exit code."""


def printable(text: str, *, keep: str = "") -> str:
    r"""Write what does not print (control and format characters, lone surrogates) as `\n`, `\x1b`, `\u202e`.

    Args:
        text: Anything.
        keep: Characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def cell(text: str, most: int = 0) -> str:
    """Give a table's cell: printable, and at most `most` characters (0: any) with its cut shown."""
    shown = printable(text)
    return shown if not most or len(shown) <= most else shown[: most - 1] + "…"


def noted(text: str, most: int) -> str:
    """Give a note: as `cell`, but further lines stay lines of their own, indented: they may be for a file."""
    return "\n  ".join(cell(line) for line in text[:most].split("\n"))


def duration_text(seconds: float) -> str:
    """Write a duration as `45s`, `12m`, `2h13m`, `3d04h`."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d{whole % DAY // HOUR:02d}h"


def moment_text(moment: datetime, now: datetime) -> str:
    """Write a UTC moment as `10:40:11Z`, with its date when that is not today's."""
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}Z"
    if moment.year == now.year:
        return f"{moment:%m-%d %H:%M}Z"
    return f"{moment:%Y-%m-%d %H:%M}Z"


def size_text(size_bytes: int) -> str:
    """Write a size as `812 B`, `1.2 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a header line and one line a row, tab-separated; a column with nothing in any row is left out.

    The first column always stays.
    """
    used = [at for at in range(len(columns)) if at == 0 or any(row[at] for row in rows)]
    lines = ["\t".join(columns[at] for at in used)]
    lines.extend("\t".join(row[at] for at in used).rstrip("\t") for row in rows)
    return lines


def fit(lines: Sequence[str], most: int) -> tuple[list[str], int]:
    """Keep the first lines that fit into `most` characters, each with its line end; and say how many were cut."""
    kept: list[str] = []
    left = most
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)
