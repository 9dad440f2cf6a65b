"""Why jobs failed, in a line each, and what they used: found out between an answer and its verdicts.

Both (docs/decisions/0017, 0034) are told with an end and never decide one. Whatever goes wrong or takes too long here
costs the line, not the verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.gathering import Gathered
from jobwarden.diagnosis.model import Category, Log, Outcome
from jobwarden.diagnosis.outcomes import outcome_of
from jobwarden.diagnosis.pieces import SHORT
from jobwarden.ledger.rules import ended
from jobwarden.logs.secrets import mask
from jobwarden.sources.log_files import JobLogs
from jobwarden.sources.post_mortem import PostMortem
from jobwarden.verdict.apply import endings
from jobwarden.verdict.dissecting import of_slurm, post_mortems, read_all, where_logs_are
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.log_files import logs_of
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Group, Target
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord, Used
from jobwarden_registry.phases import Phase

if TYPE_CHECKING:
    from jobwarden.ledger.snapshot import Snapshot
    from jobwarden.verdict.rounds import Rounds

READ_MOST = 10
"""So many jobs of one round have their logs read; the others are told by how they ended."""
ALL_S = 4.0
"""For one round, the scheduler's answer and every log; half as much again for what these have named. Less than any
caller's patience."""
CAUSE_CHARS = 160
_NOT_READ = " (by its end alone; its log was not read)"
_KEPT = 1000
_BAD = (Phase.FAILED, Phase.CANCELLED)

log = logging.getLogger(__name__)

ASKED_MOST = 50
"""About so many ended jobs accounting is asked in one round; those that failed come first."""


Known = dict[tuple[str, str, str], tuple[str, Used | None]]
"""By site, id and run: what was found out already, for a session that could not be written. Empty: nothing."""


@dataclass(slots=True)
class _Case:
    """One failed job, and what is found out about it, as far as the time goes.

    Attributes:
        record: As it ends.
        logs: Which it has; None while that is not known.
        told: By its source.
        gathered: Of its logs; None where they were not read.
    """

    record: JobRecord
    logs: JobLogs | None = None
    told: PostMortem | None = None
    gathered: Gathered | None = None


async def find_causes(rounds: Rounds, group: Group, snapshot: Snapshot, known: Known) -> Causes:
    """Say why those jobs failed whose end this answer is. Raises nothing, and takes little more than `ALL_S`.

    Args:
        rounds: How to reach hosts and sessions.
        group: Whose answer it is.
        snapshot: The answer.
        known: What was found out earlier; added to.
    """
    over = ended(snapshot)
    if not over or not any(record.id in over for record in group.records):
        return Causes()
    found: list[JobRecord] = []
    for session in group.sessions:
        with _contained(f"the jobs of session {session.entry.session_id}"):
            found += await rounds.sessions.call(session, partial(endings, answer=rounds.answer(group, snapshot)))
    told = [one for one in found if one.phase in _BAD or _is_accounted(one)]
    fresh = {_run(one): _Case(one) for one in sorted(told, key=lambda one: one.log is not None)}
    cases = [case for run, case in fresh.items() if run not in known]
    if cases:
        await _look(rounds, group.target, cases)
        until = anyio.current_time() + ALL_S / 2
        for case in cases:
            why = await _cause(case, hurried=anyio.current_time() > until) if case.record.phase in _BAD else ""
            known[_run(case.record)] = why, None if case.told is None else case.told.used
        while len(known) > _KEPT:
            del known[next(iter(known))]
    had = {one.uid: known[_run(one)] for one in told if _run(one) in known}
    return Causes(
        {uid: why for uid, (why, _) in had.items() if why},
        {uid: used for uid, (_, used) in had.items() if used is not None},
    )


def _is_accounted(record: JobRecord) -> bool:
    """Whether accounting may have measured it: what never ran used nothing."""
    return record.type == SLURM and record.started_at is not None


def _run(record: JobRecord) -> tuple[str, str, str]:
    ended = record.ended_at.isoformat() if record.ended_at is not None else ""
    return (record.site or record.host, f"{record.type}:{record.id}", ended)


