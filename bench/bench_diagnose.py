"""How often `diagnose` is right: over tests/data/failures, by category; and how long it takes.

`--wrong` names the cases that are not, with what was said; `--lines` those whose telling line was not shown.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from jobwarden.diagnosis.diagnose import diagnose  # noqa: E402 -- the path is set above
from jobwarden.diagnosis.model import Log, Outcome, Piece  # noqa: E402 -- as above
from support.failures import Answered, Failure, ask, failures, false_alarms  # noqa: E402 -- as above

MEGABYTE = 1_000_000
ROUNDS = 3


def share(answers: Sequence[Answered], holds: Callable[[Answered], bool]) -> str:
    """Say in how many something holds."""
    hits = sum(holds(answer) for answer in answers)
    return f"{hits}/{len(answers)} ({hits / len(answers):.0%})" if answers else "-"


def table(answers: Sequence[Answered]) -> None:
    """Print precision and recall by category."""
    truly: dict[str, list[Answered]] = defaultdict(list)
    said: dict[str, list[Answered]] = defaultdict(list)
    for answer in answers:
        truly[answer.failure.category].append(answer)
        said[answer.diagnosis.category].append(answer)
    print(
        f"{'category':16} {'recall':>14} {'precision':>14} {'kind':>14} {'first line':>14} {'a line':>14} {'retry':>14}"
    )
    for category in sorted(truly.keys() | said.keys()):
        cases = truly[category]
        lines = [a for a in cases if a.failure.lines]
        cells = [
            share(cases, lambda a: a.right),
            share(said[category], lambda a: a.right),
            share(cases, lambda a: a.right_kind),
            share(lines, lambda a: a.line_first),
            share(lines, lambda a: a.line_shown),
            share(cases, lambda a: a.right_retry),
        ]
        print(f"{category:16} " + " ".join(f"{cell:>14}" for cell in cells))


def summary(answers: list[Answered]) -> None:
    """Print one line about the failures and one about the healthy ones."""
    ill = [a for a in answers if not a.failure.healthy]
    lines = [a for a in ill if a.failure.lines]
    sure = [a for a in ill if a.diagnosis.category not in {"unknown", "none"}]
    print(
        f"failures: category {share(ill, lambda a: a.right)}, of those named {share(sure, lambda a: a.right)}, "
        f"with kind {share(ill, lambda a: a.right_kind)}, "
        f"first line {share(lines, lambda a: a.line_first)}, a telling line {share(lines, lambda a: a.line_shown)}, "
        f"retry {share(ill, lambda a: a.right_retry)}"
    )
    alarms = false_alarms(answers)
    print(f"healthy: {len(alarms)} false alarms of {sum(a.failure.healthy for a in answers)} {' '.join(alarms)}")


def timed(cases: Sequence[Failure]) -> None:
    """Print what a megabyte costs: many small logs, and one large one made of them."""
    took = statistics.median(_seconds(cases) for _ in range(ROUNDS))
    size = sum(case.size_bytes for case in cases)
    each = took / len(cases) * 1000
    print(f"time: {took / size * MEGABYTE:.3f} s/MB over {size / MEGABYTE:.2f} MB, {each:.1f} ms a case")
    parts = [piece.data for case in cases for log in case.logs for piece in log.pieces]
    long = (b"".join(parts) * (1 + 4 * MEGABYTE // size))[: 4 * MEGABYTE]
    began = time.perf_counter()
    diagnose([Log("long.log", (Piece(long),))], Outcome())
    took = time.perf_counter() - began
    print(f"      {took / len(long) * MEGABYTE:.3f} s/MB in one log of {len(long) / MEGABYTE:.0f} MB")


def _seconds(cases: Sequence[Failure]) -> float:
    began = time.perf_counter()
    for case in cases:
        diagnose(case.logs, case.outcome)
    return time.perf_counter() - began


def main() -> int:
    """Print all of it."""
    answers = ask(diagnose)
    for known, title in ((True, "the end is known"), (False, "logs alone")):
        asked = [answer for answer in answers if answer.with_outcome is known]
        print(f"\n-- {title}: {len(asked)} cases")
        table(asked)
        summary(asked)
    timed(failures())
    for answer in answers:
        told, case, how = answer.diagnosis, answer.failure, "" if answer.with_outcome else " (logs alone)"
        if "--wrong" in sys.argv and not answer.right:
            print(f"{case.name}{how}: {told.category} {told.kind!r}, truly {case.right[0]}: {told.cause}")
        elif "--lines" in sys.argv and case.lines and not answer.line_shown:
            print(f"{case.name}{how}: shows {answer.shown}, telling are {case.lines}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
