"""The ended jobs of a session, read from its journal as it grows."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session


@dataclass(frozen=True, slots=True)
class Ended:
    """One job that is no longer watched.

    Attributes:
        record: As it stood at its end.
        seq: Its `finished` event.
    """

    record: JobRecord
    seq: int


@dataclass(slots=True)
class History:
    """What has been read so far; `read` goes on from there."""

    seq: int = 0
    ended: dict[str, Ended] = field(default_factory=dict[str, Ended])

    def read(self, session: Session) -> None:
        """Read what is new in the session's journal."""
        for event in session.journal.read(self.seq):
            self.seq = max(self.seq, event.seq)
            record = _record(event)
            if record is not None:
                self.ended[record.uid] = Ended(record, event.seq)


def _record(event: Event) -> JobRecord | None:
    if event.event != EventKind.FINISHED or event.record is None:
        return None
    try:
        return JobRecord.model_validate(event.record)
    except ValidationError:  # written by a newer jobwarden: its own reader shows it
        return None
