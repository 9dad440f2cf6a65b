"""What a source can do to submit a job again: look at what it was, submit it once, and find what was submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceError


class NotAgainError(SourceError):
    """This job cannot be submitted again, or the scheduler refused it: nothing was submitted."""

    code: str = "resubmit.refused"
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Original:
    """A job as its scheduler keeps it, ready to be submitted again.

    Attributes:
        id: Of its latest run.
        name: Its own.
        work_dir: Where it was submitted to run.
        options: Its options, one word each, without those that concern that one submission.
        arguments: Of its script.
        script: The script's text.
        comment: What stood in its comment.
        alive: Whether it is in the queue and has not ended.
        twins: Living jobs that nobody watches, with its name and folder, that were submitted after it.
        gpus: How many it asked for in all.
        nodes: How many it asked for.
        memory_mib: How much it asked for in all; 0 where that is not known.
        time_limit_s: None where it has none.
        question: The commands that were run.
    """

    id: str
    name: str
    work_dir: str
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    script: bytes
    comment: str = ""
    alive: bool = False
    twins: tuple[str, ...] = ()
    gpus: int = 0
    nodes: int = 1
    memory_mib: float = 0.0
    time_limit_s: float | None = None
    question: tuple[str, ...] = ()


@runtime_checkable
class Resubmits(Protocol):
    """A source whose jobs can be submitted again."""

    async def original(self, host: Host, wanted: Wanted) -> Original:
        """Look at what a job was, alive or not.

        Raises:
            NotAgainError: It cannot be submitted again as it was; the text says why.
            TransportError, SourceError: As `Source.observe`.
        """
        ...

    async def submit(self, host: Host, original: Original, changes: Sequence[str], token: str) -> str | None:
        """Submit it again with these options over its own, after a last look that nobody has with this token.

        One that lives is waited for: the new job begins when it has ended.

        Args:
            host: Where.
            original: From `original`.
            changes: Words of the scheduler's own, checked.
            token: Goes with the job, so that it can be found: letters and digits.

        Returns:
            The new job's id; None where it is not known whether it was submitted: look with `submitted`.

        Raises:
            NotAgainError: The scheduler refused; nothing was submitted.
            TransportError, SourceError: Whether it was submitted is not known.
        """
        ...

    async def submitted(self, host: Host, token: str, *, within_s: float) -> str | None:
        """Find the job that was submitted with a token in the last seconds, whatever became of it.

        Returns:
            Its id; None: a good answer of all that would know it, and there is none.

        Raises:
            As `Source.observe`: it could not be found out.
        """
        ...
