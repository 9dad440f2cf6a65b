"""An agent's client: the real MCP client library over stdio, in a household."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from mcp import Client, MCPError, StdioServerParameters
from mcp_types import TextContent

from support.household import Household


class Agent:
    """Calls tools and reads their text."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: object) -> str:
        """Call a tool that must succeed, and give its text."""
        result = await self._client.call_tool(tool, arguments)
        text = _text(result.content)
        assert not result.is_error, text
        return text

    async def fail(self, tool: str, **arguments: object) -> str:
        """Call a tool that must fail, and give the error's text."""
        result = await self._client.call_tool(tool, arguments)
        text = _text(result.content)
        assert result.is_error, text
        return text

    async def read(self, uri: str) -> str:
        """Read a resource."""
        result = await self._client.read_resource(uri)
        return "".join(getattr(content, "text", "") for content in result.contents)


@asynccontextmanager
async def agent(home: Household, session: str = "session-1", mode: str = "auto") -> AsyncGenerator[Agent]:
    """Start the real server as a client does, and end it with the client."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "jobwarden", "serve"],
        env={**home.env, "CLAUDE_CODE_SESSION_ID": session},
        cwd=str(home.project),
    )
    async with Client(parameters, mode=mode) as client:
        with suppress(MCPError):
            await client.get_prompt("none")  # answered when the whole server is there: jobs' times begin after that
        yield Agent(client)


def _text(content: Sequence[object]) -> str:
    return "\n".join(block.text for block in content if isinstance(block, TextContent))
