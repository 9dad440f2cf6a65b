"""How a source can fail to answer."""

from __future__ import annotations

from jobwarden_registry.errors import JobwardenError


class SourceError(JobwardenError):
    """The source gave no answer that can be used. Nothing is known about any of the jobs."""

    code: str = "source.error"
    retryable: bool = True
    shared: bool = True


class SourceUnavailableError(SourceError):
    """It was reached and refused: `slurm.unavailable`, `slurm.not_installed`, ..."""

    code: str = "source.unavailable"


class UnreadableAnswerError(SourceError):
    """The answer was torn, or of a form we do not know; a sample of at most 2 KiB is in the text."""

    code: str = "source.unreadable"
