"""The user's living jobs as squeue lists them (`jobwarden.sources.slurm.listing`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from jobwarden.sources.base import Discovers, Found, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.phases import Phase
from support.slurm_fake import SQUEUE_DOWN, FakeSlurm, Trouble, host, queue_row


async def listed(slurm: FakeSlurm) -> dict[str, tuple[Phase, str]]:
    source = SlurmSource()
    assert isinstance(source, Discovers)
    return {one.id: (one.phase, one.status) for one in await source.discover(host(slurm))}


async def test_what_is_alive_is_listed_and_what_has_ended_is_not() -> None:
    slurm = FakeSlurm(
        queue=[
            queue_row("1", "RUNNING"),
            queue_row("2", "COMPLETED"),
            queue_row("3", "PENDING"),
            queue_row("4", "NEW_WORD"),
        ]
    )
    assert await listed(slurm) == {
        "1": (Phase.RUNNING, "RUNNING"),
        "3": (Phase.PENDING, "PENDING"),
        "4": (Phase.UNKNOWN, "NEW_WORD"),
    }
    assert len(slurm.asked) == 1


async def test_an_array_and_a_heterogeneous_job_are_one_each_with_their_living_elements() -> None:
    slurm = FakeSlurm(
        queue=[
            queue_row("7_[3-9]", "PENDING", raw=7),
            queue_row("7_2", "RUNNING", raw=9),
            queue_row("7_1", "COMPLETED", raw=8),
            queue_row("20+0", "RUNNING", raw=20),
            queue_row("20+1", "RUNNING", raw=21),
        ]
    )
    found = await listed(slurm)
    assert found == {"7": (Phase.RUNNING, "RUNNING 1, PENDING 7"), "20": (Phase.RUNNING, "RUNNING 2")}


async def test_each_says_what_it_is_and_when_it_was_submitted() -> None:
    (one,) = await SlurmSource().discover(host(FakeSlurm(queue=[queue_row("1", "PENDING", name="ptq")])))
    assert (one.name, one.what, one.question) == ("ptq", "partition normal, /home/alice", "squeue")
    assert one.submitted_at is not None
    assert one.started_at is None


@pytest.mark.parametrize("trouble", [SQUEUE_DOWN, Trouble(127, "squeue: not found")])
async def test_a_queue_that_cannot_be_asked_is_no_empty_list(trouble: Trouble) -> None:
    with pytest.raises(SourceError):
        await SlurmSource().discover(host(FakeSlurm(queue=trouble)))


async def test_an_observation_hands_on_what_lives_beside_the_jobs_that_were_asked_about() -> None:
    queue = [
        queue_row("1", "RUNNING"),
        queue_row("7_2", "RUNNING", raw=9),
        queue_row("3", "PENDING"),
        queue_row("4", "COMPLETED"),
    ]
    heard: list[Sequence[Found]] = []
    place = replace(host(FakeSlurm(queue=queue)), overheard=heard.append)
    await SlurmSource().observe(place, [Wanted(id="1"), Wanted(id="7")])
    assert [[one.id for one in found] for found in heard] == [["3"]]


async def test_a_queue_that_cannot_be_asked_shows_nothing_of_other_jobs() -> None:
    heard: list[Sequence[Found]] = []
    place = replace(host(FakeSlurm(queue=SQUEUE_DOWN)), overheard=heard.append)
    await SlurmSource().observe(place, [Wanted(id="1")])
    assert heard == []
