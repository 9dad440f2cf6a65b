"""Who may speak over HTTP: every route needs a good Host, a good Origin, and the token.

Loopback on a login node is shared by all its users, and a web page can send requests to it; so neither the address
nor the absence of a browser counts for anything.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from jobwarden_registry.errors import UntrustedError, UnwritableError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TOKEN_VARIABLE = "JOBWARDEN_HTTP_TOKEN"  # noqa: S105 -- a variable's name
TOKEN_FILE = "http_token"  # noqa: S105 -- a file's name
_SHORTEST = 16


class PeopleApp(Protocol):
    """An ASGI application that looks itself at the secrets of who comes."""

    def has(self, path: str) -> bool:
        """Whether it answers below that path."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ...


class Guard:
    """An ASGI application that lets only good requests through to another.

    Args:
        app: What it guards.
        token: What `Authorization: Bearer` must carry.
        names: The host names by which this server may be called, without ports.
        people: What answers people instead, below its own paths; it lets nobody in by itself who shows no secret.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, names: Iterable[str] = LOOPBACK, people: PeopleApp | None = None
    ) -> None:
        self._app = app
        self._people = people
        self._token = token.encode()
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            people = self._people if self._people is not None and self._people.has(scope["path"]) else None
            refused = self._stranger(scope) or (None if people is not None else self._without_token(scope))
            if refused is None:
                await (people or self._app)(scope, receive, send)
            else:
                await _refuse(send, *refused)
        # anything else (websocket) has no route here: returning without an answer closes it

    def _stranger(self, scope: Scope) -> tuple[int, str] | None:
        hosts = header(scope, b"host")
        if len(hosts) != 1 or self._host_name(f"//{hosts[0].decode('latin-1')}") is None:
            return 421, "this server is not known by that name"
        origins = [value.decode("latin-1") for value in header(scope, b"origin")]
        if any(not origin.startswith(("http://", "https://")) or self._host_name(origin) is None for origin in origins):
            return 403, "requests from that origin are not accepted"
        return None

    def _without_token(self, scope: Scope) -> tuple[int, str] | None:
        given = bearer(scope)
        if given is None or not hmac.compare_digest(given, self._token):
            return 401, "a bearer token is needed"
        return None

    def _host_name(self, url: str) -> str | None:
        try:
            parts = urlsplit(url)
            name, _port = parts.hostname, parts.port
        except ValueError:
            return None
        return name if name in self._names and "@" not in parts.netloc else None


def header(scope: Scope, name: bytes) -> list[bytes]:
    """Give the values of a header, each as often as it came."""
    return [bytes(value) for found, value in scope["headers"] if bytes(found).lower() == name]


def bearer(scope: Scope) -> bytes | None:
    """Give the token that a request carries; two are none."""
    given = header(scope, b"authorization")
    scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    return token.strip() if scheme.lower() == b"bearer" else None


async def _refuse(send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def find_token(
    env: Mapping[str, str],
    state: Path,
    token_file: Path | None = None,
    *,
    variable: str = TOKEN_VARIABLE,
    name: str = TOKEN_FILE,
) -> str:
    """Give the server's token: from the file named, from `$JOBWARDEN_HTTP_TOKEN`, or the state folder's own.

    The state folder's is made at the first start and kept, so that clients need to be told once.

    Args:
        env: The process's environment.
        state: The user's state folder.
        token_file: Holds the token.
        variable: Of the environment, where it is another token than the one that opens everything.
        name: Likewise, of the state folder's file.

    Raises:
        UntrustedError: The file is another user's, or others can read it, or what it holds is no token.
        UnwritableError: The state folder's cannot be made.
    """
    if token_file is not None:
        return _read(token_file)
    if given := env.get(variable):
        return _checked(given, f"${variable}")
    path = state / name
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise UnwritableError(f"{path} cannot be made: {error.strerror}.") from error
    token = secrets.token_urlsafe(32)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def token_place(env: Mapping[str, str], state: Path, token_file: Path | None = None) -> str:
    """Say where `find_token` finds it, for the person who must tell the client."""
    if token_file is not None:
        return str(token_file)
    return f"${TOKEN_VARIABLE}" if env.get(TOKEN_VARIABLE) else str(state / TOKEN_FILE)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            text = file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        raise UntrustedError(f"{path} cannot be read: {error}.", hint="Name a file that holds the token.") from error
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise UntrustedError(f"{path} is not yours alone.", hint=f"Look who has read it, then: chmod 600 {path}")
    return _checked(text, str(path))


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UntrustedError(
            f"{where} holds no usable token.", hint=f"At least {_SHORTEST} printable ASCII characters, no spaces."
        )
    return token
