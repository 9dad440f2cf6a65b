"""Taking over what a session watches in which no client is any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import cast

from jobwarden.actions.deeds import Deed, Deeds
from jobwarden.actions.halting import halt, halt_of
from jobwarden.actions.lineage import runs_of
from jobwarden.actions.planning import RESTART
from jobwarden.identity import Caller
from jobwarden.rules.building import read_rule
from jobwarden.rules.model import Kind
from jobwarden.rules.state import JobRules
from jobwarden.rules.store import load_rules
from jobwarden.rules.writing import write_rule
from jobwarden.service.desk import Desk
from jobwarden.service.ruling import move_rules
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord, Owner
from jobwarden_registry.session import Session


async def orphans(desk: Desk, caller: Caller, wanted: Collection[tuple[str, str, str]]) -> list[tuple[Session, str]]:
    """Find these jobs (by `JobRecord.key`) in sessions that are gone: each session with the job's `uid` there."""
    found: list[tuple[Session, str]] = []
    others = [one for one in await desk.world.sessions.known() if one.entry.session_id != caller.session_id]
    for session in await desk.gone(others):
        with suppress(JobwardenError):  # what cannot be read now stays where it is
            records = await desk.world.sessions.call(session, Session.load)
            found += [(session, one.uid) for one in records if one.key in wanted]
    return found


async def take_over(desk: Desk, caller: Caller, source: Session, uids: Collection[str]) -> list[JobRecord]:
    """Move jobs with all that is known of them into the caller's session; answers them as they are there.

    A crash in between leaves a job in both, and none in neither.

    Raises:
        UntrustedError, UnwritableError, LockTimeoutError: A session cannot be written; nothing is lost.
    """
    target = await desk.session(caller, create=True)
    assert target is not None  # create=True
    theirs = [one for one in await desk.world.sessions.call(source, Session.load) if one.uid in uids]
    if not theirs:
        return []
    owner = Owner(agent=caller.agent, session_id=caller.session_id, detail=caller.detail)
    where = source.entry.session_id

    def take(session: Session) -> list[JobRecord]:
        with session.transaction(own=True) as transaction:
            text = f"taken over from session {where}"
            # Two sessions that watch one job for a moment must not both do what its rules say.
            return [transaction.register(one.changed(owner=owner, rules=()), text=text)[0] for one in theirs]

    def leave(session: Session) -> None:
        with session.transaction(own=False) as transaction:
            for uid in [uid for uid in uids if uid in transaction.jobs]:
                transaction.remove(uid, text=f"taken over by session {caller.session_id}")

    kept = await desk.world.sessions.call(source, load_rules)
    done = await desk.world.sessions.call(source, _restarts)
    held = await desk.world.sessions.call(source, halt_of)
    if held is not None:  # what was stopped there does not come back here
        reason = f"{held.reason or 'halted'} (with the jobs of session {where})"
        await desk.world.sessions.call(target, partial(halt, at=desk.world.clock(), by=held.by, reason=reason))
    taken = await desk.world.sessions.call(target, take)
    await desk.world.sessions.call(source, leave)
    for before, after in zip(theirs, taken, strict=True):
        if before.rules and not after.rules:
            moved, state = _left_to_do(before, kept.get(before.uid) or JobRules(), done)
            await move_rules(desk, target, moved, after, state)
    return taken


def _left_to_do(record: JobRecord, state: JobRules, done: Sequence[Deed]) -> tuple[JobRecord, JobRules]:
    """Give a job whose rules start it again only as often as is left of their `times`: each journal counts its own."""
    texts: list[str] = []
    for text in record.rules:
        rule = read_rule(text)
        mine = [one for one in done if one.rule == rule.name and one.run in runs_of(record)]
        if rule.kind is not Kind.RESTART or not mine:
            texts.append(text)
            continue
        (call,) = (one for one in rule.actions if one.name == RESTART)
        left = cast("int", call.arguments["times"]) - len(mine)
        fewer = replace(call, arguments={**call.arguments, "times": max(1, left)})
        actions = tuple(fewer if one is call else one for one in rule.actions)
        texts.append(write_rule(replace(rule, actions=actions)))
        if left < 1:
            state = state.with_rule(rule.name, state.of(rule.name).model_copy(update={"paused": True}))
    return record.changed(rules=tuple(texts)), state


def _restarts(session: Session) -> list[Deed]:
    return [one for one, _ in Deeds().of(session).submissions() if one.action == RESTART]


async def orphans_note(desk: Desk, caller: Caller, sessions: Sequence[Session]) -> list[str]:
    """Say how many jobs of these sessions are nobody's any more, and what to do."""
    left = await _left(desk, caller, sessions)
    if not left:
        return []
    return [f"{left} of these belong to sessions that no client is in any more; registering one takes it over."]


async def orphans_of_project(desk: Desk, caller: Caller) -> int:
    """Count the jobs of the caller's project that sessions watch which are gone."""
    sessions = await desk.world.sessions.known()
    return await _left(desk, caller, [one for one in sessions if one.entry.project == caller.project])


async def _left(desk: Desk, caller: Caller, sessions: Sequence[Session]) -> int:
    left = 0
    for session in await desk.gone([one for one in sessions if one.entry.session_id != caller.session_id]):
        with suppress(JobwardenError):
            left += len(await desk.world.sessions.call(session, Session.load))
    return left
