"""What is kept of an ended job for lists and statistics: less than its record, and quickly read by the thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import JsonValue, ValidationError

from jobwarden.actions.deeds import DEED, DONE
from jobwarden.sources.base import RESULT
from jobwarden.verdict.efficiency import efficiency
from jobwarden_registry.model import JobRecord, Used
from jobwarden_registry.phases import Phase

_METRIC = "store_metric"
_CANCELLED = Phase.CANCELLED.value
_PHASES = frozenset(phase.value for phase in Phase)


class Run(NamedTuple):
    """One run of a job. Moments are seconds since 1970."""

    id: str
    submitted: float | None
    started: float | None
    ended: float | None
    status: str
    phase: str
    exit_code: int | None
    signal: int | None
    node: str | None


class Row(NamedTuple):
    """One ended job. `runs` holds lists when it comes from the index: read it with `runs_of`."""

    uid: str
    seq: int
    start: int
    """Where its `finished` event begins in the journal, in bytes; -1 for one that is not finished there (lost)."""
    length: int
    at: float
    """When its end was journaled."""
    type: str
    id: str
    host: str
    site: str | None
    name: str | None
    job_name: str | None
    user: str
    description: str
    tags: list[str]
    phase: str
    status: str
    reason: str | None
    cause: str | None
    exit_code: int | None
    signal: int | None
    node: str | None
    submitted: float | None
    """Of its first run."""
    started: float | None
    """Of its last run."""
    ended: float | None
    resubmitted_as: str | None
    result: str | None
    efficiency: str | None
    """What its last run used of what it had."""
    runs: Sequence[Run]

    @property
    def when(self) -> float:
        """When it ended, or when that was journaled where its source does not tell."""
        return self.ended if self.ended is not None else self.at

    @property
    def title(self) -> str:
        """What people call it: its name here, else that in its source, else its id."""
        return self.name or self.job_name or self.id


class Point(NamedTuple):
    """One value that a rule stored."""

    uid: str
    name: str
    at: float
    value: float


def runs_of(row: Row) -> list[Run]:
    """Give the runs of a job, oldest first."""
    return [*(Run(*run) for run in row.runs[:-1]), last_run(row)]


def last_run(row: Row) -> Run:
    """Give the run that a job's record is about, which says more of it than a run that was only listed."""
    if not row.runs:
        told = (row.resubmitted_as or row.id, row.submitted, row.started, row.ended, row.status, row.phase)
        return Run(*told, row.exit_code, row.signal, row.node)
    id_, submitted, started, ended, status, _, exit_code, signal, node = row.runs[-1]
    return Run(
        id_,
        submitted,
        started if started is not None else row.started,
        ended if ended is not None else row.ended,
        row.status or status,
        row.phase,
        row.exit_code if exit_code is None else exit_code,
        row.signal if signal is None else signal,
        node or row.node,
    )


def started_of(run: Run) -> float | None:
    """Say when a run started; None where it ended without that.

    Of a job that was cancelled while it waited, sacct 22.05.8 may give the end as the start.
    """
    waited = run.started == run.ended and run.node is None and run.phase == _CANCELLED
    return None if waited else run.started


def ran_s(run: Run) -> float | None:
    """Say how long a run took; None where it never started, or its source does not tell."""
    started = started_of(run)
    return None if started is None or run.ended is None else max(0.0, run.ended - started)


def waited_s(run: Run) -> float | None:
    """Say how long a run waited, from its submission to its start; None as above."""
    started = started_of(run)
    return None if started is None or run.submitted is None else max(0.0, started - run.submitted)


def row_of_record(record: JobRecord, *, at: float) -> Row:
    """Make the row of a job that is still watched."""
    return _row(record.model_dump(mode="json"), record.uid, record.seq, -1, 0, at)


def row_of_event(raw: Mapping[str, JsonValue], start: int, length: int) -> Row | None:
    """Make the row of a line of the journal; None where it tells no job's end."""
    record, uid, seq = raw.get("record"), raw.get("uid"), raw.get("seq")
    if raw.get("event") != "finished" or not isinstance(record, dict) or not isinstance(uid, str):
        return None
    return _row(record, uid, seq if isinstance(seq, int) else 0, start, length, moment(raw.get("timestamp")) or 0.0)


def point_of_event(raw: Mapping[str, JsonValue]) -> Point | None:
    """Read what a rule stored; None where a line of the journal tells no such thing."""
    deed, uid = raw.get(DEED), raw.get("uid")
    if not isinstance(deed, dict) or deed.get("action") != _METRIC or deed.get("step") != DONE:
        return None
    told, at = deed.get("arguments"), moment(raw.get("timestamp"))
    if not isinstance(told, dict) or not isinstance(uid, str) or at is None:
        return None
    name, value = told.get("name"), told.get("value")
    if not isinstance(name, str) or not isinstance(value, (int, float)):
        return None
    return Point(uid, name, at, float(value))


def moment(value: JsonValue) -> float | None:
    """Read a moment as files hold it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read.timestamp() if read.tzinfo is not None else None


def at(seconds: float) -> datetime:
    """Give a moment as views hold it."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe_at(seconds: float | None) -> datetime | None:
    """Give a moment that may not be known."""
    return None if seconds is None else at(seconds)


def _row(record: Mapping[str, JsonValue], uid: str, seq: int, start: int, length: int, told_at: float) -> Row:
    tags, facts, runs = record.get("tags"), record.get("facts"), record.get("attempts")
    facts = facts if isinstance(facts, dict) else {}
    result = facts.get(RESULT)
    return Row(
        uid=uid,
        seq=seq,
        start=start,
        length=length,
        at=told_at,
        type=_text(record.get("type")),
        id=_text(record.get("id")),
        host=_text(record.get("host")) or "localhost",
        site=_word(record.get("site")),
        name=_word(record.get("name")),
        job_name=_word(record.get("job_name")),
        user=_text(record.get("user")),
        description=_text(record.get("description")),
        tags=[str(tag) for tag in tags] if isinstance(tags, list) else [],
        phase=_phase(record.get("phase")),
        status=_text(record.get("last_status")),
        reason=_word(record.get("reason")),
        cause=_word(record.get("cause")),
        exit_code=_number(record.get("exit_code")),
        signal=_number(record.get("signal")),
        node=_word(record.get("node")),
        submitted=moment(record.get("submitted_at")),
        started=moment(record.get("started_at")),
        ended=moment(record.get("ended_at")),
        resubmitted_as=_word(record.get("resubmitted_as")),
        result=_word(result),
        efficiency=_efficiency(record.get("used")),
        runs=[_run(run) for run in runs if isinstance(run, dict)] if isinstance(runs, list) else [],
    )


def _run(run: Mapping[str, JsonValue]) -> Run:
    return Run(
        _text(run.get("id")),
        moment(run.get("submitted_at")),
        moment(run.get("started_at")),
        moment(run.get("ended_at")),
        _text(run.get("status")),
        _phase(run.get("phase")),
        _number(run.get("exit_code")),
        _number(run.get("signal")),
        _word(run.get("node")),
    )


def _efficiency(used: JsonValue) -> str | None:
    if not isinstance(used, dict):
        return None
    try:
        return efficiency(Used.model_validate(used)) or None
    except ValidationError:  # another version's
        return None


def _phase(value: JsonValue) -> str:
    return value if isinstance(value, str) and value in _PHASES else Phase.UNKNOWN.value


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _word(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
