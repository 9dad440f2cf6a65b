"""What can be wrong with a plan."""

from __future__ import annotations

from jobwarden_registry.errors import JobwardenError


class PlanError(JobwardenError):
    """A plan that cannot be, or cannot be used so; nothing was submitted and nothing written."""

    code: str = "plan.invalid"


class PlanBusyError(JobwardenError):
    """Another process works on this plan."""

    code: str = "plan.busy"
    retryable: bool = True
