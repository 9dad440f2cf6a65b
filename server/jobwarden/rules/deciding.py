"""A run has failed that may be followed by another one: why it failed, whether that is decided, and the end if not.

See decision 0028. The end is held in the record (`verdict.holding`) until every restart rule has said no, or what one
of them began has come to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from jobwarden.actions.deeds import Deeds
from jobwarden.actions.planning import run_of, runs_of
from jobwarden.actions.restarting import restart_open, why_not_restarted
from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.model import Category
from jobwarden.diagnosis.outcomes import outcome_of
from jobwarden.diagnosis.pieces import SHORT
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.restarts import needs_cause, way_of
from jobwarden.rules.state import JobRules
from jobwarden.verdict.apply import write_draft
from jobwarden.verdict.dissecting import post_mortems, read_all, where_logs_are
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.holding import may_go_on, told_end
from jobwarden.verdict.log_files import logs_of
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds

log = logging.getLogger(__name__)

_ASK_S = 30.0


def restarting(rules: Sequence[Rule], state: JobRules) -> list[Rule]:
    """Give the rules that may start a job again."""
    able = [rule for rule in rules if rule.kind is Kind.RESTART]
    return [rule for rule in able if not state.of(rule.name).paused and state.of(rule.name).disabled is None]


def decided(rules: Sequence[Rule], state: JobRules, record: JobRecord) -> bool:
    """Whether each of them has said what it makes of the present run's end."""
    run = f"{run_of(record)} {runs_of(record)}"
    return all(state.of(rule.name).spent == run for rule in restarting(rules, state))


def hopeless(rules: Sequence[Rule], state: JobRules, ended: JobRecord) -> bool:
    """Whether no log and no diagnosis could make one of them start the job again.

    Args:
        rules: The job's.
        state: What is remembered of them.
        ended: The job as its run ended.
    """
    if not may_go_on(ended):
        return True
    able = restarting(rules, state)
    return not any(needs_cause(one.ways) or way_of(one.ways, ended, cause=None, matched=True) for one in able)


def wants_cause(rules: Sequence[Rule], state: JobRules, ended: JobRecord) -> bool:
    """Whether why it failed decides."""
    return may_go_on(ended) and any(needs_cause(one.ways) for one in restarting(rules, state))


async def cause_of(rounds: Rounds, ended: JobRecord) -> str | None:
    """Say by what category a run failed; None: not known yet, for somebody was not ready to answer."""
    try:
        target = await rounds.target(ended)
        told = (await post_mortems(rounds, target, [ended], timeout_s=_ASK_S)).get(ended.id)
        logs = await logs_of(rounds, ended)
        gathered = await read_all(rounds, where_logs_are(rounds, ended, logs, told), SHORT, timeout_s=_ASK_S)
    except JobwardenError as error:
        log.info("why %s %s failed is not known yet: %s", ended.type, ended.id, error)
        return None
    texts = tuple(one.log for one in gathered.logs)
    found = await to_thread.run_sync(diagnose, texts, outcome_of(ended, told))
    return None if told is None and found.category is Category.UNKNOWN else found.category.value


async def told_or_open(rounds: Rounds, session: Session, deeds: Deeds, record: JobRecord, lease: str | None) -> bool:
    """Tell the end of a run that nothing follows; answers False while a restart of it is under way.

    Raises:
        RegistryError: The session cannot be read or written.
    """
    return await rounds.sessions.call(session, partial(_told, deeds=deeds, uid=record.uid, lease=lease))


def _told(session: Session, *, deeds: Deeds, uid: str, lease: str | None) -> bool:
    with session.transaction(lease=lease, own=False) as transaction:
        record = transaction.jobs.get(uid)
        if record is None or record.held is None:
            return True
        if restart_open(session, deeds, uid=uid):
            return False
        why = why_not_restarted(session, uid=uid, run=record.held.run)
        write_draft(transaction, told_end(record, why), Causes())
    return True
