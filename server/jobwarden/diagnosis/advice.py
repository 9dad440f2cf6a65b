"""What to change, with amounts where they can be told."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobwarden.diagnosis.model import Category, Outcome
from jobwarden.diagnosis.reading import Text

_GIB = 1 << 30
_MIB = 1 << 20
_UNITS = {"": 1, "B": 1, "BYTES": 1, "K": 1 << 10, "M": _MIB, "G": _GIB, "T": 1 << 40, "P": 1 << 50}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)\s?([KMGTP]?)(?:i?B(?:ytes)?|ytes|bytes)?$", re.IGNORECASE)
_DONE_OF = re.compile(r"(?<![\d./:-])(\d{1,9})\s?/\s?(\d{1,9})(?![\d/:-])")
_SHARE = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3})?)\s?%")
_KILLED_AT = re.compile(r"exceeded memory limit \((?P<used>\d{1,18}) > (?P<limit>\d{1,18})\)")


def change(category: Category, kind: str, told: str, outcome: Outcome, texts: Sequence[Text], line: str) -> str:
    """Say what to change.

    Args:
        category: Of the cause.
        kind: Of the category.
        told: What the signature says.
        outcome: How it ended.
        texts: All logs.
        line: The telling line, for its amounts.
    """
    if category is Category.OUT_OF_MEMORY:
        return _gpu(line, told) if kind == "gpu" else told if kind == "shared_memory" else _memory(outcome, line)
    if category is Category.TIME_LIMIT:
        return _time(outcome, texts, told)
    if category is Category.PREEMPTED and not told:
        return "Start it again; let it continue from its last checkpoint"
    if category is Category.CANCELLED and not told:
        return "Ask who cancelled it before it is started again"
    if category is Category.NODE_FAILURE and not told:
        return "Start it again" + (
            f"; leave out {outcome.nodes} if it fails there again (--exclude)" if outcome.nodes else ""
        )
    return told


def size_of(text: str) -> int | None:
    """Read an amount of memory."""
    found = _SIZE.search(text.strip().replace(",", ""))
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else None


def show_size(amount: int) -> str:
    """Write an amount of memory."""
    return f"{amount / _GIB:.1f} GiB" if amount >= _GIB else f"{max(1, round(amount / _MIB))} MiB"


def show_time(seconds: float) -> str:
    """Write a length of time as Slurm reads it."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02d}:{minute:02d}:{second:02d}" if days else f"{hour:02d}:{minute:02d}:{second:02d}"


def _gpu(line: str, told: str) -> str:
    total = re.search(r"total capacity of (\S+ \S+?i?B)|; (\S+ \S+?i?B) total capacity", line)
    free = re.search(r"of which (\S+ \S+?i?B) is free|; (\S+ \S+?i?B) free", line)
    tried = re.search(r"[Tt]ried to allocate (\S+ \S+?i?B)", line)
    amounts: list[str] = []
    if tried:
        amounts.append(f"it wanted {tried[1]} more")
    if free:
        amounts.append(f"{free[1] or free[2]} was free")
    if total:
        amounts.append(f"of {total[1] or total[2]}")
    other = re.search(r"Process \d+ has (\S+ \S+?i?B) memory in use", line)
    extra = f"; another process held {other[1]}" if other else ""
    hint = told or "Halve the batch size or the sequence length, or use gradient checkpointing, sharding or more GPUs"
    return f"{hint} ({', '.join(amounts)}{extra})" if amounts else hint


def _memory(outcome: Outcome, line: str) -> str:
    limit, used = outcome.memory_limit_bytes, outcome.max_rss_bytes
    if found := _KILLED_AT.search(line):
        limit, used = limit or int(found["limit"]), max(used or 0, int(found["used"]))
    wanted = re.search(r"(?:allocate|allocation of|vector of size) ([\d.,]{1,20} ?[KMGTP]?i?[Bb]?(?:ytes)?)", line)
    more = size_of(wanted[1]) if wanted else None
    if limit:
        base = max(limit, used or 0) + (more or 0)
        want = base if more else int(base * 1.5)
        seen = f", of which {show_size(used)} were seen in use" if used else ""
        return f"Ask for more memory: it had {show_size(limit)}{seen}; try --mem={_round_up(want)}, or make it use less"
    if more:
        rest = f" beside the {show_size(used)} that it had" if used else ""
        return f"Ask for more memory: it wanted {show_size(more)} more{rest} (--mem), or make it use less"
    if used:
        rounded = _round_up(int(used * 1.5))
        return f"Ask for more memory: {show_size(used)} were seen in use; try --mem={rounded}, or make it use less"
    return "Ask for more memory (--mem, twice as much at first), or make it use less: smaller batches, fewer workers"


def _round_up(amount: int) -> str:
    if amount <= 4 * _GIB:
        return f"{-(-amount // (256 * _MIB)) * 256}M"
    return f"{-(-amount // _GIB)}G"


def _time(outcome: Outcome, texts: Sequence[Text], told: str) -> str:
    limit = outcome.time_limit_s or outcome.elapsed_s
    share = _share_done(texts)
    had = f"it had {show_time(limit)}" if limit else ""
    if share is not None:
        had = f"{had}{' and ' if had else 'it '}was at {share * 100:.0f} %"
        if limit and share > 0.01:
            want = show_time(limit / share * 1.15)
            return f"Ask for more time: {had}, so about {want} in all; or let it continue from a checkpoint"
    if had:
        return f"Ask for more time ({had}; try twice that), or let it continue from a checkpoint"
    return told or "Ask for more time (--time), or let it continue from a checkpoint"


def _share_done(texts: Sequence[Text]) -> float | None:
    """Read from the last lines how far it was."""
    for text in texts:
        for line in reversed(text.lines[-60:]):
            if found := _DONE_OF.search(line):
                done, of = int(found[1]), int(found[2])
                if 0 < done < of:
                    return done / of
            if (found := _SHARE.search(line)) and 0 < float(found[1]) < 100:
                return float(found[1]) / 100
    return None
