"""One pass over all sessions, for cron: looks and judges as the watcher does, and does nothing else.

It gives way: to a watcher of this machine wholly, to one of another machine, or another pass, session by session (their
leases). Rules are not looked at: what a log says stays for the watcher to find, and no action is done.
"""

from __future__ import annotations

import logging
from functools import partial

import anyio
from anyio import to_thread

from jobwarden.delivery.news import is_news
from jobwarden.service.desk import Desk
from jobwarden.service.once_views import ChangeView, OnceView
from jobwarden.verdict.targets import Group
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.presence import is_running
from jobwarden.watcher.survey import Board, Surveyor
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

SEEN = "once.json"
"""What the latest pass has seen of others' leases: a watcher that a reboot has ended beats no more, and each pass alone
would see that for the first time."""


class Once:
    """Looks once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def look(self) -> OnceView:
        """Ask about every job once, keep what has changed, and say it. Starts no watcher, and waits for none.

        Raises:
            UnreadableError: The index cannot be read.
        """
        world = self._desk.world
        if is_running(world.places):
            return OnceView(watcher=True)
        leasing, seen = Leasing(world), world.places.runtime / SEEN
        await to_thread.run_sync(leasing.recall, seen)
        sessions = await world.sessions.known()
        before: dict[str, int] = {}
        for session in sessions:
            try:
                before[session.entry.session_id] = await self._desk.world.sessions.call(
                    session, lambda one: one.journal.last_seq()
                )
            except JobwardenError:  # the survey says it
                continue
        troubles: list[str] = []
        try:
            board = await Surveyor(world, leasing).survey()
            async with anyio.create_task_group() as tasks:
                for group in board.groups.values():
                    tasks.start_soon(self._check, group, board, troubles)
        finally:
            with anyio.CancelScope(shield=True):
                await leasing.release_all()
                await to_thread.run_sync(leasing.remember, seen)
        changes: list[ChangeView] = []
        for session in sessions:
            changes += await self._changes(session, before.get(session.entry.session_id))
        jobs = sum(len(group.records) for group in board.groups.values())
        troubles += await self._stale(sessions)
        return OnceView(jobs=jobs, passed_over=board.others, changes=tuple(changes), troubles=tuple(troubles))

    async def _check(self, group: Group, board: Board, troubles: list[str]) -> None:
        floor_s = self._desk.world.config.clocks.floor_s
        try:
            result = await self._desk.world.rounds.check(group, max_age_s=floor_s, leases=board.tokens)
        except Exception as error:  # one target's fault, whatever it is, stops no other
            log.exception("%s on %s", group.target.key.type, group.target.host)
            troubles.append(f"{group.target.key.type} on {group.target.host}: {type(error).__name__}: {error}")
            return
        troubles += [f"session {name}: {error}" for name, error in result.broken.items() if error.code != "lease.lost"]

    async def _changes(self, session: Session, after: int | None) -> list[ChangeView]:
        if after is None:
            return []
        try:
            events = await self._desk.world.sessions.call(session, partial(_after, seq=after))
        except JobwardenError:
            return []
        return [ChangeView(session=session.entry.session_id, event=event) for event in events if is_news(event)]

    async def _stale(self, sessions: list[Session]) -> list[str]:
        """Say which hosts gave no answer."""
        found: dict[str, None] = {}
        for session in sessions:
            try:
                records = await self._desk.world.sessions.call(session, Session.load)
            except JobwardenError as error:
                found[f"session {session.entry.session_id} cannot be read: {error}"] = None
                continue
            for record in records:
                if record.stale_because is not None and not self._desk.world.rounds.elsewhere(record.site):
                    found[f"{record.host} could not be asked: {record.stale_because}"] = None
        return list(found)


def _after(session: Session, *, seq: int) -> tuple[Event, ...]:
    return session.journal.read(seq)
