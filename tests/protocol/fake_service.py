"""A service in memory: what is put into it comes out, and what it was asked is kept.

It is the real service's subtype for the type checkers, so that a changed signature is found at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from jobwarden.identity import Caller
from jobwarden.service.past.choosing import By, Query
from jobwarden.service.past_views import HistoryView, StatsView
from jobwarden.service.tickets import Ticket, TicketError
from jobwarden.service.views import (
    CancelRow,
    CancelView,
    Counts,
    DiagnoseView,
    DiscoverView,
    EvidenceView,
    JobView,
    ReadView,
    RegisterView,
    ResourcesView,
    RulesView,
    StatusView,
    TailView,
)
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import Owner
from jobwarden_registry.phases import Phase

if TYPE_CHECKING:
    from jobwarden.service.past.area import Past
    from jobwarden.service.service import Service
else:
    Past = Service = object

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

Before = Callable[[str, Caller], Awaitable[None]]


def a_job(id_: str = "12345", **fields: Any) -> JobView:
    """Make a running Slurm job of this session, with these fields otherwise."""
    defaults: dict[str, Any] = {
        "type": "slurm",
        "id": id_,
        "host": "cluster-a",
        "user": "alice",
        "name": "ptq-llama-8b",
        "description": "",
        "tags": (),
        "phase": Phase.RUNNING,
        "status": "RUNNING",
        "reason": None,
        "stuck": None,
        "expected_start_at": None,
        "resubmitted_as": None,
        "exit_code": None,
        "signal": None,
        "node": "n01",
        "submitted_at": NOW - timedelta(hours=3),
        "started_at": NOW - timedelta(hours=2, minutes=13),
        "ended_at": None,
        "elapsed_s": 7980.0,
        "attempts": (),
        "log_path": "/home/alice/slurm-12345.out",
        "observed_at": NOW,
        "age_s": 0.0,
        "stale_since": None,
        "stale_because": None,
        "orphan": False,
        "owner": Owner(agent="claude-code", session_id="s1"),
        "mine": True,
    }
    return JobView(**{**defaults, **fields})


def an_event(seq: int = 1, kind: EventKind = EventKind.STATUS_CHANGE, **fields: Any) -> Event:
    """Make a journal line about that job."""
    defaults: dict[str, Any] = {
        "seq": seq,
        "timestamp": NOW - timedelta(minutes=20),
        "event": kind,
        "session": "s1",
        "type": "slurm",
        "host": "cluster-a",
        "job_id": "12345",
        "name": "ptq-llama-8b",
    }
    return Event(**{**defaults, **fields})


def a_diagnosis(job: JobView, **fields: Any) -> DiagnoseView:
    """Make what is said of a job that ran out of its GPU's memory, with these fields otherwise."""
    log = "/home/alice/slurm-12345.out"
    defaults: dict[str, Any] = {
        "job": job,
        "category": "out_of_memory",
        "kind": "gpu",
        "cause": "CUDA out of memory on rank 3 (train.py:212)",
        "confidence": "high",
        "evidence": (
            EvidenceView(file=log, line=4711, text="torch.cuda.OutOfMemoryError: CUDA out of memory."),
            EvidenceView(file=log, line=4710, text="    loss.backward()", context=True),
        ),
        "retryable": "after_change",
        "change": "a smaller batch",
        "resources": ResourcesView(time_limit_s=3600, elapsed_s=720, memory_limit_bytes=64 * 10**9, exit="1:0"),
        "read": (ReadView(path=log, label="", size_bytes=9_000_000, read_bytes=600_000),),
    }
    return DiagnoseView(**{**defaults, **fields})


def counted(jobs: Sequence[JobView]) -> Counts:
    """Count jobs by phase."""
    by_phase = {phase.value: sum(job.phase is phase for job in jobs) for phase in Phase}
    return Counts(total=len(jobs), **by_phase)


