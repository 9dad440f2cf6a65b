"""One round: gather what is wanted of one source on one host, ask through the ledger, apply the verdicts.

The watcher and every server and command line go through here, so that there is one way from a question to a state.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
from anyio import to_thread

from jobwarden.config.model import Config
from jobwarden.ledger.ledger import Ledger, LedgerKey, Snapshot
from jobwarden.ledger.overheard import Overheard
from jobwarden.sources.base import Concludes, DependsOn, Found, Host, Sighting, Source, Wanted
from jobwarden.sources.errors import SourceError
from jobwarden.sources.log_files import Hosts
from jobwarden.sources.plugins import BrokenSourceError, Sources, believed, guarded
from jobwarden.transport.base import Transports
from jobwarden.transport.errors import TransportError
from jobwarden.transport.tally import Row, Tally
from jobwarden.verdict.apply import Answer, Applied, Quiet, apply_answer
from jobwarden.verdict.causes import Known, find_causes
from jobwarden.verdict.depends import resolved
from jobwarden.verdict.ending import Causes
from jobwarden.verdict.log_files import LogsTold
from jobwarden.verdict.looking import look_for_outputs
from jobwarden.verdict.pausing import left_alone
from jobwarden.verdict.readying import note_readiness
from jobwarden.verdict.resolving import SLURM, SlurmThroughLedger, There
from jobwarden.verdict.sessions import Sessions
from jobwarden.verdict.staleness import unanswered
from jobwarden.verdict.targets import LOCAL, Group, Intervals, Target
from jobwarden.verdict.wanting import Made, wanted_of_all
from jobwarden_registry.clock import Clock
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.pauses import Paused, Pauses
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RoundResult:
    """What one round came to.

    Attributes:
        snapshot: The answer that was applied.
        changed: Records whose state changed.
        finished: Records that ended.
        broken: Sessions whose registry could not be written, with the error; the others were served.
    """

    snapshot: Snapshot
    changed: int = 0
    finished: int = 0
    broken: dict[str, JobwardenError] = field(default_factory=dict[str, JobwardenError])


class RoundError(JobwardenError):
    """A fault of ours in one session's part of a round; the others were served."""

    code: str = "jobwarden.fault"


