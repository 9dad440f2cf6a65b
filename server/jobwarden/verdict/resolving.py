"""The Slurm jobs that jobs of other kinds hang on: asked about through the ledger, like any other Slurm job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from jobwarden.ledger.ledger import Ledger, Question, Snapshot
from jobwarden.sources.base import Concludes, CouldNotAsk, DependsOn, Host, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.targets import Target
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import Evidence

SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class There:
    """See `LooksThere`.

    Attributes:
        source: Whose jobs they are.
        host: Lends what a source needs on a host; the empty name is the jobs' own.
    """

    source: Concludes
    host: Callable[[str], AbstractAsyncContextManager[Host]]

    async def look_there(self, host: str, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn | CouldNotAsk]:
        """See `LooksThere.look_there`."""
        try:
            async with self.host(host) as far:
                return await self.source.look_there(far, depends)
        except (TransportError, SourceError) as error:
            return {
                job: CouldNotAsk(code=error.code, text=error.text, evidence=one.evidence, facts=one.facts)
                for job, one in depends.items()
            }

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """See `LooksThere.conclude`."""
        return self.source.conclude(depends, found)


@dataclass(frozen=True, slots=True)
class SlurmThroughLedger:
    """See `ResolvesSlurm`.

    Attributes:
        ledger: Where answers are shared.
        target: Says which ledger key a host's Slurm has; raises JobwardenError for a name that leads nowhere.
        question: How a target is asked.
        host: The host of the job itself.
        max_age_s: How old an answer may be.
        clock: The present.
    """

    ledger: Ledger
    target: Callable[[str], Awaitable[Target]]
    question: Callable[[Target], Question]
    host: str
    max_age_s: float
    clock: Clock

    async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
        """See `ResolvesSlurm.resolve`."""
        try:
            target = await self.target(host or self.host)
        except JobwardenError as error:
            return dict.fromkeys(slurm_ids, self._could_not(error.code, error.text))
        wanted = [Wanted(id=one, log_known=True, after_end=True) for one in slurm_ids]
        snapshot = await self.ledger.ask(target.key, wanted, self.question(target), max_age_s=self.max_age_s)
        return {one: self._sighting(snapshot, one) for one in slurm_ids}

    def _sighting(self, snapshot: Snapshot, slurm_id: str) -> Sighting:
        """An end that was seen stands whatever fails later; anything else is as old as the failure."""
        known, failure = snapshot.answered.get(slurm_id), snapshot.failure
        if known is not None and (failure is None or (known.kind == "seen" and known.phase.final)):
            return known.as_of(snapshot.asked[slurm_id]) if isinstance(known, Seen) else known
        if failure is not None:
            return self._could_not(failure.code, failure.text)
        return self._could_not("slurm.not_asked", f"Slurm has not been asked about {slurm_id} yet.")

    def _could_not(self, code: str, text: str) -> CouldNotAsk:
        return CouldNotAsk(code=code, text=text, evidence=Evidence(asked_at=self.clock(), rule=text))