class FakePast(Past):
    """Says that nothing has ended, and remembers what it was asked."""

    def __init__(self, calls: list[tuple[str, Caller, dict[str, Any]]]) -> None:
        self._calls = calls

    async def history(self, caller: Caller, query: Query, *, telling: bool = False) -> HistoryView:
        self._calls.append(("history", caller, {"query": query, "telling": telling}))
        return HistoryView(jobs=(), counts=Counts(), page=1, pages=1, before=0, after=0, scope=query.scope)

    async def statistics(self, caller: Caller, query: Query, *, by: By = "name", telling: bool = False) -> StatsView:
        self._calls.append(("statistics", caller, {"query": query, "telling": telling}))
        return StatsView(groups=(), total=None, by=by, scope=query.scope)


class FakeService(Service):
    """See the module."""

    def __init__(self) -> None:
        self.jobs: list[JobView] = []
        self.news: list[Event] = []
        self.journal: list[Event] = []
        self.log = ""
        self.diagnosis: dict[str, Any] = {}
        """What is otherwise in a diagnosis."""
        self.troubles: tuple[str, ...] = ()
        self.met = False
        self.found = DiscoverView(watched=0, jobs=())
        self.rules = RulesView(job=a_job(), rules=())
        self.error: BaseException | None = None
        self.only: list[str] | None = None
        """To which jobs the latest cancellation was limited."""
        self.calls: list[tuple[str, Caller, dict[str, Any]]] = []
        self.past = FakePast(self.calls)
        self.steps: list[tuple[float, str]] = []
        """What a wait reports before it answers."""
        self.hold = anyio.Event()
        """A wait with `steps` left over goes on until this is set; set at first."""
        self.hold.set()
        self.cancelled = anyio.Event()
        self.followers = 0
        self._more = anyio.Condition()

    async def happen(self, event: Event) -> None:
        """Write a line into the journal, and tell those who follow it."""
        async with self._more:
            self.journal.append(event)
            self._more.notify_all()

    def _note(self, verb: str, caller: Caller, **arguments: Any) -> None:
        self.calls.append((verb, caller, arguments))
        if self.error is not None:
            raise self.error

    def _told(self) -> tuple[Event, ...]:
        told, self.news = tuple(self.news), []
        return told

    def _find(self, name: str) -> JobView:
        for job in self.jobs:
            if name in {job.id, job.name, f"{job.type}:{job.id}", f"{job.host}:{job.id}"}:
                return job
        raise JobNotFoundError(f"No watched job answers to {name!r}.", hint="check_status lists them.")

    async def register(
        self,
        caller: Caller,
        *,
        type: str,  # noqa: A002 -- as Service.register
        ids: Sequence[str],
        host: str = "localhost",
        user: str = "",
        description: str = "",
        name: str | None = None,
        tags: Sequence[str] = (),
        log_path: str | None = None,
        expect: Sequence[str] = (),
        ready: str | None = None,
        rules: Sequence[str] = (),
    ) -> RegisterView:
        asked = {"user": user, "description": description, "name": name, "tags": list(tags), "log_path": log_path}
        asked |= {"expect": list(expect), "ready": ready, "rules": list(rules)}
        self._note("register", caller, type=type, ids=list(ids), host=host, **asked)
        known = {job.id for job in self.jobs}
        created = tuple(id_ not in known for id_ in ids)
        for id_, new in zip(ids, created, strict=True):
            if new:
                pending = {"phase": Phase.PENDING, "status": "PENDING", "reason": "Resources", "elapsed_s": None}
                self.jobs.append(a_job(id_, type=type, host=host, name=name, **pending))
        return RegisterView(jobs=tuple(self._find(id_) for id_ in ids), created=created, news=self._told())

    async def status(
        self, caller: Caller, *, jobs: Sequence[str] = (), refresh: bool = True, scope: Any = "session"
    ) -> StatusView:
        self._note("status", caller, jobs=list(jobs), refresh=refresh, scope=scope)
        shown = [self._find(name) for name in jobs] or self.jobs
        return StatusView(counts=counted(self.jobs), news=self._told(), jobs=tuple(shown), troubles=self.troubles)

    async def wait(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        until: Any = "change",
        timeout_s: float = 45.0,
        progress: Callable[[float, str], Awaitable[None]] | None = None,
    ) -> StatusView:
        self._note("wait", caller, jobs=list(jobs), until=until, timeout_s=timeout_s)
        try:
            for waited_s, message in self.steps:
                if progress is not None:
                    await progress(waited_s, message)
            await self.hold.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        return StatusView(
            counts=counted(self.jobs), news=self._told(), jobs=tuple(self.jobs), waited_s=timeout_s, met=self.met
        )

    async def begin_wait(
        self, caller: Caller, *, jobs: Sequence[str] = (), until: Any = "change", timeout_s: float
    ) -> Ticket | StatusView | None:
        """Have no tickets: every wait blocks."""
        _ = caller, jobs, until, timeout_s
        return None

    async def wait_ticket(self, text: str) -> Ticket:
        raise TicketError(f"No such wait: {text[:20]}.")

    async def tail(self, caller: Caller, job: str, *, lines: int = 80, **more: str | int | None) -> TailView:
        self._note("tail", caller, job=job, lines=lines, **{name: value for name, value in more.items() if value})
        found = self._find(job)
        return TailView(
            job=found,
            path=found.log_path,
            stream=str(more.get("stream") or "stdout"),
            text=self.log,
            size_bytes=len(self.log.encode()),
            news=(),
        )

    async def cancel(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        all_jobs: bool = False,
        reason: str = "",
        dry_run: bool = False,
        force: bool = False,
        only: Collection[str] | None = None,
    ) -> CancelView:
        self._note("cancel", caller, jobs=list(jobs), all_jobs=all_jobs, reason=reason, dry_run=dry_run, force=force)
        chosen = self.jobs if all_jobs else [self._find(name) for name in jobs]
        self.only = None if only is None else sorted(only)
        outcome = "would cancel" if dry_run else "accepted"
        return CancelView(rows=tuple(CancelRow(job=job, outcome=outcome, text="", ended=False) for job in chosen))

    async def to_cancel(
        self, caller: Caller, *, jobs: Sequence[str] = (), all_jobs: bool = False, force: bool = False
    ) -> dict[str, JobView]:
        self._note("to_cancel", caller, jobs=list(jobs), all_jobs=all_jobs, force=force)
        return {f"uid-{job.id}": job for job in (self.jobs if all_jobs else [self._find(name) for name in jobs])}

    async def diagnose(self, caller: Caller, job: str) -> DiagnoseView:
        self._note("diagnose", caller, job=job)
        return a_diagnosis(self._find(job), **self.diagnosis)

    async def discover(
        self,
        caller: Caller,
        *,
        host: str | None = None,
        type: str | None = None,  # noqa: A002 -- the field's own term
        adopt: Sequence[str] = (),
    ) -> DiscoverView:
        self._note("discover", caller, host=host, type=type, adopt=list(adopt))
        return self.found

    async def watch_log(self, caller: Caller, job: str, *, action: str = "list", rule: str | None = None) -> RulesView:
        self._note("watch_log", caller, job=job, action=action, rule=rule)
        return self.rules

    async def job(self, caller: Caller, job: str) -> JobView:
        self._note("job", caller, job=job)
        return self._find(job)

    async def recent(self, caller: Caller, *, limit: int = 50) -> tuple[Event, ...]:
        self._note("recent", caller, limit=limit)
        return tuple(self.journal[-limit:])

    async def follow(self, caller: Caller, *, after_seq: int | None = None) -> AsyncIterator[Event]:
        self._note("follow", caller, after_seq=after_seq)
        self.followers += 1
        try:
            seen = len(self.journal) if after_seq is None else sum(line.seq <= after_seq for line in self.journal)
            while True:
                async with self._more:
                    while len(self.journal) <= seen:
                        await self._more.wait()
                    fresh, seen = self.journal[seen:], len(self.journal)
                for event in fresh:
                    yield event
        finally:
            self.followers -= 1


def find_caller(*, meta: Any, session_id: str | None) -> Caller:
    """Say that session `s1` calls, or the session named."""
    session = session_id or str(meta.get("sessionId") or "s1")
    return Caller(session_id=session, agent="claude-code", project=Path("/project"), client="test")