class Rounds:
    """Asks and applies."""

    def __init__(
        self,
        *,
        config: Config,
        sessions: Sessions,
        transports: Transports,
        ledger: Ledger,
        sources: Sources,
        machine_id: str,
        clock: Clock,
        intervals: Intervals,
        overheard: Overheard,
        tally: Tally | None = None,
    ) -> None:
        self.config = config
        self.intervals = intervals
        self.overheard = overheard
        self.sessions = sessions
        self.pauses = Pauses(sessions.places)
        self.transports = transports
        self.ledger = ledger
        self.sources = sources
        self.machine_id = machine_id
        self.clock = clock
        self._tally = tally or Tally(None)
        self._quiet: dict[tuple[str, LedgerKey], Quiet] = {}
        self._causes: Known = {}
        self.logs_told: LogsTold = {}
        """What sources said of which logs a job has, for a poll."""
        self._made: dict[LedgerKey, Made] = {}

    async def target(self, record: JobRecord) -> Target:
        """Say where a job is asked about.

        Raises:
            LocalSetupError, InvalidIdError: The host's name leads nowhere.
        """
        return await self._target(record.type, record.host, record.site)

    async def _target(self, source: str, host: str, site: str | None = None) -> Target:
        site = site or (await self.transports.resolve(host)).key
        target = Target(LedgerKey(source, site, self.config.host(host).cluster), host)
        self.intervals.note(target)
        return target

    def elsewhere(self, site: str | None) -> bool:
        """Whether only another machine can ask about what is there: what runs locally there is not ours to judge."""
        return site is not None and site.startswith(LOCAL) and not self.here(site)

    def here(self, site: str | None) -> bool:
        """Whether it is this machine itself, which nobody else can ask."""
        return site == LOCAL + self.machine_id

    async def settle(self, session: Session, *, lease: str | None = None) -> None:
        """Note where each newly adopted entry's host leads, so that two names of one host are one job.

        A host that leads nowhere is noted too: the job shows why nobody asks about it.
        """
        settled: dict[str, JobRecord] = {}
        for record in await self.sessions.call(session, Session.load):
            if record.site is None and (after := await self._settled(record)) != record:
                settled[record.uid] = after
        if not settled:
            return

        def write(session: Session) -> None:
            with session.transaction(lease=lease, own=False) as transaction:
                for uid, after in settled.items():
                    record = transaction.jobs.get(uid)
                    if record is not None and record.site is None:
                        told = {
                            "site": after.site,
                            "stale_since": after.stale_since,
                            "stale_because": after.stale_because,
                        }
                        transaction.change(uid, record.changed(**told), EventKind.UPDATED)

        await self.sessions.call(session, write)

    async def _settled(self, record: JobRecord) -> JobRecord:
        try:
            return record.changed(site=(await self.transports.resolve(record.host)).key)
        except JobwardenError as error:
            return unanswered(record, code=error.code, text=str(error), at=self.clock()).record

    async def paused(self) -> Paused:
        """Give what is not watched for a while.

        Raises:
            UnreadableError, UntrustedError: As `Pauses.read`.
        """
        return await to_thread.run_sync(self.pauses.read)

    async def groups(self, sessions: Iterable[Session], *, also_paused: bool = False) -> dict[LedgerKey, Group]:
        """Group what these sessions watch. A host that cannot be resolved is left out: see `settle`.

        Raises:
            UnreadableError, UntrustedError: A session cannot be read.
        """
        watched = [(session, await self.sessions.call(session, Session.load)) for session in sessions]
        return await self.grouped(watched, also_paused=also_paused)

    async def grouped(
        self, watched: Iterable[tuple[Session, Sequence[JobRecord]]], *, also_paused: bool = False
    ) -> dict[LedgerKey, Group]:
        """As `groups`, of jobs that have been read already."""
        paused = Paused() if also_paused else await self.paused()
        found: dict[LedgerKey, Group] = {}
        places: dict[tuple[str, str | None, str], Group | None] = {}
        for session, records in watched:
            for record in records:
                if not also_paused and paused.of(session.entry.session_id, record) is not None:
                    continue
                place = (record.type, record.site, record.host)
                if place not in places:
                    places[place] = await self._group_of(record, found)
                group = places[place]
                if group is None:
                    continue
                group.records.append(record)
                if session not in group.sessions:
                    group.sessions.append(session)
        return found

    async def _group_of(self, record: JobRecord, found: dict[LedgerKey, Group]) -> Group | None:
        try:
            target = await self.target(record)
        except JobwardenError:
            return None
        return found.setdefault(target.key, Group(target))

    async def check(
        self,
        group: Group,
        *,
        max_age_s: float,
        person: bool = False,
        quick: bool = False,
        by_hand: bool = False,
        leases: Mapping[str, str] | None = None,
    ) -> RoundResult:
        """Ask once for the whole group (or take an answer younger than `max_age_s`) and apply it to each session.

        Args:
            group: What to ask, for whom.
            max_age_s: How old an answer may be.
            person: A person asks right now: a wait after failures is cut short.
            quick: One of the first questions after a registration or a cancellation, while their budget lasts.
            by_hand: See `look_for_outputs`.
            leases: Session id to lease token, for the watcher: a lost lease writes nothing.
        """
        target = group.target
        snapshot = await self.ledger.ask(
            target.key,
            wanted_of_all(group.records, self._made.setdefault(target.key, Made())),
            partial(self._observe, target, by_hand=by_hand),
            max_age_s=max_age_s,
            person=person,
            quick=quick,
        )
        result = RoundResult(snapshot)
        causes = await find_causes(self, group, snapshot, self._causes)
        for session in group.sessions:
            session_id = session.entry.session_id
            try:
                applied = await self._apply(group, session, snapshot, causes, (leases or {}).get(session_id))
            except JobwardenError as error:
                result.broken[session_id] = error
            except Exception as error:  # one session's fault stops no other's verdict
                log.exception("session %s", session_id)
                text = f"{target.key.type} on {target.host}: {type(error).__name__}: {error}."
                result.broken[session_id] = RoundError(text, hint="This is a fault of jobwarden's; its log has more.")
            else:
                result.changed += applied.changed
                result.finished += applied.finished
        try:
            await note_readiness(self, group, leases or {})
        except JobwardenError as error:  # it is looked for again with the next round
            log.warning("whether services on %s are up: %s", target.host, error)
        await to_thread.run_sync(self._tally.flush)
        return result

    async def look(self, target: Target, records: Sequence[JobRecord]) -> Mapping[str, Sighting]:
        """Ask about jobs of one target, ended ones too, and change and keep nothing.

        Raises:
            TransportError, SourceError: They could not be asked about.
        """
        return await self._observe(target, wanted_of_all(records), by_hand=True)

    async def _observe(
        self, target: Target, wanted: Sequence[Wanted], *, by_hand: bool = False
    ) -> Mapping[str, Sighting]:
        """Put one question. Raises nothing but what the ledger keeps: TransportError and SourceError."""
        name = target.key.type
        self._tally.add(Row("polls", target.host, name))
        try:
            return await self._asked(target, wanted, by_hand=by_hand)
        except JobwardenError as error:
            self._tally.add(Row("errors", target.host, name, error.code))
            if isinstance(error, (TransportError, SourceError)):
                raise
            raise BrokenSourceError(error.text, hint=error.hint, code=error.code) from error
        except anyio.get_cancelled_exc_class():  # it took longer than the ledger waits, or we end
            self._tally.add(Row("errors", target.host, name, "source.timeout"))
            raise

    async def _asked(self, target: Target, wanted: Sequence[Wanted], *, by_hand: bool) -> Mapping[str, Sighting]:
        name = target.key.type
        with guarded(name):
            source = self.sources.get(name)
            async with self.host(target) as host:
                others: list[Sequence[Found]] = []
                answer = believed(name, await source.observe(replace(host, overheard=others.append), wanted))
                if others:
                    await to_thread.run_sync(self.overheard.note, target.key, target.host, others[-1])
                answer = left_alone(answer, await self._paused_hosts(answer))
                answer = await resolved(answer, self.slurm(target), self.there(target, source))
                folders = self.config.host(target.host).read
                return await look_for_outputs(host, wanted, answer, folders=folders, now=self.clock(), by_hand=by_hand)

    async def _paused_hosts(self, answer: Mapping[str, Sighting]) -> dict[str, Pause]:
        """Give the hosts on which jobs hang and that are paused, by the names that these jobs give them."""
        found: dict[str, Pause] = {}
        names = {one.host for one in answer.values() if isinstance(one, DependsOn)} - {""}
        if not names:
            return found
        paused = await self.paused()
        for name in names if paused.hosts else ():
            try:
                site = (await self.slurm_target(name)).key.site
            except JobwardenError:  # it leads nowhere: those jobs are told so, and no other suffers from it
                site = None
            pause = paused.of_host(name, site)
            if pause is not None:
                found[name] = pause
        return found

    def slurm(self, target: Target) -> SlurmThroughLedger:
        """Give a way to ask about Slurm jobs that a job of another kind hangs on."""
        return SlurmThroughLedger(
            ledger=self.ledger,
            target=self.slurm_target,
            question=lambda slurm: partial(self._observe, slurm),
            host=target.host,
            max_age_s=self.config.clocks.floor_s,
            clock=self.clock,
        )

    async def slurm_target(self, host: str) -> Target:
        """Say where the Slurm of a host is asked.

        Raises:
            LocalSetupError, InvalidIdError: The name leads nowhere.
        """
        return await self._target(SLURM, host)

    def there(self, target: Target, source: Source) -> There | None:
        """Lend a source the hosts of the Slurm jobs that its own hang on; None for one that has no say in them."""
        return There(source, partial(self._host_of, target)) if isinstance(source, Concludes) else None

    def _host_of(self, target: Target, host: str) -> AbstractAsyncContextManager[Host]:
        return self.host(Target(target.key, host) if host else target)

    def hosts(self, target: Target) -> Hosts:
        """Lend hosts by their names; an empty name is the target's own."""
        return partial(self._host_of, target)

    @asynccontextmanager
    async def host(self, target: Target) -> AsyncGenerator[Host]:
        """Lend what a source needs to ask there."""
        settings = self.config.host(target.host)
        async with self.transports.lease(target.host) as transport:
            yield Host(
                transport=transport,
                machine_id=self.machine_id,
                cluster=settings.cluster,
                timeout_s=self.config.clocks.ask_timeout_s,
                settings={
                    "cancel_grace_s": self.config.clocks.cancel_grace_s,
                    "nel_every_s": self.config.clocks.nel_every_s,
                    "nel": settings.nel,
                },
            )

    def source(self, record: JobRecord) -> Source:
        """Give the record's source.

        Raises:
            UnknownTypeError: It is not installed here, or broken.
        """
        return self.sources.get(record.type)

    def answer(self, group: Group, snapshot: Snapshot) -> Answer:
        """Say how a group's jobs are judged by an answer, at present."""
        clocks = self.config.clocks
        interval_s = max(self.intervals.of(group.target.key), group.pace_s)
        if interval_s > clocks.poll_s:
            clocks = clocks.model_copy(update={"poll_s": interval_s})
        key = group.target.key
        return Answer(key.type, key.site, {record.host for record in group.records}, snapshot, self.clock(), clocks)

    async def _apply(
        self, group: Group, session: Session, snapshot: Snapshot, causes: Causes, lease: str | None
    ) -> Applied:
        quiet = self._quiet.setdefault((session.entry.session_id, group.target.key), {})

        def work(session: Session) -> Applied:
            answer = self.answer(group, snapshot)
            return apply_answer(
                session,
                type=answer.type,
                site=answer.site,
                snapshot=snapshot,
                now=answer.now,
                clocks=answer.clocks,
                lease=lease,
                hosts=answer.hosts,
                quiet=quiet,
                causes=causes,
            )

        return await self.sessions.call(session, work)
