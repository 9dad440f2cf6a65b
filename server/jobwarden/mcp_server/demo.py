"""The agent's side of `jobwarden demo`: the real client library, speaking to the real server over stdio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import Client, MCPError, StdioServerParameters
from mcp_types import TextContent

from jobwarden_registry.errors import JobwardenError


class ServerGoneError(JobwardenError):
    """The server did not start, or ended in the middle."""

    code: str = "demo.server_gone"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model would be given for one call."""

    text: str
    refused: bool


class Agent:
    """One connected client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        """Give the names of the server's tools."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, arguments: Mapping[str, object]) -> Answer:
        """Call a tool."""
        result = await self._client.call_tool(tool, dict(arguments))
        text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
        return Answer(text, bool(result.is_error))


@asynccontextmanager
async def connected(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> AsyncGenerator[Agent]:
    """Start the server as an agent's client does, and end it on leaving.

    Raises:
        ServerGoneError: It did not answer; what it said about that is on standard error. In an exception group.
    """
    parameters = StdioServerParameters(command=argv[0], args=list(argv[1:]), env=dict(env), cwd=cwd)
    try:
        async with Client(parameters) as client:
            yield Agent(client)
    except* MCPError as errors:
        raise ServerGoneError(
            f"The MCP server is gone: {errors.exceptions[0]}.", hint="Try `jobwarden doctor`."
        ) from None
