"""A halt: while it holds, no rule of a session does anything but tell, note and pause, and nothing is submitted.

What holds is a small file in the session's state folder, forced to the disk. A halt is written there before the
journal's line about it, and its lifting after, so that a crash in between leaves the halt: nothing comes back by
accident. Whoever begins a deed looks for it under the session's lock (`Book.claim`): a halt and a beginning are never
at one moment. What was asked for before it was lifted stays undone after.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from jobwarden.actions.audit_keys import BY, DID, RESULT, WHY
from jobwarden_registry.disk import told_plainly
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Utc

if TYPE_CHECKING:
    from jobwarden_registry.session import Session

HALT = "halt.json"


class Halt(BaseModel):
    """One halt, as it stands on disk."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: Utc
    by: str
    """Who asked for it."""
    reason: str = ""
    lifted_at: Utc | None = None
    """When rules might act again; None: it holds."""

    def said(self) -> str:
        """Say who halted it and why."""
        return f"halted by {self.by}{': ' + self.reason if self.reason else ''}"


def halt_of(session: Session) -> Halt | None:
    """Give the halt that holds in a session; None: nothing is halted. One small file is read.

    A halt that cannot be read as one holds all the same.

    Raises:
        UnreadableError, UntrustedError: It cannot be said; then begin nothing.
    """
    found = _read(session)
    return found if found is not None and found.lifted_at is None else None


def bar_of(session: Session, asked_at: datetime) -> Halt | None:
    """Give the halt for which what was asked for at a moment is not done: one that holds, or was lifted since.

    Raises:
        UnreadableError, UntrustedError: As `halt_of`.
    """
    found = _read(session)
    barred = found is not None and (found.lifted_at is None or asked_at <= found.lifted_at)
    return found if barred else None


def halt(session: Session, *, at: datetime, by: str, reason: str) -> Halt:
    """Halt a session from now on; one that is halted already stays so, by whom it was.

    Raises:
        RegistryError: It could not be written; whether it is halted, `halt_of` says.
    """
    with session.transaction(own=False) as transaction:
        known = halt_of(session)
        if known is not None:
            return known
        made = Halt(id=secrets.token_hex(8), at=at, by=by, reason=reason)
        with session.locked() as folder, told_plainly(folder.path):
            folder.replace(HALT, made.model_dump_json().encode() + b"\n")
            folder.settle()
        extra: dict[str, JsonValue] = {DID: "halt", BY: by, WHY: reason, RESULT: "done"}
        transaction.note(f"The actions of this session's rules are {made.said()}.", kind=EventKind.NOTE, extra=extra)
    return made


def lift(session: Session, *, at: datetime, by: str) -> Halt | None:
    """Let rules act again; answers the halt that held, None where there was none.

    Raises:
        RegistryError: As `halt`.
    """
    with session.transaction(own=False) as transaction:
        known = halt_of(session)
        if known is None:
            return None
        extra: dict[str, JsonValue] = {DID: "lift", BY: by, RESULT: "done"}
        text = f"The actions of this session's rules go on, by {by}; they were {known.said()}."
        transaction.note(text, kind=EventKind.NOTE, extra=extra)
    with session.locked() as folder, told_plainly(folder.path):
        now = halt_of(session)
        if now is not None and now.id == known.id:  # or somebody has halted it anew meanwhile
            lifted = known.model_copy(update={"lifted_at": at})
            folder.replace(HALT, lifted.model_dump_json().encode() + b"\n")
    return known


def _read(session: Session) -> Halt | None:
    folder = session.opened()
    if folder is None:
        return None
    with folder:
        data = folder.read(HALT)
    if data is None:
        return None
    try:
        return Halt.model_validate_json(data)
    except ValidationError:
        return Halt(id="", at=datetime.fromtimestamp(0, UTC), by=f"a {HALT} that cannot be read")
