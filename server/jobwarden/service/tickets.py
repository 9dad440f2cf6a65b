"""Tickets for waits that outlive the process that began them, and what became of such a wait.

A ticket's text says itself what is waited for and is signed with a key of the user's own, so that it exists as soon as
it is given out, and a server process that never saw it can honour it. Only the end of a wait is written down, once:
whoever asks again is given the same answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from jobwarden.service.waiting import Until, Wish
from jobwarden_registry.disk import Folder, Steps, open_folder, temporary_name, told_plainly
from jobwarden_registry.errors import JobwardenError, UnwritableError

WAITS = "waits"
_KEY = "key"
_KEY_BYTES = 32
_FORM = "jw1"
_LONGEST = 1500
"""Characters of a ticket; it goes into an HTTP header."""
KEPT_S = 86_400.0
"""An answer can be asked for this long after the wait's time was up: a session may be resumed on the next morning."""


class TicketError(JobwardenError):
    """Not a ticket of this user's, or not of the session that asks, or one whose time is over."""

    code: str = "wait.unknown"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One wait.

    Attributes:
        wish: What is waited for.
        session_id: Whose it is.
        detail: The sub-agent that waits.
        claimed: Whether nothing but the call's own word said whose it is.
        made_at: When it began.
        timeout_s: How long it goes on.
        text: What stands for it outside.
    """

    wish: Wish
    session_id: str
    detail: str | None
    claimed: bool
    made_at: datetime
    timeout_s: float
    text: str = field(default="", compare=False)

    @property
    def ends_at(self) -> datetime:
        """When its time is up."""
        return self.made_at + timedelta(seconds=self.timeout_s)

    @property
    def forgotten_at(self) -> datetime:
        """When its answer is given no more."""
        return self.ends_at + timedelta(seconds=KEPT_S)


class Answer(BaseModel):
    """How a wait ended."""

    model_config = ConfigDict(frozen=True)

    how: Literal["answered", "refused", "given up"]
    text: str = ""
    at: datetime


_Payload = tuple[str, str | None, bool, tuple[Until, tuple[str, ...] | None, int], int, float, str]
_PAYLOAD: TypeAdapter[_Payload] = TypeAdapter(_Payload)


class Tickets:
    """The tickets of one user. Its methods touch the disk: call them in a thread.

    Args:
        state: The user's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._unwritten: dict[str, Answer] = {}

    def ready(self) -> None:
        """See to it that tickets can be given out.

        Raises:
            UnwritableError, UntrustedError: There is no key, and none can be made.
        """
        with self._folder() as folder:
            _key(folder)

    def issue(self, ticket: Ticket) -> Ticket | None:
        """Give a ticket its text; None for one that names too many jobs for it.

        Raises:
            UnwritableError, UntrustedError: There is no key, and none can be made.
        """
        wish = astuple(ticket.wish)
        made_ms = round(ticket.made_at.timestamp() * 1000)
        nonce = secrets.token_hex(8)
        payload = (ticket.session_id, ticket.detail, ticket.claimed, wish, made_ms, ticket.timeout_s, nonce)
        body = _encoded(json.dumps(payload, separators=(",", ":")).encode())
        with self._folder() as folder:
            key = _key(folder)
            _sweep(folder, ticket.made_at)
        text = f"{_FORM}.{body}.{_signature(key, body)}"
        return None if len(text) > _LONGEST else _ticket(payload, text)

    def read(self, text: str, now: datetime) -> Ticket:
        """Give the ticket that a text stands for.

        Raises:
            TicketError: It is none of this user's, or its time is over.
            UnreadableError: The disk did not answer.
        """
        form, _, rest = text.partition(".")
        body, _, signature = rest.partition(".")
        key = self._read(_KEY)
        good = form == _FORM and len(text) <= _LONGEST and len(key) == _KEY_BYTES and text.isascii()
        if good and hmac.compare_digest(signature, _signature(key, body)):
            with suppress(ValueError):  # a newer version's
                ticket = _ticket(_PAYLOAD.validate_json(_decoded(body)), text)
                if now < ticket.forgotten_at:
                    return ticket
        raise TicketError("No such wait, or its answer is no longer kept.", hint="Call wait_for_change again.")

    def answer(self, ticket: Ticket) -> Answer | None:
        """Give how the wait ended; None while it goes on.

        Raises:
            UnreadableError: The disk did not answer.
        """
        name = _name(ticket)
        with suppress(ValidationError):
            return Answer.model_validate_json(self._read(name))
        return self._unwritten.get(name)

    def keep(self, ticket: Ticket, answer: Answer) -> Answer:
        """Note how the wait ended; the first note counts, and is answered.

        Where the disk cannot be written it is remembered in this process alone.
        """
        name = _name(ticket)
        try:
            with self._folder() as folder, told_plainly(folder.path):
                _put(folder, name, answer.model_dump_json().encode())
        except JobwardenError:
            self._unwritten.setdefault(name, answer)
            return answer
        return self.answer(ticket) or answer

    def _read(self, name: str) -> bytes:
        folder = open_folder(self._state, (WAITS,), Steps(), create=False)
        if folder is None:
            return b""
        with folder:
            return folder.read(name) or b""

    def _folder(self) -> Folder:
        folder = open_folder(self._state, (WAITS,), Steps(), create=True)
        if folder is None:
            raise UnwritableError(f"{self._state} is not there.")
        return folder


def _key(folder: Folder) -> bytes:
    key = folder.read(_KEY)
    if key is None:
        with told_plainly(folder.path):
            _put(folder, _KEY, secrets.token_bytes(_KEY_BYTES))
        key = folder.read(_KEY) or b""
    if len(key) != _KEY_BYTES:
        raise UnwritableError(f"{folder.path / _KEY} is no key.", hint="Move it away; a new one will be made.")
    return key


def _put(folder: Folder, name: str, data: bytes) -> None:
    """Write a file whole, unless there is one by that name."""
    temporary = temporary_name(name)
    folder.create(temporary, data)
    try:
        with suppress(FileExistsError):
            folder.claim(temporary, name)
    finally:
        folder.unlink(temporary)


def _sweep(folder: Folder, now: datetime) -> None:
    """Remove the answers that are given no more."""
    for name in folder.names():
        day, _, rest = name.partition("-")
        if rest.endswith(".json") and day.isdigit() and int(day) < now.timestamp():
            with suppress(OSError):
                folder.unlink(name)


def _name(ticket: Ticket) -> str:
    return f"{int(ticket.forgotten_at.timestamp())}-{hashlib.sha256(ticket.text.encode()).hexdigest()[:32]}.json"


def _ticket(payload: _Payload | Sequence[object], text: str) -> Ticket:
    session_id, detail, claimed, (until, uids, since), made_ms, timeout_s, _nonce = _PAYLOAD.validate_python(payload)
    made_at = datetime.fromtimestamp(made_ms / 1000, UTC)
    return Ticket(Wish(until, uids, since), session_id, detail, claimed, made_at, timeout_s, text)


def _signature(key: bytes, body: str) -> str:
    return _encoded(hmac.digest(key, f"{_FORM}.{body}".encode(), "sha256"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
