"""Jobs that nobody watches and that an answer showed all the same: offered to an agent once, without a question."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

from anyio import to_thread

from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service.desk import Desk
from jobwarden.service.discovering import watched_by_all
from jobwarden.service.views import OfferView
from jobwarden.sources.base import LivesHere
from jobwarden.verdict.resolving import SLURM
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

OFFERED = "offered"
_MOST_IDS = 2000


async def offers(desk: Desk, session: Session) -> tuple[OfferView, ...]:
    """Say which jobs of this user nobody watches, on the hosts where this session watches some; each once.

    Nothing is offered while anybody watches jobs of other kinds: Slurm jobs may be parts of those.
    """
    kept = await to_thread.run_sync(lambda: list(desk.world.rounds.overheard.all()))
    path = desk.world.places.runtime / OFFERED / f"{session.entry.session_id}.json"
    told = await to_thread.run_sync(_read, path)
    found: list[OfferView] = []
    settled = True
    if kept and not await _composed(desk):
        here = (await desk.world.rounds.groups([session])).keys()
        watched = await watched_by_all(desk)
        latest = desk.world.clock() - timedelta(seconds=desk.world.config.clocks.offer_after_s)
        for others in (one for one in kept if one.key in here):
            free = [
                one
                for one in others.jobs
                if not watched.has(others.key, one.id) and _name(others.key, one.id) not in told
            ]
            old = [one.id for one in free if one.submitted_at is None or one.submitted_at <= latest]
            settled = settled and len(old) == len(free)
            if old:
                found.append(OfferView(type=others.type, host=others.host, ids=tuple(old)))
                told += [_name(others.key, one) for one in old]
    await to_thread.run_sync(_write, path, told, settled)
    return tuple(found)


async def _composed(desk: Desk) -> bool:
    """Whether anybody watches what may have Slurm jobs as parts."""
    for session in await desk.world.sessions.known():
        records: Sequence[JobRecord] = await desk.world.sessions.call(session, Session.load)
        if any(
            one.type != SLURM and not isinstance(desk.world.sources.usable.get(one.type), LivesHere) for one in records
        ):
            return True
    return False


def _name(key: LedgerKey, job: str) -> str:
    return f"{key.type} {key.site} {key.cluster} {job}"


def _read(path: Path) -> list[str]:
    with suppress(OSError, ValueError):
        told: object = json.loads(path.read_text(encoding="utf-8"))
        return [str(one) for one in cast("list[object]", told)] if isinstance(told, list) else []
    return []


def _write(path: Path, told: Sequence[str], settled: bool) -> None:  # noqa: FBT001 -- called in a thread, in one place
    """Note what was offered; the file's time tells the hook when all that is kept was looked at."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(json.dumps(list(told)[-_MOST_IDS:]), encoding="utf-8")
        if not settled:  # then the hook is to come again
            os.utime(path, (0, 0))
