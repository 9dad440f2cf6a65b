"""What the conformance suite makes tasks of: a book in memory behind the product's own messages and methods.

The product's tasks are waits for jobs and ask for nothing, so the scenarios about input stay on the list of failures.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver import Context, require_client_extension
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)

from jobwarden.mcp_server.app import JobwardenServer
from jobwarden.mcp_server.edge import Request
from jobwarden.mcp_server.tasks import TASKS, Status, Task, TaskBook, TasksExtension

Ctx = Context[Any, Any]


def add_tasks(server: JobwardenServer) -> None:
    """Add the tools, and put the book in front of the product's own."""
    for tool in (
        greet,
        slow_compute,
        failing_job,
        protocol_error_job,
        confirm_delete,
        multi_input,
        test_tool_with_task,
    ):
        server.add_tool(tool, structured_output=False)
    (extension,) = server._extensions  # pyright: ignore[reportPrivateUsage] -- extensions are fixed once it is built
    ours = cast("TasksExtension", extension)
    ours._book = Book(ours._book)  # pyright: ignore[reportPrivateUsage] -- likewise


def greet(name: str) -> str:
    """Never a task."""
    return f"Hello, {name}!"


def slow_compute(seconds: float, label: str = "") -> str:
    """Take so long, as a task."""
    return f"{label}: computed for {seconds} s"


def failing_job(ctx: Ctx) -> str:
    """Be a task or nothing."""
    require_client_extension(ctx.request_context, TASKS)
    return ""


def protocol_error_job() -> str:
    """Fail below the tool."""
    return ""


def confirm_delete(filename: str) -> str:
    """Answer at once: a task of the product's asks for nothing."""
    return f"{filename} stays"


def multi_input() -> str:
    """Answer at once, likewise."""
    return "nothing was asked"


def test_tool_with_task(ctx: Ctx) -> str | InputRequiredResult:
    """Ask for a name first, then be a task."""
    answer = (ctx.input_responses or {}).get("user_name")
    if isinstance(answer, ElicitResult) and answer.content:
        return f"Hello, {answer.content.get('name') or next(iter(answer.content.values()))}!"
    wanted = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    question = ElicitRequestFormParams(message="What is your name?", requested_schema=wanted)
    return InputRequiredResult(input_requests={"user_name": ElicitRequest(params=question)})


@dataclass
class Book:
    """See `TaskBook`; its tasks end by the clock."""

    products: TaskBook
    tasks: dict[str, tuple[Task, datetime]] = field(default_factory=dict[str, tuple[Task, datetime]])
    """Each as it ends, and when."""

    async def call(self, request: Request, params: CallToolRequestParams, call_next: CallNext) -> Task | HandlerResult:
        """See `TaskBook.call`."""
        arguments = params.arguments or {}
        if params.name == "slow_compute":
            seconds = float(arguments.get("seconds", 0))
            return self._made(seconds, _told(slow_compute(seconds, str(arguments.get("label", "")))))
        if params.name == "failing_job":
            return self._made(1.0, _told("the job failed", error=True))
        if params.name == "protocol_error_job":
            return self._made(0.5, {"error": {"code": INTERNAL_ERROR, "message": "broken"}}, failed=True)
        result = await self.products.call(request, params, call_next)
        if params.name == "test_tool_with_task" and isinstance(result, CallToolResult):
            return self._made(0.5, {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)})
        return result

    async def get(self, request: Request, task_id: str) -> Task:
        """See `TaskBook.get`."""
        if task_id not in self.tasks:
            return await self.products.get(request, task_id)
        end, at = self.tasks[task_id]
        return end if datetime.now(UTC) >= at else replace(end, status="working", more={})

    async def cancel(self, request: Request, task_id: str) -> None:
        """See `TaskBook.cancel`."""
        if task_id not in self.tasks:
            await self.products.cancel(request, task_id)
        elif (await self.get(request, task_id)).status == "working":
            end = replace(self.tasks[task_id][0], status="cancelled", more={})
            self.tasks[task_id] = (end, end.made_at)

    def _made(self, seconds: float, more: dict[str, Any], *, failed: bool = False) -> Task:
        now = datetime.now(UTC)
        status: Status = "failed" if failed else "completed"
        end = Task(secrets.token_hex(16), status, "computing", now, now, 600, 0.2, more)
        self.tasks[end.task_id] = (end, now + timedelta(seconds=seconds))
        return replace(end, status="working", more={})


def _told(text: str, *, error: bool = False) -> dict[str, Any]:
    result = CallToolResult(content=[TextContent(text=text)], is_error=error)
    return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
