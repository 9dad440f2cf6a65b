"""Telling clients which resources changed, in both protocol eras.

Up to 2025-11-25 a client subscribes with `resources/subscribe` and is told on its connection; from 2026-07-28 on it
opens a `subscriptions/listen` stream. Either way the journal is followed only while somebody has asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourceUpdated,
    ServerEvent,
    SubscriptionBus,
)
from mcp_types import (
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from jobwarden.identity import Caller
from jobwarden.mcp_server.edge import Callers, Request, protocol_errors
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import Event, EventKind

if TYPE_CHECKING:
    from jobwarden.mcp_server.consent import Consents
    from jobwarden.service.service import Service

ACTIVE = "jobs://active"
RECENT = "events://recent"
_STATE = "jobwarden.subscriptions"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """What lives as long as the server.

    Attributes:
        group: The tasks that tell legacy connections.
        consents: Who asks the person.
    """

    group: TaskGroup
    consents: Consents


@dataclass(slots=True)
class _Subscribed:
    """One legacy connection's subscriptions."""

    uris: set[str] = field(default_factory=set[str])
    following: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class _Fork:
    """A bus of one stream's own that also hears what all streams hear."""

    def __init__(self, shared: SubscriptionBus) -> None:
        self._shared = shared
        self._own = InMemorySubscriptionBus()

    async def publish(self, event: ServerEvent) -> None:
        await self._own.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        ends = (self._own.subscribe(listener), self._shared.subscribe(listener))

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe


class Updates:
    """Follows the journal for whoever subscribed."""

    def __init__(self, service: Service, callers: Callers, shared: SubscriptionBus) -> None:
        self._service = service
        self._callers = callers
        self._shared = shared

    async def listen(self, request: Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve one `subscriptions/listen` stream; it follows nothing when it names no resource."""
        handler_bus = _Fork(self._shared)
        handler = ListenHandler(handler_bus)
        if not params.notifications.resource_subscriptions:
            return await handler(request, params)
        caller, after = await self._here(request)
        results: list[SubscriptionsListenResult] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._publish, caller, after, handler_bus)
            results.append(await handler(request, params))
            group.cancel_scope.cancel()
        return results[0]

    async def subscribe(self, request: Request, params: SubscribeRequestParams) -> EmptyResult:
        """Serve `resources/subscribe`: the connection's first one starts its following."""
        connection = _connection(request.session)
        subscribed = cast("_Subscribed | None", connection.state.get(_STATE))
        if subscribed is None:
            caller, after = await self._here(request)
            subscribed = connection.state.setdefault(_STATE, _Subscribed())
            live = cast("Live", request.lifespan_context)
            live.group.start_soon(self._tell, caller, after, request.session, subscribed)
            connection.exit_stack.callback(subscribed.following.cancel)
        subscribed.uris.add(params.uri)
        return EmptyResult()

    async def unsubscribe(self, request: Request, params: UnsubscribeRequestParams) -> EmptyResult:
        """Serve `resources/unsubscribe`; the last one ends the following."""
        state = _connection(request.session).state
        subscribed = cast("_Subscribed | None", state.get(_STATE))
        if subscribed is not None:
            subscribed.uris.discard(params.uri)
            if not subscribed.uris:
                subscribed.following.cancel()
                del state[_STATE]
        return EmptyResult()

    async def _here(self, request: Request) -> tuple[Caller, int]:
        """Give the caller, and the latest event already written: what comes after it is news to a subscriber."""
        with protocol_errors():
            caller = await self._callers.reader(request)
            latest = await self._service.recent(caller, limit=1)
        return caller, latest[-1].seq if latest else 0

    async def _publish(self, caller: Caller, after: int, bus: _Fork) -> None:
        try:
            async for event in self._service.follow(caller, after_seq=after):
                for uri in changed_uris(event):
                    await bus.publish(ResourceUpdated(uri=uri))
        except JobwardenError as error:
            _log.warning("no more updates for session %s: %s", caller.session_id, error)

    async def _tell(self, caller: Caller, after: int, session: ServerSession, subscribed: _Subscribed) -> None:
        with subscribed.following:
            try:
                async for event in self._service.follow(caller, after_seq=after):
                    for uri in subscribed.uris.intersection(changed_uris(event)):
                        await session.send_resource_updated(uri)
            except JobwardenError as error:
                _log.warning("no more updates for session %s: %s", caller.session_id, error)


def changed_uris(event: Event) -> Sequence[str]:
    """Name the resources that read differently after an event, under every name that a job has."""
    if event.event == EventKind.UPDATED:
        return ()
    return (ACTIVE, RECENT, *(f"{scheme}://{name}" for scheme in ("jobs", "log") for name in _names(event)))


def _names(event: Event) -> Iterator[str]:
    if not event.job_id:
        return
    plain = (event.job_id, f"{event.type}:{event.job_id}", f"{event.host}:{event.job_id}", event.name or "")
    yield from dict.fromkeys(form for name in plain if name for form in (name, quote(name, safe="")))


def _connection(session: ServerSession) -> Connection:
    """Give what outlives one request of a legacy client: mcp 2.3.0 has no public way to it."""
    return cast("Connection", cast("Any", session)._connection)  # noqa: SLF001 -- as the docstring says
