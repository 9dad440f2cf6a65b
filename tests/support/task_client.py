"""A client that declares the tasks extension, on the SDK's own client: mcp 2.3.0 has the place for it, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, EmptyResult, Request, RequestParams, Result, TextContent

TASKS = "io.modelcontextprotocol/tasks"


class Handle(Result):
    """What a call answers that has become a task."""

    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str = ""
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class State(Result):
    """What `tasks/get` answers."""

    result_type: Literal["complete"]
    task_id: str
    status: str
    status_message: str = ""
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The completed call's text; an error's begins with `ERROR `."""
        assert self.result is not None, self.status
        result = CallToolResult.model_validate(self.result)
        (block,) = result.content
        assert isinstance(block, TextContent)
        return f"ERROR {block.text}" if result.is_error else block.text


class TaskParams(RequestParams):
    """Names a task."""

    task_id: str
    input_responses: dict[str, Any] | None = None


class TaskRequest(Request[TaskParams, str]):
    """`tasks/get`, `tasks/update` or `tasks/cancel`; over HTTP its header names the task."""

    name_param: ClassVar[str | None] = "taskId"


class KnowsTasks(ClientExtension):
    """Declares the extension; the handle is given to the test."""

    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=_unresolved)]


async def _unresolved(_handle: Handle, _context: ClaimContext) -> CallToolResult:
    raise NotImplementedError


async def call(client: Client, tool: str, **arguments: Any) -> Handle | str:
    """Call a tool; give the task that it became, or its text."""
    result = await client.session.call_tool(tool, arguments, allow_claimed=True)
    if isinstance(result, Handle):
        return result
    assert isinstance(result, CallToolResult)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return f"ERROR {block.text}" if result.is_error else block.text


async def begin(client: Client, **arguments: Any) -> Handle:
    """Call wait_for_change, which becomes a task."""
    handle = await call(client, "wait_for_change", **arguments)
    assert isinstance(handle, Handle), handle
    return handle


async def get(client: Client, task_id: str) -> State:
    """Ask how a task stands."""
    return await client.session.send_request(TaskRequest(method="tasks/get", params=TaskParams(task_id=task_id)), State)


async def cancel(client: Client, task_id: str, method: str = "tasks/cancel") -> None:
    """Give a task up."""
    request = TaskRequest(method=method, params=TaskParams(task_id=task_id, input_responses={}))
    await client.session.send_request(request, EmptyResult)
