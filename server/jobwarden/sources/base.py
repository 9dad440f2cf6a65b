"""What a kind of job must be able to say: the contract of every plug-in.

A source has no state: what it may keep from one question to the next changes no answer. It builds commands and reads
answers with pure functions, keeps no connection, imports no other source and no concrete transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from jobwarden.transport.base import Transport
from jobwarden_registry.model import Attempt, Evidence, Expectation, LogPaths, Utc
from jobwarden_registry.phases import Phase

RESULT = "result"
"""The fact, in `Seen.facts`, that says what a job has come to in a few words (`MMLU-Pro 42.3 %`): of one that has ended
it stands in every summary."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    evidence: Evidence
    facts: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What this source wants to be told in `Wanted.facts` from now on: laid over what is there, never secret."""


class Output(BaseModel):
    """What was found of one expected output. Filled in by the verdict's own look (verdict.outputs), not by a source."""

    model_config = ConfigDict(frozen=True)

    expect: Expectation
    found: bool | None
    """None: it was not looked at, for it lies where nothing of this job may be read, or nobody knows where."""
    line: str
    """What was seen there, for the evidence."""


class Seen(_Answer):
    """Asked, answered, and it knows the job."""

    kind: Literal["seen"] = "seen"
    phase: Phase
    status: str
    """The source's own word, in full."""
    reason: str | None = None
    stuck: str | None = None
    """Why it cannot go on unless somebody does something, and what; None for a job that merely waits."""
    exit_code: int | None = None
    signal: int | None = None
    name: str | None = None
    user: str | None = None
    node: str | None = None
    submitted_at: Utc | None = None
    """Of the run that this state is about: a requeue is a new submission. Of an array: its first."""
    expected_start_at: Utc | None = None
    """Of a waiting job, where the source gives one."""
    started_at: Utc | None = None
    ended_at: Utc | None = None
    clock_ahead_s: float = 0.0
    """By how much the clock that these times are of is ahead of ours, where that is known."""
    work_dir: str | None = None
    log: LogPaths | None = None
    attempts: tuple[Attempt, ...] = ()
    """All runs that the source knows of, oldest first; empty: only the present one."""
    elements: int | None = None
    """Of a job with elements: how many are known of, now or earlier (`Wanted.elements`)."""
    contested: bool = False
    """Of one of `newer`: it may as well be another ended job's resubmission."""
    newer: tuple[Seen, ...] = ()
    """Of a job that has ended: living jobs of its user that may be its resubmission under another id (the same name and
    working directory, submitted after it), with that id in `attempts`. None that somebody watches already."""
    outputs: tuple[Output, ...] = ()
    stands: bool = False
    """Whether its source gives the very same object again for as long as it would say the same. It holds as of when the
    latest answer was asked for, whatever moment its evidence has: see `as_of`."""

    def as_of(self, asked_at: datetime) -> Seen:
        """Say it as the answer to a question that was asked then; what does not stand is of its own moment already."""
        if not self.stands:
            return self
        moment = max(asked_at, self.evidence.asked_at)
        return self.model_copy(
            update={"stands": False, "evidence": self.evidence.model_copy(update={"asked_at": moment})}
        )


class Absent(_Answer):
    """A good answer (every part of the site that exists was asked, and answered whole) that lacks the job."""

    kind: Literal["absent"] = "absent"
    where: tuple[str, ...]
    """What was asked: `("squeue", "sacct")`."""
    newer: tuple[Seen, ...] = ()
    """As `Seen.newer`."""
    outputs: tuple[Output, ...] = ()


class DependsOn(_Answer):
    """The job's state is that of these Slurm jobs."""

    kind: Literal["depends_on"] = "depends_on"
    slurm_ids: tuple[str, ...]
    host: str = ""
    """Where that Slurm is, as ssh knows it; empty: on the job's own host."""
    memo: Mapping[str, JsonValue] = Field(default_factory=dict)
    """For the source's own `Concludes`; kept nowhere."""


