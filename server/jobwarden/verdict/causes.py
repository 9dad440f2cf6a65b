"""Why jobs failed, in a line each, found out between an answer and its verdicts (docs/decisions/0017).

A cause is told with an end and never decides one. Whatever goes wrong or takes too long here costs the line, not the
verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.gathering import Gathered
from jobwarden.diagnosis.model import Category, Log, Outcome
from jobwarden.diagnosis.outcomes import outcome_of
from jobwarden.diagnosis.pieces import SHORT
from jobwarden.logs.secrets import mask
from jobwarden.sources.base import Seen
from jobwarden.sources.post_mortem import PostMortem
from jobwarden.verdict.apply import endings
from jobwarden.verdict.dissecting import post_mortems, read_where, where_logs_are
from jobwarden.verdict.targets import Group
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

if TYPE_CHECKING:
    from jobwarden.ledger.snapshot import Snapshot
    from jobwarden.verdict.rounds import Rounds

READ_MOST = 10
"""So many jobs of one round have their logs read; the others are told by how they ended."""
ALL_S = 4.0
"""For all of one round, the scheduler's answer and every log. Less than any caller's patience."""
CAUSE_CHARS = 160
_NOT_READ = " (by its end alone; its log was not read)"
_KEPT = 1000

log = logging.getLogger(__name__)

Causes = Mapping[str, str]
"""By the record's `uid`."""
Known = dict[tuple[str, str, str], str]
"""By site, id and run: what was found out already, for a session that could not be written. Empty: nothing."""


@dataclass(slots=True)
class _Case:
    """One failed job, and what is found out about it, as far as the time goes.

    Attributes:
        record: As it ends.
        told: By its source.
        gathered: Of its logs; None where they were not read.
    """

    record: JobRecord
    told: PostMortem | None = None
    gathered: Gathered | None = None


@dataclass(slots=True)
class _Inquiry:
    rounds: Rounds
    group: Group
    cases: list[_Case]
    told: anyio.Event = field(default_factory=anyio.Event)


async def find_causes(rounds: Rounds, group: Group, snapshot: Snapshot, known: Known) -> Causes:
    """Say why those jobs failed whose end this answer is. Raises nothing, and takes little more than `ALL_S`.

    Args:
        rounds: How to reach hosts and sessions.
        group: Whose answer it is.
        snapshot: The answer.
        known: What was found out earlier; added to.
    """
    if not any(isinstance(one, Seen) and one.phase.final for one in snapshot.answered.values()):
        return {}
    ended: list[JobRecord] = []
    for session in group.sessions:
        try:
            ended += await rounds.sessions.call(session, partial(endings, answer=rounds.answer(group, snapshot)))
        except JobwardenError:
            continue  # it will be said when the answer is applied
    bad = [one for one in ended if one.phase in (Phase.FAILED, Phase.CANCELLED)]
    fresh = {_run(one): _Case(one) for one in sorted(bad, key=lambda one: one.log is not None)}
    cases = [case for run, case in fresh.items() if run not in known]
    if cases:
        await _look(_Inquiry(rounds, group, cases))
        for case in cases:
            known[_run(case.record)] = await _cause(case)
        while len(known) > _KEPT:
            del known[next(iter(known))]
    return {one.uid: cause for one in bad if (cause := known.get(_run(one)))}


def _run(record: JobRecord) -> tuple[str, str, str]:
    ended = record.ended_at.isoformat() if record.ended_at is not None else ""
    return (record.site or record.host, f"{record.type}:{record.id}", ended)


async def _look(inquiry: _Inquiry) -> None:
    """Find out what there is time for. What was cancelled has been ended by somebody, not by what its log says."""
    failed = [case for case in inquiry.cases if case.record.phase is Phase.FAILED]
    if not failed or inquiry.rounds.elsewhere(inquiry.group.target.key.site):
        return
    with anyio.move_on_after(ALL_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ask, inquiry, failed)
            for case in failed[:READ_MOST]:
                tasks.start_soon(_read, inquiry, case)


async def _ask(inquiry: _Inquiry, failed: Sequence[_Case]) -> None:
    try:
        records = [case.record for case in failed]
        told = await post_mortems(inquiry.rounds, inquiry.group.target, records, timeout_s=ALL_S)
        for case in failed:
            case.told = told.get(case.record.id)
    except JobwardenError as error:
        log.info("causes on %s: %s", inquiry.group.target.host, error)
    except Exception:  # a plug-in's, or ours: no verdict may hang on it
        log.exception("causes on %s", inquiry.group.target.host)
    finally:
        inquiry.told.set()


async def _read(inquiry: _Inquiry, case: _Case) -> None:
    """Read the job's own logs at once, and what its source names beside them when that is known."""
    try:
        own = where_logs_are(inquiry.rounds, case.record, None)
        if own.places:
            case.gathered = await read_where(inquiry.rounds, own, SHORT, timeout_s=ALL_S)
        await inquiry.told.wait()
        every = where_logs_are(inquiry.rounds, case.record, case.told)
        if len(every.places) > len(own.places):
            case.gathered = await read_where(inquiry.rounds, every, SHORT, timeout_s=ALL_S)
    except JobwardenError as error:
        log.info("cause of %s: %s", case.record.id, error)
    except Exception:  # as above
        log.exception("cause of %s", case.record.id)


async def _cause(case: _Case) -> str:
    """Give the line; empty where there is nothing to say."""
    outcome = outcome_of(case.record, case.told)
    logs = tuple(one.log for one in case.gathered.logs) if case.gathered is not None else ()
    try:
        said = await to_thread.run_sync(cause_line, logs, outcome)
    except Exception:  # as above
        log.exception("cause of %s", case.record.id)
        return ""
    unread = case.gathered is None and case.record.phase is Phase.FAILED
    return said + _NOT_READ if said and unread else said


def cause_line(logs: Sequence[Log], outcome: Outcome) -> str:
    """Say in a line why it ended so; empty where nothing says that."""
    found = diagnose(logs, outcome)
    if found.category in (Category.NONE, Category.UNKNOWN):
        return ""
    line = mask(" ".join(found.cause.split()))
    return line if len(line) <= CAUSE_CHARS else line[: CAUSE_CHARS - 1] + "…"
