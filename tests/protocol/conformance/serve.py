"""The product's own stack over HTTP, with the fixtures of the conformance suites added.

Run by `python -m protocol.conformance.serve`.

Everything from the guard at the door to the tools is the product's. The suites cannot send a bearer token, so a
doorman of the tests puts it on their requests.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import anyio
import uvicorn
from mcp_types import EmptyResult, SetLevelRequestParams

from jobwarden.mcp_server.app import JobwardenServer, build_server
from jobwarden.mcp_server.run import http_app
from protocol.conformance.contents import add_contents, schema_tool
from protocol.conformance.questions import add_questions
from protocol.conformance.tasks import add_tasks
from protocol.fake_service import FakeService, find_caller

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "0123456789abcdef-conformance"


class Doorman:
    """Gives every request the token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {TOKEN}".encode())]}
        await self._app(scope, receive, send)


def conformance_server() -> JobwardenServer:
    """Build the product's server over a service in memory, and add the fixtures."""
    server = build_server(FakeService(), find_caller=find_caller)
    add_contents(server)
    add_questions(server)
    add_tasks(server)
    server._tool_manager._tools["json_schema_2020_12_tool"] = schema_tool()  # pyright: ignore[reportPrivateUsage] -- add_tool takes functions only

    async def set_level(_ctx: object, _params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    server.lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    return server


async def main() -> None:
    """Serve on any free port of loopback, said on standard output; end when standard input does."""
    app = Doorman(http_app(conformance_server(), token=TOKEN))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False)
    http = uvicorn.Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(_stop_at_end_of_input, http)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await http.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def _stop_at_end_of_input(http: uvicorn.Server) -> None:
    await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
    http.should_exit = True
    http.force_exit = True


if __name__ == "__main__":
    anyio.run(main)
