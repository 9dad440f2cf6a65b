"""Array jobs and heterogeneous jobs: one job with counts, ended when every element has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from jobwarden.sources.base import CouldNotAsk, Seen, Sighting
from jobwarden.sources.slurm.answers import Row
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.waiting import stuck_because
from jobwarden_registry.phases import Phase

_SETTLED = timedelta(seconds=60)
"""An array's last end must be this old before accounting alone is believed to list every element."""

_LAST_ROWS = timedelta(seconds=15)
_REASONS_TOLD = 3

_WHOLE = -1
"""Stands for a row of squeue that names the whole job beside its elements: not known to happen, and not passed over."""

_ALIVE = (Phase.RUNNING, Phase.SUSPENDED, Phase.PENDING, Phase.UNKNOWN)
_ENDED = (Phase.FAILED, Phase.CANCELLED, Phase.SUCCEEDED)
_ORDER = {phase: at for at, phase in enumerate((*_ALIVE, Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED))}


def is_many(job: SlurmId, rows: Sequence[Row]) -> bool:
    """Whether a job that was asked for as a whole has elements or parts."""
    if not job.whole:
        return False
    return any((row.id.ranges or not row.id.id.whole) and row.id.id.base == job.base for row in rows)


def see_many(asked: Asked, queue: Sequence[Row], account: Sequence[Row], *, known: int = 0) -> Sighting:
    """Say what was seen of a job with elements.

    Args:
        asked: What was asked.
        queue: slurmctld's rows about it.
        account: Accounting's, oldest run first.
        known: How many elements were seen earlier.
    """
    queue = sorted(queue, key=lambda row: row.alive)  # should two rows speak for one element, the living one stands
    elements = latest(account) | latest(queue)
    plain = [row for row in queue if not row.id.keys]
    if plain:
        elements[_WHOLE] = plain[-1]
    alive = any(row.alive for row in elements.values())
    gone = 0 if alive else max(0, known - len(elements))
    trouble = _untold(asked, queue, account, elements, alive=alive) or _untold_gone(asked, elements, gone)
    if trouble is not None:
        code, text = trouble
        rule = f"Nothing certain can be said of it: {text}"
        return CouldNotAsk(code=code, text=text, evidence=asked.evidence((*queue, *account), rule))
    known = max(known, len(elements))
    seen = _described(asked, queue, account, elements, known=known)
    return _without_trace(seen, gone, known) if gone else seen


def _untold_gone(asked: Asked, elements: Mapping[int, Row], gone: int) -> tuple[str, str] | None:
    """Wait for accounting's last rows before elements are said to have none."""
    ends = [row.ended for row in elements.values() if row.ended]
    if gone and ends and asked.now - max(ends) < _LAST_ROWS:
        return "slurm.accounting_behind", f"{gone} of its elements are in no answer yet."
    return None


def _without_trace(seen: Seen, gone: int, known: int) -> Seen:
    """Say how many elements have no record anywhere.

    Those that are cancelled one by one while they wait leave none once their siblings go on (22.05.8); nothing else
    makes an element vanish, so the whole is no success.
    """
    phase = Phase.CANCELLED if seen.phase is Phase.SUCCEEDED else seen.phase
    told = f"{gone} of {known} elements left no record: cancelled while they waited"
    reason = "; ".join(part for part in (seen.reason, told) if part)
    return seen.model_copy(update={"phase": phase, "reason": reason})


def describe_living(asked: Asked, rows: Sequence[Row]) -> Seen:
    """Describe those elements of a job that squeue shows alive."""
    elements = latest(rows) or {_WHOLE: rows[-1]}
    return _described(asked, rows, (), elements, known=len(elements))


def latest(rows: Sequence[Row]) -> dict[int, Row]:
    """Give each element's newest row; an element's own row stands before a range that still lists it."""
    ranges = {key: row for row in rows if row.id.ranges for key in row.id.keys}
    return ranges | {key: row for row in rows if not row.id.ranges for key in row.id.keys}


def _untold(
    asked: Asked, queue: Sequence[Row], account: Sequence[Row], elements: Mapping[int, Row], *, alive: bool
) -> tuple[str, str] | None:
    """Say what stops us from telling all elements, as code and text."""
    accounting = asked.account
    if accounting is None:
        return "slurm.not_asked", "accounting was not asked about its ended elements."
    if not accounting.exists:
        return _untold_without_accounting(elements, alive=alive)
    if not accounting.whole:
        return accounting.code, f"its ended elements are known to accounting alone. {accounting.trouble}"
    if not asked.queue.whole:
        return _untold_without_queue(asked, account, alive=alive)
    if alive:
        return None
    in_queue = latest(queue)
    if any(row.stub for row in account) and not in_queue:
        return "slurm.accounting_behind", "sacct has only the beginnings of its record."
    for key, row in in_queue.items():
        if row.state.requeueable and not _confirmed(key, row, account):
            return "slurm.accounting_behind", f"an element's {row.state.text} can be followed by another run."
    return None


