"""How far a plan has come: every submission is journaled before it is tried, and what came of it after.

The journal says what happened; `plans.json` in the session's state folder holds the plans themselves and what the
journal said up to an event, so that a journal is read from there on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobwarden.delivery.news import TOLD
from jobwarden.plans.spec import JobSpec, PlanSpec
from jobwarden_registry.disk import Folder, told_plainly
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import Utc
from jobwarden_registry.rawjson import Raw, read_object, write_json
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction

PLANS = "plans.json"
_VERSION = 1
PLAN, JOB, RUNS = "plan", "planned", "runs"
"""The keys of an event that tells of a plan; the latter two only where a job of it got on."""

INTENDED = "intended"
"""About to be submitted, or submitted and its answer was lost: whoever comes after looks for its token."""
SUBMITTED = "submitted"
FILE = "file"
"""How a run came about that stands in a session file."""
REFUSED = "refused"
"""By the scheduler; nothing was submitted."""
NEVER = "never"
"""It is certain that nothing was submitted."""
UNSURE = "unsure"
"""Nothing is seen of it, and nobody can say whether it was submitted."""


class Run(BaseModel):
    """One attempt of a planned job."""

    model_config = ConfigDict(frozen=True)

    step: str
    at: Utc
    how: str = SUBMITTED
    """submitted, retried, adopted, file."""
    token: str = ""
    id: str = ""
    after: Mapping[str, str] = Field(default_factory=dict[str, str])
    """What it waits for in its scheduler: name in the plan to id."""
    text: str = ""
    """Why it was refused, or what else there is to be said."""

    @property
    def real(self) -> bool:
        """Whether there is a job of it."""
        return self.step == SUBMITTED


Runs = tuple[Run, ...]


class PlanState(BaseModel):
    """One plan of a session."""

    model_config = ConfigDict(frozen=True)

    spec: PlanSpec
    created_at: Utc
    changed_at: Utc
    suspended: str | None = None
    suspended_at: Utc | None = None
    paused: Mapping[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """By record: the rules that the suspension paused."""
    held: tuple[str, ...] = ()
    """The ids that it holds in the queue."""
    runs: Mapping[str, Runs] = Field(default_factory=dict[str, Runs])

    def with_run(self, job: str, run: Run, *, instead: bool = False) -> PlanState:
        """Give it with one more attempt of a job, or with this one instead of the latest."""
        before = self.of(job)[:-1] if instead else self.of(job)
        return self.model_copy(update={"runs": {**self.runs, job: (*before, run)}, "changed_at": run.at})

    def of(self, job: str) -> Runs:
        """Give a job's attempts, oldest first."""
        return self.runs.get(job, ())

    def with_spec(self, spec: PlanSpec, now: datetime) -> PlanState:
        """Give it with what its file says now; jobs that the file has no more stay while there may be a run of them."""
        gone = [
            one.model_copy(update={"dropped": True})
            for one in self.spec.jobs
            if spec.job(one.name) is None and any(run.id or run.step in (INTENDED, UNSURE) for run in self.of(one.name))
        ]
        kept: tuple[JobSpec, ...] = (*spec.jobs, *gone)
        return self.model_copy(update={"spec": spec.model_copy(update={"jobs": kept}), "changed_at": now})

    def real(self, job: str) -> Run | None:
        """Give the latest attempt of which there is a job."""
        return next((run for run in reversed(self.of(job)) if run.real), None)

    def latest(self, job: str) -> Run | None:
        """Give the latest attempt."""
        return self.of(job)[-1] if self.of(job) else None

    def tokens(self) -> dict[str, str]:
        """Give the name of the job that each token belongs to."""
        return {run.token: name for name, runs in self.runs.items() for run in runs if run.token}

    def ids(self) -> dict[str, str]:
        """Give the name of the job that each id belongs to."""
        return {run.id: name for name, runs in self.runs.items() for run in runs if run.id}


