"""A ledger on a clock that the test moves, with a source that counts what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.ledger import Ledger, LedgerKey
from jobwarden.ledger.snapshot import Snapshot
from jobwarden.sources.base import Sighting, Wanted
from support.sightings import CLOCKS, START, at, seen

KEY = LedgerKey("slurm", "alice@c:22")


class Bench:
    """One folder, one clock, and a source that counts what it is asked."""

    def __init__(self, folder: Path, clocks: Clocks = CLOCKS) -> None:
        self.folder = folder
        self.clocks = clocks
        self.now = START
        self.asked: list[tuple[str, ...]] = []
        self.answers: dict[str, Sighting] = {}
        self.error: Exception | None = None
        self.ledger = self.process()

    def process(self, **options: Any) -> Ledger:
        """A ledger as another process has it: it shares nothing but the folder."""
        return Ledger(self.folder, clock=lambda: self.now, clocks=self.clocks, **options)

    def later(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    async def source(self, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        self.asked.append(tuple(sorted(one.id for one in wanted)))
        if self.error is not None:
            raise self.error
        return {one.id: self.answers.get(one.id, seen("RUNNING")) for one in wanted}

    async def ask(
        self, *ids: str, ledger: Ledger | None = None, max_age_s: float = 60.0, registered: float = 0.0, **options: Any
    ) -> Snapshot:
        wanted = [Wanted(id=job_id, registered_at=at(registered)) for job_id in ids]
        return await (ledger or self.ledger).ask(KEY, wanted, self.source, max_age_s=max_age_s, **options)
