"""What a job runs: an optional part of a source's contract."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jobwarden.sources.base import Host


@runtime_checkable
class KeepsScripts(Protocol):
    """A source that can show the script of a job. Without it nothing is read from scripts."""

    async def script(self, host: Host, job_id: str) -> str:
        """Give a job's script; empty where there is none, or it is not kept. Asked once, at the registration.

        Raises:
            TransportError, SourceError: As `Source.observe`.
        """
        ...
