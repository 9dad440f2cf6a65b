"""The board for a browser, and the numbers for a monitoring system. Without a secret no route says anything.

Host and Origin were looked at already (`Guard`). What is shown are words of strangers: the page writes them as text,
and its policy lets no script run but its own.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from jobwarden.identity import Caller
from jobwarden.mcp_server.guard import bearer, header
from jobwarden.mcp_server.logins import VISIT_S, Doors, Grant, Visit
from jobwarden.mcp_server.metrics import CONTENT_TYPE, metrics_text
from jobwarden.service.board import Board, Deed
from jobwarden.service.board_views import json_text
from jobwarden_registry.errors import JobwardenError

KEY_HEADER = b"x-jobwarden-key"
_MOST_BYTES = 4096
_MOST_LINES = 1000
_REASON = "from the board's page"
_PACK_BYTES = 2048
_TAG = r"<{0}>(.*?)</{0}>"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NO_LOGIN = "That address was used, is older than five minutes or than this server, or is for another port.\n"
_LOG_IN = "Log in: run `jobwarden board --web` on this server's machine, and open the address that it prints.\n"


class _Cancel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    uid: str
    reason: str = ""


class _Control(_Cancel):
    action: Deed


_D = TypeVar("_D", bound=_Cancel)


@dataclass(frozen=True, slots=True)
class _Who:
    """Who asks.

    Attributes:
        grant: What they may do.
        browser: Whether a cookie says so, which a browser sends by itself.
    """

    grant: Grant
    browser: bool


class BoardSite:
    """An ASGI application; see `guard.PeopleApp`.

    Args:
        board: What it shows.
        person: Who acts, and whose jobs are marked.
        doors: Who may come in.
    """

    def __init__(self, board: Board, person: Caller, doors: Doors) -> None:
        self._board = board
        self._person = person
        self._doors = doors
        self._page = files("jobwarden.mcp_server").joinpath("board_page.html").read_text(encoding="utf-8")
        self._policy = _policy(self._page)
        self._routes: dict[str, tuple[str, Callable[[Request], Awaitable[Response]]]] = {
            "/board": ("GET", self._show),
            "/board.json": ("GET", self._json),
            "/board/log": ("GET", self._log),
            "/board/cancel": ("POST", self._cancel),
            "/board/control": ("POST", self._control),
            "/metrics": ("GET", self._metrics),
        }

    def has(self, path: str) -> bool:
        """See `guard.PeopleApp.has`."""
        return path in self._routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method, route = self._routes[scope["path"]]
        request = Request(scope, receive)
        try:
            if request.method == method:
                response = await route(request)
            else:
                response = _unknown() if self._who(request) is None else _refusal(405, f"Only {method} is served here.")
        except JobwardenError as error:
            response = _error(error)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    # -- routes

    async def _show(self, request: Request) -> Response:
        """Give the page; to one that shows a login code, with its key."""
        code = request.query_params.get("login")
        fresh = self._doors.come_in(code) if code is not None else None
        visit = fresh or self._visit(request)
        if visit is None and self._bearer(request) is None:
            said = _NO_LOGIN if code is not None else ""
            return PlainTextResponse(said + _LOG_IN, 401)
        values = {"key": fresh.key if fresh else "", "grant": str(visit.grant) if visit else ""}
        page = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], self._page)
        response = Response(page, media_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = self._policy
        if fresh is not None:
            name = _cookie_name(request)
            response.set_cookie(name, fresh.cookie, max_age=VISIT_S, path="/", httponly=True, samesite="strict")
        return response

    async def _json(self, request: Request) -> Response:
        if self._who(request) is None:
            return _unknown()
        view = await self._board.look(self._person)
        return _packed(request, json_text(view).encode())

    async def _log(self, request: Request) -> Response:
        if self._who(request) is None:
            return _unknown()
        asked = request.query_params
        number = asked.get("lines", "40")
        if not (number.isascii() and number.isdigit() and len(number) < 6 and 1 <= int(number) <= _MOST_LINES):
            return _refusal(400, f"lines is 1 to {_MOST_LINES}.")
        view = await self._board.tail(
            self._person,
            asked.get("uid", ""),
            lines=int(number),
            cursor=asked.get("cursor"),
            ask=asked.get("ask") == "1",
        )
        return Response(json_text(view), media_type="application/json")

    async def _metrics(self, request: Request) -> Response:
        if self._who(request) is None:
            return _unknown()
        return Response(metrics_text(await self._board.metrics()), headers={"Content-Type": CONTENT_TYPE})

    async def _cancel(self, request: Request) -> Response:
        asked = await self._deed(request, _Cancel)
        if isinstance(asked, Response):
            return asked
        view = await self._board.cancel(self._person, asked.uid, reason=asked.reason or _REASON)
        return Response(json_text(view), media_type="application/json")

    async def _control(self, request: Request) -> Response:
        asked = await self._deed(request, _Control)
        if isinstance(asked, Response):
            return asked
        view = await self._board.control(self._person, asked.uid, asked.action, reason=asked.reason or _REASON)
        return Response(json_text(view), media_type="application/json")

    async def _deed(self, request: Request, kind: type[_D]) -> _D | Response:
        """Read what is to be done, where the one who asks may do something; else give what to answer."""
        who = self._who(request)
        if who is None:
            return _unknown()
        if who.browser and not _is_same_origin(request.scope):
            return _refusal(403, "A browser acts from the board's own page alone.")
        if who.grant is not Grant.ACT:
            hint = "Start the server with --act, and log in without --read-only."
            return _refusal(403, "Reading is granted here, acting is not.", hint)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _refusal(415, "Send JSON.")
        try:
            return kind.model_validate_json(await _body(request))
        except ValidationError:
            return _refusal(400, f"Send an object with {', '.join(kind.model_fields)}.")

    # -- who it is

    def _who(self, request: Request) -> _Who | None:
        """Say what this request may do: a token, or a cookie and its key; None: nothing."""
        grant = self._bearer(request)
        if grant is not None:
            return _Who(grant, browser=False)
        visit, keys = self._visit(request), header(request.scope, KEY_HEADER)
        if visit is None or len(keys) != 1 or not _same(keys[0], visit.key):
            return None
        return _Who(visit.grant, browser=True)

    def _bearer(self, request: Request) -> Grant | None:
        token = bearer(request.scope)
        return None if token is None else self._doors.bearer(token)

    def _visit(self, request: Request) -> Visit | None:
        cookie = request.cookies.get(_cookie_name(request))
        return None if cookie is None else self._doors.visit(cookie)


def _same(given: bytes, key: str) -> bool:
    return hashlib.sha256(given).digest() == hashlib.sha256(key.encode()).digest()


def _cookie_name(request: Request) -> str:
    """Name the cookie by the port: several servers of one host share a browser's cookies."""
    port = request.url.port or 80
    return f"jobwarden_board_{port}"


