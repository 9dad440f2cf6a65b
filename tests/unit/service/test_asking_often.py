"""An agent that asks all the time: the floor holds, and what it is told is true and says how old it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from jobwarden.service.service import Service
from jobwarden.service.views import JobView
from jobwarden.sources.base import Host, Sighting, Wanted
from support.household import Household, household
from support.paper import Paper, paper_service

FLOOR_S, MINUTE_S, CALLS = 15.0, 60.0, 100
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STORY = {0.0: "PENDING", 20.0: "RUNNING", 40.0: "COMPLETED"}
"""What really becomes of the job, by seconds; the other one waits all the time."""


@dataclass
class Told(Paper):
    """A scheduler whose job changes with the time, and which notes when it is asked."""

    seconds: float = 0.0
    moments: list[float] = field(default_factory=list[float])

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    async def observe(self, host: Host, wanted: list[Wanted]) -> dict[str, Sighting]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] -- a test's own
        self.moments.append(self.seconds)
        self.states |= {"1": truth(self.seconds), "2": "PENDING"}
        return dict(await super().observe(host, wanted))


def truth(seconds: float) -> str:
    return [word for since, word in STORY.items() if since <= seconds][-1]


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment, {"floor_s": FLOOR_S, "poll_s": MINUTE_S}) as made:
        yield made


def check(job: JobView, seconds: float) -> None:
    """What is shown was so at the moment from which it is said to be."""
    if job.phase == "succeeded":
        assert truth(seconds) == "COMPLETED"
        return
    assert job.age_s is not None
    assert job.age_s <= FLOOR_S + 2 * MINUTE_S / CALLS
    assert job.status == (truth(seconds - job.age_s) if job.id == "1" else "PENDING")


@pytest.mark.parametrize("servers", [1, 3])
async def test_a_hundred_calls_in_a_minute_put_no_more_questions_than_the_floor_allows(
    home: Household, servers: int
) -> None:
    """However many processes the calls come from; none of them is quick, for nothing new is registered."""
    paper = Told()
    ages: set[float | None] = set()
    succeeded: list[int] = []
    async with AsyncExitStack() as stack:
        services: list[Service] = [
            (await stack.enter_async_context(paper_service(home, paper, paper.now)))[0] for _ in range(servers)
        ]
        await services[0].register(home.caller(), type="paper", ids=["1", "2"], host="localhost")
        asked_to_register = len(paper.moments)
        for call in range(1, CALLS + 1):
            paper.seconds = call * MINUTE_S / CALLS
            view = await services[call % servers].status(home.caller())
            succeeded.append(view.counts.succeeded)
            for job in view.jobs:
                check(job, paper.seconds)
                ages.add(job.age_s)
    questions = paper.moments[asked_to_register:]
    assert len(questions) <= MINUTE_S / FLOOR_S
    assert len(questions) >= 3  # they are answers of this minute all the same
    assert all(later - earlier >= FLOOR_S for earlier, later in pairwise(questions))
    assert len(ages) > 10  # and say how old they are
    assert succeeded == sorted(succeeded)
    assert succeeded[-1] == 1
