"""Taking over from the front: the client has its answer to the opening request already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import WriteStream  # the SDK has no public name for what `Server.run` writes to
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCResponse

from jobwarden.mcp_server.app import JobwardenServer
from jobwarden.mcp_server.front import ACKNOWLEDGED, SUBSCRIPTION, Front

_log = logging.getLogger(__name__)


async def take_over(server: JobwardenServer, front: Front) -> None:
    """Serve on standard input and output, as `MCPServer.run_stdio_async`, what the front leaves to it."""
    low = server.lowlevel
    front.hand_over()
    async with stdio_server() as (reads, writes):
        ours = WithoutSaidBefore(writes, front.replayed, front.acknowledged)
        await low.run(reads, ours, low.create_initialization_options())


class WithoutSaidBefore:
    """A `WriteStream` that leaves out the answer to one request, and the acknowledgement of another."""

    def __init__(self, inner: WriteStream[SessionMessage], replayed: str, acknowledged: int | str | None) -> None:
        self._inner = inner
        self._replayed = replayed
        self._acknowledged = acknowledged

    async def send(self, item: SessionMessage, /) -> None:
        """See `WriteStream.send`."""
        message = item.message
        if isinstance(message, JSONRPCError) and message.id == self._replayed:
            _log.error("the opening request, answered before, is refused now: %s", message.error)
        elif isinstance(message, JSONRPCResponse) and message.id == self._replayed:
            pass
        elif isinstance(message, JSONRPCNotification) and self._is_known(message):
            self._acknowledged = None
        else:
            await self._inner.send(item)

    def _is_known(self, message: JSONRPCNotification) -> bool:
        if self._acknowledged is None or message.method != ACKNOWLEDGED:
            return False
        meta: Mapping[str, object] = (message.params or {}).get("_meta", {})
        return meta.get(SUBSCRIPTION) == self._acknowledged

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
