"""Which job a row is about, from the questions to the verdict: ids that come round again, and several sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobwarden.sources.base import Sighting, Wanted
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.verdict.engine import judge
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.model import Absence, JobRecord
from jobwarden_registry.phases import Phase
from support.sightings import CLOCKS, job
from support.slurm_fake import (
    NOW,
    T0,
    FakeSlurm,
    account_row,
    host,
)

LONG_AGO = NOW - timedelta(days=9)
OLD = Wanted(id="7", user="alice", name="old", log_known=True, submitted_at=LONG_AGO, registered_at=LONG_AGO)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def look(slurm: FakeSlurm, wanted: Wanted) -> Sighting:
    return (await SlurmSource(clock=lambda: NOW).observe(host(slurm), [wanted]))[wanted.id]


# -- two sessions


async def phases(slurm: FakeSlurm, *records: JobRecord) -> list[Phase]:
    sightings = await SlurmSource(clock=lambda: NOW).observe(host(slurm), wanted_of_all(records))
    return [judge(one, sightings[one.id], asked_at=NOW, now=NOW, clocks=CLOCKS).record.phase for one in records]


async def test_elements_that_one_session_saw_vanish_are_not_forgotten_when_another_one_registers_the_array() -> None:
    first = job(uid="ua", registered_at=NOW - timedelta(hours=3), elements=4)
    late = job(uid="ub", registered_at=NOW - timedelta(minutes=3))
    ended = [
        account_row(f"7_{one}", "COMPLETED", raw=70 + one, submit=T0 - 9000, start=T0 - 8000, end=T0 - 400)
        for one in (1, 2)
    ]
    assert await phases(FakeSlurm(account=ended), first) == [Phase.CANCELLED]
    for records in ((first, late), (late, first)):
        assert await phases(FakeSlurm(account=ended), *records) == [Phase.CANCELLED, Phase.CANCELLED]


def test_a_session_that_registers_late_hides_neither_an_absence_nor_where_the_job_lives_now() -> None:
    first = job(registered_at=LONG_AGO, resubmitted_as="9", absence=Absence(since=NOW, last=NOW))
    (wanted,) = wanted_of_all([first, job(registered_at=NOW)])
    assert (wanted.resubmitted_as, wanted.absent_since, wanted.registered_at) == ("9", NOW, NOW)
