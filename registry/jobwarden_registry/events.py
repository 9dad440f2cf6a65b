"""What is written in events.jsonl: append-only, one object a line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from jobwarden_registry.model import Evidence, Utc

EVENT_VERSION = 1


class EventKind(StrEnum):
    """What happened. A reader passes over kinds that it does not know."""

    REGISTERED = "registered"
    STATUS_CHANGE = "status_change"
    ATTEMPT = "attempt"
    REQUEUED = "requeued"
    STUCK = "stuck"
    UNREACHABLE = "unreachable"
    REACHABLE = "reachable"
    STALLED = "stalled"
    READY = "ready"
    RULE_FIRED = "rule_fired"
    ACTION = "action"
    CANCEL_REQUESTED = "cancel_requested"
    CONTROL = "control"
    """What somebody is about to do to a job beside ending it, or to its watching."""
    LOST = "lost"
    FOUND_AGAIN = "found_again"
    FINISHED = "finished"
    REMOVED = "removed"
    NOTE = "note"
    """Something about the session itself: a corrupt file set aside, an orphan rebuilt, a claimed session id."""
    UPDATED = "updated"
    """Bookkeeping that no reader is told (a log path found, an absence counted): only `change` matters."""

    @property
    def news(self) -> bool:
        """Whether an agent is to be told."""
        return self not in _SILENT


_SILENT = frozenset({EventKind.UPDATED, EventKind.ACTION})


class Event(BaseModel):
    """One line of the journal. `seq` counts from 1 within a session; only a compaction leaves gaps."""

    model_config = ConfigDict(frozen=True, extra="allow")

    v: int = EVENT_VERSION
    seq: int
    timestamp: Utc
    event: Annotated[EventKind | str, Field(union_mode="left_to_right")]
    """A plain string only where a newer jobwarden wrote a kind that this one lacks."""
    session: str
    type: str = ""
    host: str = ""
    job_id: str = ""
    uid: str = ""
    name: str | None = None
    old_status: str | None = None
    new_status: str | None = None
    phase: str | None = None
    text: str | None = None
    """For people, where the fields do not say it all."""
    evidence: Evidence | None = None
    change: dict[str, JsonValue] | None = None
    """The record's fields that this event changed, as JSON: replayed when a crash came before the file was written."""
    record: dict[str, Any] | None = None
    """The whole record; in `registered` and `finished`."""
