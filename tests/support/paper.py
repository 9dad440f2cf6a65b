"""A source of paper that says and does what a test tells it, and a real service, registry and ledger around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import anyio

from jobwarden.service.desk import Desk
from jobwarden.service.service import Service
from jobwarden.sources.base import Absent, CancelOutcome, Host, Seen, Sighting, Wanted
from jobwarden.sources.plugins import Sources
from jobwarden.verdict.world import World, open_world
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import Evidence, LogPaths
from jobwarden_registry.phases import Phase
from support.household import Household

FAR = """
[hosts.far]
transport = "local"
cluster = "far"
[hosts.slow]
transport = "local"
cluster = "slow"
min_interval_s = 60
"""
"""Two more hosts, which need no ssh: for the ledger they are others."""

WORDS = {
    "PENDING": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


@dataclass
class Paper:
    """A kind of job that exists in a test only.

    Attributes:
        states: Id to word; an id that is not here is absent.
        log: Where its jobs say that they write.
        own_logs: Id to where that one says so, instead.
        submitted_at: Id to when that one was submitted, where it says so.
        hanging: Clusters that do not answer before `back` is set (see `FAR`; the near one is "").
        raises: What comes instead of an answer.
        answer: What comes instead of sightings.
        refuses: Id to why its cancellation is refused.
        cancel_raises: What comes instead of an outcome.
        ends: Whether a job that is cancelled ends.
        asked: When, by the loop's clock, and for which cluster.
    """

    name: str = "paper"
    states: dict[str, str] = field(default_factory=dict[str, str])
    log: LogPaths | None = None
    own_logs: dict[str, LogPaths] = field(default_factory=dict[str, LogPaths])
    submitted_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    hanging: set[str] = field(default_factory=set[str])
    back: anyio.Event = field(default_factory=anyio.Event)
    raises: Exception | None = None
    answer: object = None
    refuses: dict[str, str] = field(default_factory=dict[str, str])
    cancel_raises: Exception | None = None
    ends: bool = True
    asked: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    cancelled: list[str] = field(default_factory=list[str])

    def parse_id(self, text: str) -> str:
        if not text.isalnum():
            raise InvalidIdError(f"{text!r} cannot be an id.", hint="Letters and digits.")
        return text

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        self.asked.append((anyio.current_time(), host.cluster))
        if host.cluster in self.hanging:
            await self.back.wait()
        if self.raises is not None:
            raise self.raises
        if self.answer is not None:
            return self.answer  # type: ignore[return-value]  # pyright: ignore[reportReturnType] -- what a bad plug-in does
        return {one.id: self._sighting(one.id) for one in wanted}

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        if host.cluster in self.hanging:
            await self.back.wait()
        outcomes: dict[str, CancelOutcome] = {}
        for one in wanted:
            if one.id in self.refuses:
                outcomes[one.id] = CancelOutcome(accepted=False, text=self.refuses[one.id])
                continue
            self.cancelled.append(one.id)
            outcomes[one.id] = CancelOutcome(accepted=True, text="taken")
            if self.ends:
                self.states[one.id] = "CANCELLED"
        if self.cancel_raises is not None:
            raise self.cancel_raises
        return outcomes

    def _sighting(self, job_id: str) -> Sighting:
        evidence = Evidence(asked_at=utc_now(), question=("look",), lines=(job_id,), rule="paper")
        word = self.states.get(job_id)
        if word is None:
            return Absent(where=("paper",), evidence=evidence)
        return Seen(
            phase=WORDS.get(word, Phase.UNKNOWN),
            status=word,
            log=self.own_logs.get(job_id, self.log),
            submitted_at=self.submitted_at.get(job_id),
            evidence=evidence,
        )


class LooksOnly:
    """A kind of job that cannot be cancelled."""

    name = "stone"

    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    def parse_id(self, text: str) -> str:
        return text

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        return await self._paper.observe(host, wanted)


class QuietDesk(Desk):
    """A desk that starts no watcher."""

    watcher_trouble: str | None = None

    async def ensure_watcher(self) -> str | None:
        return self.watcher_trouble


@asynccontextmanager
async def paper_world(home: Household, paper: Paper, clock: Clock = utc_now) -> AsyncGenerator[World]:
    """Open everything real, but for the sources."""
    async with open_world(home.env, clock=clock) as real:
        sources = Sources({"paper": paper, "stone": LooksOnly(paper)}, {})
        real.rounds.sources = sources
        yield replace(real, sources=sources)


@asynccontextmanager
async def paper_service(
    home: Household, paper: Paper, clock: Clock = utc_now
) -> AsyncGenerator[tuple[Service, QuietDesk]]:
    """Open the service over `paper_world`; what it shows is what its own calls have asked."""
    async with paper_world(home, paper, clock) as world, anyio.create_task_group() as tasks:
        desk = QuietDesk(world, tasks, version="0.1.0")
        yield Service(desk), desk
        tasks.cancel_scope.cancel()
