"""Many real jobs at once, followed through the whole product: registered, asked about, judged, journaled.

A test module submits all its jobs together, each in a "life": a coroutine that submits, registers, waits for what was
seen, and does things to its job. Meanwhile one round after the other looks at all of them, twice a second, over real
SSH, with quick clocks. What was shown of each job after each round is kept, and the journal is read at the end.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread

from jobwarden.service.service import Service
from jobwarden.service.views import JobView, StatusView
from jobwarden.sources.base import Seen, Sighting
from jobwarden.verdict.world import World, open_world
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import Event
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.cluster import Cluster
from support.household import Household, make_household
from support.paper import QuietDesk

HOST = "cluster-a"
SESSION = "session-1"
LATE = "late"
"""The session that hears of a job only when slurmctld has forgotten it."""

CLOCKS: Mapping[str, float] = {
    "grace_s": 0.0,
    "lost_after_s": 2.0,
    "lost_answers": 2,
    "quick_budget": 1000,
    "expect_again_s": 1.0,
}
"""A job that is absent from a few answers is lost at once: where Slurm's two programs leave a gap, it shows."""

_PAUSE_S = 0.4
_PATIENCE_S = 120.0
_AT_ONCE = 4
"""Commands by hand at once: sshd turns connections away from the eleventh on."""

