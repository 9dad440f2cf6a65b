"""What there is to watch, and which of it is this watcher's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio

from jobwarden.config.reading import ConfigError, load_project
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.rules.store import Kept, has_rules, load_rules
from jobwarden.verdict.targets import Group
from jobwarden.verdict.world import World
from jobwarden.watcher.leasing import Leasing
from jobwarden_registry.errors import JobwardenError, LeaseLostError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ruled:
    """A job with rules, which may have ended."""

    session: Session
    uid: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What says that a job must be looked at for its rules now, whenever it was to be looked at next.

    Attributes:
        version: Of what is remembered of them.
        phase: The job's; empty: it is watched no longer.
        runs: How many it has had.
    """

    version: int
    phase: str = ""
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """What is to be watched now.

    Attributes:
        groups: What this watcher asks about.
        tokens: Session id to lease token, of those sessions whose lease this watcher holds.
        ruled: The jobs whose rules this watcher looks at, with what changes when they must be looked at now.
        others: How many sessions with jobs are held by another watcher, which may die, or cannot be read now.
        blind: The index could not be read: what there is to watch is not known.
    """

    groups: Mapping[LedgerKey, Group] = field(default_factory=dict[LedgerKey, Group])
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])
    ruled: Mapping[Ruled, Stamp] = field(default_factory=dict[Ruled, Stamp])
    others: int = 0
    blind: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is left for any watcher."""
        return not self.groups and not self.ruled and not self.others and not self.blind


@dataclass(frozen=True, slots=True)
class _Share:
    """This watcher's part of one session.

    Attributes:
        session: Whose jobs.
        records: Those that are ours to watch.
        held_elsewhere: Whether there are others, that another watcher has, or that could not be read.
        pace_s: The project wants to be asked about no more often than this.
        ruled: By uid, those of its jobs that have rules; each as it stands.
    """

    session: Session
    records: Sequence[JobRecord] = ()
    held_elsewhere: bool = False
    pace_s: float = 0.0
    ruled: Mapping[str, Stamp] = field(default_factory=dict[str, Stamp])


class Surveyor:
    """Looks at every session of the index. A fault in one of them is that one's alone."""

    def __init__(self, world: World, leasing: Leasing) -> None:
        self._world = world
        self._leasing = leasing
        self._empty: dict[str, tuple[int, ...]] = {}
        """Sessions that watched nothing, with the stamp that they had then."""
        self._said: dict[str, str] = {}
        self._last = Board()

    async def survey(self) -> Board:
        """Find what there is to watch, and take the sessions that nobody else watches."""
        try:
            sessions = await self._world.sessions.known()
        except (JobwardenError, OSError) as error:
            self.say("", f"the index cannot be read: {error}")
            self._last = replace(self._last, blind=True)
            return self._last
        self._said.pop("", None)
        found: dict[str, _Share] = {}

        async def look(session: Session) -> None:
            found[session.entry.session_id] = await self._share(session)

        async with anyio.create_task_group() as tasks:
            for session in sessions:
                tasks.start_soon(look, session)
        shares = [found[session.entry.session_id] for session in sessions]
        await self._leasing.release_but(
            [share.session for share in shares if share.records or share.ruled or share.held_elsewhere]
        )
        self._last = Board(
            groups=await self._groups(shares),
            tokens=self._leasing.tokens(),
            ruled={Ruled(share.session, uid): stamp for share in shares for uid, stamp in share.ruled.items()},
            others=sum(share.held_elsewhere for share in shares),
        )
        return self._last

    def say(self, session_id: str, text: str) -> None:
        """Log what is wrong with a session, once until it is something else."""
        if self._said.get(session_id) != text:
            self._said[session_id] = text
            log.warning("session %s: %s", session_id, text)

    async def _share(self, session: Session) -> _Share:
        session_id = session.entry.session_id
        try:
            share = await self._look(session)
        except LeaseLostError:
            self._leasing.lost(session_id)
            return _Share(session, held_elsewhere=True)
        except (JobwardenError, OSError) as error:
            self.say(session_id, str(error))
            return _Share(session, held_elsewhere=True)
        except Exception as error:  # one session's fault, whatever it is, stops no other
            if self._said.get(session_id) != repr(error):
                log.exception("session %s", session_id)
            self._said[session_id] = repr(error)
            return _Share(session, held_elsewhere=True)
        self._said.pop(session_id, None)
        return share

    async def _look(self, session: Session) -> _Share:
        """Say what is ours in a session; what is paused nobody watches, and no watcher stays for it.

        What runs on this machine itself nobody else can ask about, whoever holds the lease; what runs on another is
        left to that one.
        """
        records, kept = await self._records(session)
        if not records and not kept:
            return _Share(session)
        rounds = self._world.rounds
        paused, session_id = await rounds.paused(), session.entry.session_id
        if session_id in paused.sessions:
            return _Share(session)
        alive = {record.uid for record in records}
        records = [record for record in records if paused.of(session_id, record) is None]
        away = {site for site in {record.site for record in records} if rounds.elsewhere(site)}
        ours = [record for record in records if record.site not in away]
        ended = {uid: Stamp(state.version) for uid, state in kept.items() if uid not in alive}
        if not ours and not ended:
            return _Share(session)
        held = await self._leasing.hold(session)
        if held and any(record.site is None for record in ours):
            await rounds.settle(session, lease=self._leasing.tokens().get(session.entry.session_id))
        pace_s = await self._world.sessions.call(session, _pace)
        if held:
            return _Share(session, ours, pace_s=pace_s, ruled={**ended, **_ruled(ours, kept)})
        here = [record for record in ours if rounds.here(record.site)]
        left = len(here) < len(ours) or bool(ended)
        return _Share(session, here, held_elsewhere=left, pace_s=pace_s, ruled=_ruled(here, kept))

    async def _records(self, session: Session) -> tuple[Sequence[JobRecord], Kept]:
        """Read a session's jobs and rules, unless it had none and nothing was written since: old sessions are many."""
        session_id = session.entry.session_id

        def read(session: Session) -> tuple[tuple[int, ...], Sequence[JobRecord], Kept]:
            stamp = session.stamp()
            if self._empty.get(session_id) == stamp:
                return stamp, (), {}
            return stamp, session.load(), load_rules(session) if has_rules(session) else {}

        stamp, records, kept = await self._world.sessions.call(session, read)
        if records or kept:
            self._empty.pop(session_id, None)
        else:
            self._empty[session_id] = stamp
        return records, kept

    async def _groups(self, shares: Sequence[_Share]) -> dict[LedgerKey, Group]:
        groups = await self._world.rounds.grouped([(share.session, share.records) for share in shares])
        for group in groups.values():
            group.pace_s = min(share.pace_s for share in shares if share.session in group.sessions)
        return groups


def _ruled(records: Sequence[JobRecord], kept: Kept) -> dict[str, Stamp]:
    """Give those that have rules, each with what says that it must be looked at now."""
    return {
        record.uid: Stamp(
            kept[record.uid].version if record.uid in kept else 0,
            "held" if record.held is not None else record.phase.value,
            len(record.attempts),
        )
        for record in records
        if record.rules or record.held is not None
    }


def _pace(session: Session) -> float:
    try:
        return load_project(session.entry.project).poll_s or 0.0
    except ConfigError:  # the project's own commands say so; a broken file makes nothing slower
        return 0.0
