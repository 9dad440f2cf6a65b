"""Dropping what is old: journals are compacted, sessions that nobody uses any more removed; never an active one."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from anyio import to_thread

from jobwarden.actions.audit_keys import DID
from jobwarden.actions.deeds import DEED, KEPT, Deeds
from jobwarden.actions.halting import halt_of
from jobwarden.bindings import ANNOUNCED, CALLS, CLIENTS, is_gone, living
from jobwarden.delivery.news import ROOT, is_news
from jobwarden.plans.state import INTENDED, load_plans
from jobwarden.rules.store import load_rules
from jobwarden.service.retention_views import CleanupView, KeptView
from jobwarden.service.tickets import WAITS, Ticket
from jobwarden.verdict.world import World
from jobwarden.watcher.presence import log_path
from jobwarden_registry.compaction import compact
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.leasefile import lease_token
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.removal import remove_session, set_aside, sweep_removed
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

STAMP = "cleaned"
"""Its time says when the watcher of any machine cleaned last."""
EVERY = timedelta(days=1)
_REST = timedelta(hours=1)
"""Nothing has happened for so long in a session that is touched."""
_LOGS = re.compile(r"watcher-.+\.log(?:\.\d+)?")
_TICKET = re.compile(r"jw1-([0-9a-f]{8})-[0-9a-f]{32}\b.*")


@dataclass(frozen=True, slots=True)
class Ages:
    """How old is old; None: never.

    Attributes:
        compact: Of what happened, in a journal.
        remove: Of a session that was used last then.
    """

    compact: timedelta | None
    remove: timedelta | None


class Retention:
    """Cleans up."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ages(self, older_than_s: float | None = None) -> Ages:
        """Give the ages as configured, or another one for journals."""
        config = self._world.config.retention
        days = config.days if older_than_s is None else older_than_s / 86400
        return Ages(_age(days), _age(config.remove_days))

    async def clean(self, ages: Ages, *, dry_run: bool) -> CleanupView:
        """Drop what is old enough, and say what was freed. A fault in one session is that one's alone.

        Raises:
            UnreadableError: The index cannot be read.
        """
        rows: list[KeptView] = []
        old: list[Path] = []
        waited = await to_thread.run_sync(self._waited_for)
        for session in await self._world.sessions.known():
            name = session.entry.session_id
            try:
                old += await self._world.sessions.call(session, set_aside)
                work = partial(self._clean, ages=ages, waited=waited, dry_run=dry_run)
                row = await self._world.sessions.call(session, work)
            except (JobwardenError, OSError) as error:
                row = KeptView(session=name, what="failed", why=str(error))
            rows += [row] if row is not None else []
        files, freed = await to_thread.run_sync(partial(self._files, ages, old, dry_run=dry_run))
        freed += sum(row.freed_bytes for row in rows)
        return CleanupView(dry_run=dry_run, sessions=tuple(rows), files=tuple(files), freed_bytes=freed)

    async def daily(self) -> CleanupView | None:
        """Clean as configured, unless somebody has within the last day; None: nothing was to be done."""
        ages = self.ages()
        if (ages.compact is None and ages.remove is None) or not await to_thread.run_sync(self._is_due):
            return None
        return await self.clean(ages, dry_run=False)

    def _is_due(self) -> bool:
        """Take the day's turn. Two machines that do so at once do no harm."""
        stamp, now = self._world.places.state / STAMP, self._world.clock().timestamp()
        with suppress(FileNotFoundError):
            if 0 <= now - stamp.stat().st_mtime < EVERY.total_seconds():
                return False
        stamp.touch(mode=0o600)
        return True

    # -- one session

    def _clean(self, session: Session, *, ages: Ages, waited: frozenset[str], dry_run: bool) -> KeptView | None:
        name, now = session.entry.session_id, self._world.clock()
        used_at = _used_at(session)
        removes = ages.remove is not None and used_at <= now - ages.remove and not self._is_in_use(session)
        if ages.compact is None and not removes:
            return None
        before = now - (ages.compact if ages.compact is not None else EVERY)
        freed = compact(session, before, spare=_is_spare, keep=_is_kept, dry_run=True) if ages.compact else 0
        if not freed and not removes:
            return None
        why = self._why_not(session, waited, now)
        if why:
            return KeptView(session=name, what="left", why=why)
        if removes:
            freed = remove_session(self._world.places, session, used_at=used_at, dry_run=dry_run)
            return KeptView(session=name, what="removed", freed_bytes=freed) if freed else None
        if not dry_run:
            freed = compact(session, before, spare=_is_spare, keep=_is_kept)
        return KeptView(session=name, what="compacted", freed_bytes=freed)

    def _why_not(self, session: Session, waited: frozenset[str], now: datetime) -> str:
        """Say why a session is left alone; empty: it may be touched."""
        jobs = len(session.load())
        if jobs:
            return f"{jobs} job(s) are watched"
        if load_rules(session):
            return "rules have not seen the end of their job"
        if Deeds().of(session).open():
            return "what a rule has begun is not done"
        if session.entry.session_id in waited:
            return "somebody waits"
        if halt_of(session) is not None:
            return "it is halted"
        if _is_held(session):
            return "a watcher holds it"
        latest = session.journal.tail(1)
        if latest and now - latest[0].timestamp < _REST:
            return "something has just happened"
        acknowledged = session.cursors.get(ROOT)
        untold = sum(
            is_news(event) for event in session.journal.read(max(acknowledged.shown, acknowledged.acknowledged))
        )
        return f"{untold} event(s) were never told to its agent" if untold else ""

    def _is_in_use(self, session: Session) -> bool:
        """Whether a client is in it, however long it has been silent, or a plan of it is to go on."""
        entry = self._world.sessions.index.get(session.entry.session_id) or session.entry  # as it stands now
        if is_gone(entry, self._world.machine_id, living(self._world.places)) is False:
            return True
        plans = load_plans(session).values()
        return any(
            one.suspended is not None or any(runs and runs[-1].step == INTENDED for runs in one.runs.values())
            for one in plans
        )

    def _waited_for(self) -> frozenset[str]:
        """Give the sessions with a wait whose answer may still be asked for."""
        now, found = self._world.clock(), set[str]()
        for path in (self._world.places.state / WAITS).glob("jw1-*.json"):
            with suppress(ValueError, OSError):  # an answer, or one of a newer version: its time is in its name
                ticket = Ticket.model_validate_json(path.read_bytes())
                if now < ticket.forgotten_at:
                    found.add(ticket.session_id)
        return frozenset(found)

    # -- other files

    def _files(self, ages: Ages, old: Sequence[Path], *, dry_run: bool) -> tuple[list[str], int]:
        if ages.compact is None:
            return [], 0
        if not dry_run:
            sweep_removed(self._world.places)
        limit = (self._world.clock() - max(ages.compact, EVERY)).timestamp()
        removed: list[str] = []
        freed = 0
        for path in [*self._old_files(), *old]:
            with suppress(OSError):
                found = path.lstat()
                if found.st_mtime < limit:
                    if not dry_run:
                        path.unlink()
                    removed.append(str(path))
                    freed += found.st_size
        return removed, freed

    def _old_files(self) -> list[Path]:
        """Give files of ours that nobody needs when they are old: by their time, not by what is in them."""
        state, runtime = self._world.places.state, self._world.places.runtime
        mine = log_path(self._world.places).name
        logs = [path for path in state.glob("watcher-*.log*") if _LOGS.fullmatch(path.name)]
        found = [path for path in logs if not path.name.startswith(mine)]
        now = self._world.clock().timestamp()
        found += [path for path in (state / WAITS).glob("jw1-*") if _is_forgotten(path.name, now)]
        found += (state / "sessions").glob("*/events.jsonl.torn-*")
        alive = {f"{one.process.pid}.json" for one in living(self._world.places)}
        found += [path for path in (runtime / CLIENTS).glob("*.json") if path.name not in alive]
        return [*found, *(runtime / CALLS).glob("*.json"), *(runtime / ANNOUNCED).glob("*")]


def _age(days: float) -> timedelta | None:
    return timedelta(days=days) if days > 0 else None


def _used_at(session: Session) -> datetime:
    latest: Sequence[datetime] = [event.timestamp for event in session.journal.tail(1)]
    return max([session.entry.last_seen_at, session.entry.created_at, *latest])


def _is_held(session: Session) -> bool:
    folder = session.opened()
    if folder is None:
        return False
    with folder:
        return lease_token(folder) is not None


def _is_spare(raw: Raw) -> bool:
    """Drop what a rule kept on the way: metrics and log lines, by the thousand."""
    deed = raw.get(DEED)
    return isinstance(deed, dict) and deed.get("action") in KEPT


def _is_kept(raw: Raw) -> bool:
    """Keep of what was seen on the way what somebody did."""
    return DID in raw or raw.get("manual") is True


def _is_forgotten(name: str, now: float) -> bool:
    found = _TICKET.fullmatch(name)
    return found is not None and int(found[1], 16) < now
