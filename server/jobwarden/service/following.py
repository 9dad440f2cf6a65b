"""Events as they come: `jobwarden watch`, and the resource updates of the MCP server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial

import anyio

from jobwarden.delivery.news import is_news
from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

_WATCHER_CHECK_S = 10.0
_NO_SESSION_S = 1.0
_SHOWN_TOO = frozenset({EventKind.REGISTERED, EventKind.CANCEL_REQUESTED})

log = logging.getLogger(__name__)


async def follow(desk: Desk, caller: Caller, *, after_seq: int | None) -> AsyncIterator[Event]:
    """See `Service.follow`."""
    session = await desk.session(caller)
    while session is None:
        await anyio.sleep(_NO_SESSION_S)
        session = await desk.session(caller)
        after_seq = after_seq or 0
    call = desk.world.sessions.call
    seq = await call(session, lambda session: session.journal.last_seq()) if after_seq is None else after_seq
    checked = float("-inf")
    stamp: tuple[int, ...] = ()
    while True:
        try:
            if anyio.current_time() - checked > _WATCHER_CHECK_S:
                checked = anyio.current_time()
                await _tend(desk, session)
            fresh: tuple[Event, ...] = ()
            if (now := await call(session, Session.stamp)) != stamp:
                fresh = await call(session, partial(_after, seq=seq))
                stamp = now
        except JobwardenError as error:
            if not error.retryable:
                raise
            log.warning("session %s: %s", session.entry.session_id, error)
            await anyio.sleep(_WATCHER_CHECK_S)
            continue
        for event in fresh:
            seq = max(seq, event.seq)
            if is_news(event) or event.event in _SHOWN_TOO:
                yield event
        await anyio.sleep(desk.world.config.clocks.wait_step_s)


async def _tend(desk: Desk, session: Session) -> None:
    """See to it that somebody asks while there is something to ask about."""
    if await desk.world.sessions.call(session, Session.load) and await desk.ensure_watcher() is not None:
        await desk.refresh([session])


def _after(session: Session, *, seq: int) -> tuple[Event, ...]:
    return session.journal.read(seq)
