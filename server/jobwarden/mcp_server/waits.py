"""wait_for_change as a task: a ticket at once, and what the tool would have answered when it is over.

A thin adapter over the same wait. Where no ticket can be had the call blocks, as for a client without tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, TextContent

from jobwarden.identity import Caller
from jobwarden.mcp_server.cells import cell
from jobwarden.mcp_server.edge import Callers, Request, protocol_errors
from jobwarden.mcp_server.rows import summary
from jobwarden.mcp_server.tasks import Status, Task
from jobwarden.mcp_server.text import error_text, wait_text
from jobwarden.service.tickets import KEPT_S, Answer, Ticket, TicketError
from jobwarden.service.views import StatusView
from jobwarden.service.waiting import Standing, Until
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from jobwarden.service.service import Service

TOOL = "wait_for_change"
UNASKED_S = 86_400.0
"""How long a task waits where the call says nothing: it holds up nobody, and the model is woken by news alone."""
SHORTEST_S = 10.0
"""A shorter wait is over before a client would ask again, and blocks."""
_SOON_S, _POLL_S, _LATER_S = 60.0, 5.0, 15.0
"""A young task is asked for every `_POLL_S`, an older one every `_LATER_S`."""
_MESSAGE_CHARS = 300


@dataclass(slots=True)
class Desired:
    """What the tool is told about its call, and what it made of it.

    Attributes:
        timeout_s: How long the task is to wait; None: as the call says.
        ticket: The wait that it began.
    """

    timeout_s: float | None
    ticket: Ticket | None = None


as_task: ContextVar[Desired | None] = ContextVar("as_task", default=None)
"""Set while a call is served that may become a task."""

TASK_BEGUN = ""
"""What the tool gives back where its call has become a task; no client sees it."""


async def begun_as_task(
    service: Service, caller: Caller, jobs: Sequence[str], until: Until, timeout_s: float
) -> Ticket | StatusView | None:
    """Begin a wait as a task where the call may become one; see `Service.begin_wait`. None: it must block."""
    desired = as_task.get()
    if desired is None:
        return None
    timeout_s = timeout_s if desired.timeout_s is None else desired.timeout_s
    if timeout_s < SHORTEST_S:
        return None
    begun = await service.begin_wait(caller, jobs=jobs, until=until, timeout_s=timeout_s)
    desired.ticket = begun if isinstance(begun, Ticket) else None
    return begun


class Waits:
    """The tasks of one server; see `TaskBook`."""

    def __init__(self, service: Service, callers: Callers, clock: Clock, most: int) -> None:
        self._service = service
        self._callers = callers
        self._clock = clock
        self._most = most

    async def call(self, request: Request, params: CallToolRequestParams, call_next: CallNext) -> Task | HandlerResult:
        """See `TaskBook.call`."""
        if params.name != TOOL:
            return await call_next(request)
        desired = Desired(None if "timeout_s" in (params.arguments or {}) else UNASKED_S)
        token = as_task.set(desired)
        try:
            result = await call_next(request)
        finally:
            as_task.reset(token)
        if desired.ticket is None:
            return result
        return self._task(desired.ticket, "working", "waiting in the background", self._clock())

    async def get(self, request: Request, task_id: str) -> Task:
        """See `TaskBook.get`."""
        ticket, caller = await self._known(request, task_id)
        now = self._clock()
        try:
            found = await self._service.wait_again(caller, ticket, self._say)
        except TicketError as error:
            raise _unknown(error) from error
        except JobwardenError as error:  # it may come right
            return self._task(ticket, "working", error_text(error), now)
        if isinstance(found, Answer):
            return self._ended(ticket, found)
        return self._task(ticket, "working", _where(found), now)

    async def cancel(self, request: Request, task_id: str) -> None:
        """See `TaskBook.cancel`."""
        ticket, caller = await self._known(request, task_id)
        with protocol_errors():
            await self._service.give_up_wait(caller, ticket)

    async def _known(self, request: Request, task_id: str) -> tuple[Ticket, Caller]:
        with protocol_errors():
            ticket = await self._service.wait_ticket(task_id)
            caller = await self._callers.holder(request, ticket.session_id)
        return ticket, replace(caller, detail=ticket.detail)

    def _say(self, end: StatusView | JobwardenError) -> str:
        if isinstance(end, JobwardenError):
            return error_text(end)
        return wait_text(end, self._clock(), self._most)

    def _ended(self, ticket: Ticket, answer: Answer) -> Task:
        if answer.how == "given up":
            return self._task(ticket, "cancelled", "given up", answer.at)
        result = CallToolResult(content=[TextContent(text=answer.text)], is_error=answer.how == "refused")
        more = {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
        line = answer.text.strip().partition("\n")[0]
        return self._task(ticket, "completed", line, answer.at, more)

    def _task(
        self, ticket: Ticket, status: Status, message: str, changed_at: datetime, more: Mapping[str, Any] | None = None
    ) -> Task:
        age_s = (self._clock() - ticket.made_at).total_seconds()
        return Task(
            task_id=ticket.text,
            status=status,
            message=cell(message, _MESSAGE_CHARS),
            made_at=ticket.made_at,
            changed_at=changed_at,
            kept_s=ticket.timeout_s + KEPT_S,
            poll_s=_POLL_S if age_s < _SOON_S else _LATER_S,
            more=more or {},
        )


def _where(standing: Standing) -> str:
    """Say where the jobs stand, and which hosts do not answer."""
    view = standing.view
    return ". ".join([summary(view.counts, view.jobs), *view.troubles])


def _unknown(error: TicketError) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=error_text(error))
