"""What a new job may use of GPUs at most. What cannot be counted for certain is refused: no budget would hold it.

The options are those of sbatch (`man sbatch` 22.05): the script's, then the submit line's, then the changes; a later
one stands over an earlier one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from jobwarden.actions.errors import ActionError
from jobwarden.actions.modifications import seconds_of
from jobwarden.actions.options import DoubtfulOptionError, head_lines, own_options
from jobwarden.actions.substitution import Value
from jobwarden.sources.resubmitting import Original

_SHORT = {"N": "nodes", "n": "ntasks", "G": "gpus", "t": "time", "w": "nodelist", "F": "nodefile"}
_PLAIN = ("nodes", "ntasks", "ntasks-per-node", "gpus", "gpus-per-node", "gpus-per-task", "gres", "time", "exclusive")
_UNCERTAIN = ("gpus-per-socket", "ntasks-per-gpu", "tres-per-job", "tres-per-node", "tres-per-socket", "tres-per-task")
_SPREADING = ("nodelist", "nodefile")
_TASKS = ("ntasks-per-core", "ntasks-per-socket")
_NAMES = (*_PLAIN, *_UNCERTAIN, *_SPREADING, *_TASKS)
_SHARED = ("user", "mcs")
"""Of `--exclusive=`: nodes are not taken whole."""
_PARTS = ("mps", "shard")
"""Generic resources that are parts of GPUs."""

Given = Mapping[str, str]


def gpu_hours(original: Original, changes: Mapping[str, Value]) -> float:
    """Say what a new job may use at most.

    Raises:
        ActionError: It uses GPUs or may, and how many or for how long nobody can say.
    """
    own = _own(original)
    changed = {name.replace("_", "-"): str(value) for name, value in changes.items() if value is not False}
    given = {**own, **changed}
    if "exclusive" in given and given["exclusive"] not in _SHARED:
        raise _refused("It has whole nodes to itself, with all of their GPUs, however many those are")
    gpus = _gpus(given, original) + _unseen(own, changed, original)
    if not gpus:
        return 0.0
    limit_s = seconds_of(changed["time"]) if "time" in changed else _limit_s(own, original)
    if not limit_s:
        raise _refused("It uses GPUs and has no time limit")
    return gpus * math.ceil(limit_s / 60) / 60


def _own(original: Original) -> dict[str, str]:
    if any(re.match(r"#(?:PBS|BSUB).*(?:gpu|gres)", line, re.IGNORECASE) for line in head_lines(original)):
        raise _refused("What its script asks for in GPUs is not written for sbatch")
    try:
        return own_options(original, _NAMES, _SHORT)
    except DoubtfulOptionError as error:
        raise _refused(str(error)) from error


def _gpus(given: Given, original: Original) -> int:
    """Count what is asked for in all; each way of asking adds to it, where several are mixed."""
    found = [name for name in _UNCERTAIN if name in given]
    if found and (original.gpus or "gpu" in " ".join((*found, *(given[one] for one in found)))):
        raise _refused(f"How many GPUs it gets with --{found[0]} is not certain")
    gpus = _count(given["gpus"]) if "gpus" in given else 0
    per_node = _count(given["gpus-per-node"]) if "gpus-per-node" in given else 0
    per_node += _count(given["gres"], of="gpu") if "gres" in given else 0
    per_task = _count(given["gpus-per-task"]) if "gpus-per-task" in given else 0
    gpus += per_node * _nodes(given, original) if per_node else 0
    return gpus + (per_task * _tasks(given, original) if per_task else 0)


def _unseen(own: Given, changed: Given, original: Original) -> int:
    """Count GPUs that accounting knows and no option asks for; they grow with nodes and tasks, nobody knows how."""
    try:
        told = _gpus(own, original)
    except ActionError:
        return 0  # options ask for them; with the changes they can be counted
    unseen = max(0, original.gpus - told)
    grows = [name for name in ("nodes", "ntasks", "ntasks-per-node", *_SPREADING) if name in changed]
    if unseen:
        _nodes(own, original)
    if unseen and grows:
        raise _refused(f"It has {original.gpus} GPUs, and what --{grows[0]} makes of them is not certain")
    return unseen


def _count(text: str, *, of: str = "") -> int:
    """Add up `8`, `a100:8`, `gpu:a100:4,gpu:2`; with `of` only what is called so."""
    total = 0
    for one in text.replace("=", ":").split(","):
        parts = one.removeprefix("gres:").removeprefix("gres/").split(":")
        kind = parts[0].lower()
        if of and kind in _PARTS:
            raise _refused(f"It uses parts of GPUs ({one[:40]})")
        if of and kind != of:
            continue
        last = parts[-1] if len(parts) > 1 or not of else "1"
        if not re.fullmatch(r"[\w.:-]+", one.replace("/", "")) or re.fullmatch(r"\d+[A-Za-z]", last):
            raise _refused(f"How many GPUs {one[:40]!r} are is not certain")
        total += int(last) if last.isdecimal() else 1
    return total


def _nodes(given: Given, original: Original) -> int:
    if "nodes" in given:
        least, dash, most = given["nodes"].partition("-")
        if least.isdecimal() and (not dash or most == least) and not _spreads(given):
            return int(least)
        raise _refused("It uses GPUs on each node, and the number of nodes is not certain")
    single = given.get("ntasks", "1") == "1" and original.nodes == 1 and not _spreads(given)
    if single:
        return 1
    raise _refused("It uses GPUs on each node, and how many nodes it gets is not certain; nodes=N says it")


def _spreads(given: Given) -> bool:
    hosts = given.get("nodelist", "")
    return "nodefile" in given or any(one in hosts for one in ",[")


def _tasks(given: Given, original: Original) -> int:
    if "ntasks" in given:
        if given["ntasks"].isdecimal():
            return max(int(given["ntasks"]), _nodes(given, original) if "nodes" in given else 0)
    elif not any(name in given for name in _TASKS):
        per_node = given.get("ntasks-per-node", "1")
        if per_node.isdecimal():
            return int(per_node) * _nodes(given, original)
    raise _refused("It uses GPUs for each task, and the number of tasks is not certain; ntasks=N says it")


def _limit_s(own: Given, original: Original) -> float:
    """Give the longer of what it had and what it asked for: its limit may have been changed since."""
    asked = original.time_limit_s or 0.0
    if "time" not in own:
        return asked
    try:
        return max(asked, seconds_of(own["time"])) if asked and seconds_of(own["time"]) else 0.0
    except ValueError:
        return 0.0


def _refused(why: str) -> ActionError:
    return ActionError(f"{why}, so no budget of GPU-hours holds it.", code="action.budget")
