"""The tasks extension (SEP-2663, `io.modelcontextprotocol/tasks`): its messages, and nothing of what a task does.

A server decides by itself which calls of a client that declares the extension become tasks. mcp 2.3.0 has the place
for extensions and not this one. There is no input for tasks and there are no status notifications here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, cast

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp_types import HEADER_MISMATCH, CallToolRequestParams, EmptyResult, RequestParams

from jobwarden.mcp_server.edge import Request

TASKS = "io.modelcontextprotocol/tasks"
_VERSIONS = frozenset({"2026-07-28"})
_NAME_HEADER = "mcp-name"

Status = Literal["working", "completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Task:
    """One task as it stands.

    Attributes:
        task_id: Names it.
        status: `failed` is for JSON-RPC errors alone; a tool's error completes it.
        message: One line for the person or the model.
        made_at: When it was made.
        changed_at: When it last changed.
        kept_s: How long after it was made it can be asked for.
        poll_s: How long to wait before asking again.
        more: What belongs to its status alone: `result` or `error`.
    """

    task_id: str
    status: Status
    message: str
    made_at: datetime
    changed_at: datetime
    kept_s: float
    poll_s: float
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])


class TaskBook(Protocol):
    """What the tasks are."""

    async def call(self, request: Request, params: CallToolRequestParams, call_next: CallNext) -> Task | HandlerResult:
        """Serve a `tools/call` of a client that knows tasks: as a task, or by `call_next`."""
        ...

    async def get(self, request: Request, task_id: str) -> Task:
        """Give a task.

        Raises:
            MCPError: There is none of that name for this caller.
        """
        ...

    async def cancel(self, request: Request, task_id: str) -> None:
        """End a task; one that has ended stays as it is.

        Raises:
            MCPError: There is none of that name for this caller.
        """
        ...


class TaskParams(RequestParams):
    """What `tasks/get`, `tasks/cancel` and `tasks/update` name; no task here waits for what an update brings."""

    task_id: str


class TasksExtension(Extension):
    """Serves the tasks of a book to the clients that declare the extension, call by call."""

    identifier = TASKS

    def __init__(self, book: TaskBook) -> None:
        self._book = book

    def methods(self) -> Sequence[MethodBinding]:
        """See `Extension.methods`."""
        handlers = {"tasks/get": self._get, "tasks/update": self._update, "tasks/cancel": self._cancel}
        return [
            MethodBinding(name, TaskParams, handler, protocol_versions=_VERSIONS) for name, handler in handlers.items()
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Request, call_next: CallNext
    ) -> HandlerResult:
        """See `Extension.intercept_tool_call`."""
        if ctx.protocol_version not in _VERSIONS or not _declares(ctx):
            return await call_next(ctx)
        made = await self._book.call(ctx, params, call_next)
        return _message(made, "task") if isinstance(made, Task) else made

    async def _get(self, request: Request, params: TaskParams) -> HandlerResult:
        _admit(request, params)
        return _message(await self._book.get(request, params.task_id), "complete")

    async def _update(self, request: Request, params: TaskParams) -> HandlerResult:
        _admit(request, params)
        await self._book.get(request, params.task_id)
        return EmptyResult()

    async def _cancel(self, request: Request, params: TaskParams) -> HandlerResult:
        _admit(request, params)
        await self._book.cancel(request, params.task_id)
        return EmptyResult()


def _declares(request: Request) -> bool:
    capabilities = request.session.client_capabilities
    return TASKS in (capabilities.extensions or {} if capabilities is not None else {})


def _admit(request: Request, params: TaskParams) -> None:
    """Let a request through whose client knows tasks and whose routing header names the task that it means."""
    require_client_extension(request, TASKS)
    headers = cast("Mapping[str, str]", getattr(request.request, "headers", None) or {})
    if headers.get(_NAME_HEADER, params.task_id) != params.task_id:
        raise MCPError(code=HEADER_MISMATCH, message="The header Mcp-Name does not name the task in params.taskId.")


def _message(task: Task, result_type: Literal["task", "complete"]) -> dict[str, Any]:
    return {
        "resultType": result_type,
        "taskId": task.task_id,
        "status": task.status,
        "statusMessage": task.message,
        "createdAt": _time(task.made_at),
        "lastUpdatedAt": _time(task.changed_at),
        "ttlMs": round(task.kept_s * 1000),
        "pollIntervalMs": round(task.poll_s * 1000),
        **task.more,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
