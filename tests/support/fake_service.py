"""A typed stand-in for the service: it answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from jobwarden.identity import Caller
from jobwarden.service.board import Board
from jobwarden.service.looking import Scope
from jobwarden.service.service import Service
from jobwarden.service.told import Ended, Tell, Told
from jobwarden.service.views import (
    CancelView,
    Check,
    Counts,
    DiagnoseView,
    DiscoverView,
    DoctorView,
    EvidenceView,
    ExplainView,
    HitsView,
    HitView,
    JobView,
    RecordingView,
    RegisterView,
    ResourcesView,
    RulesView,
    RuleView,
    StatusView,
    TailView,
    WatcherView,
)
from jobwarden.service.waiting import Progress, Until
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import Evidence, Owner
from jobwarden_registry.phases import Phase

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def job(job_id: str = "12345", /, **fields: object) -> JobView:
    """Make a job as the service would show it."""
    base: dict[str, object] = {
        "type": "slurm",
        "id": job_id,
        "host": "cluster-a",
        "user": "alice",
        "name": None,
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
        "node": None,
        "submitted_at": NOW - timedelta(hours=2),
        "started_at": NOW - timedelta(hours=1),
        "ended_at": None,
        "elapsed_s": 3723.0,
        "attempts": (),
        "log_path": None,
        "observed_at": NOW,
        "age_s": 4.0,
        "stale_since": None,
        "stale_because": None,
        "orphan": False,
        "owner": Owner(),
        "mine": True,
    }
    return JobView.model_validate(base | fields)


def failed_job(**fields: object) -> JobView:
    """Make a job that failed."""
    ended: dict[str, object] = {"phase": Phase.FAILED, "status": "FAILED", "exit_code": 3, "ended_at": NOW}
    return job("12346", **(ended | fields))


def event(seq: int = 17, **fields: object) -> Event:
    """Make one line of the journal."""
    base: dict[str, object] = {
        "seq": seq,
        "timestamp": NOW,
        "event": EventKind.FINISHED,
        "session": "s",
        "type": "slurm",
        "host": "cluster-a",
        "job_id": "12345",
        "name": "ptq",
        "old_status": "RUNNING",
        "new_status": "COMPLETED",
        "phase": "succeeded",
    }
    return Event.model_validate(base | fields)


def status_view(*jobs: JobView, **fields: object) -> StatusView:
    """Make a status answer with counts that fit."""
    counts = {phase: sum(job.phase == phase for job in jobs) for phase in Phase}
    counted = Counts.model_validate({"total": len(jobs), **counts})
    return StatusView.model_validate({"counts": counted, "news": (), "jobs": jobs, **fields})


EVIDENCE = Evidence(
    asked_at=NOW, question=("sacct -j 12345",), lines=("12345|COMPLETED|0:0",), rule="COMPLETED in sacct is an end"
)


@dataclass
class Answers:
    """What the service says, and what it was asked."""

    status: StatusView = field(default_factory=status_view)
    waits: list[StatusView] = field(default_factory=list[StatusView])
    register: RegisterView = field(
        default_factory=lambda: RegisterView(jobs=(job(name="ptq"),), created=(True,), news=())
    )
    tail: TailView = field(
        default_factory=lambda: TailView(job=job(), path="/out", stream="stdout", text="one\ntwo\n", size_bytes=8)
    )
    told: list[Told] = field(default_factory=list[Told])
    """While logs are followed."""
    cancel: CancelView = field(default_factory=lambda: CancelView(rows=()))
    diagnosis: DiagnoseView = field(
        default_factory=lambda: DiagnoseView(
            job=job(name="ptq"),
            category="out_of_memory",
            kind="gpu",
            cause="CUDA out of memory on rank 3",
            confidence="high",
            retryable="after_change",
            change="a smaller batch",
            also=("slurm said nothing",),
            evidence=(EvidenceView(file="/l/a.log", line=7, text="torch.OutOfMemoryError"),),
            part="7_3",
            resources=ResourcesView(
                time_limit_s=3600,
                elapsed_s=720,
                memory_limit_bytes=2**36,
                max_rss_bytes=2**29,
                nodes="c1",
                asked="gres/gpu=8",
            ),
            steps=("batch: FAILED 1:0",),
            notes=("/x is not there.",),
        )
    )
    discover: DiscoverView = field(default_factory=lambda: DiscoverView(watched=0, jobs=()))
    rules: RulesView = field(
        default_factory=lambda: RulesView(
            job=job(name="ptq"),
            rules=(
                RuleView(
                    name="loss",
                    kind="pattern",
                    text='name=loss pattern="loss: ([0-9.]+)" actions=[pause]',
                    actions=("pause",),
                    matches=7,
                    fired=2,
                    last_fired_at=NOW - timedelta(minutes=5),
                    paused=False,
                    disabled=None,
                ),
            ),
            tried=(
                HitsView(
                    rule="loss",
                    fired=3,
                    matches=4,
                    failed=1,
                    lines=90,
                    whole=True,
                    hits=(HitView(line=12, text="loss: 9", captures={"0": "loss: 9", "loss": "9"}),),
                    would=("rule loss: pause (on 'loss: 9\x1b')",),
                ),
            ),
        )
    )
    explain: ExplainView = field(
        default_factory=lambda: ExplainView(
            job=job(name="ptq"),
            events=(event(evidence=EVIDENCE),),
            now=EVIDENCE,
        )
    )
    events: list[Event] = field(default_factory=list[Event])
    doctor: DoctorView = field(default_factory=lambda: DoctorView(checks=()))
    watcher: WatcherView = field(default_factory=lambda: WatcherView(running=False, log_path="/state/watcher.log"))
    board: Board | None = None
    error: BaseException | None = None
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list[tuple[str, Mapping[str, object]]])
    callers: list[Caller] = field(default_factory=list[Caller])


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str


class Terminal(Protocol):
    """Types a command line and gives what came of it."""

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> Ran: ...


class FakeService(Service):
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        if answers.board is not None:
            self.board = answers.board

    def _asked(self, verb: str, caller: Caller | None, **arguments: object) -> None:
        self._answers.asked.append((verb, arguments))
        if caller is not None:
            self._answers.callers.append(caller)
        if self._answers.error is not None:
            raise self._answers.error

    async def register(
        self,
        caller: Caller,
        *,
        type: str,  # noqa: A002 -- the field's own term
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
        self._asked(
            "register", caller, type=type, ids=ids, host=host, user=user, name=name, tags=tags, log_path=log_path,
            description=description, expect=expect, ready=ready, rules=rules,
        )  # fmt: skip
        return self._answers.register

    async def run_process(
        self,
        caller: Caller,
        argv: Sequence[str],
        *,
        cwd: Path,
        name: str | None = None,
        description: str = "",
        log_path: str | None = None,
        ready: str | None = None,
    ) -> RegisterView:
        self._asked(
            "run", caller, argv=argv, cwd=cwd, name=name, description=description, log_path=log_path, ready=ready
        )
        return self._answers.register

    async def status(
        self, caller: Caller, *, jobs: Sequence[str] = (), refresh: bool = True, scope: Scope = "session"
    ) -> StatusView:
        self._asked("status", caller, jobs=jobs, refresh=refresh, scope=scope)
        return self._answers.status

    async def wait(
        self,
        caller: Caller,
        *,
        jobs: Sequence[str] = (),
        until: Until = "change",
        timeout_s: float = 45.0,
        progress: Progress | None = None,
    ) -> StatusView:
        self._asked("wait", caller, jobs=jobs, until=until, timeout_s=timeout_s)
        if progress is not None:
            await progress(1.0, "waiting")
        return self._answers.waits.pop(0)

    async def tail(self, caller: Caller, job: str, *, lines: int = 80, **more: str | int | None) -> TailView:
        self._asked("tail", caller, job=job, lines=lines, **{name: value for name, value in more.items() if value})
        return self._answers.tail

    async def follow_logs(
        self, caller: Caller, jobs: Sequence[str], *, tell: Tell, lines: int = 80, **more: str | None
    ) -> tuple[Ended, ...]:
        self._asked("follow_logs", caller, jobs=jobs, lines=lines, **more)
        for told in self._answers.told:
            await tell(told)
        return tuple(told for told in self._answers.told if isinstance(told, Ended))

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
        assert only is None, "nobody is asked at the terminal"
        self._asked("cancel", caller, jobs=jobs, all_jobs=all_jobs, reason=reason, dry_run=dry_run, force=force)
        return self._answers.cancel

    async def diagnose(self, caller: Caller, job: str) -> DiagnoseView:
        self._asked("diagnose", caller, job=job)
        return self._answers.diagnosis

    async def discover(
        self,
        caller: Caller,
        *,
        host: str | None = None,
        type: str | None = None,  # noqa: A002 -- the field's own term
        adopt: Sequence[str] = (),
    ) -> DiscoverView:
        self._asked("discover", caller, host=host, type=type, adopt=adopt)
        return self._answers.discover

    async def watch_log(self, caller: Caller, job: str, *, action: str = "list", rule: str | None = None) -> RulesView:
        self._asked("watch_log", caller, job=job, action=action, rule=rule)
        return self._answers.rules

    async def explain(self, caller: Caller, job: str) -> ExplainView:
        self._asked("explain", caller, job=job)
        return self._answers.explain

    async def follow(self, caller: Caller, *, after_seq: int | None = None) -> AsyncIterator[Event]:
        self._asked("follow", caller, after_seq=after_seq)
        for one in self._answers.events:
            yield one

    async def doctor(self, caller: Caller, *, hosts: Sequence[str] = ()) -> DoctorView:
        self._asked("doctor", caller, hosts=hosts)
        return self._answers.doctor

    async def record(self, *, host: str = "localhost", path: Path, for_s: float) -> RecordingView:
        self._asked("record", None, host=host, path=path, for_s=for_s)
        return RecordingView(path=str(path), host=host, jobs=1, moments=2, size_bytes=3)

    async def watcher(self) -> WatcherView:
        self._asked("watcher", None)
        return self._answers.watcher

    async def stop_watcher(self) -> bool:
        self._asked("stop_watcher", None)
        return self._answers.watcher.running


def check(outcome: str, **fields: str) -> Check:
    """Make one of doctor's checks."""
    return Check.model_validate({"subject": "watcher", "outcome": outcome, "text": "it runs"} | fields)
