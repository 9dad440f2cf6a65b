"""What a source can do to submit a script, once: an optional part of its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from jobwarden.sources.base import Host
from jobwarden_registry.phases import Phase


@dataclass(frozen=True, slots=True)
class Submission:
    """A script to be submitted.

    Attributes:
        name: The job's, in its scheduler.
        work_dir: Where it runs, absolute.
        options: Words of the scheduler's own, checked, one each.
        arguments: Of the script.
        script: Its text.
        comment: What shall stand in the job's comment beside the token.
        after: What it waits for: `afterok:12`.
    """

    name: str
    work_dir: str
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    script: bytes
    comment: str = ""
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A job of the login's, as it was found.

    Attributes:
        id: Canonical; of an array: the whole.
        token: What it was submitted with; empty: nothing of ours.
        name: Its own; empty where only accounting told of it.
        work_dir: Likewise.
        phase: As the scheduler says; UNKNOWN where only accounting told of it.
        queued: Whether the scheduler itself remembers it, alive or just ended.
        submitted_at: Where it is known.
    """

    id: str
    token: str = ""
    name: str = ""
    work_dir: str = ""
    phase: Phase = Phase.UNKNOWN
    queued: bool = True
    submitted_at: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether it is in the queue and has not ended."""
        return self.queued and not self.phase.closed


@dataclass(frozen=True, slots=True)
class Listing:
    """All jobs of the login's that a scheduler tells of, in one good answer of the queue.

    Attributes:
        jobs: Each once.
        accounted: Whether accounting has answered, too: then a token that is nowhere was never taken.
        trouble: Why not; empty where there is no accounting at all.
        asked_at: Before the question.
    """

    jobs: tuple[Listed, ...]
    accounted: bool
    trouble: str
    asked_at: datetime

    def of_token(self, token: str) -> Listed | None:
        """Find what was submitted with a token."""
        return next((one for one in self.jobs if one.token == token), None)

    def of_id(self, job_id: str) -> Listed | None:
        """Find a job."""
        return next((one for one in self.jobs if one.id == job_id), None)

    def living(self, name: str, folders: Sequence[str]) -> list[Listed]:
        """Find the living jobs of a name that run in one of these folders; no folder: in whatever folder."""
        return [one for one in self.jobs if one.alive and one.name == name and (not folders or one.work_dir in folders)]


@runtime_checkable
class Submits(Protocol):
    """A source that submits scripts."""

    async def submit_script(self, host: Host, submission: Submission, token: str) -> str | None:
        """Submit it, after a last look that nobody has with this token.

        Returns:
            The job's id; None where it is not known whether it was submitted: look with `listing`.

        Raises:
            NotAgainError: The scheduler refused; nothing was submitted.
            TransportError, SourceError: Whether it was submitted is not known.
        """
        ...

    async def listing(self, host: Host, *, within_s: float) -> Listing:
        """List the login's jobs with what they were submitted with: all in the queue, and those of the last seconds.

        Raises:
            As `Source.observe`.
        """
        ...

    async def wait_for(self, host: Host, job_id: str, after: Sequence[str]) -> None:
        """Have a waiting job wait for these (`afterok:12`) instead of what it waits for now; empty: for nothing.

        Raises:
            NotAgainError: The scheduler refused.
            TransportError, SourceError: Whether it does is not known; ask again.
        """
        ...