Plans = dict[str, PlanState]


def new_token() -> str:
    """Make up what a submission is found by."""
    return f"jw{secrets.token_hex(10)}"


def load_plans(session: Session) -> Plans:
    """Give a session's plans, as the journal has them now.

    Raises:
        UntrustedError, UnreadableError: The session's folder cannot be used.
    """
    folder = session.opened()
    if folder is None:
        return {}
    with folder:
        return _load(session, folder)


def change_plan(
    session: Session,
    name: str,
    change: Callable[[PlanState | None, Transaction], PlanState | None],
    *,
    text: str = "",
    about: Mapping[str, JsonValue] | None = None,
) -> PlanState | None:
    """Change one plan under the session's lock.

    What changed of its attempts is journaled, forced to the disk, before this answers: in one event with its `text`.

    Args:
        session: Whose.
        name: The plan's.
        change: Is given how it stands there and then, and gives how it shall stand; None: it is forgotten. What it
            does to the transaction becomes true with it. What it raises undoes everything.
        text: For the journal; empty: only what changed of attempts is journaled.
        about: The job, for the journal.

    Raises:
        As `Session.transaction`.
    """
    with session.transaction(own=True) as transaction:
        with session.locked() as folder:
            before = _load(session, folder).get(name)
        after = change(before, transaction)
        _note(transaction, name, before, after, text, about or {})
    # The plans' own file is written second: what it lacks until then stands in the journal.
    with session.locked() as folder, told_plainly(folder.path):
        plans = _load(session, folder)
        if after is None:
            plans.pop(name, None)
        elif before is None or name not in plans:
            plans[name] = after
        else:
            told = {key: value for key, value in after if key != RUNS and value != getattr(before, key)}
            plans[name] = plans[name].model_copy(update=told)
        _save(session, folder, plans)
        return plans.get(name)


def _note(
    transaction: Transaction,
    name: str,
    before: PlanState | None,
    after: PlanState | None,
    text: str,
    about: Mapping[str, JsonValue],
) -> None:
    now: Mapping[str, Runs] = {} if after is None else after.runs
    changed = {job: runs for job, runs in now.items() if before is None or before.of(job) != runs}
    for job, runs in changed.items():
        told: list[JsonValue] = [run.model_dump(mode="json", exclude_defaults=True) for run in runs]
        extra: dict[str, JsonValue] = {**about, PLAN: name, JOB: job, RUNS: told, TOLD: False}
        transaction.note(text or f"plan {name}: {job}", kind=EventKind.ACTION, extra=extra)
    if text and not changed:
        transaction.note(text, kind=EventKind.ACTION, extra={**about, PLAN: name, TOLD: False})


def _load(session: Session, folder: Folder) -> Plans:
    raw = read_object(folder.read(PLANS) or b"") or {}
    held = raw.get("plans")
    plans: Plans = {}
    for name, value in (held if isinstance(held, dict) else {}).items():
        with suppress(ValidationError):  # written by a newer jobwarden
            plans[name] = PlanState.model_validate(value)
    seq = raw.get("seq")
    for event in session.journal.read(seq if isinstance(seq, int) else 0):
        extra = event.model_extra or {}
        state = plans.get(str(extra.get(PLAN, "")))
        if state is None or RUNS not in extra:
            continue
        with suppress(ValidationError, TypeError):
            runs = tuple(Run.model_validate(one) for one in extra[RUNS])
            told = {"runs": {**state.runs, str(extra[JOB]): runs}, "changed_at": event.timestamp}
            plans[state.spec.name] = state.model_copy(update=told)
    return plans


def _save(session: Session, folder: Folder, plans: Plans) -> None:
    jobs: Raw = {name: state.model_dump(mode="json", exclude_defaults=True) for name, state in plans.items()}
    folder.replace(PLANS, write_json({"v": _VERSION, "seq": session.journal.last_seq(), "plans": jobs}))
