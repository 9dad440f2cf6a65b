"""Statistics of ended jobs, and what they say about how things go. Pure.

How it is counted, in one place:

- Of each job its last run counts; how many runs it had is told beside.
- The success rate is that of jobs that succeeded or failed. Cancelled and lost ones are counted, and not in the rate.
- Durations are of jobs that succeeded, from start to end by the source's own clock. How long failed ones ran is told
  apart, because a job that fails at once would make its kind look quick.
- Waiting is from submission to start, of all that started.
- `failing in a row`: the latest that succeeded or failed have all failed, at least two.
- `slower`: the median of the last three successes is more than a quarter above the median of those before (at least
  five, at most the last thirty), above three quarters of those, and at least ten seconds more.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

from jobwarden.service.past.choosing import By, keys_of
from jobwarden.service.past.rows import Point, Row, Run, at, last_run, ran_s, waited_s
from jobwarden.service.past_views import CauseView, GroupView, MetricView, SlowerView, SpreadView
from jobwarden_registry.phases import Phase

SERIES = 24
"""So many of the latest are given for a drawing."""
CAUSES = 5
LATEST = 3
BEFORE_LEAST, BEFORE_MOST = 5, 30
SLOWER_RATIO, SLOWER_S = 1.25, 10.0

# An enumeration's members cost a look-up at each use, and there are tens of thousands.
_SUCCEEDED, _FAILED = Phase.SUCCEEDED.value, Phase.FAILED.value
_CANCELLED, _LOST = Phase.CANCELLED.value, Phase.LOST.value
_VARYING = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?")

Values = Mapping[str, Mapping[str, float]]
"""By uid, the last value of each metric."""


def last_values(points: Iterable[Point]) -> dict[str, dict[str, float]]:
    """Give what each job came to by each metric; points in the order in which they were stored."""
    latest: dict[str, dict[str, float]] = {}
    for point in points:
        latest.setdefault(point.uid, {})[point.name] = point.value
    return latest


def grouped(rows: Iterable[Row], by: By, values: Values) -> list[GroupView]:
    """Give a group for each key, the largest first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        for key in keys_of(row, by):
            groups.setdefault(key, []).append(row)
    made = [group_of(key, those, values) for key, those in groups.items()]
    return sorted(made, key=lambda group: (-group.runs, group.key))


def group_of(key: str, rows: Iterable[Row], values: Values) -> GroupView:
    """Give the statistics of jobs, in whatever order they come."""
    rows = sorted(rows, key=lambda row: (row.when, row.seq))
    ends = [(row, last_run(row)) for row in rows]
    good = [(row, run) for row, run in ends if row.phase == _SUCCEEDED]
    bad = [(row, run) for row, run in ends if row.phase == _FAILED]
    took = [seconds for _, run in good if (seconds := ran_s(run)) is not None]
    failure = bad[-1][0] if bad else None
    return GroupView(
        key=key,
        runs=len(rows),
        attempts=sum(max(1, len(row.runs)) for row in rows),
        succeeded=len(good),
        failed=len(bad),
        cancelled=sum(row.phase == _CANCELLED for row in rows),
        lost=sum(row.phase == _LOST for row in rows),
        success_rate=len(good) / (len(good) + len(bad)) if good or bad else None,
        duration=spread(took),
        failed_after=spread(_known(ran_s(run) for _, run in bad)),
        waited=spread(_known(waited_s(run) for _, run in ends)),
        durations=tuple(took[-SERIES:]),
        last_success_at=at(good[-1][0].when) if good else None,
        last_failure_at=at(failure.when) if failure is not None else None,
        last_failure=failure.id if failure is not None else None,
        causes=_causes(bad),
        metrics=_metrics(rows, values),
        failing_in_a_row=_failing(rows),
        slower=slower(took),
    )


def spread(numbers: Sequence[float]) -> SpreadView | None:
    """Give the middle of some numbers and how they lie around it; None of none."""
    if not numbers:
        return None
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else [numbers[0]] * 3
    return SpreadView(count=len(numbers), median=median, low=low, high=high, least=min(numbers), most=max(numbers))


def slower(took: Sequence[float]) -> SlowerView | None:
    """Say whether the latest took clearly longer than those before; see the module."""
    recent, before = took[-LATEST:], took[:-LATEST][-BEFORE_MOST:]
    usual = spread(before)
    if usual is None or usual.count < BEFORE_LEAST:
        return None
    now = statistics.median(recent)
    if now <= max(usual.median * SLOWER_RATIO, usual.high, usual.median + SLOWER_S):
        return None
    ratio = now / usual.median if usual.median else math.inf
    return SlowerView(recent_s=now, before_s=usual.median, ratio=round(min(ratio, 1e6), 2))


def cause_of(row: Row, run: Run) -> str:
    """Say in one line why a job ended badly: its cause, else what its source says of it."""
    if row.cause:
        return row.cause
    reason = f": {row.reason}" if row.reason and row.reason not in ("None", "NonZeroExitCode") else ""
    code = f", exit code {run.exit_code}" if run.exit_code else f", signal {run.signal}" if run.signal else ""
    return f"{row.status or row.phase}{code}{reason}"


def _causes(bad: Sequence[tuple[Row, Run]]) -> tuple[CauseView, ...]:
    """Count causes; those that differ in numbers alone are one."""
    counts: dict[str, CauseView] = {}
    for row, run in bad:
        said = cause_of(row, run)
        form = said if row.cause is None else _VARYING.sub("#", said)
        known = counts.get(form)
        counts[form] = CauseView(cause=said, count=1 + (known.count if known is not None else 0))
    return tuple(sorted(counts.values(), key=lambda cause: -cause.count)[:CAUSES])


def _metrics(rows: Sequence[Row], values: Values) -> tuple[MetricView, ...]:
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in values.get(row.uid, {}).items():
            found.setdefault(name, []).append(value)
    told: list[MetricView] = []
    for name, numbers in sorted(found.items()):
        around = spread(numbers)
        assert around is not None
        told.append(
            MetricView(name=name, jobs=len(numbers), spread=around, last=numbers[-1], series=tuple(numbers[-SERIES:]))
        )
    return tuple(told)


def _failing(rows: Sequence[Row]) -> int:
    count = 0
    for row in reversed(rows):
        if row.phase == _FAILED:
            count += 1
        elif row.phase == _SUCCEEDED:
            break
    return count if count > 1 else 0


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]
