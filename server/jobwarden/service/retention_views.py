"""What a cleanup answers, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptView(_View):
    """What became of one session.

    Attributes:
        session: Its id.
        what: compacted, removed, left (there is something to drop, and it may not be yet), failed.
        why: Of one that was left or failed.
        freed_bytes: Of one that was compacted or removed.
    """

    session: str
    what: str
    why: str = ""
    freed_bytes: int = 0


class CleanupView(_View):
    """The answer of cleanup: only sessions of which there is something to say."""

    dry_run: bool
    sessions: tuple[KeptView, ...] = ()
    files: tuple[str, ...] = ()
    """Other old files, removed (or, of a dry run, to be)."""
    freed_bytes: int = 0
