"""Doing to the Slurm jobs that a job of another kind hangs on what was asked of that one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from jobwarden.sources.base import CancelOutcome, CouldNotAsk, DependsOn, Host, Source, Wanted
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import JobwardenError

Ask = Callable[[Source, Host, Sequence[Wanted]], Awaitable[Mapping[str, CancelOutcome]]]
"""Asks a source for what is wanted of these jobs."""


async def done_in_slurm(
    rounds: Rounds, target: Target, source: Source, outcomes: Mapping[str, CancelOutcome], ask: Ask
) -> dict[str, CancelOutcome]:
    """Carry out what a source handed on, on the hosts of its Slurm jobs; one host's failure is its own.

    Args:
        rounds: How to reach them.
        target: Where the source itself was asked.
        source: Whose jobs they are.
        outcomes: What it said.
        ask: What is asked of Slurm.
    """
    done = dict(outcomes)
    hanging = {job: one.depends for job, one in outcomes.items() if one.depends is not None}
    for host in sorted({one.host for one in hanging.values()}):
        here = {job: one for job, one in hanging.items() if one.host == host}
        try:
            done |= await _do_there(rounds, target, source, host, here, ask)
        except JobwardenError as error:
            done |= dict.fromkeys(here, CancelOutcome(accepted=False, text=str(error), failed=True))
    return done


async def _do_there(
    rounds: Rounds, target: Target, source: Source, host: str, hanging: Mapping[str, DependsOn], ask: Ask
) -> dict[str, CancelOutcome]:
    there = rounds.there(target, source)
    looked = hanging if there is None else await there.look_there(host, hanging)
    outcomes = {
        job: CancelOutcome(accepted=False, text=f"{one.text} Nothing was sent.", failed=True)
        for job, one in looked.items()
        if isinstance(one, CouldNotAsk)
    }
    known = {job: one.slurm_ids for job, one in looked.items() if isinstance(one, DependsOn)}
    slurm = rounds.sources.get(SLURM)
    ids = sorted({slurm_id for each in known.values() for slurm_id in each})
    async with rounds.host(await rounds.slurm_target(host or target.host)) as far:
        said: Mapping[str, CancelOutcome] = {}
        if ids:
            said = await ask(slurm, far, [Wanted(id=one) for one in ids])
    return {**outcomes, **{job: _whole({one: said[one] for one in each if one in said}) for job, each in known.items()}}


def _whole(said: Mapping[str, CancelOutcome]) -> CancelOutcome:
    """Of the jobs of a chain most have ended; one that was taken is what counts."""
    taken = {slurm_id: one for slurm_id, one in said.items() if one.accepted}
    if taken:
        text = " ".join(f"Slurm job {slurm_id}: {one.text}" for slurm_id, one in taken.items())
        return CancelOutcome(accepted=True, text=text, seen=_seen([one.seen for one in taken.values()]))
    text = " ".join(dict.fromkeys(f"Slurm job {slurm_id}: {one.text}" for slurm_id, one in said.items()))
    failed = any(one.failed for one in said.values())
    return CancelOutcome(accepted=False, text=text or "It has no Slurm job. Nothing was sent.", failed=failed)


def _seen(each: Sequence[bool | None]) -> bool | None:
    return False if False in each else None if None in each else True
