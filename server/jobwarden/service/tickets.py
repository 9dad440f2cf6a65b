"""Tickets for waits that outlive the process that began them, and what became of such a wait.

A ticket is a number that nobody can guess and a file in the user's state folder, so that a server process that never
saw it can honour it. The number alone could not say what is waited for: Claude Code 2.1.328 takes ids of at most 128
characters. The end of a wait is written down once, beside the ticket: whoever asks again is given the same answer.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from jobwarden.service.waiting import Wish
from jobwarden_registry.disk import Folder, Steps, open_folder, temporary_name, told_plainly
from jobwarden_registry.errors import JobwardenError, UnwritableError

WAITS = "waits"
_NAME = re.compile(r"jw1-([0-9a-f]{8})-[0-9a-f]{32}")
"""When it is forgotten, in seconds since 1970, and 128 bits by chance."""
_TICKET, _ANSWER = ".json", ".answer.json"
KEPT_S = 86_400.0
"""An answer can be asked for this long after the wait's time was up: a session may be resumed on the next morning."""

LATELY_S = 60.0
"""Who has not asked for so long is taken to have gone: clients are told to ask every few seconds."""


class TicketError(JobwardenError):
    """Not a ticket of this user's, or not of the session that asks, or one whose time is over."""

    code: str = "wait.unknown"


class Ticket(BaseModel):
    """One wait."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    """What stands for it outside."""
    wish: Wish
    session_id: str
    detail: str | None
    """The sub-agent that waits."""
    claimed: bool
    """Whether nothing but the call's own word said whose it is."""
    borrowed: bool = False
    """Whether another session's agent waits."""
    made_at: AwareDatetime
    timeout_s: float

    @property
    def ends_at(self) -> AwareDatetime:
        """When its time is up."""
        return self.made_at + timedelta(seconds=self.timeout_s)

    @property
    def forgotten_at(self) -> AwareDatetime:
        """When its answer is given no more."""
        return self.ends_at + timedelta(seconds=KEPT_S)


class Answer(BaseModel):
    """How a wait ended."""

    model_config = ConfigDict(frozen=True)

    how: Literal["answered", "refused", "given up"]
    text: str = ""
    at: AwareDatetime


class Tickets:
    """The tickets of one user. Its methods touch the disk: call them in a thread.

    Args:
        state: The user's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._unwritten: dict[str, Answer] = {}

    def issue(self, ticket: Ticket) -> Ticket:
        """Write a ticket down, with the text that stands for it.

        Raises:
            UnwritableError, UntrustedError: It was not.
        """
        until = int(ticket.forgotten_at.timestamp()) + 1
        made = ticket.model_copy(update={"text": f"jw1-{until:08x}-{secrets.token_hex(16)}"})
        with self._folder() as folder, told_plainly(folder.path):
            _sweep(folder, ticket.made_at.timestamp())
            _put(folder, made.text + _TICKET, made)
        return made

    def read(self, text: str, now: AwareDatetime) -> Ticket:
        """Give the ticket that a text stands for.

        Raises:
            TicketError: It is none of this user's, or its time is over.
            UnreadableError: The disk did not answer.
        """
        if _NAME.fullmatch(text):
            with suppress(ValidationError):  # there is none, or a newer version's
                ticket = Ticket.model_validate_json(self._read(text + _TICKET))
                if now < ticket.forgotten_at:
                    return ticket
        raise TicketError("No such wait, or its answer is no longer kept.", hint="Call wait_for_change again.")

    def asked(self, ticket: Ticket, now: AwareDatetime) -> None:
        """Note that somebody asks for this one still."""
        with suppress(OSError):  # it is a hint, and no more
            os.utime(self._state / WAITS / (ticket.text + _TICKET), (now.timestamp(), now.timestamp()))

    def asked_lately(self, session_id: str, now: AwareDatetime) -> list[Ticket]:
        """Give a session's waits that go on and that somebody asked for in the last `LATELY_S`.

        Raises:
            UnreadableError: The disk did not answer.
        """
        folder = open_folder(self._state, (WAITS,), Steps(), create=False)
        if folder is None:
            return []
        found: list[Ticket] = []
        with folder:
            names = set(folder.names())
            for text in [name.removesuffix(_TICKET) for name in names if _NAME.fullmatch(name.removesuffix(_TICKET))]:
                signature = folder.signature(text + _TICKET)
                if text + _ANSWER in names or not signature or signature[3] / 1e9 < now.timestamp() - LATELY_S:
                    continue
                with suppress(ValidationError):
                    found.append(Ticket.model_validate_json(folder.read(text + _TICKET) or b""))
        return [ticket for ticket in found if ticket.session_id == session_id]

    def answer(self, ticket: Ticket) -> Answer | None:
        """Give how the wait ended; None while it goes on.

        Raises:
            UnreadableError: The disk did not answer.
        """
        with suppress(ValidationError):
            return Answer.model_validate_json(self._read(ticket.text + _ANSWER))
        return self._unwritten.get(ticket.text)

    def keep(self, ticket: Ticket, answer: Answer) -> Answer:
        """Note how the wait ended; the first note counts, and is answered.

        Where the disk cannot be written it is remembered in this process alone.
        """
        try:
            with self._folder() as folder, told_plainly(folder.path):
                _put(folder, ticket.text + _ANSWER, answer)
            return self.answer(ticket) or answer
        except JobwardenError:
            return self._unwritten.setdefault(ticket.text, answer)

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


def _put(folder: Folder, name: str, content: BaseModel) -> None:
    """Write a file whole, unless there is one by that name."""
    temporary = temporary_name(name)
    folder.create(temporary, content.model_dump_json().encode())
    try:
        with suppress(FileExistsError):
            folder.claim(temporary, name)
    finally:
        folder.unlink(temporary)


def _sweep(folder: Folder, now_s: float) -> None:
    """Remove what is given no more."""
    for name in folder.names():
        known = _NAME.match(name)
        if known is not None and int(known[1], 16) < now_s:
            with suppress(OSError):
                folder.unlink(name)
