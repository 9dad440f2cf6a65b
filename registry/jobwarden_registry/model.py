"""What a watched job is, as it stands in active_jobs.json.

The first eight fields of `JobRecord` are a public contract that other tools and hand-written entries share.
Everything beyond them is optional.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from jobwarden_registry.phases import Phase

RECORD_VERSION = 1
"""The version that this program writes into `v`."""


def utc_text(moment: datetime) -> str:
    """Write a moment as `2026-11-20T10:09:15.123456Z`, without the fraction when there is none."""
    return moment.isoformat().replace("+00:00", "Z")


def _to_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


Utc = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A moment in UTC. Text without an offset is refused: nobody can say which moment it means."""


class _Frozen(BaseModel):
    """Immutable; keeps keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Owner(_Frozen):
    """Who registered the job."""

    agent: str = "manual"
    """`claude-code`, `codex` or `manual`."""
    session_id: str = ""
    detail: str | None = None
    """A sub-agent of that session, where one is known."""


class LogPaths(_Frozen):
    """Where the job writes, as absolute paths on its host; `None` where it is not known."""

    stdout: str | None = None
    stderr: str | None = None
    host: str | None = None
    """Where that is, as ssh knows it, when it is not the job's own host."""


class Evidence(_Frozen):
    """What decided a state: kept with every change, and shown by `jobwarden explain`."""

    asked_at: Utc
    question: tuple[str, ...] = ()
    """The commands as they were run, one string each."""
    lines: tuple[str, ...] = ()
    """The raw lines of the answers that concern this job."""
    rule: str = ""
    """The rule that read them, in a sentence."""


class Attempt(_Frozen):
    """One run of a job: a requeue, an auto-resume or a resubmission is a new one."""

    id: str
    """The id it ran under in its source."""
    submitted_at: Utc | None = None
    started_at: Utc | None = None
    ended_at: Utc | None = None
    status: str = ""
    """The source's own word."""
    phase: Phase = Phase.UNKNOWN
    exit_code: int | None = None
    signal: int | None = None
    node: str | None = None


class Absence(_Frozen):
    """How long a job has been nowhere; counted only between good answers."""

    since: Utc
    last: Utc
    """The latest good answer in which it was absent."""
    answers: int = 1


class HeldEnd(_Frozen):
    """How a run ended whose job may be started again: no end of the job before that is decided."""

    run: str
    """The id it ran under."""
    at: Utc
    """Since when it is not told."""
    status: str
    phase: Phase
    reason: str | None = None
    ended_at: Utc | None = None
    started_at: Utc | None = None
    cause: str | None = None
    text: str | None = None
    """What its event would have said."""
    evidence: Evidence | None = None


class Expectation(_Frozen):
    """One completion check: what must be there when the job has succeeded."""

    path: str
    """A path or glob on the job's host, absolute or below its working directory."""
    min_bytes: int = 0
    pattern: str | None = None


class Readiness(_Frozen):
    """What shows that a running service is up: a port of its node, an HTTP path there, or a line of its log."""

    port: int | None = None
    path: str | None = None
    """Asked for by HTTP on that port; any answer below 400 will do."""
    pattern: str | None = None
    """An extended regular expression, as `grep -E` has them."""


class EndAsked(_Frozen):
    """Who asked through jobwarden for the end of a run, and why."""

    by: str
    """`codex session 01ab...`, or `rule NAME`."""
    reason: str = ""
    at: Utc
    run: str = ""
    """The id under which the job lived then; a later run was not meant."""
    runs: int = 0
    """How many it had had."""


class Pause(_Frozen):
    """Since when nobody watches, who wanted that, and why."""

    since: Utc
    by: str = ""
    reason: str = ""


class Used(_Frozen):
    """What a run that has ended used of what it had, as accounting tells it; None: not told.

    Of a job with elements: CPU and core time of all that ran, memory of the one that came nearest to its limit.
    """

    cpu_s: float | None = None
    """CPU time of all its processes."""
    core_s: float | None = None
    """Run time times allocated cores."""
    memory_bytes: int | None = None
    """The most that a step had: the largest process times their number, as seff estimates it."""
    memory_limit_bytes: int | None = None
    """Asked for, on all nodes."""
    elapsed_s: float | None = None
    gpus: int = 0
    """Allocated."""


