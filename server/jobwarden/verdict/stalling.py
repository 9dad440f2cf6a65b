"""Whether a running job may hang, from what it was seen to use: a suspicion, never a verdict. Pure.

Two things are suspected. A job stands still when none of its parts used CPU time worth the name, nor read or wrote,
between one look and the next, over several looks; whether its log grew meanwhile the caller must find out. And GPUs
are idle that were at 0 % in each of several looks. Everything that is not known speaks against a suspicion: figures
that are missing, parts that came or went, a gap between two looks, a value that fell.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobwarden.config.clocks import Clocks
from jobwarden.sources.using import PartUse, Use

STILL_CORES = 0.01
"""Below this much of one core a process does no more than to wake up and to look at a clock."""
STILL_BYTES = 1 << 20
"""Between two looks."""
_IDLE = "at 0 %"
_GAP = 3.0
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Look:
    """What a job used at one moment."""

    at: datetime
    use: Use


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a job may hang.

    Attributes:
        since: The first look of those that say so.
        looks: How many they are.
        text: What was measured.
        by_log: Whether it holds only if the log did not grow since then.
    """

    since: datetime
    looks: int
    text: str
    by_log: bool = False


def with_look(looks: Sequence[Look], look: Look, clocks: Clocks) -> tuple[Look, ...]:
    """Add a look; after a gap they begin anew."""
    if looks and look.at - looks[-1].at > timedelta(seconds=_GAP * clocks.use_s):
        looks = ()
    return (*looks[1 - _KEPT :], look)


def suspicion(looks: Sequence[Look], clocks: Clocks, *, service: bool = False) -> Suspicion | None:
    """Say why a job may hang, by its latest looks; None where nothing says so.

    Args:
        looks: Oldest first.
        clocks: For how long, and how often.
        service: Whether it is one that waits for requests: to stand still is its work.
    """
    if service:
        return None
    return _still(looks, clocks) or _idle(looks, clocks)


def _still(looks: Sequence[Look], clocks: Clocks) -> Suspicion | None:
    row = _row(looks)
    if not _enough(row, clocks):
        return None
    last, since = row[-1].use, row[0].at
    text = (
        f"since {since:%Y-%m-%d %H:%M} UTC ({len(row)} looks) its CPU time has stood at {last.cpu_s or 0.0:.0f} s, "
        "and it read and wrote nothing"
    )
    return Suspicion(since, len(row), text, by_log=True)


def _idle(looks: Sequence[Look], clocks: Clocks) -> Suspicion | None:
    """Say which GPUs were idle in all of the last looks that are enough for it; and since when these very ones."""
    row: list[Look] = []
    idle: frozenset[str] = frozenset()
    for look in reversed(looks):
        there = frozenset(gpu.label for gpu in look.use.gpu if gpu.percent == 0)
        fewer = idle & there if row else there
        if not fewer or (fewer != idle and _enough(row, clocks)):
            break
        idle = fewer
        row.insert(0, look)
    if not _enough(row, clocks):
        return None
    told = f"{_which(idle, len(row[-1].use.gpu))} {_IDLE} in each of {len(row)} looks"
    return Suspicion(row[0].at, len(row), f"{told} since {row[0].at:%Y-%m-%d %H:%M} UTC")


def _which(idle: Set[str], count: int) -> str:
    if count == 1:
        return "its GPU was"
    return f"its {count} GPUs were" if len(idle) == count else f"{len(idle)} of its {count} GPUs ({_few(idle)}) were"


def _row(looks: Sequence[Look]) -> list[Look]:
    """Give the latest looks between which nothing moved."""
    row = list(looks[-1:])
    for before, after in zip(reversed(looks[:-1]), reversed(looks), strict=False):
        if not _stands_still(before, after):
            break
        row.insert(0, before)
    return row


def _enough(row: Sequence[Look], clocks: Clocks) -> bool:
    if len(row) < clocks.stalled_looks:
        return False
    return (row[-1].at - row[0].at).total_seconds() >= clocks.stalled_after_s


def _stands_still(before: Look, after: Look) -> bool:
    passed_s = (after.at - before.at).total_seconds()
    one, two = before.use.parts, after.use.parts
    if passed_s <= 0 or not one or one.keys() != two.keys() or any(gpu.percent for gpu in after.use.gpu):
        return False
    return all(_is_still(one[name], two[name], passed_s) for name in one)


def _is_still(before: PartUse, after: PartUse, passed_s: float) -> bool:
    """Whether one part did nothing; without a size in memory nobody measures there, and a time of 0 says nothing."""
    if before.cpu_s is None or after.cpu_s is None or not after.memory_bytes:
        return False
    moved = (after.io_bytes or 0) - (before.io_bytes or 0)
    return 0 <= after.cpu_s - before.cpu_s <= STILL_CORES * passed_s and 0 <= moved <= STILL_BYTES


def _few(labels: Set[str]) -> str:
    named = sorted(labels, key=lambda label: (len(label), label))
    return ", ".join(named[:8]) + (", ..." if len(named) > 8 else "")


def goes_on(told: str, looks: Sequence[Look]) -> bool:
    """Whether the latest looks show that a job goes on of which this was suspected; what is not known shows nothing."""
    if len(looks) < 2:
        return False
    before, after = looks[-2:]
    if _IDLE in told:
        return bool(after.use.gpu) and all(gpu.percent for gpu in after.use.gpu)
    known = all(part.cpu_s is not None for part in after.use.parts.values()) and bool(after.use.parts)
    return known and not _stands_still(before, after)
