"""Short words for records, sightings and moments, for the tests of verdict and ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, CouldNotAsk, Seen
from jobwarden_registry.model import Evidence, JobRecord
from jobwarden_registry.phases import Phase

START = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
CLOCKS = Clocks(jitter=0.0)
PHASES = {
    "PENDING": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "COMPLETING": Phase.RUNNING,
    "SUSPENDED": Phase.SUSPENDED,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMEOUT": Phase.FAILED,
    "PREEMPTED": Phase.FAILED,
    "NODE_FAIL": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def proof(seconds: float = 0.0, line: str = "") -> Evidence:
    return Evidence(asked_at=at(seconds), question=("squeue", "sacct"), lines=(line,) if line else (), rule="test")


def job(**fields: Any) -> JobRecord:
    """A record registered at START; fields replace its own."""
    whole = {
        "type": "slurm",
        "id": "7",
        "host": "c",
        "site": "alice@c:22",
        "uid": "u7",
        "registered_at": START,
    } | fields
    return JobRecord.model_validate(whole)


def seen(status: str, **fields: Any) -> Seen:
    """A sighting with the phase that Slurm's word has; any other word is unknown."""
    phase = PHASES.get(status.split()[0] if status else "", Phase.UNKNOWN)
    return Seen.model_validate({"phase": phase, "status": status, "evidence": proof(line=status)} | fields)


def absent() -> Absent:
    return Absent(where=("squeue", "sacct"), evidence=proof())


def could_not_ask(code: str = "slurm.unavailable", text: str = "sacct: error") -> CouldNotAsk:
    return CouldNotAsk(code=code, text=text, evidence=proof())
