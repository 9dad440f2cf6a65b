"""Waits by ticket: the same wait as `waiting.wait`, looked at now and then by whatever process is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

import anyio
from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.tickets import Answer, Ticket, TicketError, Tickets
from jobwarden.service.views import StatusView
from jobwarden.service.waiting import Standing, Until, begin, is_met, look_again
from jobwarden_registry.errors import JobwardenError

Say = Callable[[StatusView | JobwardenError], str]
"""Writes down how a wait ended: with this view, or with an error that waiting longer would not mend."""

log = logging.getLogger(__name__)


class LongWaits:
    """The long waits of one process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tickets = Tickets(desk.world.places.state)
        self._looking: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def begin(
        self, caller: Caller, *, jobs: Sequence[str], until: Until, timeout_s: float
    ) -> Ticket | StatusView | None:
        """See `Service.begin_wait`."""
        begun = await begin(self._desk, caller, jobs=jobs, until=until)
        if isinstance(begun, StatusView):
            return begun
        ticket = Ticket(
            wish=begun,
            session_id=caller.session_id,
            detail=caller.detail,
            claimed=caller.claimed,
            borrowed=caller.borrower is not None,
            made_at=self._desk.world.clock(),
            timeout_s=timeout_s,
        )
        try:
            return await to_thread.run_sync(self._tickets.issue, ticket)
        except JobwardenError as error:  # a sandbox that lets us only read
            log.warning("a wait of session %s blocks: %s", caller.session_id, error)
            return None

    async def read(self, text: str) -> Ticket:
        """See `Service.wait_ticket`."""
        return await to_thread.run_sync(self._tickets.read, text, self._desk.world.clock())

    async def again(self, caller: Caller, ticket: Ticket, say: Say) -> Standing | Answer:
        """See `Service.wait_again`."""
        _check(caller, ticket)
        async with self._lock(ticket):
            answer = await to_thread.run_sync(self._tickets.answer, ticket)
            return answer or await self._look(caller, ticket, say)

    async def give_up(self, caller: Caller, ticket: Ticket) -> None:
        """See `Service.give_up_wait`."""
        _check(caller, ticket)
        async with self._lock(ticket):
            answer = Answer(how="given up", at=self._desk.world.clock())
            await to_thread.run_sync(self._tickets.keep, ticket, answer)

    async def _look(self, caller: Caller, ticket: Ticket, say: Say) -> Standing | Answer:
        now = self._desk.world.clock()
        waited_s = (now - ticket.made_at).total_seconds()
        try:
            standing = await look_again(self._desk, caller, ticket.wish, waited_s=waited_s, last=now >= ticket.ends_at)
        except JobwardenError as error:
            if error.retryable:
                raise
            answer = Answer(how="refused", text=say(error), at=now)
        else:
            if not standing.over:
                await to_thread.run_sync(self._tickets.asked, ticket, now)
                return standing
            answer = Answer(how="answered", text=say(standing.view), at=now)
        return await to_thread.run_sync(self._tickets.keep, ticket, answer)

    def _lock(self, ticket: Ticket) -> anyio.Lock:
        """Let one look at a time end a wait: what it told is told once."""
        return self._looking.setdefault(ticket.text, anyio.Lock())


async def will_tell(desk: Desk, caller: Caller) -> bool:
    """Whether a client that asks for a wait of this session is about to be given its end, and with it the news.

    Args:
        desk: Whose world.
        caller: The root session's agent, by the name of the client that was told last.
    """
    now = desk.world.clock()
    with suppress(JobwardenError):  # rather told by two than by none
        tickets = await to_thread.run_sync(Tickets(desk.world.places.state).asked_lately, caller.session_id, now)
        for ticket in tickets:
            if ticket.detail is None and not ticket.borrowed and await is_met(desk, caller, ticket.wish):
                return True
    return False


def _check(caller: Caller, ticket: Ticket) -> None:
    theirs = caller.session_id != ticket.session_id or (caller.claimed and not ticket.claimed)
    if theirs:
        raise TicketError("That wait is another session's.", hint="Call wait_for_change in this one.")
