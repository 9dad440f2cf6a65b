"""What an ended job used stands in its history, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from jobwarden.service.past.rows import row_of_event, row_of_record
from jobwarden_registry.model import JobRecord, Used
from jobwarden_registry.phases import Phase

USED = Used(cpu_s=50.0, core_s=100.0, memory_bytes=97, memory_limit_bytes=100, elapsed_s=50.0)


def test_what_a_job_used_is_told_by_its_history() -> None:
    record = JobRecord(type="slurm", id="1", uid="a", phase=Phase.SUCCEEDED, used=USED)
    row = row_of_record(record, at=datetime.now(UTC).timestamp())
    assert row.efficiency == "CPU 50 % of 2.0 cores, memory 97 % of 0M"


@pytest.mark.parametrize("used", [None, "much", {"cpu_s": "a word"}, {}])
def test_what_cannot_be_read_is_not_told(used: JsonValue) -> None:
    record: dict[str, JsonValue] = {"type": "slurm", "id": "1", "phase": "succeeded", "used": used}
    event: dict[str, JsonValue] = {
        "event": "finished", "seq": 1, "uid": "a", "timestamp": "2026-11-21T10:00:00Z", "record": record
    }  # fmt: skip
    row = row_of_event(event, 0, 10)
    assert row is not None
    assert row.efficiency is None
