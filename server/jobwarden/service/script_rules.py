"""The rules that stand in job scripts, read once, when the jobs are registered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import anyio
from anyio import to_thread

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.rules.syntax import read_script
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.ruling import add_rules, limits_and_check
from jobwarden.sources.plugins import guarded
from jobwarden.sources.scripts import KeepsScripts
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_PATIENCE_S = 8.0
_READ_MOST = 10
"""So many scripts of one registration are read: each is a question to the scheduler."""
_NAMED_MOST = 20


async def add_from_scripts(desk: Desk, session: Session, records: Sequence[JobRecord]) -> list[str]:
    """Add what the scripts of new jobs say is to be watched; answers what is to be said. Hinders no registration."""
    scripts = await _scripts(desk, records)
    notes: list[str] = []
    for record in records:
        if script := scripts.get(record.uid):
            try:
                notes += await _added(desk, Known(record, session, live=True), script)
            except JobwardenError as error:
                notes.append(f"The rules in the script of {record.id} were not added: {error}")
    unread = [record.id for record in records if scripts.get(record.uid, "") is None]
    return [*notes, *([_not_read(unread)] if unread else [])]


async def tell_later(desk: Desk, session: Session, notes: Sequence[str]) -> None:
    """Make news of what nobody sees in an answer."""

    def write(session: Session) -> None:
        with session.transaction(own=True) as transaction:
            for text in notes:
                transaction.note(text)

    if notes:
        await desk.world.sessions.call(session, write)


async def _added(desk: Desk, known: Known, script: str) -> list[str]:
    """Add the rules of one script."""
    job = known.record.id
    limits, _ = await limits_and_check(desk, known.session)
    # One more than it may have: that one is refused, and the refusal is told.
    written, wrong = await to_thread.run_sync(partial(read_script, script, most_rules=limits.rules + 1))
    notes = [f"In the script of {job} a rule cannot be read: {error}" for error in wrong]
    names: list[str] = []
    for one in written:
        try:
            added = await add_rules(desk, known, [one], from_start=True, source=f" (script, {one.where})")
        except InvalidRuleError as error:
            notes.append(f"In the script of {job} a rule is not taken: {error}")
        else:
            names += [rule.name for rule in added]
    if names:
        notes.append(f"Rules in the script of {job}: {', '.join(names)}.")
    return notes


async def _scripts(desk: Desk, records: Sequence[JobRecord]) -> dict[str, str | None]:
    """Give the jobs' scripts by uid, None for those that could not be had soon; others have none."""
    found: dict[str, str | None] = {record.uid: None for record in records if _keeps_scripts(desk, record)}
    rounds = desk.world.rounds
    with anyio.move_on_after(_PATIENCE_S):
        here = [one for one in records if one.uid in found and not rounds.elsewhere(one.site)]
        for record in here[:_READ_MOST]:
            source = rounds.source(record)
            assert isinstance(source, KeepsScripts)  # `_keeps_scripts` looked
            try:
                with guarded(record.type):
                    async with rounds.host(await rounds.target(record)) as host:
                        found[record.uid] = await source.script(host, record.id)
            except JobwardenError as error:
                log.info("the script of %s %s cannot be read: %s", record.type, record.id, error)
                break  # a host that does not answer is not asked for the next one's
    return found


def _keeps_scripts(desk: Desk, record: JobRecord) -> bool:
    try:
        return isinstance(desk.world.rounds.source(record), KeepsScripts)
    except JobwardenError:  # it is told why elsewhere
        return False


def _not_read(jobs: Sequence[str]) -> str:
    more = f" and {len(jobs) - _NAMED_MOST} more" if len(jobs) > _NAMED_MOST else ""
    added = "`jobwarden rules add ID --file SCRIPT` adds them if there are any."
    return f"{', '.join(jobs[:_NAMED_MOST])}{more}: #WATCHER rules of the script were not read; {added}"