class CouldNotAsk(_Answer):
    """The rest of the site answered, but the part that would know this job did not.

    When nothing answered, `observe` raises instead.
    """

    kind: Literal["could_not_ask"] = "could_not_ask"
    code: str
    """Ends in `_behind` where the source is only catching up with itself, for some seconds: nobody is told of that."""
    text: str


Sighting = Annotated[Seen | Absent | DependsOn | CouldNotAsk, Field(discriminator="kind")]


class Wanted(BaseModel):
    """One job that somebody wants to know about, with what is known of it already."""

    model_config = ConfigDict(frozen=True)

    id: str
    user: str = ""
    name: str | None = None
    """Its name in its own source, as far as it is known."""
    submitted_at: Utc | None = None
    run_submitted_at: Utc | None = None
    """When the run was submitted that is known as the present one: a requeue is a new submission."""
    registered_at: Utc | None = None
    log_known: bool = False
    """Whether the record has the log's path already, so that the source need not look for it."""
    resubmitted_as: str | None = None
    """The id under which it lives now, where that is not `id`; then `submitted_at` is that submission's."""
    work_dir: str | None = None
    expect: tuple[Expectation, ...] = ()
    """What must be there when it has succeeded; looked for by the verdict, not by the source."""
    absent_since: Utc | None = None
    elements: int | None = None
    """Of a job with elements: how many were seen."""
    after_end: bool = False
    """Whether it is asked about after its end, too: a part of something that lives may be requeued by hand."""
    facts: Mapping[str, JsonValue] = Field(default_factory=dict)
    """`JobRecord.facts`: what this source itself put there."""

    def has_run_since(self, seen: Seen) -> bool:
        """Whether a sighting is of a run before the one that is known as the present."""
        told, present = seen.submitted_at, self.run_submitted_at
        return told is not None and present is not None and told < present


@dataclass(frozen=True, slots=True)
class Host:
    """Where to ask, and how this host is configured."""

    transport: Transport
    machine_id: str
    """The id of the machine that we run on; a source of local things judges only what was made here."""
    cluster: str = ""
    timeout_s: float = 60.0
    settings: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    overheard: Callable[[Sequence[Found]], None] | None = None
    """Takes the user's living jobs that an observation's answer showed and nobody asked about. A source that cannot see
    all of them does not call it."""


class Source(Protocol):
    """One kind of job."""

    @property
    def name(self) -> str:
        """The `type` of its records, and its entry point's name."""
        ...

    def parse_id(self, text: str) -> str:
        """Give the id in its canonical form.

        Raises:
            InvalidIdError: It cannot be an id of this kind; the hint says what one looks like.
        """
        ...

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        """Ask once about all of these jobs.

        Returns:
            One sighting for every id asked, and no other key. `wanted` empty: an empty mapping, nothing asked.

        Raises:
            TransportError: The host could not be asked.
            SourceError: The host answered, but nothing usable came of it.
        """
        ...


@runtime_checkable
class Concludes(Protocol):
    """A source that says itself what its `DependsOn` come to."""

    async def look_there(self, host: Host, depends: Mapping[str, DependsOn]) -> Mapping[str, DependsOn]:
        """Look for files on the host of the Slurm jobs, before these are asked about; all of one host at once.

        Returns:
            One for every id, with the Slurm ids, facts and memo that hold now.

        Raises:
            As `Source.observe`.
        """
        ...

    def conclude(self, depends: DependsOn, found: Mapping[str, Sighting]) -> Sighting:
        """Make one sighting of those of the Slurm jobs. Pure.

        Args:
            depends: With the evidence of all that was asked.
            found: By Slurm id; one that is missing is not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a source wants to be registered.

    Attributes:
        id: In full, where a part of it was given.
        facts: Of the registering session: `Wanted.facts` from then on. Never secret.
    """

    id: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@runtime_checkable
