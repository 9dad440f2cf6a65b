"""The files that a step's own `srun --output` and `--error` write: one a rank or a node where its name says so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath

from jobwarden.sources.post_mortem import Written

FILES_MOST = 64
_SHORT_FLAGS = frozenset("EHIKOQXZbklqsuv")
"""srun's one-letter options without a value (`man srun` 22.05)."""
_NAMES = {"-o": "stdout", "--output": "stdout", "-e": "stderr", "--error": "stderr"}
_SYMBOL = re.compile(r"%(?P<width>\d*)(?P<letter>[A-Za-z%])")
_NODES = re.compile(r"(?P<prefix>[^\[,]+)(?:\[(?P<ranges>[^\]]*)\](?P<suffix>[^,\[]*))?(?:,|$)")
_NO_FILE = frozenset({"none", "all"})


@dataclass(frozen=True, slots=True)
class StepRun:
    """One step, as accounting has it.

    Attributes:
        line: `srun ...`, as it was called; shell quoting is lost (22.05).
        step: Its number, or `batch`.
        raw: The job's or element's own number.
        array: The array's.
        element: Which of it.
        name: The job's name.
        user: Whose.
        work_dir: The job's.
        nodes: The step's, compact.
        tasks: How many.
    """

    line: str
    step: str
    raw: int
    array: int | None = None
    element: int | None = None
    name: str = ""
    user: str = ""
    work_dir: str = ""
    nodes: str = ""
    tasks: int = 1


def step_logs(run: StepRun) -> tuple[Written, ...]:
    """Give the files that its command line names; none where it names none."""
    return tuple(one for _, pattern in _named(run.line) for one in _expanded(pattern, run))[:FILES_MOST]


def _named(line: str) -> Iterator[tuple[str, str]]:
    """Give the stream and the pattern of each of srun's own options; what comes after the program is the program's."""
    try:
        words = shlex.split(line)
    except ValueError:  # its quoting is lost, so a lone quote may be left
        words = line.split()
    if not words or PurePosixPath(words[0]).name != "srun":
        return
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word == "--":
            return
        option, equals, value = word.partition("=")
        if word[:2] in _NAMES and len(word) > 2:
            option, equals, value = word[:2], "=", word[2:]
        elif not equals and not _is_flag(word) and at < len(words) and not words[at].startswith("-"):
            value = words[at]
            at += 1
        if option in _NAMES and value and value not in _NO_FILE and not value.isdigit():
            yield _NAMES[option], value


def _is_flag(word: str) -> bool:
    if word.startswith("--"):
        return word in _LONG_FLAGS
    # A value may stand in the same word as its one-letter option: `-n4`.
    return word[1:2] in _SHORT_FLAGS or len(word) > 2


_LONG_FLAGS = frozenset({
    "--contiguous", "--disable-status", "--exact", "--exclusive", "--hold", "--ignore-pbs", "--interactive", "--label",
    "--match-server-port", "--multi-prog", "--no-allocate", "--no-kill", "--overcommit", "--overlap", "--oversubscribe",
    "--preserve-env", "--pty", "--quiet", "--quit-on-interrupt", "--reboot", "--spread-job", "--unbuffered",
    "--use-min-nodes", "--verbose", "--whole",
})  # fmt: skip


def _expanded(pattern: str, run: StepRun) -> Iterator[Written]:
    letters = {found["letter"] for found in _SYMBOL.finditer(pattern)}
    ranks: Sequence[int | None] = range(min(run.tasks, FILES_MOST)) if "t" in letters else [None]
    hosts = expand_nodes(run.nodes)[:FILES_MOST] if letters & {"n", "N"} else []
    nodes: Sequence[tuple[int, str] | None] = list(enumerate(hosts)) or [None]
    for rank, node in list(product(ranks, nodes))[:FILES_MOST]:
        path = _filled(pattern, run, rank, node)
        if path is not None:
            said = f"rank {rank}" if rank is not None else f"node {node[1]}" if node else f"step {run.step}"
            yield Written(path, said)


def _filled(pattern: str, run: StepRun, rank: int | None, node: tuple[int, str] | None) -> str | None:
    values: dict[str, int | str | None] = {
        "%": "%", "A": run.raw if run.array is None else run.array, "J": f"{run.raw}.{run.step}", "j": run.raw,
        "N": node[1].partition(".")[0] if node else None, "a": run.element, "n": node[0] if node else None,
        "s": run.step, "t": rank, "u": run.user, "x": run.name,
    }  # fmt: skip
    unknown = False

    def one(found: re.Match[str]) -> str:
        nonlocal unknown
        value = values.get(found["letter"])
        unknown = unknown or value is None
        return str(value).zfill(min(int(found["width"] or 0), 10)) if isinstance(value, int) else str(value)

    path = PurePosixPath(run.work_dir or "/") / _SYMBOL.sub(one, pattern)
    if unknown or (not run.work_dir and not pattern.startswith("/")):
        return None
    # The step's own folder may be written with `..`, which is no part of a path that is read.
    return _plain(path)


def _plain(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def expand_nodes(text: str, *, most: int = FILES_MOST) -> list[str]:
    """Give the nodes of a compact list (`c[1-3],m1`) in order, at most so many."""
    found: list[str] = []
    for group in _NODES.finditer(text.strip()):
        if group["ranges"] is None:
            found.append(group["prefix"].strip())
            continue
        for piece in group["ranges"].split(","):
            first, _, last = piece.partition("-")
            if not first.isdigit() or (last and not last.isdigit()):
                continue
            numbers = range(int(first), min(int(last or first), int(first) + most) + 1)
            found += [f"{group['prefix']}{str(one).zfill(len(first))}{group['suffix'] or ''}" for one in numbers]
    return [one for one in found if one and one != "None assigned"][:most]
