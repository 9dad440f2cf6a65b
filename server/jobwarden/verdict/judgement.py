"""What the engine decides, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence, JobRecord


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be journaled.

    Attributes:
        kind: What happened.
        record: The record as this event leaves it.
        text: For people, where the record does not say it all.
        evidence: What decided it.
        extra: Further keys of the event.
    """

    kind: EventKind
    record: JobRecord
    text: str | None = None
    evidence: Evidence | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a sighting makes of a record.

    Attributes:
        record: As it stands afterwards; the very same object when nothing has changed.
        drafts: The events, in order. Each change of the record is in one of them; a `finished` one comes last.
        finished: The job leaves the watched ones, with the last draft.
    """

    record: JobRecord
    drafts: tuple[Draft, ...] = ()
    finished: bool = False
