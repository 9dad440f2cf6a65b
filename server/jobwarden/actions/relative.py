"""Changes that rest on what a run had asked for: twice the memory, more time, without a node. Pure.

`x2`, `x1.5`, `+30m`, `+8G`, each with a most after it (`x2 most 256G`); `failed_node` for `exclude`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from jobwarden.actions.errors import ActionError, InvalidRuleError
from jobwarden.actions.options import DoubtfulOptionError, own_options
from jobwarden.actions.substitution import Value
from jobwarden.sources.resubmitting import Original

FAILED_NODE = "failed_node"
SIZES = ("mem", "mem_per_cpu", "mem_per_gpu", "tmp")
RELATIVE = (*SIZES, "time")
LIKE = "x2, x1.5, +30m (time), +8G (memory), with a most after it: x2 most 256G"

_FORM = re.compile(r"(?:[xX](?P<times>\d{1,3}(?:\.\d{1,3})?)|\+(?P<plus>\S{1,20}))(?:\s+most\s+(?P<most>\S{1,20}))?")
_SIZE = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,3})?)(?P<unit>[KMGTkmgt]?)[Bb]?")
_MIB = {"k": 1 / 1024, "": 1, "m": 1, "g": 1024, "t": 1024 * 1024}
_TIME = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>[smhd])")
_MINUTES = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440}
_TIMES_MOST = 100.0
_NAMES = ("mem", "mem-per-cpu", "mem-per-gpu", "tmp", "exclude")
_SHORT = {"x": "exclude"}
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_NODES_CHARS = 400


@dataclass(frozen=True, slots=True)
class _Change:
    times: float
    plus: float
    most: float | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Changes as they are given to sbatch.

    Attributes:
        changes: By the names of `modifications.OPTIONS`.
        said: What could not be changed and does no harm, for people.
    """

    changes: dict[str, Value]
    said: str = ""


def is_relative(name: str, value: Value) -> bool:
    """Whether a change rests on what the run had asked for."""
    if name == "exclude":
        return value == FAILED_NODE
    return name in RELATIVE and isinstance(value, str) and value[:1] in ("x", "X", "+")


def check_relative(name: str, value: Value) -> None:
    """Check one when it is written.

    Raises:
        InvalidRuleError: It cannot be.
    """
    if name != "exclude":
        _read(name, str(value))


def resolve(changes: Mapping[str, Value], original: Original, node: str | None) -> Resolved:
    """Work out what the next run asks for.

    Args:
        changes: As written, or filled in.
        original: What the run that failed had asked for.
        node: Where that ran.

    Raises:
        ActionError: It cannot be worked out, or is at its most already.
    """
    found: dict[str, Value] = {}
    said = ""
    try:
        own = own_options(original, _NAMES, _SHORT)
        for name, value in changes.items():
            if not is_relative(name, value):
                found[name] = value
            elif name == "exclude":
                excluded, said = _excluded(own, node)
                found |= {"exclude": excluded} if excluded else {}
            elif name == "time":
                found["time"] = _more_time(_read(name, str(value)), original)
            else:
                form, size = _more_memory(name, _read(name, str(value)), own, original)
                found[form] = size
    except DoubtfulOptionError as error:
        raise ActionError(str(error)) from error
    return Resolved(found, said)


def _read(name: str, text: str) -> _Change:
    form = _FORM.fullmatch(text.strip())
    plus, most = (form["plus"], form["most"]) if form is not None else (None, None)
    times = float(form["times"]) if form is not None and form["times"] else 1.0
    known = [_amount(name, one) for one in (plus, most) if one]
    if form is None or None in known or not (plus or 1 < times <= _TIMES_MOST) or 0 in known:
        raise InvalidRuleError(f"{name} cannot be {text[:60]!r}.", hint=f"Write {LIKE}; or a value of its own.")
    return _Change(times, (_amount(name, plus) or 0.0) if plus else 0.0, _amount(name, most) if most else None)


def _amount(name: str, text: str) -> float | None:
    """Read minutes, or MiB."""
    found = (_TIME if name == "time" else _SIZE).fullmatch(text)
    if found is None:
        return None
    return float(found["number"]) * (_MINUTES if name == "time" else _MIB)[found["unit"].lower()]


def _grown(name: str, change: _Change, before: float) -> int:
    after = math.ceil(round(before * change.times + change.plus, 6))
    if change.most is not None:
        after = min(after, math.floor(change.most))
    if after <= before:
        raise ActionError(f"Its {name} is at its most already.", code="action.limit")
    return after


def _more_time(change: _Change, original: Original) -> str:
    if not original.time_limit_s:
        raise ActionError("It has no time limit, so it cannot get more time.")
    return str(_grown("time", change, original.time_limit_s / 60))


def _more_memory(name: str, change: _Change, own: Mapping[str, str], original: Original) -> tuple[str, str]:
    """Give the option, in the form in which it was asked for, and its value."""
    asked = [one for one in ("mem", "mem-per-cpu", "mem-per-gpu") if one in own] if name == "mem" else []
    form = asked[-1].replace("-", "_") if asked else name
    written = own.get(form.replace("_", "-"))
    if written is not None:
        before = _amount(form, written)
    else:
        before = original.memory_mib / original.nodes if form == "mem" else None
    if not before:
        raise ActionError(f"What it asked for as {form} is not known, or is all that there is, so it cannot get more.")
    size = _grown(form, change, before)
    return form, f"{size // 1024}G" if size % 1024 == 0 else f"{size}M"


def _excluded(own: Mapping[str, str], node: str | None) -> tuple[str, str]:
    """Give the nodes to be left out, those that were left out before included; and what to say."""
    before = own.get("exclude", "")
    if node is None or not _NODE.fullmatch(node):
        where = f"which of {node[:80]} failed is not known" if node else "it had no node"
        return "", f", no node excluded: {where}"
    if "/" in before:
        raise ActionError("The nodes that it excludes stand in a file, and none can be added to that.")
    if len(before) > _NODES_CHARS:
        raise ActionError("It excludes too many nodes already.", code="action.limit")
    return (before if node in before.split(",") else ",".join(filter(None, (before, node)))), ""
