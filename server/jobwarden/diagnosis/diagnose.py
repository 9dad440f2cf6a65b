"""From logs and the facts of an end to its first cause."""

from __future__ import annotations

from collections.abc import Sequence

from jobwarden.diagnosis.model import Category, Confidence, Diagnosis, Log, Outcome, Retryable


def diagnose(logs: Sequence[Log], outcome: Outcome) -> Diagnosis:
    """Say why it failed. Pure; never fails.

    Args:
        logs: Of one job; any bytes.
        outcome: How it ended.
    """
    del logs, outcome
    return Diagnosis(Category.UNKNOWN, "", "", Confidence.LOW, (), Retryable.NO, "")
