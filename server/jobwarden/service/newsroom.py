"""What each agent is told in its answers, and what was told it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from jobwarden.delivery import news
from jobwarden.identity import Caller
from jobwarden.verdict.sessions import Sessions
from jobwarden_registry.errors import UnwritableError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)


class Newsroom:
    """The news of all sessions, for the use cases of one process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._telling: dict[tuple[str, str], anyio.Lock] = {}
        self._only_read: set[str] = set()

    def only_reads(self, session: Session, error: UnwritableError) -> None:
        """Say once that a session cannot be written from here: every look meets it again."""
        if session.entry.session_id not in self._only_read:
            self._only_read.add(session.entry.session_id)
            log.warning("session %s: %s", session.entry.session_id, error)

    @asynccontextmanager
    async def telling(self, session: Session | None, caller: Caller) -> AsyncGenerator[tuple[Event, ...]]:
        """Give what this caller has not been told, and note it as shown when the answer has come about.

        Whatever takes long is done before: only one answer at a time is put together for one agent, so that two calls
        at once do not both tell the same.
        """
        if session is None:
            yield ()
            return
        consumer, client = _consumer(caller), caller.client
        async with self._telling.setdefault((session.entry.session_id, consumer), anyio.Lock()):
            told = await self.unseen(session, caller)
            yield told.events
            try:
                await self._sessions.call(
                    session, lambda session: news.shown(session, told, consumer=consumer, client=client)
                )
            except UnwritableError as error:  # a sandbox that lets us only read: it will be told again
                self.only_reads(session, error)

    async def take(self, session: Session, caller: Caller) -> tuple[Event, ...]:
        """Give what this caller has not been told, and note it as shown: of several processes one gets it."""
        consumer, client = _consumer(caller), caller.client
        try:
            return await self._sessions.call(
                session, lambda session: news.take(session, consumer=consumer, client=client)
            )
        except UnwritableError as error:
            self.only_reads(session, error)
            return (await self.unseen(session, caller)).events

    async def unseen(self, session: Session, caller: Caller) -> news.Told:
        """Give what this caller has not been told; moves nothing."""
        consumer, client = _consumer(caller), caller.client
        return await self._sessions.call(
            session, lambda session: news.unseen(session, consumer=consumer, client=client)
        )

    async def acknowledge(self, session: Session, caller: Caller) -> None:
        """Note that this caller has seen what it was shown; what it was not shown stays news."""
        told = await self.unseen(session, caller)
        seen = news.Told(begin=told.begin, latest=told.begin)
        consumer, client = _consumer(caller), caller.client
        try:
            await self._sessions.call(
                session, lambda session: news.shown(session, seen, consumer=consumer, client=client)
            )
        except UnwritableError as error:
            self.only_reads(session, error)

    async def greet(self, session: Session, caller: Caller) -> None:
        """Let the news of a sub-agent that has not been here before begin now."""
        consumer, client = _consumer(caller), caller.client
        if consumer == news.ROOT:
            return
        await self._sessions.call(session, lambda session: news.greet(session, consumer=consumer, client=client))

    async def recent(self, session: Session, *, limit: int) -> tuple[Event, ...]:
        """Give the session's latest events that are worth showing, oldest first; moves no cursor."""
        return await self._sessions.call(session, lambda session: _latest_events(session, limit))


def _consumer(caller: Caller) -> str:
    """Name who is told: what somebody reads who only named the session, its own agent has not been told."""
    if caller.borrower is not None:
        return f"borrowed by {caller.borrower}"
    return caller.detail or news.ROOT


def _latest_events(session: Session, limit: int) -> tuple[Event, ...]:
    reach = 2 * limit
    while True:
        events = session.journal.tail(reach)
        kept = [event for event in events if event.event != EventKind.UPDATED]
        if len(kept) >= limit or len(events) < reach:
            return tuple(kept[-limit:]) if limit > 0 else ()
        reach *= 4
