"""Which of the jobs that hang on Slurm jobs live.

The queue, which is asked for anyway, tells of most that they do not; of those few that have a job in it their source's
own word is taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Found, Seen, Sighting
from jobwarden.sources.errors import SourceError
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.depends import LooksThere, ResolvesSlurm, resolved
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.phases import Phase

Queue = Callable[[str], Awaitable[Sequence[Found]]]
"""Gives what lives in the Slurm of a host; the empty name is the jobs' own. Raises as `Discovers.discover`."""


async def find_living(
    found: Sequence[Found], queue: Queue, slurm: ResolvesSlurm, source: LooksThere
) -> tuple[Found, ...]:
    """Fill in what Slurm must tell of jobs that are listed (`Found.depends`); what is not there any more is left out.

    One of which it could not be found out stays, in a phase that is not known.
    """
    wanted = {one.id: one.depends for one in found if one.depends is not None}
    sparing = _Sparing(queue, slurm, source)
    answer = await resolved(wanted, sparing, sparing) if wanted else {}
    told = [one if one.depends is None else _filled(one, answer[one.id], sparing.slurm_ids) for one in found]
    return tuple(one for one in told if one is not None)


@dataclass(slots=True)
class _Sparing:
    """Asks Slurm about jobs of which a part is in the queue, and about no others."""

    queue: Queue
    slurm: ResolvesSlurm
    source: LooksThere
    slurm_ids: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By job, as far as was looked."""
    _asked: set[str] = field(default_factory=set[str])

    async def look_there(self, host: str, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn | CouldNotAsk]:
        """See `LooksThere.look_there`."""
        looked = await self.source.look_there(host, depends)
        hanging = {job: one for job, one in looked.items() if isinstance(one, DependsOn)}
        self.slurm_ids |= {job: one.slurm_ids for job, one in hanging.items()}
        if not hanging:
            return looked
        try:
            queue = {one.id for one in await self.queue(host)}
        except (TransportError, SourceError, JobwardenError) as error:
            dark = {
                job: CouldNotAsk(code=error.code, text=error.text, evidence=one.evidence)
                for job, one in hanging.items()
            }
            return {**looked, **dark}
        for one in hanging.values():
            if not queue.isdisjoint(one.slurm_ids):
                self._asked.update(one.slurm_ids)
        return looked

    async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
        """See `ResolvesSlurm.resolve`."""
        asked = [one for one in slurm_ids if one in self._asked]
        return await self.slurm.resolve(host, asked) if asked else {}

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """See `LooksThere.conclude`; what was not asked about is not in the queue."""
        gone = Absent(where=("squeue",), evidence=depends.evidence)
        return self.source.conclude(depends, {one: found.get(one, gone) for one in depends.slurm_ids})


def _filled(one: Found, sighting: Sighting, slurm_ids: Mapping[str, tuple[str, ...]]) -> Found | None:
    assert one.depends is not None
    parts = slurm_ids.get(one.id) or one.depends.slurm_ids
    facts = {**one.facts, **sighting.facts}
    update: dict[str, object] = {"depends": None, "slurm_ids": parts, "slurm_host": one.depends.host, "facts": facts}
    if isinstance(sighting, Absent):
        return None
    if isinstance(sighting, Seen):
        update |= {
            "phase": sighting.phase,
            "status": sighting.status,
            "started_at": None if sighting.phase is Phase.PENDING else sighting.started_at,
        }
    return one.model_copy(update=update)
