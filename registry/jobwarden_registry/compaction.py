"""Making an old journal smaller: what its jobs were and how they ended stays, what was seen on the way goes.

Lines are kept to the byte, with their numbers: cursors count numbers, and a number never stands for another event. The
new journal takes the old one's place in one step, so that a crash leaves the one or the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from jobwarden_registry.disk import Folder, told_plainly
from jobwarden_registry.events import EventKind
from jobwarden_registry.journal import EVENTS, Line, read_event, seq_of, split_lines
from jobwarden_registry.projection import PROJECTION, load_projection, save_projection
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.session import Session

_PASSING = frozenset(
    kind.value
    for kind in (
        EventKind.UPDATED,
        EventKind.STATUS_CHANGE,
        EventKind.ATTEMPT,
        EventKind.REQUEUED,
        EventKind.STUCK,
        EventKind.UNREACHABLE,
        EventKind.REACHABLE,
        EventKind.STALLED,
        EventKind.READY,
        EventKind.RULE_FIRED,
        EventKind.LOST,
        EventKind.FOUND_AGAIN,
        EventKind.NOTE,
    )
)
"""What was seen on the way. The runs of a job stand in the record with which it finished. A kind that is not known
here is kept."""
_CLOSING = frozenset({EventKind.FINISHED.value, EventKind.REMOVED.value})

Spare = Callable[[Raw], bool]
"""Whether an event that is no passing one may go, too."""
Keep = Callable[[Raw], bool]
"""Whether a passing one must stay."""


def kept_lines(lines: Sequence[Line], before: datetime, *, spare: Spare, keep: Keep) -> list[Line]:
    """Choose what stays of a journal. Pure.

    Args:
        lines: All of it.
        before: Only what happened earlier, about jobs that were over earlier, may go.
        spare: What may go besides.
        keep: What must stay.
    """
    over = {
        str(line.raw.get("uid")) for line in lines if line.raw.get("event") in _CLOSING and _is_before(line.raw, before)
    }
    last = max((seq_of(line.raw) for line in lines), default=0)

    def goes(raw: Raw) -> bool:
        uid = raw.get("uid")
        if seq_of(raw) == last or not _is_before(raw, before) or (uid and str(uid) not in over):
            return False  # the last number must stay known: the next event's comes after it
        if "fingerprint" in raw or raw.get("event") in _CLOSING or raw.get("event") == EventKind.REGISTERED.value:
            return False
        return (raw.get("event") in _PASSING and not keep(raw)) or spare(raw)

    return [line for line in lines if not goes(line.raw)]


def compact(session: Session, before: datetime, *, spare: Spare, keep: Keep, dry_run: bool = False) -> int:
    """Make a session's journal smaller; answers by how many bytes. A session that watches anything is left alone.

    Args:
        session: Whose.
        before: As in `kept_lines`.
        spare: Likewise.
        keep: Likewise.
        dry_run: Only say it.

    Raises:
        RegistryError: The session cannot be read or written; its journal is whole, the old one or the new one.
    """
    if dry_run:
        folder = session.opened()
        if folder is None:
            return 0
        with folder:
            return _made(folder, before, spare, keep)[0]
    with session.transaction(own=False) as transaction:  # the note of the file reflects all of the journal after it
        if transaction.jobs:
            return 0
    with session.locked() as folder, told_plainly(folder.path):
        projection = load_projection(folder)
        freed, data, end = _made(folder, before, spare, keep)
        if not freed or projection.records or projection.offset != end:
            return 0
        # Without the note everything is told anew from the journal, be it the old or the new one.
        with suppress(FileNotFoundError):
            folder.unlink(PROJECTION)
        folder.settle()
        folder.replace(EVENTS, data)
        folder.settle()
        save_projection(folder, replace(projection, offset=len(data)))
    return freed


def _made(folder: Folder, before: datetime, spare: Spare, keep: Keep) -> tuple[int, bytes, int]:
    """Give how much is freed, the new journal, and where the old one ends; nothing is freed of a torn one."""
    old = folder.read(EVENTS) or b""
    found = split_lines(old, 0)
    if found.torn:
        return 0, old, found.end
    data = b"".join(line.text + b"\n" for line in kept_lines(found.lines, before, spare=spare, keep=keep))
    return len(old) - len(data), data, found.end


def _is_before(raw: Raw, before: datetime) -> bool:
    event = read_event({key: raw[key] for key in ("seq", "timestamp", "event", "session") if key in raw})
    return event is not None and event.timestamp < before
