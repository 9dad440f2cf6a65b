"""The rules that stand in job scripts, read once, when the jobs are registered."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import anyio

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.rules.syntax import read_script
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known
from jobwarden.service.ruling import add_rules
from jobwarden.sources.plugins import guarded
from jobwarden.sources.scripts import KeepsScripts
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_PATIENCE_S = 8.0
_READ_MOST = 10
"""So many scripts of one registration are read: each is a question to the scheduler."""


async def add_from_scripts(desk: Desk, session: Session, records: Sequence[JobRecord]) -> list[str]:
    """Add what the scripts of new jobs say is to be watched; answers what is to be said. Hinders no registration."""
    notes: list[str] = []
    for uid, script in (await _scripts(desk, records[:_READ_MOST])).items():
        record = next(one for one in records if one.uid == uid)
        written, wrong = read_script(script)
        notes += [f"In the script of {record.id} a rule cannot be read: {error}" for error in wrong]
        known = Known(record, session, live=True)
        names: list[str] = []
        for one in written:
            try:
                added = await add_rules(desk, known, [one], from_start=True, source=f" (script, {one.where})")
            except InvalidRuleError as error:
                notes.append(f"In the script of {record.id} a rule is not taken: {error}")
            else:
                names += [rule.name for rule in added]
        if names:
            notes.append(f"Rules in the script of {record.id}: {', '.join(names)}.")
    return notes


async def tell_later(desk: Desk, session: Session, notes: Sequence[str]) -> None:
    """Make news of what nobody sees in an answer."""

    def write(session: Session) -> None:
        with session.transaction(own=True) as transaction:
            for text in notes:
                transaction.note(text)

    if notes:
        await desk.world.sessions.call(session, write)


async def _scripts(desk: Desk, records: Sequence[JobRecord]) -> Mapping[str, str]:
    """Give the jobs' scripts by uid, as far as they can be had soon."""
    found: dict[str, str] = {}
    rounds = desk.world.rounds
    with anyio.move_on_after(_PATIENCE_S):
        for record in records:
            try:
                source = rounds.source(record)
                if not isinstance(source, KeepsScripts) or rounds.elsewhere(record.site):
                    continue
                with guarded(record.type):
                    async with rounds.host(await rounds.target(record)) as host:
                        found[record.uid] = await source.script(host, record.id)
            except JobwardenError as error:
                log.info("the script of %s %s cannot be read: %s", record.type, record.id, error)
                break  # a host that does not answer is not asked for the next one's
    return found
