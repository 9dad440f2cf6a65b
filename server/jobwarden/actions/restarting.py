"""What is particular to a restart: the end of the run that failed is held until it is done, or not done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from jobwarden.actions.book import Book
from jobwarden.actions.deeds import AFTER, DEED, OPEN, Deed, Deeds, Known
from jobwarden.actions.errors import ActionError
from jobwarden.actions.planning import RESTART, restart_said, run_of
from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

_UNWANTED = "Its end was asked for, so it is not started again."
_ALIVE = (Phase.PENDING, Phase.RUNNING, Phase.SUSPENDED)


async def refuse_restart(book: Book, deed: Deed) -> None:
    """Look whether a submission is meant still.

    Raises:
        ActionError: Somebody wanted the job's end; of a restart: or took the rule away, or its run lives again,
            or its end was told.
    """
    known = await book.known()
    if known.after.get(deed.id) is not None:
        return  # what is begun may be done: that is found out first
    refuse_unwanted(known, deed)
    if deed.action != RESTART:
        return
    record = await book.record(deed.uid)
    if record is not None and not any(one.startswith(f"name={deed.rule} ") for one in record.rules):
        raise ActionError("Its rule was removed.")
    if record is not None and record.held is None and run_of(record) == deed.run and record.phase in _ALIVE:
        raise ActionError("Its run lives again.")
    if record is not None and record.held is None and record.phase.closed:
        raise ActionError("Its end was told already, and who waited for it has acted on that.")


def refuse_unwanted(known: Known, deed: Deed, places: Iterable[str] = ()) -> None:
    """Refuse to start what a person or an agent wanted to end; see `Known.is_unwanted`.

    Raises:
        ActionError: So it is.
    """
    if known.is_unwanted(deed, places):
        raise ActionError(_UNWANTED)


async def is_told(book: Book, deed: Deed) -> bool:
    """Whether it is news by itself that a deed was not done: of a held end that is told with it."""
    if deed.action != RESTART:
        return True
    record = await book.record(deed.uid)
    return record is None or record.held is None


def note_restart(transaction: Transaction, deed: Deed) -> None:
    """Show with the job that it is to be started again."""
    record = transaction.jobs.get(deed.uid)
    if deed.action != RESTART or deed.step not in OPEN or record is None or record.held is None:
        return
    after = record.changed(reason=restart_said(deed, "is being restarted"))
    transaction.change(deed.uid, after, EventKind.UPDATED, text="It is to be started again.")


def restart_open(session: Session, deeds: Deeds, *, uid: str) -> bool:
    """Whether a restart of a job is begun and not ended. In the session's own thread."""
    return any(one.action == RESTART for one in deeds.of(session).open(uid=uid))


def why_not_restarted(session: Session, *, uid: str, run: str) -> str:
    """Say why a run is not started again, as the journal has it; empty where no rule meant it."""
    mine: set[str] = set()
    said = ""
    for event in session.journal.read():
        if event.uid != uid or event.event != EventKind.ACTION:
            continue
        extra = event.model_extra or {}
        deed, after = _mapping(extra.get(DEED)), _mapping(extra.get(AFTER))
        if deed.get("action") == RESTART and deed.get("run") == run:
            mine.add(str(deed.get("id")))
            said = (event.text or "") if deed.get("step") not in OPEN else ""
        elif after.get("id") in mine and after.get("step") not in OPEN:
            said = event.text or ""
    return said


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