def _is_same_origin(scope: Scope) -> bool:
    origins, hosts = header(scope, b"origin"), header(scope, b"host")
    return len(origins) == 1 and origins[0].lower() in {b"http://" + hosts[0].lower(), b"https://" + hosts[0].lower()}


def _policy(page: str) -> str:
    """Allow the page's own script and style, by their hashes, and nothing else."""

    def hashed(tag: str) -> str:
        found = re.search(_TAG.format(tag), page, re.DOTALL)
        assert found is not None
        return "'sha256-" + base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; script-src {hashed('script')}; style-src {hashed('style')}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


def _packed(request: Request, body: bytes) -> Response:
    """Send it compressed to who takes that: a thousand jobs are a megabyte, every few seconds, perhaps over ssh.

    It holds no secret, so that its size tells none.
    """
    headers = {"Vary": "Accept-Encoding"}
    if len(body) > _PACK_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=5)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return b""
    return body


def _unknown() -> Response:
    response = _refusal(401, "A bearer token is needed, or a login.", _LOG_IN.strip())
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refusal(status: int, text: str, hint: str = "") -> Response:
    told = {"error": {"text": text, "hint": hint}}
    return Response(json.dumps(told), status, media_type="application/json")


def _error(error: JobwardenError) -> Response:
    told = {"error": {"code": error.code, "text": error.text, "hint": error.hint, "retryable": error.retryable}}
    status = 404 if error.code == "job.not_found" else 503 if error.retryable else 400
    return Response(json.dumps(told), status, media_type="application/json")