class JobRecord(_Frozen):
    """One watched job.

    A hand-written entry needs only `type`, `id` and `host`; the other five contract keys default sensibly.
    """

    # -- the contract: eight keys, in this order
    type: str
    """`slurm`, `nel`, `launcher`, `process`, or a plug-in's name."""
    id: str
    host: str = "localhost"
    """As the person wrote it: `localhost`, or a host that ssh understands."""
    user: str = ""
    """The remote user; empty: whoever ssh logs in as."""
    submitted: str = ""
    """Local time for people, `YYYY-MM-DD HH:MM`. Identity uses `submitted_at`."""
    description: str = ""
    last_status: str = ""
    """The source's own word, as last seen; empty before the first answer."""
    owner: Owner = Owner()

    # -- ours, all optional
    v: int = RECORD_VERSION
    uid: str = ""
    """Names this record in the journal, so that a reused scheduler id is another job. Twelve hex digits."""
    name: str | None = None
    """What people call it here; its own name unless one was given."""
    job_name: str | None = None
    """Its name in its own source, by which a resubmission is known."""
    tags: tuple[str, ...] = ()
    phase: Phase = Phase.UNKNOWN
    reason: str | None = None
    """Why it waits, or why it ended so, in the source's words."""
    stuck: str | None = None
    """Why it cannot go on unless somebody does something, and what."""
    stalled: str | None = None
    """Why it may hang, as measured: a suspicion, on which no state rests. Gone when it goes on."""
    used: Used | None = None
    """Of a job that has ended, where its accounting had it by then."""
    cause: str | None = None
    """Why it failed, in one line, as far as its end and its logs told that. Partly the job's own words: data."""
    submitted_at: Utc | None = None
    registered_at: Utc | None = None
    expected_start_at: Utc | None = None
    """The source's estimate for a waiting job; it moves."""
    started_at: Utc | None = None
    ended_at: Utc | None = None
    exit_code: int | None = None
    signal: int | None = None
    node: str | None = None
    resubmitted_as: str | None = None
    """The id under which it lives now, where it was submitted again under another one than `id`."""
    site: str | None = None
    """The resolved host: `user@address:port`, or `local:<machine id>`. Same site, type and id: same job."""
    work_dir: str | None = None
    log: LogPaths | None = None
    """Where the source itself says that it writes."""
    log_path: str | None = None
    """Where the caller said that it writes; read only where `log` or `work_dir` allows it."""
    attempts: tuple[Attempt, ...] = ()
    elements: int | None = None
    """Of a job with elements (an array): how many were seen."""
    expect: tuple[Expectation, ...] = ()
    output_missing_since: Utc | None = None
    """When its source said that it had succeeded and an expected output was not there: one more look, and it failed."""
    ready: Readiness | None = None
    """For a service: it runs before it is up."""
    ready_at: Utc | None = None
    """When it was first seen to be up; of an earlier run, where it lies before `started_at`."""
    rules: tuple[str, ...] = ()
    """What is looked for about it, and done then: one rule a line, in the #WATCHER syntax. Never from a hand-written
    entry."""
    restarts: bool = False
    """One of these may start it again after a failure."""
    held: HeldEnd | None = None
    """Its latest run has ended, and whether it is started again is not decided, or not done, yet."""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """What this type's source needs to ask about it (a pid and its start time, a path of `nel`). Never secret;
    never taken from a hand-written entry."""
    observed_at: Utc | None = None
    """When the answer that gave the present state was asked for."""
    stale_since: Utc | None = None
    stale_because: str | None = None
    """The code and text of what stops us from asking; set and cleared together with `stale_since`."""
    absence: Absence | None = None
    end_asked: EndAsked | None = None
    """Who asked for the end of its present run last."""
    paused: Pause | None = None
    """Set while it is not watched: nobody asks about it, its rules rest, and its state is the last one known."""
    orphan: bool = False
    """Rebuilt from the journal because the project's file was gone."""
    seq: int = 0
    """The journal's latest event about this job that is in this record."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two registrations the same job while neither has ended: type, site, id."""
        return (self.type, self.site or self.host, self.id)

    def changed(self, **fields: Any) -> JobRecord:  # noqa: ANN401 -- the fields' own types
        """Give a copy with these fields replaced; they are not validated again."""
        return self.model_copy(update=fields)
