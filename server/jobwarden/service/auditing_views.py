"""What the audit answers, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden_registry.model import Utc


class DeedView(BaseModel):
    """One thing that somebody did, as a session's journal has it."""

    model_config = ConfigDict(frozen=True)

    at: Utc
    action: str
    """register, adopt, remove, cancel, resubmit, halt, lift, ..., one word."""
    by: str
    """`codex/SESSION`, `claude-code/SESSION/SUB-AGENT`, `manual/SESSION` (a person's terminal), `rule/NAME`, `file`."""
    job: str
    """`slurm:12345@cluster-a`; `-` where it is about the session itself."""
    result: str
    """accepted, refused, failed, done, unsure, ...; `begun`: nobody has noted an end of it."""
    text: str
    session: str
    """In whose journal it stands."""
    seq: int
    name: str | None = None
