"""Carrying a change out on living jobs, and looking until it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from jobwarden.sources.base import CancelOutcome, Host
from jobwarden.sources.controls import Change
from jobwarden.sources.errors import SourceError
from jobwarden.sources.framing import Part, new_nonce
from jobwarden.sources.slurm.asked import Asked
from jobwarden.sources.slurm.controlling import (
    Look,
    concerns,
    control_argv,
    elements_of,
    given_id,
    is_seen,
    looks_first,
    not_now,
    read_looks,
    read_refusal,
    steps_of,
)
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.plan import Job
from jobwarden.sources.slurm.remote import limit_of, required, run_parts
from jobwarden.transport.errors import TransportError

_MOST = 100
"""Jobs in one run: each is a program of its own there."""
_LOOKS_S = (0.5, 1.0, 2.0)
"""Before each further look, while the change does not show."""
_TOLD = 4
"""Rows of an array of which is said how they are."""


@dataclass(frozen=True, slots=True)
class Changing:
    """One change to several jobs that live and are the user's own.

    Attributes:
        host: Where.
        asked: The look that showed that.
        change: What is to be done.
    """

    host: Host
    asked: Asked
    change: Change

    async def carry_out(self, jobs: Mapping[str, Job]) -> dict[str, CancelOutcome]:
        """Do it where it can be done; one outcome for each."""
        outcomes: dict[str, CancelOutcome] = {}
        meant: dict[str, SlurmId] = {}
        for name, job in jobs.items():
            try:
                elements = elements_of(job.id, self.change)
            except ValueError:
                text = f"{job.id} has no elements {self.change.elements}."
                outcomes[name] = CancelOutcome(accepted=False, text=text)
                continue
            rows = [row for row in self.asked.queue_rows(job.id) if row.alive and concerns(row.id, job.id, elements)]
            if rows:
                meant[name] = job.id
            else:
                text = f"None of its elements {self.change.elements} is in the queue. Nothing was sent."
                outcomes[name] = CancelOutcome(accepted=False, text=text)
        names = list(meant)
        for at in range(0, len(names), _MOST):
            outcomes |= await self._some({name: meant[name] for name in names[at : at + _MOST]})
        return outcomes

    async def _some(self, jobs: Mapping[str, SlurmId]) -> dict[str, CancelOutcome]:
        outcomes: dict[str, CancelOutcome] = {}
        looks: tuple[Look, ...] = ()
        parts: Mapping[str, Part] = {}
        if looks_first(self.change):
            parts = await self._run(jobs, None)
            looks = read_looks(required(parts, "before"))
        for name, job in jobs.items():
            rows = [row for row in self.asked.queue_rows(job) if concerns(row.id, job, elements_of(job, self.change))]
            mine, steps = self._of(looks, job), steps_of(parts.get("steps"), job)
            if why := not_now(self.change, rows, mine, has_steps=steps):
                outcomes[name] = CancelOutcome(accepted=False, text=why)
        left = {name: job for name, job in jobs.items() if name not in outcomes}
        return {**outcomes, **(await self._do(left) if left else {})}

    async def _do(self, jobs: Mapping[str, SlurmId]) -> dict[str, CancelOutcome]:
        parts = await self._run(jobs, self.change)
        outcomes: dict[str, CancelOutcome] = {}
        done: dict[str, SlurmId] = {}
        for name, job in jobs.items():
            refused = read_refusal(required(parts, f"deed.{given_id(job, self.change)}"), self.change)
            if refused is None:
                done[name] = job
            else:
                outcomes[name] = refused
        before, after = self._looks(parts, "before"), self._looks(parts, "after")
        outcomes = {name: self._in_part(one, before, after, jobs[name]) for name, one in outcomes.items()}
        for wait_s in _LOOKS_S:
            if all(self._seen(before, after, job) is not False for job in done.values()):
                break
            await anyio.sleep(wait_s)
            with suppress(TransportError, SourceError):  # it is done; what was seen of it last is said
                after = read_looks(required(await self._run(done, None), "before"))
        return outcomes | {name: self._outcome(before, after, job) for name, job in done.items()}

    def _in_part(
        self, refused: CancelOutcome, before: Sequence[Look], after: Sequence[Look], job: SlurmId
    ) -> CancelOutcome:
        """Say so where it was refused for some elements of an array, and done to others."""
        was, now = self._of(before, job), self._of(after, job)
        if (len(was) < 2 and len(now) < 2) or {one.standing for one in was} == {one.standing for one in now}:
            return refused
        text = f"Not done to all of it. {refused.text} Now {_told(now)}."
        return CancelOutcome(accepted=True, text=text, seen=False)

    def _outcome(self, before: Sequence[Look], after: Sequence[Look], job: SlurmId) -> CancelOutcome:
        seen, mine = self._seen(before, after, job), self._of(after, job)
        said = "Slurm took it" + (", but it does not show yet" if seen is False else "")
        text = f"{said}. Now {_told(mine)}." if mine else f"{said}. The queue shows it no more."
        return CancelOutcome(accepted=True, text=text, seen=seen)

    def _seen(self, before: Sequence[Look], after: Sequence[Look], job: SlurmId) -> bool | None:
        return is_seen(self.change, self._of(before, job), self._of(after, job))

    def _of(self, looks: Sequence[Look], job: SlurmId) -> tuple[Look, ...]:
        elements = elements_of(job, self.change)
        return tuple(look for look in looks if concerns(look.id, job, elements))

    @staticmethod
    def _looks(parts: Mapping[str, Part], name: str) -> tuple[Look, ...]:
        try:
            return read_looks(required(parts, name))
        except SourceError:  # the deed itself was answered
            return ()

    async def _run(self, jobs: Mapping[str, SlurmId], change: Change | None) -> Mapping[str, Part]:
        nonce = new_nonce()
        ids = [given_id(job, self.change) for job in jobs.values()]
        argv = control_argv(
            nonce,
            ids=list(dict.fromkeys(ids)),
            base=sorted({job.base for job in jobs.values()}),
            change=change,
            cluster=self.host.cluster,
            limit_s=limit_of(self.host),
        )
        return await run_parts(self.host, argv, nonce)


def _told(looks: Sequence[Look]) -> str:
    told = "; ".join((f"{_name(look)}: " if len(looks) > 1 else "") + look.told() for look in looks[:_TOLD])
    return f"{told}; and {len(looks) - _TOLD} more rows" if len(looks) > _TOLD else told


def _name(look: Look) -> str:
    if not look.id.ranges:
        return str(look.id.id)
    return f"{look.id.id.base}_[{','.join(_range(one) for one in look.id.ranges)}]"


def _range(one: range) -> str:
    last = one.stop - 1
    step = f":{one.step}" if one.step > 1 else ""
    return f"{one.start}-{last}{step}" if last > one.start else str(one.start)
