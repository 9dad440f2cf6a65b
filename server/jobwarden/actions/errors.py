"""What can be wrong with an action: when it is written, and when it is carried out."""

from __future__ import annotations

from jobwarden.sources.errors import SourceUnavailableError
from jobwarden_registry.errors import JobwardenError


class InvalidRuleError(JobwardenError):
    """A rule says something that cannot be, or that nobody allowed; the hint is what to write, and where."""

    code: str = "rule.invalid"


class ActionError(JobwardenError):
    """An action was not carried out, and will not be: nothing was done, or what was done is said."""

    code: str = "action.failed"


class HaltedError(JobwardenError):
    """The rules of the session are halted: nothing was done, nor will be when that is lifted."""

    code: str = "action.halted"


class NotYetError(SourceUnavailableError):
    """Whether it was submitted, or may be, cannot be said yet: it is looked for again later."""

    code: str = "resubmit.not_yet"