Life = Callable[["Casebook"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Look:
    """How a job stood after a round."""

    at: datetime
    phase: Phase
    status: str
    reason: str | None
    stuck: str | None
    stale: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `sacct -X -D`, asked by hand; what never had a node never started."""

    id: str
    state: str
    exit: str
    submitted: datetime | None
    started: datetime | None
    ended: datetime | None


@dataclass
class Case:
    """One registration of one job, and all that was seen of it.

    Attributes:
        first: What the registration answered.
        looks: After each round; the last one is the end, where there was one.
        sightings: What the rounds asked of the source, as long as it was watched.
        record: As it stands; its journaled end once it has ended.
        events: The journal about it, filled when all is over.
        truth: What sacct says by hand when all is over, oldest run first.
        marks: How many looks there were at moments that its life has named.
    """

    label: str
    job: str
    session: str
    uid: str
    first: JobView
    looks: list[Look] = field(default_factory=list[Look])
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    record: JobRecord = field(default_factory=lambda: JobRecord(type="slurm", id="1"))
    ended: bool = False
    events: list[Event] = field(default_factory=list[Event])
    truth: list[Run] = field(default_factory=list[Run])
    marks: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def words(self) -> list[str]:
        """The states that were shown, in order, each once in a row."""
        words: list[str] = []
        for look in self.looks:
            if look.status and (not words or words[-1] != look.status):
                words.append(look.status)
        return words

    @property
    def phases(self) -> list[Phase]:
        """The phases that were shown, in order, each once in a row."""
        phases: list[Phase] = []
        for look in self.looks:
            if look.status and (not phases or phases[-1] is not look.phase):
                phases.append(look.phase)
        return phases

    @property
    def seen(self) -> list[Seen]:
        """The sightings that were one."""
        return [one for one in self.sightings if isinstance(one, Seen)]

    def kinds(self, *kinds: str) -> list[Event]:
        """Give the journaled events of these kinds."""
        return [event for event in self.events if event.event in kinds]

    @property
    def end(self) -> Event:
        """The one event that ended it."""
        ends = self.kinds("finished")
        assert len(ends) == 1, (self.label, [event.event for event in self.events], self.words)
        return ends[0]


class Casebook:
    """The cluster, a household beside it, and everything that was seen of its jobs."""

    def __init__(self, cluster: Cluster, home: Household) -> None:
        self.cluster = cluster
        self.home = home
        self.cases: dict[str, Case] = {}
        self.troubles: dict[str, str] = {}
        """Lives that could not be lived, and rounds that failed, with why."""
        self.rounds = 0
        self.views: dict[str, StatusView] = {}
        """What was shown at moments that lives have chosen."""
        self._world: World | None = None
        self._service: Service | None = None
        self._limit = CapacityLimiter(_AT_ONCE)
        self._round_over = anyio.Event()
        self._resting = False

    def __getitem__(self, label: str) -> Case:
        assert label in self.cases, f"{label}: {self.troubles.get(label, 'it was never registered')}"
        return self.cases[label]

    # -- for lives

    async def sbatch(self, *words: str, script: str | None = None, user: str = "alice") -> str:
        """Submit, in a thread."""
        return await self.do(partial(self.cluster.sbatch, *words, script=script, user=user))

    async def do(self, work: Callable[[], object]) -> str:
        """Do something to the cluster, in a thread; gives what it returned, as text."""
        return str(await to_thread.run_sync(work, limiter=self._limit))

    async def slurm(self, *argv: str) -> str:
        """Run a Slurm command as root; it must succeed."""
        done = await to_thread.run_sync(partial(self.cluster.slurm, *argv), limiter=self._limit)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    async def register(
        self, label: str, job: str, *, session: str = SESSION, host: str = HOST, expect: Sequence[str] = ()
    ) -> Case:
        """Put a job under watch as an agent does."""
        assert self._service is not None
        caller = self.home.caller(session, session)
        view = await self._service.register(caller, type="slurm", ids=[job], host=host, expect=expect)
        records = await self._load(session)
        uid = next((uid for uid, record in records.items() if record.id == view.jobs[0].id), "")
        uid = uid or [event.uid for event in self.home.journal(session) if event.job_id == view.jobs[0].id][-1]
        self.cases[label] = Case(label, job, session, uid, view.jobs[0])
        return self.cases[label]

    async def submit(self, label: str, *words: str, script: str | None = None, user: str = "alice") -> Case:
        """Submit a job and register it at once."""
        return await self.register(label, await self.sbatch(*words, script=script, user=user))

    async def until(self, case: Case, is_so: Callable[[Case], object], within_s: float = _PATIENCE_S) -> None:
        """Wait until a round has made it so."""
        deadline = anyio.current_time() + within_s
        while not is_so(case):
            assert not case.ended, f"{case.label} has ended without: {case.words}"
            assert anyio.current_time() < deadline, f"{case.label}: not so after {within_s:g} s: {case.words}"
            with anyio.move_on_after(max(0.0, deadline - anyio.current_time())):
                await self._round_over.wait()

    async def until_shown(self, case: Case, word: str) -> None:
        """Wait until the job is shown with this word now."""
        await self.until(case, lambda case: bool(case.looks) and case.looks[-1].status == word)

    async def until_phase(self, case: Case, phase: Phase) -> None:
        """Wait until the job is shown in this phase now."""
        await self.until(case, lambda case: bool(case.looks) and case.looks[-1].phase is phase)

    async def until_ended(self, case: Case) -> None:
        """Wait until the end is journaled."""
        await self.until(case, lambda case: case.ended)

    async def again_when_forgotten(self, case: Case) -> Case:
        """Register an ended job in another session when only sacct knows it, and follow it there to its end."""
        await self.until_ended(case)
        await to_thread.run_sync(self.cluster.wait_until_forgotten, case.job)
        late = await self.register(f"{case.label}, late", case.job, session=LATE)
        await self.until_ended(late)
        return late

    @asynccontextmanager
    async def nobody_watching(self, seconds: float = 5.0) -> AsyncGenerator[None]:
        """Let no round go on, and leave what is done meanwhile in the past for so long, as a closed laptop does."""
        self._resting = True
        await self._round_over.wait()
        try:
            yield
            await anyio.sleep(seconds)
        finally:
            self._resting = False

    async def shown(self, session: str = SESSION) -> StatusView:
        """Give what an agent or a person is shown now."""
        assert self._service is not None
        return await self._service.status(self.home.caller(session, session))

    # -- the rounds

    async def live(self, *lives: Life) -> None:
        """Let all lives go on at once, with one round after the other, until all are over."""
        async with open_world(self.home.env) as world, anyio.create_task_group() as tasks:
            self._world = world
            self._service = Service(QuietDesk(world, tasks, version="0.1.0"))
            async with anyio.create_task_group() as living:
                for life in lives:
                    living.start_soon(self._live, life)
                tasks.start_soon(self._follow)
            tasks.cancel_scope.cancel()
        self._read_journals()
        for case in self.cases.values():
            case.truth = accounted(self.cluster, case.job)

    async def _live(self, life: Life) -> None:
        try:
            await life(self)
        except Exception as error:  # noqa: BLE001 -- one life's trouble must not hide the others' stories
            name = getattr(life, "__name__", repr(life))
            self.troubles[name] = f"{type(error).__name__}: {error}"

    async def _follow(self) -> None:
        assert self._world is not None
        while True:
            try:
                if not self._resting:
                    await self._round(self._world)
            except Exception as error:
                self.troubles["the rounds"] = f"{type(error).__name__}: {error}"
                raise
            self.rounds += 1
            self._round_over.set()
            self._round_over = anyio.Event()
            await anyio.sleep(_PAUSE_S)

    async def _round(self, world: World) -> None:
        sessions = await world.sessions.known()
        watched = {case.uid for case in self.cases.values() if not case.ended}
        for group in (await world.rounds.groups(sessions)).values():
            result = await world.rounds.check(group, max_age_s=0.0)
            if result.broken:
                self.troubles["a session"] = repr(result.broken)
            asked = {record.uid: result.snapshot.answered.get(record.id) for record in group.records}
            for case in self.cases.values():
                sighting = asked.get(case.uid)
                if case.uid in watched and sighting is not None:
                    case.sightings.append(sighting)
        now = utc_now()
        for session in {case.session for case in self.cases.values()}:
            await self._note(session, now)

    async def _note(self, session: str, now: datetime) -> None:
        records = await self._load(session)
        mine = [case for case in self.cases.values() if case.session == session and not case.ended]
        gone = [case for case in mine if case.uid not in records]
        ends = {event.uid: event for event in self.home.journal(session) if event.event == "finished"} if gone else {}
        for case in mine:
            record = records.get(case.uid)
            if record is None and case.uid in ends:
                record, case.ended = JobRecord.model_validate(ends[case.uid].record), True
            if record is not None:
                case.record = record
                case.looks.append(
                    Look(now, record.phase, record.last_status, record.reason, record.stuck, record.stale_because)
                )

    async def _load(self, session: str) -> Mapping[str, JobRecord]:
        assert self._world is not None
        for one in await self._world.sessions.known():
            if one.entry.session_id == session:
                return {record.uid: record for record in await self._world.sessions.call(one, Session.load)}
        return {}

    def _read_journals(self) -> None:
        for session in {case.session for case in self.cases.values()}:
            events = self.home.journal(session)
            for case in self.cases.values():
                if case.session == session:
                    case.events = [event for event in events if event.uid == case.uid]


def lived(cluster: Cluster, *lives: Life) -> Casebook:
    """Live these lives on a cluster, in a household of their own; gives what was seen when all are over."""
    folder = Path(tempfile.mkdtemp(prefix="jw-"))
    try:
        home = make_household(folder, CLOCKS)
        home.env["JOBWARDEN_SSH_CONFIG"] = str(cluster.ssh_config)
        book = Casebook(cluster, home)
        anyio.run(_live, book, lives)
        return book
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _live(book: Casebook, lives: Sequence[Life]) -> None:
    await book.live(*lives)


def accounted(cluster: Cluster, job: str) -> list[Run]:
    """Ask sacct by hand, not as the product does: all runs of a job or of its elements, as they were submitted."""
    words = "-X", "-D", "-n", "-P", "-j", job, "-o", "JobID,State,ExitCode,Submit,Start,End,NodeList"
    done = cluster.slurm("env", "SLURM_TIME_FORMAT=%s", "SLURM_BITSTR_LEN=0", "sacct", *words)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    runs = [
        Run(
            id=row[0],
            state=row[1],
            exit=row[2],
            submitted=_moment(row[3]),
            started=None if row[6] == "None assigned" else _moment(row[4]),
            ended=_moment(row[5]),
        )
        for row in rows
    ]
    return sorted(runs, key=lambda run: run.submitted.timestamp() if run.submitted else math.inf)


def _moment(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text.isdigit() and text != "0" else None
