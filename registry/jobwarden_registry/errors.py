"""The root of every error that jobwarden raises on purpose, and the registry's own.

JobwardenError
├─ RegistryError
│  ├─ InvalidIdError          id.invalid            a session or job id that cannot be one
│  ├─ JobNotFoundError        job.not_found
│  ├─ AmbiguousJobError       job.ambiguous
│  ├─ UnwritableError         registry.unwritable   full disk, read-only folder, quota
│  ├─ UnreadableError         registry.unreadable   (retryable) an I/O error; says nothing about the jobs
│  ├─ LockTimeoutError        registry.locked       (retryable)
│  ├─ LeaseLostError          lease.lost            another watcher holds the session now
│  ├─ NewerRecordError        registry.newer        written by a newer jobwarden
│  └─ UntrustedError          registry.untrusted    not the user's own folder
├─ TransportError             jobwarden.transport.errors
└─ SourceError                jobwarden.sources.errors
"""

from __future__ import annotations


class JobwardenError(Exception):
    """Something that went wrong, in words for the person or agent who must act on it.

    Attributes:
        code: A stable dotted word; tests and programs compare this, never the text.
        retryable: Whether the same call may succeed later with nothing changed.
        hint: What to do, often a command. May be empty.
    """

    code: str = "jobwarden.error"
    retryable: bool = False

    def __init__(self, text: str, *, hint: str = "", code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.text} {self.hint}".strip()


class RegistryError(JobwardenError):
    """Something about the registry on disk."""

    code: str = "registry.error"


class InvalidIdError(RegistryError):
    """An id from outside that cannot be one; nothing was read or written with it."""

    code: str = "id.invalid"


class JobNotFoundError(RegistryError):
    """No watched job answers to that name."""

    code: str = "job.not_found"


class AmbiguousJobError(RegistryError):
    """Several watched jobs answer to that name; the text lists them."""

    code: str = "job.ambiguous"


class UnwritableError(RegistryError):
    """The disk is full, or the folder cannot be written; everything on disk is as it was."""

    code: str = "registry.unwritable"


class UnreadableError(RegistryError):
    """The disk did not answer, or may not be read; nothing is known about what it holds."""

    code: str = "registry.unreadable"
    retryable: bool = True


class LockTimeoutError(RegistryError):
    """Another process held the session's lock for longer than we wait."""

    code: str = "registry.locked"
    retryable: bool = True


class LeaseLostError(RegistryError):
    """This watcher's lease on the session was taken over; it must stop acting for it."""

    code: str = "lease.lost"


class NewerRecordError(RegistryError):
    """The record was written by a newer jobwarden, and an older one does not rewrite it."""

    code: str = "registry.newer"


class UntrustedError(RegistryError):
    """The folder is not the user's own, or others may write in it; it is not obeyed."""

    code: str = "registry.untrusted"
