"""A stage for what rules do: a real registry, a scheduler of paper that can submit, and crashes at every step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobwarden.actions.call import ActionCall, Firing
from jobwarden.actions.carrying import Actor, Done
from jobwarden.actions.grants import Grants
from jobwarden.config.granting import CommandConfig, NotifyConfig
from jobwarden.sources.base import CancelOutcome, Host, Seen, Sighting, Wanted
from jobwarden.sources.resubmitting import NotAgainError, Original
from jobwarden.transport.errors import OutcomeUnknownError
from jobwarden.verdict.world import World
from jobwarden_registry.events import Event
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from support.household import Household
from support.paper import Paper, paper_world

BEGIN = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)

GRANTS = """
[grants]
cancel = true
resubmissions = 5
gpu_hours = 100
"""


ALL = Grants(
    cancel=True,
    resubmissions=5,
    gpu_hours=10,
    commands={"logger": CommandConfig(argv=("logger", "--", "{message}"))},
    notify={
        "email": NotifyConfig(url="smtp://localhost/?from=a@b.c&to=a@b.c", to=("user@example.com",)),
        "slack": NotifyConfig(env="SLACK_WEBHOOK", to=("#alerts",)),
    },
)


class CrashError(BaseException):
    """As if the process had been killed here: nothing catches it."""


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Press(Paper):
    """A paper scheduler that takes submissions: `submitted_with` maps each token to the ids that it made.

    Attributes:
        lose_answers: Submissions are taken, and their answer is lost.
        purged: The last look before a submission, into the queue, shows nothing of what has left it.
        refuse: Why a submission is refused.
        options: What each new job was given.
        waits_for: New id to the id whose end it waits for.
        twins: See `Original.twins`.
        gpus: Of the original.
        ended: Ids of which the original is not alive any more.
        killed: How often each id was really ended.
    """

    clock: Clock = field(default_factory=Clock)
    lose_answers: bool = False
    purged: bool = False
    refuse: str = ""
    submitted_with: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    options: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    waits_for: dict[str, str] = field(default_factory=dict[str, str])
    twins: tuple[str, ...] = ()
    gpus: int = 0
    time_limit_s: float | None = 3600.0
    killed: dict[str, int] = field(default_factory=dict[str, int])

    def made(self) -> list[str]:
        """Give every job that was submitted."""
        return [one for ids in self.submitted_with.values() for one in ids]

    async def original(self, host: Host, wanted: Wanted) -> Original:  # noqa: ARG002 -- the contract's
        job = wanted.resubmitted_as or wanted.id
        return Original(
            id=job,
            name="train",
            work_dir="/home/alice",
            options=(),
            arguments=(),
            script=b"#!/bin/sh\n",
            alive=self.states.get(job) in ("RUNNING", "PENDING"),
            twins=self.twins,
            gpus=self.gpus,
            time_limit_s=self.time_limit_s,
        )

    async def submit(self, host: Host, original: Original, changes: Sequence[str], token: str) -> str | None:  # noqa: ARG002 -- the contract's
        if self.refuse:
            raise NotAgainError(self.refuse)
        if token in self.submitted_with and not self.purged:
            return None
        new = str(900 + len(self.made()))
        self.submitted_with.setdefault(token, []).append(new)
        self.options[new] = tuple(changes)
        if original.alive:
            self.waits_for[new] = original.id
        self.states[new] = "PENDING"
        if self.lose_answers:
            raise OutcomeUnknownError("dropped", code="ssh.dropped")
        return new

    async def submitted(self, host: Host, token: str, *, within_s: float) -> str | None:  # noqa: ARG002 -- the contract's
        return next(iter(self.submitted_with.get(token, ())), None)

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:  # noqa: ARG002 -- the contract's
        if self.cancel_raises is not None:
            raise self.cancel_raises
        outcomes: dict[str, CancelOutcome] = {}
        for one in wanted:
            job = one.resubmitted_as or one.id
            if self.states.get(job) not in ("RUNNING", "PENDING"):
                outcomes[one.id] = CancelOutcome(accepted=False, text="It has already ended.")
                continue
            self.killed[job] = self.killed.get(job, 0) + 1
            self.states[job] = "CANCELLED"
            outcomes[one.id] = CancelOutcome(accepted=True, text="taken")
        return outcomes

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        seen = dict(await super().observe(host, wanted))
        # A job that goes on under another id is told by that one's state.
        return seen | {one.id: self._going_on(one) for one in wanted if one.resubmitted_as and one.id in seen}

    def _going_on(self, wanted: Wanted) -> Sighting:
        now = wanted.resubmitted_as or wanted.id
        seen = self._sighting(now)
        if not isinstance(seen, Seen):
            return seen
        run = Attempt(id=now, submitted_at=seen.submitted_at, phase=seen.phase, status=seen.status)
        return seen.model_copy(update={"attempts": (run,)})

    def _sighting(self, job_id: str) -> Sighting:
        seen = super()._sighting(job_id)
        number = int(job_id) if job_id.isdigit() else 0
        if isinstance(seen, Seen):
            return seen.model_copy(update={"submitted_at": BEGIN + timedelta(seconds=number)})
        return seen


@dataclass
class Stage:
    """One job of one session, and somebody who carries out what its rules ask for."""

    home: Household
    world: World
    press: Press
    clock: Clock
    session: Session
    record: JobRecord
    sent: list[Any] = field(default_factory=list[Any])

    def actor(self) -> Actor:
        """Give a new one, as a process that has just begun."""
        return Actor(self.world.rounds, self.home.env)

    async def do(
        self, *calls: ActionCall, number: int = 1, captures: Mapping[str, str] | None = None, **how: Any
    ) -> list[Done]:
        """Carry out what a firing asks for."""
        firing = self.firing(number, captures or {})
        return await self.actor().carry_out(self.session, self.current(), firing, calls, **how)

    def firing(self, number: int = 1, captures: Mapping[str, str] | None = None, line: str = "loss: 12.5") -> Firing:
        """Give a firing of the rule `diverged`."""
        uid = self.record.uid
        return Firing(f"{uid}/diverged/{number}", "diverged", uid, BEGIN, captures or {}, line, "stdout")

    def current(self) -> JobRecord:
        """Give the job as it is watched now, or as it began."""
        return next((one for one in self.session.load() if one.uid == self.record.uid), self.record)

    def deeds(self) -> list[Event]:
        """Give what the journal says that was done."""
        return [event for event in self.session.journal.read() if event.event == "action"]

    def texts(self) -> str:
        """Give all of the journal's texts."""
        return "\n".join(event.text or "" for event in self.session.journal.read())


