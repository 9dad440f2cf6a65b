"""What a kind of job must be able to say: the contract of every plug-in.

A source is stateless. It builds commands and reads answers with pure functions, keeps no connection,
imports no other source and no concrete transport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from jobwarden.transport.base import Transport
from jobwarden_registry.model import Attempt, Evidence, Expectation, LogPaths, Utc
from jobwarden_registry.phases import Phase


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    evidence: Evidence


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
    facts: Mapping[str, JsonValue] = Field(default_factory=dict)
    """`JobRecord.facts`: what this source itself put there."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where to ask, and how this host is configured."""

    transport: Transport
    machine_id: str
    """The id of the machine that we run on; a source of local things judges only what was made here."""
    cluster: str = ""
    timeout_s: float = 60.0
    settings: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


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


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What became of one request to cancel; accepted is not ended.

    Attributes:
        accepted: Whether the source took the request.
        text: What it said, or why it refused.
    """

    accepted: bool
    text: str


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