class Prepares(Protocol):
    """A source that needs something of the session that registers a job, as where its own tool is."""

    async def prepare(self, host: Host, ids: Sequence[str], env: Mapping[str, str]) -> Mapping[str, Prepared]:
        """Look up what is needed, once, at the registration.

        Args:
            host: The jobs' host. Its `settings` hold two more: `log_path`, where the caller says that they write, and
                `project`, the caller's folder, where its machine is that host; each may be null.
            ids: From `Source.parse_id`.
            env: The session's environment, where its machine is that host; else empty.

        Raises:
            InvalidIdError: An id stands for several jobs; the text lists them.
            TransportError, SourceError: As `Source.observe`.
        """
        ...


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What became of one request to cancel or to control a job; accepted is not ended.

    Attributes:
        accepted: Whether the source took the request.
        text: What it said, or why it refused.
        failed: It did not refuse: it could not be asked, or nothing is known of what it did. Asking again may help.
        depends: Slurm jobs to which it must be done for it, on their host, by whoever asked; what becomes of them is
            the outcome then. The source's own `look_there` is asked first which they are.
        seen: Of a change that was accepted: whether a look has shown it since; None where no look can.
    """

    accepted: bool
    text: str
    depends: DependsOn | None = None
    failed: bool = False
    seen: bool | None = None


@runtime_checkable
class Cancels(Protocol):
    """A source whose jobs can be stopped."""

    async def cancel(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, CancelOutcome]:
        """Ask for the end of these jobs, after a live look that each is the user's own.

        Returns:
            One outcome for every id asked.

        Raises:
            As `observe`; after an OutcomeUnknownError look before asking again.
        """
        ...


@runtime_checkable
class LivesHere(Protocol):
    """A source whose jobs exist on this machine only and are asked without a connection."""

    @property
    def local_only(self) -> bool:
        """True."""
        ...


class Found(BaseModel):
    """One living job of this user's, as its source lists it.

    One whose phase is an end is told for its `slurm_ids` alone, of which some wait in vain, and is shown to nobody.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    """Canonical. Who watches an id that goes on after this one with `_`, `+` or `.` watches a part of this job."""
    phase: Phase = Phase.UNKNOWN
    status: str = ""
    """The source's own word; empty where listing does not tell it."""
    name: str | None = None
    what: str = ""
    """What else tells a person which job that is: where it runs, its command. One line."""
    question: str
    """What was asked that showed it: `squeue`, `nel ls runs`."""
    submitted_at: Utc | None = None
    started_at: Utc | None = None
    slurm_ids: tuple[str, ...] = ()
    """The Slurm jobs that are its parts, the waiting ones among them: they are no jobs of their own."""
    slurm_host: str = ""
    """Where that Slurm is; empty: on the host that was asked."""
    depends: DependsOn | None = None
    """Of a source that `Concludes`: what its state hangs on, where Slurm alone can tell whether it lives. The verdict
    finds it out, and then fills in what stands above; one that does not live is left out."""
    facts: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """For `JobRecord.facts` when it is watched from now on, over what `Prepares` gives. Never secret."""


@runtime_checkable
class Discovers(Protocol):
    """A source that can list the user's jobs, whoever submitted them."""

    async def discover(self, host: Host) -> Sequence[Found]:
        """List the living jobs of the user who asks, watched or not, in one question.

        Args:
            host: Where to look. For a source that `Prepares`, its `settings` hold two more: `project`, the caller's
                folder, where its machine is that host, else null; and `watched`, see `watched_facts`.

        Raises:
            As `Source.observe`. An empty list is a whole answer: there is none.
        """
        ...


def watched_facts(host: Host) -> list[Mapping[str, JsonValue]]:
    """Give the facts of the source's own jobs that are watched on a host, as `Discovers.discover` is given them."""
    given = host.settings.get("watched")
    return [facts for facts in given if isinstance(facts, dict)] if isinstance(given, list) else []