@asynccontextmanager
async def staged(home: Household) -> AsyncGenerator[Stage]:
    """Open everything over a job 100 that runs."""
    clock = Clock()
    press = Press(clock=clock)
    async with paper_world(home, press, clock) as world:
        entry = world.sessions.index.add(
            SessionEntry(session_id="session-1", project=home.project, created_at=clock(), last_seen_at=clock())
        )
        session = world.sessions.of(entry)
        press.states["100"] = "RUNNING"
        run = Attempt(id="100", submitted_at=BEGIN + timedelta(seconds=100), phase=Phase.RUNNING, status="RUNNING")
        record = JobRecord(
            type="paper", id="100", name="train", phase=Phase.RUNNING, last_status="RUNNING", attempts=(run,)
        )
        record = record.changed(site=(await world.transports.resolve("localhost")).key)
        with session.transaction() as transaction:
            record, _ = transaction.register(record)
        yield Stage(home, world, press, clock, session, record)


@dataclass
class Crashes:
    """Kills at the n-th step; a step is before or after anything that is asked, written or sent."""

    at: int
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise CrashError

    def around(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = await work(*args, **kwargs)
            self.step()
            return result

        return wrapped


def call(name: str, /, **arguments: Any) -> ActionCall:
    """Write a call as a rule does."""
    return ActionCall(name, arguments)
