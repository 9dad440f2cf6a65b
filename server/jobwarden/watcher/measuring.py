"""What running jobs use, looked at by the watcher now and then, and which of them may hang.

Beside the rounds, on a clock of its own (`clocks.use_s`): a host that hangs here holds up no verdict, and no state is
changed by what is found. What is remembered of earlier looks is in memory: a new watcher begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import anyio
from anyio.abc import TaskGroup

from jobwarden.diagnosis.pieces import Reach
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.verdict.dissecting import read_all, where_logs_are
from jobwarden.verdict.log_files import logs_of
from jobwarden.verdict.measuring import Measured, Measures
from jobwarden.verdict.stalling import Look, Suspicion, goes_on, suspicion, with_look
from jobwarden.verdict.targets import Group
from jobwarden.verdict.world import World
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.survey import Board
from jobwarden_registry.errors import JobwardenError, LeaseLostError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Evidence, JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)

_AT_ONCE = 2
"""So many hosts are looked at at the same time."""
_LOGS_S = 20.0
_GLANCE = Reach(head=1, tail=1, before=0, after=1, hits=1, scan=1)
"""Of a log only the time of its last change is wanted."""
_TOLD = "It may hang: {}. That was measured, and is no verdict: its state is as it was."


class Measuring:
    """Looks at the running jobs of every host, each in its own time.

    Args:
        world: How to reach hosts and sessions.
        leasing: Is told of a lease that was lost.
    """

    def __init__(self, world: World, leasing: Leasing) -> None:
        self._world = world
        self._leasing = leasing
        self._measures = Measures(world.rounds, world.places.runtime)
        self._due_at: dict[LedgerKey, datetime] = {}
        self._looks: dict[str, tuple[Look, ...]] = {}
        """By uid."""
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)

    def begin(self, tasks: TaskGroup, board: Board) -> None:
        """Look where that is due."""
        every_s, now = self._world.config.clocks.use_s, self._world.clock()
        for uid in self._looks.keys() - {record.uid for group in board.groups.values() for record in group.records}:
            del self._looks[uid]
        for key, group in board.groups.items() if every_s else ():
            records = [record for record in group.records if self._has_run(record)]
            if records and not timedelta() < self._due_at.get(key, now) - now <= timedelta(seconds=every_s):
                self._due_at[key] = now + timedelta(seconds=every_s)
                # Where they are more than a look takes, those come first that were seen longest ago.
                records.sort(key=self._seen_at)
                tasks.start_soon(self._look, group, records, board.tokens)

    def _has_run(self, record: JobRecord) -> bool:
        """Whether it has run for so long that it is worth a look."""
        if record.phase is not Phase.RUNNING or record.started_at is None or record.stale_since is not None:
            return False
        ran_s = (self._world.clock() - record.started_at).total_seconds()
        return ran_s >= self._world.config.clocks.use_after_s

    def _seen_at(self, record: JobRecord) -> float:
        looks = self._looks.get(record.uid, ())
        return looks[-1].at.timestamp() if looks else 0.0

    async def _look(self, group: Group, records: Sequence[JobRecord], tokens: Mapping[str, str]) -> None:
        target = group.target
        try:
            async with self._limiter:
                measured = await self._measures.measure(target, records)
                if measured.trouble:
                    log.info("what jobs on %s use: %s", target.host, measured.trouble)
                watched = await self._watched(group)
                for record in records:
                    if record.uid in watched:
                        await self._weigh(watched[record.uid], record, measured, tokens)
        except LeaseLostError:
            log.info("what jobs on %s use: a session is another watcher's now", target.host)
        except (JobwardenError, OSError) as error:
            log.info("what jobs on %s use: %s", target.host, error)
        except Exception:  # it decides nothing, and one host's fault stops no other
            log.exception("what jobs on %s use", target.host)

    async def _watched(self, group: Group) -> dict[str, Session]:
        """Say in which session each job is."""
        found: dict[str, Session] = {}
        for session in group.sessions:
            for record in await self._world.sessions.call(session, Session.load):
                found[record.uid] = session
        return found

    async def _weigh(self, session: Session, record: JobRecord, measured: Measured, tokens: Mapping[str, str]) -> None:
        """Say when a job begins to look as if it hung, and when it goes on."""
        use = measured.uses.get(record.id)
        if use is None:
            return
        clocks = self._world.config.clocks
        looks = with_look(self._looks.get(record.uid, ()), Look(measured.at, use), clocks)
        self._looks[record.uid] = looks
        told = suspicion(looks, clocks, service=record.ready is not None)
        grew = False
        if told is not None and told.by_log and not (stood := await self._log_stood(record, told.since)):
            told, grew = None, stood is False
        if told is not None and record.stalled is None:
            await self._note(session, record, told, looks, tokens)
        elif told is None and record.stalled is not None and (grew or goes_on(record.stalled, looks)):
            await self._note(session, record, None, looks, tokens)

    async def _log_stood(self, record: JobRecord, since: datetime) -> bool | None:
        """Say whether no log of a job grew since then; None: that is not known."""
        rounds = self._world.rounds
        try:
            where = where_logs_are(rounds, record, await logs_of(rounds, record))
            gathered = await read_all(rounds, where, _GLANCE, timeout_s=_LOGS_S)
        except JobwardenError as error:
            log.info("whether the log of %s grows: %s", record.id, error)
            return None
        if not gathered.logs:
            return None
        passed = self._world.clock() - since
        return all(timedelta(seconds=one.quiet_s) >= passed for one in gathered.logs)

    async def _note(
        self,
        session: Session,
        record: JobRecord,
        told: Suspicion | None,
        looks: Sequence[Look],
        tokens: Mapping[str, str],
    ) -> None:
        session_id = session.entry.session_id
        evidence = Evidence(
            asked_at=looks[-1].at,
            question=("what it uses",),
            lines=tuple(f"{look.at:%H:%M:%S} UTC {look.use.model_dump_json()}"[:400] for look in looks[-6:]),
            rule="A suspicion by what it uses; its state rests on its source alone.",
        )

        def write(session: Session) -> None:
            with session.transaction(lease=tokens.get(session_id), own=False) as transaction:
                now = transaction.jobs.get(record.uid)
                if now is None or now.phase is not Phase.RUNNING or (now.stalled is None) is (told is None):
                    return
                after = now.changed(stalled=told.text if told is not None else None)
                kind = EventKind.STALLED if told is not None else EventKind.STATUS_CHANGE
                text = _TOLD.format(told.text) if told is not None else "It no longer looks as if it hung: it goes on."
                transaction.change(record.uid, after, kind, text=text, evidence=evidence)

        try:
            await self._world.sessions.call(session, write)
        except LeaseLostError:
            self._leasing.lost(session_id)
            raise
