"""The schedulers that a plan's jobs are on, for the time of one pass over them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from jobwarden.plans.errors import PlanError
from jobwarden.plans.places import Folder, find_folders
from jobwarden.plans.spec import JobSpec
from jobwarden.service.desk import Desk
from jobwarden.sources.base import Host
from jobwarden.sources.plugins import guarded
from jobwarden.sources.submitting import Listing, Submits
from jobwarden_registry.model import JobRecord

_FRESH_S = 3.0
"""How old an answer may be by which a dependency is decided."""
_STALE_S = 30.0
"""How old one may be by which it is decided that nothing of a job lives."""


@dataclass(slots=True)
class There:
    """One scheduler.

    Attributes:
        host: Where it is asked.
        source: How.
        listing: What it has told.
        folders: The folders of the plan's jobs there, as the plan writes them.
    """

    host: Host
    source: Submits
    listing: Listing
    folders: Mapping[str, Folder | None]


@dataclass(slots=True)
class Hosts:
    """All of them; each is asked when the first of its jobs is looked at."""

    desk: Desk
    _sites: dict[str, str] = field(default_factory=dict[str, str])
    _there: dict[tuple[str, str], There | None] = field(default_factory=dict[tuple[str, str], There | None])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Keep what is borrowed for one pass; each begins with new answers."""
        self._there.clear()
        async with AsyncExitStack() as self._stack:
            yield

    async def site_of(self, host: str) -> str:
        """Say where a host's name leads."""
        if host not in self._sites:
            self._sites[host] = (await self.desk.world.transports.resolve(host)).key
        return self._sites[host]

    def known(self, spec: JobSpec) -> There | None:
        """Give the scheduler of a job, if it has answered in this pass."""
        return self._there.get((spec.type, spec.host))

    async def at(self, spec: JobSpec, specs: Sequence[JobSpec], *, within_s: float) -> There | None:
        """Give the scheduler of a job, with a listing that is young enough for it; None: it did not answer before.

        Args:
            spec: The job.
            specs: All jobs of the plan.
            within_s: How far back accounting is asked.

        Raises:
            TransportError, SourceError: It does not answer.
            PlanError: It cannot submit.
        """
        place = (spec.type, spec.host)
        if place not in self._there:
            self._there[place] = None  # one that does not answer is not asked for the next job's
            self._there[place] = await self._open(spec, specs, within_s)
        there = self._there[place]
        if there is None:
            return None
        age_s = (self.desk.world.clock() - there.listing.asked_at).total_seconds()
        if age_s > (_FRESH_S if spec.after else _STALE_S):
            with guarded(spec.type):
                there.listing = await there.source.listing(there.host, within_s=within_s)
        return there

    async def _open(self, spec: JobSpec, specs: Sequence[JobSpec], within_s: float) -> There:
        rounds = self.desk.world.rounds
        source = self.desk.world.sources.get(spec.type)
        if not isinstance(source, Submits):
            raise PlanError(f"Jobs of type {spec.type} cannot be submitted.")
        probe = JobRecord(type=spec.type, id="0", host=spec.host, site=await self.site_of(spec.host))
        host = await self._stack.enter_async_context(rounds.host(await rounds.target(probe)))
        wanted = [one.work_dir for one in specs if (one.type, one.host) == (spec.type, spec.host)]
        with guarded(spec.type):
            folders = await find_folders(host, wanted)
            listing = await source.listing(host, within_s=within_s)
        return There(host, source, listing, folders)
