"""The one place where a request becomes a caller, and where our errors become the protocol's."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

import anyio.to_thread
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from jobwarden.identity import HTTP_PROJECT, Caller
from jobwarden.mcp_server.text import error_text
from jobwarden_registry.errors import InvalidIdError, JobNotFoundError, JobwardenError

SESSION_HEADER = "x-jobwarden-session"
PROJECT_HEADER = "x-jobwarden-project"

Request = ServerRequestContext[Any, Any]
"""What mcp 2.3.0 knows of one request."""


class FindCaller(Protocol):
    """`identity.resolve_caller` with all that does not change from call to call."""

    def __call__(self, *, meta: Mapping[str, object], session_id: str | None) -> Caller:
        """See `identity.resolve_caller`."""
        ...


class Callers:
    """Says who makes a request."""

    def __init__(self, find: FindCaller) -> None:
        self._find = find

    async def of(self, request: Request, session_id: str | None = None) -> Caller:
        """Give the request's caller.

        Args:
            request: Its metadata and, over HTTP, its headers.
            session_id: The tool's own argument; it goes before the session header.

        Raises:
            JobwardenError: As `identity.resolve_caller`.
        """
        meta: dict[str, object] = {**(request.meta or {})}
        meta.pop(HTTP_PROJECT, None)
        headers = cast("Mapping[str, str]", getattr(request.request, "headers", None) or {})
        if project := headers.get(PROJECT_HEADER):
            meta[HTTP_PROJECT] = project
        session = session_id or headers.get(SESSION_HEADER) or None
        return await anyio.to_thread.run_sync(lambda: self._find(meta=meta, session_id=session))

    async def holder(self, request: Request, session_id: str) -> Caller:
        """Give the caller of a request that belongs to this session by what it holds, a task's id.

        The one who answers must still compare: a client may say, or be known, that it is of another session.
        """
        headers = cast("Mapping[str, str]", getattr(request.request, "headers", None) or {})
        return await self.of(request, headers.get(SESSION_HEADER) or session_id)

    async def reader(self, request: Request) -> Caller:
        """Give the caller of a resource.

        A resource is read by the client's program, whose model may never see it: as an answer to a sub-agent it
        moves no cursor, and the agent is still told by its next tool call.
        """
        caller = await self.of(request)
        return replace(caller, detail=caller.detail or "resources")


@contextmanager
def tool_errors() -> Generator[None]:
    """Turn our errors into what a model reads; all others stay crashes."""
    try:
        yield
    except JobwardenError as error:
        raise ToolError(error_text(error)) from error


@contextmanager
def resource_errors(uri: str) -> Generator[None]:
    """Turn our errors into the protocol's answers to `resources/read`."""
    try:
        yield
    except (JobNotFoundError, InvalidIdError) as error:
        raise ResourceNotFoundError(f"{uri}: {error_text(error)}") from error
    except JobwardenError as error:
        raise ResourceError(f"{uri}: {error_text(error)}") from error


@contextmanager
def protocol_errors() -> Generator[None]:
    """Turn our errors into JSON-RPC errors, where no result could carry them."""
    try:
        yield
    except JobwardenError as error:
        code = INTERNAL_ERROR if error.retryable else INVALID_PARAMS
        raise MCPError(code=code, message=error_text(error)) from error
