"""Sizes, times and resources as sacct, sstat and squeue print them. Pure; what cannot be read is None."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"(?P<number>\d{1,18}(?:\.\d{1,6})?)(?P<unit>[KMGTP]?)(?P<per>[cn]?)", re.ASCII)
_TIME = re.compile(
    r"(?:(?P<days>\d{1,6})-)?(?:(?P<hours>\d{1,6}):)?(?P<minutes>\d{1,6}):(?P<seconds>\d{1,6}(?:\.\d{1,6})?)", re.ASCII
)


def size_of(text: str) -> int | None:
    """Read `1536M`, `3G`, `12131`: bytes."""
    found = _SIZE.fullmatch(text.strip())
    return int(float(found["number"]) * _UNITS[found["unit"]]) if found else None


def time_of(text: str) -> float | None:
    """Read `00:03.002`, `01:00:12`, `2-03:04:05`: seconds."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    days, hours = int(found["days"] or 0), int(found["hours"] or 0)
    return ((days * 24 + hours) * 60 + int(found["minutes"])) * 60 + float(found["seconds"])


def tres_of(text: str) -> dict[str, str]:
    """Read `cpu=2,mem=200M,node=1,gres/gpu=4`; a word without a value is left out."""
    pairs = (one.partition("=") for one in text.split(","))
    return {name.strip(): value for name, mark, value in pairs if mark}


def gpus_of(tres: Mapping[str, str]) -> int:
    """Say how many GPUs are among resources: `gres/gpu=4`, or `gres/gpu:h100=4` where no sum is given."""
    if (whole := tres.get("gres/gpu", "")).isdigit():
        return int(whole)
    return sum(int(value) for name, value in tres.items() if name.startswith("gres/gpu:") and value.isdigit())


def count_of(text: str) -> int | None:
    """Read a count; None for anything else, and for none at all."""
    text = text.strip()
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 10 else None


def rss_of(row: Mapping[str, str]) -> int | None:
    """Give the largest resident size of any task: in `MaxRSS`, else in `TRESUsageInMax`."""
    sizes = [size_of(row["MaxRSS"]), size_of(tres_of(row["TRESUsageInMax"]).get("mem", ""))]
    return max((size for size in sizes if size), default=None)


def memory_per_node(row: Mapping[str, str]) -> int | None:
    """Give what was asked for, or allocated, on each node."""
    nodes = count_of(row["NNodes"])
    size = size_of(tres_of(row["AllocTRES"] or row["ReqTRES"]).get("mem", ""))
    if size and nodes:
        return size // nodes
    found = _SIZE.fullmatch(row["ReqMem"].strip())
    # With 20.11 `4Gn` is per node and `2Gc` per CPU; without a letter (21.08 and later) it is of the whole job.
    return size_of(row["ReqMem"]) if found and (found["per"] == "n" or (not found["per"] and nodes == 1)) else None
