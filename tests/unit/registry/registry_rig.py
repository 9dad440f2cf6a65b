"""A registry in a temporary folder, and the faults that happen to it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobwarden_registry.disk import Steps
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.locks import Excluder, Surroundings, local_flock
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import Places
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import ProcessId
from jobwarden_registry.session import Session

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Ticking:
    """A clock that moves by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Killed(BaseException):
    """The process is dead: nothing that would clean up may run any more."""


class FaultySteps(Steps):
    """Counts the steps, and dies or fails at one of them.

    Args:
        die_at: The step before which the process is killed; every later step is dead too.
        fail_at: The step that fails.
        code: How it fails.
        cut: How much of a write still gets to the disk at the step where it ends.
    """

    def __init__(
        self, *, die_at: int | None = None, fail_at: int | None = None, code: int = errno.ENOSPC, cut: int | None = None
    ) -> None:
        self.log: list[str] = []
        self._die_at = die_at
        self._fail_at = fail_at
        self._code = code
        self._cut = cut
        self.dead = False
        self.failed = False

    def before(self, what: str) -> None:
        if self.dead:
            raise Killed
        self.log.append(what)
        self._now = len(self.log) - 1
        if what.startswith("write ") and self._cut is not None:
            return
        self._strike()

    def write(self, descriptor: int, data: bytes) -> int:
        if self.dead:
            raise Killed
        if self._cut is not None and self._now in (self._die_at, self._fail_at):
            os.write(descriptor, data[: self._cut])
        self._strike()
        return os.write(descriptor, data)

    def _strike(self) -> None:
        if self._now == self._die_at:
            self.dead = True
            raise Killed
        if self._now == self._fail_at:
            self.failed = True
            raise OSError(self._code, os.strerror(self._code))


@dataclass
class Rig:
    """One session on disk, and what a test does to it from outside."""

    root: Path
    session_id: str = "s1"
    clock: Ticking = field(default_factory=Ticking)
    processes: int = 0
    dead: set[int] = field(default_factory=set[int])
    waited: float = 0.0

    @property
    def places(self) -> Places:
        return Places(self.root / "state", self.root / "runtime")

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def folder(self) -> Path:
        return self.places.state / "sessions" / self.session_id

    @property
    def file(self) -> Path:
        return self.project / ".claude" / "agents" / self.session_id / "active_jobs.json"

    @property
    def journal(self) -> Path:
        return self.folder / "events.jsonl"

    def process(
        self,
        steps: Steps | None = None,
        *,
        exclude: Excluder = local_flock,
        judge: Callable[[ProcessId], bool | None] | None = None,
        timeout_s: float = 5.0,
        stale_s: float = 1.0,
    ) -> Session:
        """Open the session as a process of its own would; a pid in `dead` is a dead one's."""
        self.processes += 1
        me = ProcessId("boot", "ns", self.processes, "1")
        around = Surroundings(
            steps=steps or Steps(),
            me=lambda: me,
            judge=judge or (lambda process: process.pid not in self.dead),
            monotonic=lambda: self.waited,
            pause=self._pause,
        )
        return Session(
            self.places,
            self.entry(),
            clock=self.clock,
            lock_timeout_s=timeout_s,
            lock_stale_s=stale_s,
            exclude=exclude,
            around=around,
        )

    def kill(self) -> None:
        """Let the process that was opened last be dead."""
        self.dead.add(self.processes)

    def entry(self) -> SessionEntry:
        return SessionEntry(session_id=self.session_id, project=self.project, created_at=START, last_seen_at=START)

    def read(self) -> list[Any]:
        """Read the project's file as another program would."""
        items: list[Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return items

    def write(self, items: list[Any]) -> None:
        """Write the project's file as another program would."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.write_text(json.dumps(items), encoding="utf-8")

    def events(self) -> tuple[Event, ...]:
        return self.process().journal.read()

    def kinds(self) -> list[str]:
        return [str(event.event) for event in self.events()]

    def _pause(self, seconds: float) -> None:
        self.waited += seconds


def make_rig(root: Path, session_id: str = "s1") -> Rig:
    rig = Rig(root, session_id)
    for folder in (rig.places.state, rig.places.runtime, rig.project):
        folder.mkdir(mode=0o700, parents=True)
    Index(rig.places).add(rig.entry())
    return rig


def slurm(job_id: str = "1", **fields: Any) -> JobRecord:
    return JobRecord(type="slurm", id=job_id, host="cluster-a").changed(**fields)


def register(session: Session, *records: JobRecord) -> list[JobRecord]:
    with session.transaction() as change:
        return [change.register(record)[0] for record in records]


def update(session: Session, uid: str, **fields: Any) -> JobRecord:
    with session.transaction() as change:
        return change.change(uid, change.jobs[uid].changed(**fields), EventKind.STATUS_CHANGE)


def finish(session: Session, uid: str) -> JobRecord:
    with session.transaction() as change:
        ended = change.jobs[uid].changed(phase=Phase.SUCCEEDED, last_status="COMPLETED", ended_at=START)
        return change.finish(uid, ended)


def reconcile(session: Session, *, own: bool = True) -> None:
    with session.transaction(own=own):
        pass


def tree(*roots: Path) -> Mapping[str, bytes]:
    """Everything below these folders, byte for byte."""
    return {str(path): path.read_bytes() for root in roots for path in sorted(root.rglob("*")) if path.is_file()}
