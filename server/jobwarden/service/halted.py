"""What is said of a halt wherever jobs are shown."""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.actions.halting import halt_of
from jobwarden.service.desk import Desk
from jobwarden_registry.session import Session


async def halted_notes(desk: Desk, sessions: Sequence[Session]) -> list[str]:
    """Say which of these sessions are halted: their rules tell, and do nothing else."""
    notes: list[str] = []
    for session in sessions:
        halt = await desk.world.sessions.call(session, halt_of)
        if halt is not None:
            notes.append(
                f"The rules of session {session.entry.session_id} are {halt.said()} (since {halt.at:%Y-%m-%d %H:%M}Z). "
                "They tell, and do nothing else; to let them act again: jobwarden rules resume --all"
            )
    return notes
