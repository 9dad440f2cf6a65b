"""How a browser comes to the board: by a one-time address that only who can read the token can make.

Loopback on a login node is shared, and browsers send a cookie to every port of a host. So the cookie opens the empty
page alone. What fills it, and what acts, needs a key beside it, which the page got once and keeps where only pages of
its own origin, port and all, can read it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from jobwarden.mcp_server.guard import TOKEN_FILE, TOKEN_VARIABLE, find_token
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import UntrustedError
from jobwarden_registry.paths import user_places

READ_VARIABLE = "JOBWARDEN_HTTP_READ_TOKEN"
READ_FILE = "http_read_token"
LOGIN_S = 300
"""How long an address may wait to be opened."""
VISIT_S = 12 * 3600
"""How long a browser may look before it needs another one."""
_MOST_VISITS = 100


class Grant(StrEnum):
    """What somebody may do; whoever may act may read."""

    READ = "read"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two secrets of a server.

    Attributes:
        full: Opens everything: the agents' tools too.
        read: Opens what only looks.
    """

    full: str
    read: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One browser that has come in.

    Attributes:
        cookie: Opens the page.
        key: Beside it, what fills the page.
        grant: What it may do.
        until: When it ends.
    """

    cookie: str
    key: str
    grant: Grant
    until: datetime


def find_tokens(env: Mapping[str, str], state: Path, token_file: Path | None = None) -> Tokens:
    """Give a server's tokens, made where they are not there yet; see `guard.find_token`.

    Raises:
        UntrustedError: Both are the same; else see there.
        UnwritableError: See there.
    """
    full = find_token(env, state, token_file, variable=TOKEN_VARIABLE, name=TOKEN_FILE)
    read = find_token(env, state, variable=READ_VARIABLE, name=READ_FILE)
    if read == full:
        raise UntrustedError(
            "The reading token and the one that opens everything are the same: who may read could act.",
            hint=f"Give another ${READ_VARIABLE}, or remove {state / READ_FILE}.",
        )
    return Tokens(full=full, read=read)


def login_url(
    env: Mapping[str, str], now: datetime, *, port: int, read_only: bool, token_file: Path | None = None
) -> str:
    """Make an address that opens the board of this machine's server once, within `LOGIN_S`.

    Raises:
        UntrustedError, UnwritableError: As `find_tokens`.
    """
    tokens = find_tokens(env, user_places(env).state, token_file)
    return f"http://127.0.0.1:{port}/board?login={login_code(tokens.read if read_only else tokens.full, now, port)}"


def login_code(token: str, now: datetime, port: int) -> str:
    """Make a code that shows that its maker has the token, and does not tell it; good for the server on one port.

    Whoever else listens on a port, and is shown the code that was meant for it, has nothing for the real server.
    """
    until = int((now + timedelta(seconds=LOGIN_S)).timestamp())
    nonce = secrets.token_hex(16)
    return f"{until}.{nonce}.{_sign(token, port, until, nonce)}"


def _sign(token: str, port: int, until: int, nonce: str) -> str:
    text = f"jobwarden board login\0{port}\0{until}\0{nonce}"
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()


class Doors:
    """Says what somebody may do who shows a token, or a cookie and a key.

    Args:
        tokens: The server's.
        acts: Whether anybody may act at all.
        clock: The present.
        port: Where the server listens.
    """

    def __init__(self, tokens: Tokens, *, acts: bool, clock: Clock, port: int) -> None:
        self._tokens = tokens
        self._most = Grant.ACT if acts else Grant.READ
        self._clock = clock
        self._port = port
        self._since = int(clock().timestamp())
        """An older code may have been used at the server before, which took what it knew of that with it."""
        self._used: dict[str, int] = {}
        self._visits: dict[str, Visit] = {}

    def bearer(self, token: bytes) -> Grant | None:
        """Say what a token opens; None: nothing."""
        full = hmac.compare_digest(token, self._tokens.full.encode())
        read = hmac.compare_digest(token, self._tokens.read.encode())
        return self._most if full else Grant.READ if read else None

    def come_in(self, code: str) -> Visit | None:
        """Let a browser in that shows a code; None: it is none of this server's, is too old, or was used."""
        until, nonce, mac = ([*code.split("."), "", ""])[:3]
        now = self._clock()
        if code.count(".") != 2 or not (until.isascii() and until.isdigit() and len(until) < 12):
            return None
        grant = self._signed_for(int(until), nonce, mac)
        if grant is None or not now.timestamp() < int(until) <= now.timestamp() + 2 * LOGIN_S:
            return None
        if int(until) - LOGIN_S < self._since:
            return None
        self._used = {one: end for one, end in self._used.items() if end > now.timestamp()}
        if nonce in self._used:
            return None
        self._used[nonce] = int(until)
        while len(self._visits) >= _MOST_VISITS:
            self._visits.pop(next(iter(self._visits)))
        visit = Visit(secrets.token_urlsafe(32), secrets.token_urlsafe(32), grant, now + timedelta(seconds=VISIT_S))
        self._visits[_digest(visit.cookie)] = visit
        return visit

    def _signed_for(self, until: int, nonce: str, mac: str) -> Grant | None:
        told = mac.encode()
        full = hmac.compare_digest(told, _sign(self._tokens.full, self._port, until, nonce).encode())
        read = hmac.compare_digest(told, _sign(self._tokens.read, self._port, until, nonce).encode())
        return self._most if full else Grant.READ if read else None

    def visit(self, cookie: str) -> Visit | None:
        """Give the visit of a cookie; None: there is none, or it is over."""
        found = self._visits.get(_digest(cookie))
        return found if found is not None and self._clock() < found.until else None


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
