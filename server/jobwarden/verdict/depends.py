"""Jobs of other kinds that really hang on Slurm jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, CouldNotAsk, DependsOn, Seen, Sighting
from jobwarden.verdict.engine import judge
from jobwarden.verdict.judgement import Judgement
from jobwarden_registry.model import Evidence, JobRecord
from jobwarden_registry.phases import Phase

_WORST_FIRST: Final = (Phase.FAILED, Phase.CANCELLED, Phase.SUCCEEDED)
_LIVELIEST_FIRST: Final = (Phase.RUNNING, Phase.SUSPENDED, Phase.PENDING, Phase.UNKNOWN, Phase.LOST)


class ResolvesSlurm(Protocol):
    """Asks the Slurm of a host, through the same code and the same ledger as for its own jobs."""

    async def resolve(self, host: str, slurm_ids: Sequence[str]) -> Mapping[str, Sighting]:
        """Give one sighting for every id; `CouldNotAsk` where the host or Slurm did not answer. Raises nothing.

        Args:
            host: As ssh knows it; empty: the job's own host.
            slurm_ids: At least one.
        """
        ...


class LooksThere(Protocol):
    """The source of these jobs, where it has a say in what they come to: `Concludes`, with the host reached for it."""

    async def look_there(self, host: str, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn | CouldNotAsk]:
        """See `Concludes.look_there`; `CouldNotAsk` where the host could not be reached. Raises nothing."""
        ...

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """See `Concludes.conclude`. Raises nothing."""
        ...


async def resolved(
    answer: Mapping[str, Sighting], slurm: ResolvesSlurm, source: LooksThere | None = None
) -> dict[str, Sighting]:
    """Put what the Slurm jobs are in the place of every `DependsOn`; one question a host for all of them."""
    known = dict(answer)
    hosts = sorted({one.host for one in answer.values() if isinstance(one, DependsOn)})
    for host in hosts:
        pending = {job: one for job, one in answer.items() if isinstance(one, DependsOn) and one.host == host}
        looked = pending if source is None else await source.look_there(host, pending)
        known |= looked
        hanging = {job: one for job, one in looked.items() if isinstance(one, DependsOn)}
        ids = sorted({slurm_id for one in hanging.values() for slurm_id in one.slurm_ids})
        found: Mapping[str, Sighting] = {}
        if ids:
            found = await slurm.resolve(host, ids)
        known |= {job: _concluded(one, found, source) for job, one in hanging.items()}
    return known


def _concluded(depends: DependsOn, found: Mapping[str, Sighting], source: LooksThere | None) -> Sighting:
    if source is None:
        return combine(depends, found).model_copy(update={"facts": depends.facts})
    parts = [found[slurm_id] for slurm_id in depends.slurm_ids if slurm_id in found]
    whole = depends.model_copy(update={"evidence": _evidence(depends, parts)})
    concluded = source.conclude(whole, found)
    return concluded.model_copy(update={"facts": {**depends.facts, **concluded.facts}})


def judge_depends(
    record: JobRecord,
    depends: DependsOn,
    sightings: Mapping[str, Sighting],
    *,
    asked_at: datetime,
    now: datetime,
    clocks: Clocks,
) -> Judgement:
    """Judge a job by the Slurm jobs that it depends on."""
    return judge(record, combine(depends, sightings), asked_at=asked_at, now=now, clocks=clocks)


def combine(depends: DependsOn, sightings: Mapping[str, Sighting]) -> Sighting:
    """Make one sighting of those of the Slurm jobs.

    One that could not be asked about hides what the whole is. Else the job lives while one of them lives; it is
    absent when one is absent and none lives; and when all have ended, the worst end is its own.
    """
    found = [(slurm_id, sightings.get(slurm_id)) for slurm_id in depends.slurm_ids]
    evidence = _evidence(depends, [one for _, one in found if one is not None])
    dark = next((_dark(slurm_id, one) for slurm_id, one in found if _dark(slurm_id, one)), None)
    if dark is not None or not found:
        code, text = dark or ("verdict.unresolved", "It is not known yet which Slurm jobs it depends on.")
        return CouldNotAsk(code=code, text=text, evidence=evidence)
    seen = [one for _, one in found if isinstance(one, Seen)]
    for phase in _LIVELIEST_FIRST:
        for one in seen:
            if one.phase is phase:
                return _as_whole(one, seen, evidence)
    where = [place for _, one in found if isinstance(one, Absent) for place in one.where]
    if where:
        return Absent(where=tuple(dict.fromkeys(where)), evidence=evidence)
    worst = min(seen, key=lambda one: _WORST_FIRST.index(one.phase))
    return _as_whole(worst, seen, evidence)


def _dark(slurm_id: str, sighting: Sighting | None) -> tuple[str, str] | None:
    if isinstance(sighting, CouldNotAsk):
        return sighting.code, f"Slurm job {slurm_id}: {sighting.text}"
    if sighting is None or isinstance(sighting, DependsOn):
        return "verdict.unresolved", f"Slurm job {slurm_id}: nothing is known of it."
    return None


def _as_whole(one: Seen, parts: Sequence[Seen], evidence: Evidence) -> Seen:
    """Take one part's state for the whole's.

    The latest submission is the whole's: a part that is submitted or requeued later is a new run, one that merely
    ends before the others is none. It starts with its first part and ends with its last.
    """
    starts = [part.started_at for part in parts if part.started_at is not None]
    ends = [part.ended_at for part in parts if part.ended_at is not None]
    submissions = [part.submitted_at for part in parts if part.submitted_at is not None]
    whole = {
        "evidence": evidence,
        "attempts": (),
        "name": None,
        "submitted_at": max(submissions, default=None),
        "started_at": min(starts, default=None),
        "ended_at": max(ends, default=None) if one.phase.final else None,
    }
    return one.model_copy(update=whole)


def _evidence(depends: DependsOn, parts: Sequence[Sighting]) -> Evidence:
    every = [depends.evidence, *(part.evidence for part in parts)]
    return Evidence(
        asked_at=min(one.asked_at for one in every),
        question=tuple(dict.fromkeys(question for one in every for question in one.question)),
        lines=tuple(dict.fromkeys(line for one in every for line in one.lines)),
        rule=" ".join(dict.fromkeys(one.rule for one in every if one.rule)),
    )