async def _look(rounds: Rounds, target: Target, cases: Sequence[_Case]) -> None:
    """Find out what there is time for. What was cancelled has been ended by somebody, not by what its log says."""
    failed = [case for case in cases if case.record.phase is Phase.FAILED]
    rest = [case for case in cases if case.record.phase is not Phase.FAILED and _is_accounted(case.record)]
    asked = [*failed, *rest[: max(0, ASKED_MOST - len(failed))]]
    if not asked or rounds.elsewhere(target.key.site):
        return
    with anyio.move_on_after(ALL_S) as first:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ask, rounds, target, asked)
            for case in failed[:READ_MOST]:
                tasks.start_soon(_read, rounds, case)
    if first.cancelled_caught or not failed:
        return  # a host that has been too slow once is not asked again
    with anyio.move_on_after(ALL_S / 2):
        await _read_more(rounds, target, failed[:READ_MOST])


async def _ask(rounds: Rounds, target: Target, cases: Sequence[_Case]) -> None:
    with _contained(f"the jobs on {target.host}"):
        told = await post_mortems(rounds, target, [case.record for case in cases], timeout_s=ALL_S)
        for case in cases:
            case.told = told.get(case.record.id)


async def _read(rounds: Rounds, case: _Case) -> None:
    with _contained(case.record.id):
        case.logs = await logs_of(rounds, case.record)
        where = where_logs_are(rounds, case.record, case.logs)
        if where:
            case.gathered = await read_all(rounds, where, SHORT, timeout_s=ALL_S)


async def _read_more(rounds: Rounds, target: Target, cases: Sequence[_Case]) -> None:
    """Ask and read what the first answers have named: Slurm jobs that ran others' tasks, files of single ranks."""
    with _contained(f"the jobs on {target.host}"):
        logs = {case.record.id: case.logs for case in cases if case.logs is not None and case.told is None}
        found = await of_slurm(rounds, target, logs, timeout_s=ALL_S) if logs else {}
        for case in cases:
            case.told = case.told or found.get(case.record.id)
    for case in cases:
        if case.logs is not None and case.told is not None and case.told.written:
            with _contained(case.record.id):
                where = where_logs_are(rounds, case.record, case.logs, case.told)
                case.gathered = await read_all(rounds, where, SHORT, timeout_s=ALL_S)


@contextmanager
def _contained(what: str) -> Generator[None]:
    """Let nothing out: no verdict may hang on a cause."""
    try:
        yield
    except JobwardenError as error:
        log.info("cause of %s: %s", what, error)
    except Exception:  # a plug-in's fault, or one of ours, costs the line and never the verdict (decision 0017)
        log.exception("cause of %s", what)


async def _cause(case: _Case, *, hurried: bool) -> str:
    """Give the line; empty where there is nothing to say. Of the last of very many, hurried, by its end alone."""
    # Of what was cancelled its state tells by whom; accounting was asked for what it used.
    outcome = outcome_of(case.record, case.told if case.record.phase is Phase.FAILED else None)
    named = outcome.cancelled_by and not outcome.cancelled_by.startswith("uid ")
    if case.record.phase is Phase.CANCELLED and not named and not outcome.reason:
        return ""  # its state says that already
    gathered = None if hurried else case.gathered
    logs = tuple(one.log for one in gathered.logs) if gathered is not None else ()
    said = ""
    with _contained(case.record.id):
        said = await to_thread.run_sync(cause_line, logs, outcome)
    unread = gathered is None and case.record.phase is Phase.FAILED
    return said + _NOT_READ if said and unread else said


def cause_line(logs: Sequence[Log], outcome: Outcome) -> str:
    """Say in a line why it ended so; empty where nothing says that."""
    found = diagnose(logs, outcome)
    if found.category in (Category.NONE, Category.UNKNOWN):
        return ""
    line = mask(" ".join(found.cause.split()))
    return line if len(line) <= CAUSE_CHARS else line[: CAUSE_CHARS - 1] + "…"
