"""What can keep an installation from being made or taken back; whatever is raised, no file was touched."""

from __future__ import annotations

from jobwarden_registry.errors import JobwardenError


class InstallError(JobwardenError):
    """A client's file that is not changed, because it cannot be read, understood, or written."""

    code: str = "install.error"


class UnparsableError(InstallError):
    """The file is not what it should be: not UTF-8, no JSON, no TOML, or of another shape."""

    code: str = "install.unparsable"


class ForeignEntryError(InstallError):
    """Under our name stands something that is not ours."""

    code: str = "install.foreign"


class LockedFileError(InstallError):
    """The file is read-only, or its folder cannot be written."""

    code: str = "install.read_only"


class MovedOnError(InstallError):
    """The file was changed by somebody else between the look and the writing."""

    code: str = "install.moved_on"
    retryable: bool = True
