"""Asking what running jobs use: one question a source and host for all of them, shared between processes.

Beside the rounds: nothing here holds up or decides a verdict. Jobs of other kinds that hang on Slurm jobs are measured
by these.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, ValidationError

from jobwarden.ledger.snapshot import LedgerKey
from jobwarden.sources.base import Concludes, DependsOn, Wanted
from jobwarden.sources.plugins import guarded
from jobwarden.sources.using import MeasuresUse, PartUse, Use
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden.verdict.wanting import wanted_of_all
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord, Utc

if TYPE_CHECKING:
    from jobwarden.verdict.rounds import Rounds

USES = "uses"
TIMEOUT_S = 50.0
"""For one command: less than a poll may take, for nobody's state waits for it."""
_NO_USE = "What its kind of job uses cannot be measured."


@dataclass(frozen=True, slots=True)
class Measured:
    """What one look gave.

    Attributes:
        at: When it was begun.
        uses: By the record's id; one that does not run is missing.
        trouble: Why nothing was measured, or not all.
    """

    at: Utc
    uses: Mapping[str, Use] = field(default_factory=dict[str, Use])
    trouble: str = ""


class _Kept(BaseModel):
    """The last look at one source on one host, for whoever asks next."""

    model_config = ConfigDict(frozen=True)

    at: Utc
    asked: tuple[str, ...]
    uses: Mapping[str, Use]


class Measures:
    """Measures, and takes what another process has measured just now.

    Args:
        rounds: How to reach hosts.
        folder: The user's own folder on a local disk.
    """

    def __init__(self, rounds: Rounds, folder: Path) -> None:
        self._rounds = rounds
        self._folder = folder / USES

    async def measure(self, target: Target, records: Sequence[JobRecord]) -> Measured:
        """Measure these running jobs of one target; younger than the floor, the last answer is given again.

        Raises nothing but what is a fault of ours: a host that cannot be asked is the answer's `trouble`.
        """
        now = self._rounds.clock()
        if not records or self._rounds.elsewhere(target.key.site):
            return Measured(now, trouble="" if not records else "It runs on another machine; only there it is seen.")
        try:
            if target.key.type != SLURM and isinstance(self._rounds.sources.get(target.key.type), Concludes):
                return await self._hanging(target, records)
            wanted = wanted_of_all(records)
            return await self._ask(target, wanted)
        except JobwardenError as error:
            return Measured(now, trouble=error.text)

    async def _ask(self, target: Target, wanted: Sequence[Wanted]) -> Measured:
        path, now = self._path(target.key), self._rounds.clock()
        asked = tuple(sorted(one.id for one in wanted))
        kept = await to_thread.run_sync(_read, path)
        if kept is not None and set(asked) <= set(kept.asked):
            age_s = (now - kept.at).total_seconds()
            if 0 <= age_s < self._rounds.config.clocks.floor_s:
                return Measured(kept.at, {name: use for name, use in kept.uses.items() if name in asked})
        source = self._rounds.sources.get(target.key.type)
        if not isinstance(source, MeasuresUse):
            return Measured(now, trouble=_NO_USE)
        gpus = self._rounds.config.host(target.host).gpu_use
        async with self._rounds.host(target) as host:
            with guarded(target.key.type):
                near = replace(host, timeout_s=min(TIMEOUT_S, host.timeout_s))
                uses = dict(await source.measure(near, wanted, gpus=gpus))
        with suppress(OSError):
            await to_thread.run_sync(_write, path, _Kept(at=now, asked=asked, uses=uses))
        return Measured(now, uses)

    async def _hanging(self, target: Target, records: Sequence[JobRecord]) -> Measured:
        """Measure the Slurm jobs that these hang on, one question a host."""
        depends = await self._depends(target, records)
        found, at, troubles = dict[str, Use](), self._rounds.clock(), dict[str, None]()
        for name in sorted({one.host for one in depends.values()}):
            here = {job: one for job, one in depends.items() if one.host == name and one.slurm_ids}
            ids = sorted({slurm_id for one in here.values() for slurm_id in one.slurm_ids})
            if not ids:
                continue
            slurm = await self._rounds.slurm_target(name or target.host)
            if (await self._rounds.paused()).of_host(name or target.host, slurm.key.site) is not None:
                troubles[f"The watching of {name or target.host} is paused."] = None
                continue
            try:
                told = await self._ask(slurm, [Wanted(id=one) for one in ids])
            except JobwardenError as error:
                troubles[error.text] = None
                continue
            at = min(at, told.at)
            parts = {job: [told.uses[one] for one in depends[job].slurm_ids if one in told.uses] for job in here}
            found |= {job: together(uses) for job, uses in parts.items() if uses}
        return Measured(at, found, " ".join(troubles))

    async def _depends(self, target: Target, records: Sequence[JobRecord]) -> Mapping[str, DependsOn]:
        source = self._rounds.sources.get(target.key.type)
        async with self._rounds.host(target) as host:
            with guarded(target.key.type):
                seen = await source.observe(replace(host, overheard=None), wanted_of_all(records))
        return {job: one for job, one in seen.items() if isinstance(one, DependsOn)}

    def _path(self, key: LedgerKey) -> Path:
        return self._folder / f"{hashlib.sha256(key.text.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"


def together(uses: Sequence[Use]) -> Use:
    """Make one of what several parts of a job use."""
    if len(uses) == 1:
        return uses[0]
    parts: dict[str, PartUse] = {name: part for one in uses for name, part in one.parts.items()}
    return Use(
        parts=parts,
        cpus=sum(one.cpus or 0 for one in uses) or None,
        memory_limit_bytes=sum(one.memory_limit_bytes or 0 for one in uses) or None,
        ran_s=max((one.ran_s for one in uses if one.ran_s is not None), default=None),
        gpus=sum(one.gpus for one in uses),
        gpu=tuple(
            gpu.model_copy(update={"node": f"{number}/{gpu.node}".rstrip("/")})
            for number, one in enumerate(uses)
            for gpu in one.gpu
        ),
        note=" ".join(dict.fromkeys(one.note for one in uses if one.note)),
    )


def _read(path: Path) -> _Kept | None:
    try:
        return _Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, kept: _Kept) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(kept.model_dump_json(), encoding="utf-8")
    fresh.replace(path)