def _confirmed(key: int, row: Row, account: Sequence[Row]) -> bool:
    told = latest(account).get(key)
    return told is not None and told.state.word is row.state.word


def _untold_without_accounting(elements: Mapping[int, Row], *, alive: bool) -> tuple[str, str] | None:
    if alive or any(row.state.phase is Phase.FAILED for row in elements.values()):
        return None
    return "slurm.no_accounting", "without accounting nobody knows how its elements ended that left the queue earlier."


def _untold_without_queue(asked: Asked, account: Sequence[Row], *, alive: bool) -> tuple[str, str] | None:
    ends = [row.ended for row in account if row.ended]
    settled = bool(ends) and asked.now - max(ends) >= _SETTLED
    if not alive and settled and not any(row.stub or row.state.requeueable for row in account):
        return None
    return asked.queue.code, asked.queue.trouble


def _described(
    asked: Asked, queue: Sequence[Row], account: Sequence[Row], elements: Mapping[int, Row], *, known: int
) -> Seen:
    rows = list(elements.values())
    phase = _phase(rows)
    first = queue[0] if queue else account[0]
    return Seen(
        evidence=asked.evidence((*queue, *account), "It has elements: alive while one is; failed if one failed."),
        phase=phase,
        status=_counts(rows),
        reason=_why(elements),
        elements=known,
        stuck=_stuck(rows),
        name=first.name,
        user=first.user or None,
        submitted_at=_first(row.submitted for row in (*account, *queue)),
        expected_start_at=_first(row.started for row in rows) if phase is Phase.PENDING else None,
        started_at=_first(row.started for row in rows if row.state.phase is not Phase.PENDING),
        ended_at=max((row.ended for row in rows if row.ended), default=None) if phase.final else None,
        clock_ahead_s=asked.ahead_s,
        work_dir=first.work_dir or None,
    )


def _stuck(rows: Sequence[Row]) -> str | None:
    """Say why no living element can go on; None when one can."""
    living = {id(row): row for row in rows if row.alive}  # a range's row stands there for each of its elements
    reasons = dict.fromkeys(stuck_because(row) for row in living.values())
    told = [reason for reason in reasons if reason is not None]
    return "; ".join(told[:_REASONS_TOLD]) if told and None not in reasons else None


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((one for one in moments if one is not None), default=None)


def _phase(rows: Sequence[Row]) -> Phase:
    phases = {row.state.phase for row in rows}
    return next(phase for phase in (*_ALIVE, *_ENDED) if phase in phases)


def _counts(rows: Sequence[Row]) -> str:
    """Write `RUNNING 3, PENDING 5, COMPLETED 2`; `PENDING 5+` where elements were cut off their list."""
    counted = Counter(map(_kind, rows))
    cut = {_kind(row) for row in rows if row.id.cut}
    return ", ".join(f"{kind[1]} {count}{'+' if kind in cut else ''}" for kind, count in sorted(counted.items()))


def _kind(row: Row) -> tuple[int, str]:
    return _ORDER[row.state.phase], str(row.state.word or row.state.text)


def _why(elements: Mapping[int, Row]) -> str | None:
    waiting = sorted({row.reason for row in elements.values() if row.reason and row.state.phase is Phase.PENDING})
    failed = [key for key, row in elements.items() if row.state.phase is Phase.FAILED]
    said = [f"failed: {compact(failed)}"] if failed else []  # first: a narrow cell shows the beginning alone
    if waiting:
        said.append(", ".join(waiting))
    return "; ".join(said) or None


def compact(indices: Sequence[int], *, most: int = 20) -> str:
    """Write indices as `1,3-5,9`, at most `most` groups of them."""
    groups: list[tuple[int, int]] = []
    for index in sorted(indices):
        if groups and index == groups[-1][1] + 1:
            groups[-1] = (groups[-1][0], index)
        else:
            groups.append((index, index))
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in groups[:most]]
    return ",".join(texts) + (f",… ({len(indices)} in all)" if len(groups) > most else "")
