"""Serving: over stdio for one client, over HTTP for those who have the token. Everything heavy is imported late."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from jobwarden_registry.errors import JobwardenError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from jobwarden.identity import Caller
    from jobwarden.mcp_server.app import JobwardenServer
    from jobwarden.mcp_server.edge import FindCaller
    from jobwarden.mcp_server.front import Front
    from jobwarden.mcp_server.guard import PeopleApp
    from jobwarden.mcp_server.lifeline import Lifeline

HOST = "127.0.0.1"
PORT = 8642

_log = logging.getLogger(__name__)


class CannotListenError(JobwardenError):
    """The address is taken, or not this machine's."""

    code: str = "http.cannot_listen"


def serve_stdio(env: Mapping[str, str], lifeline: Lifeline | None = None) -> None:
    """Serve one client on standard input and output, until it is gone.

    Args:
        env: The process's environment.
        lifeline: What reads the client, where that has begun already; it may have a front that answers until now.

    Raises:
        JobwardenError: As `open_service`; nothing was served.
    """
    from jobwarden.mcp_server.lifeline import Lifeline

    _log_to_stderr()
    with _nothing_collected():
        lifeline = lifeline or Lifeline()
        import_module("jobwarden.mcp_server.app")
    try:
        anyio.run(_serve_stdio, env, lifeline.front)
    except* (BrokenPipeError, ConnectionResetError):
        _log.info("the client does not read any more")
    _log.info("ended: %s", lifeline.why)


def serve_http(
    env: Mapping[str, str],
    *,
    host: str = HOST,
    port: int = PORT,
    token_file: Path | None = None,
    names: Sequence[str] = (),
    acts: bool = False,
) -> None:
    """Serve streamable HTTP on `/mcp`, in both protocol eras, and the board, until SIGTERM or SIGINT.

    Args:
        env: The process's environment. It is nobody's session: requests must say which they belong to.
        host: The address to bind.
        port: 0: any free one, told on standard error.
        token_file: Holds the token; see `guard.find_token` for the other places.
        names: Further host names by which this server is called, beside `host` and loopback's.
        acts: Whether who has the full token may cancel from the board.

    Raises:
        JobwardenError: As `open_service` and `guard.find_token`; nothing was served.
        CannotListenError: The address is taken, or not this machine's.
    """
    _log_to_stderr()
    with _nothing_collected():
        import_module("jobwarden.mcp_server.app")
    anyio.run(_serve_http, env, host, port, token_file, names, acts)


def http_app(
    server: JobwardenServer, *, token: str, names: Sequence[str] = (), people: PeopleApp | None = None
) -> ASGIApp:
    """Give the whole guarded ASGI application of a server.

    Args:
        server: What answers on `/mcp`.
        token: What every request must carry.
        names: Host names that are accepted, beside loopback's.
        people: What answers browsers and monitoring systems.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    from jobwarden.mcp_server.guard import LOOPBACK, Guard

    # The guard has looked at host and origin already, for every route and not only for this one.
    checked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(transport_security=checked)
    return Guard(app, token=token, names={*LOOPBACK, *names}, people=people)


async def _serve_stdio(env: Mapping[str, str], front: Front | None) -> None:
    from jobwarden.mcp_server.takeover import take_over

    async with _open_server(env) as server:
        await (server.run_stdio_async() if front is None else take_over(server, front))


async def _serve_http(
    env: Mapping[str, str],
    host: str,
    port: int,
    token_file: Path | None,
    names: Sequence[str],
    acts: bool,  # noqa: FBT001 -- anyio.run passes positions
) -> None:
    import uvicorn

    from jobwarden.mcp_server.board_site import BoardSite
    from jobwarden.mcp_server.guard import TOKEN_VARIABLE, token_place
    from jobwarden.mcp_server.logins import READ_VARIABLE, Doors, find_tokens
    from jobwarden.service.service import open_service
    from jobwarden_registry.clock import utc_now
    from jobwarden_registry.paths import user_places

    state = user_places(env).state
    tokens = find_tokens(env, state, token_file)
    with _listen(host, port) as listener:
        place, number = token_place(env, state, token_file), listener.getsockname()[1]
        # What it starts (ssh, sbatch, the watcher) inherits the rest of the environment, and so do jobs.
        env = {name: value for name, value in env.items() if name not in (TOKEN_VARIABLE, READ_VARIABLE)}
        async with open_service(env) as service:
            from jobwarden.mcp_server.app import build_server

            server = build_server(service, find_caller=_finder(env, http=True))
            doors = Doors(tokens, acts=acts, clock=utc_now, port=number)
            site = BoardSite(service.board, _person(env), doors)
            app = http_app(server, token=tokens.full, names=[host, *names], people=site)
            config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
            _log.warning("serving http://%s:%d/mcp; the token is in %s", _in_url(host), number, place)
            _log.warning("the board: jobwarden board --web --port %d", number)
            await uvicorn.Server(config).serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        hint = "Choose another with --port; --port 0 takes any free one."
        raise CannotListenError(f"{host} port {port} cannot be listened on: {error.strerror}.", hint=hint) from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@asynccontextmanager
async def _open_server(env: Mapping[str, str]) -> AsyncGenerator[JobwardenServer]:
    from jobwarden.mcp_server.app import build_server
    from jobwarden.service.service import open_service

    async with open_service(env) as service:
        yield build_server(service, find_caller=_finder(env, http=False))


def _person(env: Mapping[str, str]) -> Caller:
    """Give who acts by the board: the person, in the folder that the server was started in."""
    from jobwarden.bindings import Lineage
    from jobwarden.identity import resolve_caller
    from jobwarden_registry.paths import user_places

    # Whoever started the server, an agent perhaps: it is a person who sits before the page.
    return resolve_caller({}, cwd=Path.cwd(), places=user_places(env), client="board", lineage=lambda: Lineage((), ()))


def _finder(env: Mapping[str, str], *, http: bool) -> FindCaller:
    from jobwarden.identity import resolve_caller
    from jobwarden_registry.paths import user_places

    places, cwd = user_places(env), Path.cwd()
    client = f"{'http' if http else 'mcp'}-{os.getpid()}-{secrets.token_hex(4)}"

    def find_caller(*, meta: Mapping[str, object], session_id: str | None) -> Caller:
        return resolve_caller(env, meta=meta, session_id=session_id, cwd=cwd, places=places, http=http, client=client)

    return find_caller


@contextmanager
def _nothing_collected() -> Generator[None]:
    """Import without the garbage collector, and let it forget what was imported: a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
