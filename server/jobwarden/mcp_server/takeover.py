"""Taking over from the front: the client has its answer to the opening request already."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import WriteStream  # the SDK has no public name for what `Server.run` writes to
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse

from jobwarden.mcp_server.app import JobwardenServer
from jobwarden.mcp_server.front import Front

_log = logging.getLogger(__name__)


async def take_over(server: JobwardenServer, front: Front) -> None:
    """Serve on standard input and output, as `MCPServer.run_stdio_async`, what the front leaves to it."""
    low = server.lowlevel
    front.hand_over()
    async with stdio_server() as (reads, writes):
        await low.run(reads, WithoutAnswer(writes, front.replayed), low.create_initialization_options())


class WithoutAnswer:
    """A `WriteStream` that leaves out the answer to one request."""

    def __init__(self, inner: WriteStream[SessionMessage], id_: str) -> None:
        self._inner = inner
        self._id: str | None = id_

    async def send(self, item: SessionMessage, /) -> None:
        """See `WriteStream.send`."""
        message = item.message
        if self._id is None or not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id != self._id:
            await self._inner.send(item)
            return
        self._id = None
        if isinstance(message, JSONRPCError):
            _log.error("the opening request, answered before, is refused now: %s", message.error)

    async def aclose(self) -> None:
        """See `WriteStream.aclose`."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None
