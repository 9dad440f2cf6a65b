"""Whose doing an end was, where it was asked for through jobwarden. Pure."""

from __future__ import annotations

from datetime import timedelta

from jobwarden_registry.model import JobRecord

_AT_ONCE = timedelta(hours=1)
"""A scheduler kills what does not heed it within minutes; two clocks may differ."""


def who_asked(record: JobRecord) -> str:
    """Say who asked for the end of this run, and why; empty where nobody did, or an earlier run was meant."""
    asked = record.end_asked
    if asked is None or asked.run != (record.resubmitted_as or record.id):
        return ""
    begun = record.attempts[-1].submitted_at if record.attempts else None
    # A run of which nobody knew yet when it was asked for was meant all the same.
    if asked.runs != max(1, len(record.attempts)) and (begun is None or begun > asked.at):
        return ""
    return f"{asked.by}: {asked.reason}" if asked.reason else asked.by


def is_prompt(record: JobRecord) -> bool:
    """Whether it ended so soon after that was asked for that it ended by this, and by nothing later."""
    asked, ended_at = record.end_asked, record.ended_at
    return asked is not None and (ended_at is None or ended_at - asked.at <= _AT_ONCE)
