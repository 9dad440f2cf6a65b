"""The truth about every case, in tests/data/failures/truth.json, and where the telling lines stand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from failures.case import Case

DATA = Path(__file__).parents[1] / "data" / "failures"
TRUTH = DATA / "truth.json"
MOST_BYTES = 200_000
MOST_LINES = 5
FACTS = frozenset(
    {"state", "ended", "exit_code", "signal", "slurm_exit", "reason", "nodes", "elapsed_s", "quiet_s", "time_limit_s"}
    | {"memory_limit_bytes", "max_rss_bytes", "cancelled_by"}
)


class OtherwiseError(Exception):
    """A job ran, but did not show what its case says."""


def load() -> dict[str, Any]:
    """Give all that is known, by case."""
    if not TRUTH.exists():
        return {}
    cases: dict[str, Any] = json.loads(TRUTH.read_text("utf-8"))["cases"]
    return cases


def save(cases: Mapping[str, Any]) -> None:
    """Write it, sorted."""
    body = {"format": "jobwarden-failures", "version": 1, "cases": dict(sorted(cases.items()))}
    TRUTH.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")


def lines_of(data: bytes) -> list[str]:
    """Split into lines as their numbers are counted: by line feeds alone."""
    return data.decode("utf-8", "replace").split("\n")


def find(patterns: Sequence[str], files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Give where the patterns are met: the first few and the last line of each, in the order of the patterns.

    Raises:
        OtherwiseError: One is nowhere.
    """
    found: list[dict[str, Any]] = []
    for pattern in patterns:
        want, _, where = pattern.partition(" @@ ")
        spots = [
            {"file": name, "line": number}
            for name, data in files.items()
            if not where or name.endswith(where)
            for number, line in enumerate(lines_of(data), 1)
            if re.search(want, line)
        ]
        if not spots:
            raise OtherwiseError(f"no line shows {pattern!r}")
        for spot in (*spots[:MOST_LINES], spots[-1]):
            if spot not in found:
                found.append(spot)
    return found


def log_name(case: Case, part: str) -> str:
    """Name the file of one of a case's logs, below the data folder."""
    base = f"{case.family}/{case.name}"
    return f"{base}.{part or 'log'}"


def keep(
    case: Case, files: Mapping[str, bytes], facts: Mapping[str, Any], made_by: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a case's logs and give its truth.

    Args:
        case: Which.
        files: Its logs, by the part of the name that is theirs.
        facts: How it ended: state, exit_code, signal, and what else the scheduler said.
        made_by: Script and programs.

    Raises:
        OtherwiseError: It is not what the case says.
    """
    named = {log_name(case, part): data for part, data in files.items() if data or part == "" or case.split}
    for name, data in named.items():
        if len(data) > MOST_BYTES:
            raise OtherwiseError(f"{name} has {len(data)} bytes")
    find(case.shows, named)
    evidence = find(case.evidence, named)
    for name, data in named.items():
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
        (DATA / name).write_bytes(data)
    return {
        "about": case.about,
        "files": list(named),
        "category": case.category,
        "kind": case.kind,
        "also_right": case.also_right,
        "healthy": case.healthy,
        "retryable": case.retryable,
        "alone": case.alone != "no" and bool(case.evidence or case.healthy),
        **facts,
        "evidence": evidence,
        "made_by": dict(made_by),
    }
