"""Rules of planned jobs, as a suspension and a resume change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobwarden.rules.building import read_rule
from jobwarden.rules.model import Kind
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import Change, Tell, change_rules, load_rules
from jobwarden.service.desk import Desk
from jobwarden.service.expecting import read_expectation
from jobwarden.service.readying import read_readiness
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

_TRIES = 5
_RESUMED = "resumed with other monitoring"


@dataclass(frozen=True, slots=True)
class Override:
    """What is said of jobs instead of what their plan says; None: that stays.

    Attributes:
        rules: Texts as a record keeps them.
        expect: As they are written.
        ready: Likewise; empty: nothing.
    """

    rules: tuple[str, ...] | None = None
    expect: tuple[str, ...] | None = None
    ready: str | None = None


async def going_rules(desk: Desk, session: Session, records: Sequence[JobRecord]) -> dict[str, tuple[str, ...]]:
    """Give by record the rules of these jobs that are not paused."""

    def work(session: Session) -> dict[str, tuple[str, ...]]:
        known = load_rules(session)
        uids = {one.uid for one in records}
        found: dict[str, tuple[str, ...]] = {}
        for record in (one for one in session.load() if one.uid in uids):
            state = known.get(record.uid, JobRules())
            names = [read_rule(text).name for text in record.rules]
            found[record.uid] = tuple(name for name in names if not state.of(name).paused)
        return {uid: names for uid, names in found.items() if names}

    return await desk.world.sessions.call(session, work)


async def pause_rules(desk: Desk, session: Session, going: Mapping[str, tuple[str, ...]]) -> None:
    """Pause these rules."""
    for uid, names in going.items():
        await desk.world.sessions.call(session, lambda session: _pause(session, uid, names, paused=True))  # noqa: B023 -- awaited here


async def unpause_rules(desk: Desk, session: Session, paused: Mapping[str, tuple[str, ...]]) -> None:
    """Let these rules go on."""
    for uid, names in paused.items():
        await desk.world.sessions.call(session, lambda session: _pause(session, uid, names, paused=False))  # noqa: B023 -- awaited here


def _pause(session: Session, uid: str, names: Sequence[str], *, paused: bool) -> None:
    for _ in range(_TRIES):
        record = next((one for one in session.load() if one.uid == uid), None)
        if record is None:
            return
        state = load_rules(session).get(uid, JobRules())
        has = [read_rule(text).name for text in record.rules]
        concerned = [name for name in has if name in names and state.of(name).paused is not paused]
        if not concerned:
            return
        after = state
        for name in concerned:
            after = after.with_rule(name, after.of(name).model_copy(update={"paused": paused}))
        word = "paused" if paused else "go on"
        tell = Tell(EventKind.ACTION, f"rules {', '.join(concerned)}: {word} with the plan")
        if change_rules(session, Change(record, state.version, after, [tell]), own=True):
            return


async def override(desk: Desk, session: Session, record: JobRecord, said: Override) -> bool:
    """Change what is looked for about a living job; answers whether anything changed."""

    def work(session: Session) -> bool:
        for _ in range(_TRIES):
            now = next((one for one in session.load() if one.uid == record.uid), None)
            if now is None:
                return False
            after = _laid_over(now, said)
            if after == now:
                return False
            state = load_rules(session).get(now.uid, JobRules())
            # What was written before is not read again for other rules: they look from now on.
            fresh = state.model_copy(update={"rules": {}, "seen_seq": session.journal.last_seq()})
            kept = state if after.rules == now.rules else fresh
            tell = Tell(EventKind.ACTION, _RESUMED)

            def edit(transaction: Transaction, after: JobRecord = after) -> None:
                if after.uid in transaction.jobs:
                    transaction.change(after.uid, after, EventKind.UPDATED, text=_RESUMED)

            if change_rules(session, Change(now, state.version, kept, [tell]), own=True, edit=edit):
                return True
        return False

    return await desk.world.sessions.call(session, work)


def _laid_over(record: JobRecord, said: Override) -> JobRecord:
    changed: dict[str, object] = {}
    if said.rules is not None:
        changed["rules"] = said.rules
        changed["restarts"] = any(read_rule(one).kind is Kind.RESTART for one in said.rules)
    if said.expect is not None:
        changed["expect"] = tuple(read_expectation(text) for text in said.expect)
    if said.ready is not None:
        changed["ready"] = read_readiness(said.ready) if said.ready else None
    return record.changed(**changed)
