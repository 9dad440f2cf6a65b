"""The past of some sessions: what ended there, what lives, and which job is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from jobwarden.identity import Caller
from jobwarden.service.desk import Desk
from jobwarden.service.names import Known, find_job
from jobwarden.service.past.rows import Point, Row, last_run, row_of_record, runs_of
from jobwarden_registry.errors import AmbiguousJobError, JobNotFoundError, JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

WIDER = {
    "session": "scope project has the other sessions of this project, scope user all of yours",
    "project": "scope user has your other projects",
    "user": "",
}
"""Where more may be."""


@dataclass(frozen=True, slots=True)
class JobThen:
    """One job of a session's past.

    Attributes:
        row: As it ended, or, of one that is still watched, as it stands.
        session: Whose.
        live: Whether it is still watched.
    """

    row: Row
    session: Session
    live: bool


@dataclass(slots=True)
class PastOf:
    """What is known of the past of some sessions."""

    sessions: list[Session]
    jobs: list[JobThen] = field(default_factory=list[JobThen])
    points: list[Point] = field(default_factory=list[Point])
    living: list[tuple[JobRecord, Session]] = field(default_factory=list[tuple[JobRecord, Session]])
    removed: int = 0
    troubles: list[str] = field(default_factory=list[str])


async def read_past(desk: Desk, caller: Caller, scope: str) -> PastOf:
    """Read what a scope's sessions had.

    Raises:
        RegistryError: The caller's own session cannot be read; what is wrong with others is told as trouble.
    """
    troubles: list[str] = []
    sessions = await desk.in_scope(caller, project=scope != "session", troubles=troubles)
    if scope == "user":
        known = {session.entry.session_id for session in sessions}
        everyone = await desk.world.sessions.known()
        sessions += [session for session in everyone if session.entry.session_id not in known]
    past = PastOf(sessions, troubles=troubles)
    for session in sessions:
        try:
            await desk.world.sessions.call(session, lambda session: _take(desk, past, session))
        except JobwardenError as error:
            if session.entry.session_id == caller.session_id:
                raise
            past.troubles.append(f"Session {session.entry.session_id} cannot be read: {error}")
    _once_each(past, caller.session_id)
    return past


def _once_each(past: PastOf, mine: str) -> None:
    """Let each job be there once: two records may be of one.

    A job that was submitted again after its end goes on in a later record, which has the earlier runs too; of a job
    that several sessions have watched, the asking one's record stays. What rules stored goes with it.
    """
    gone_on: dict[tuple[str, ...], str] = {}
    ends: dict[tuple[str | float, ...], JobThen] = {}
    for job in past.jobs:
        if job.row.resubmitted_as is not None:
            earlier = {_key(job, run.id) for run in runs_of(job.row)[:-1]} - {_key(job, last_run(job.row).id)}
            gone_on |= dict.fromkeys(earlier, job.row.uid)
    instead: dict[str, str] = {}
    for job in past.jobs:
        uid, run = job.row.uid, last_run(job.row)
        later = None if job.live else gone_on.get(_key(job, run.id))
        if later is not None and later != uid:
            instead[uid] = later
        elif run.ended is not None:
            key = (job.row.type, job.row.site or job.row.host, run.id, run.ended)
            known = ends.setdefault(key, job)
            if known is not job:
                kept, other = (job, known) if job.session.entry.session_id == mine else (known, job)
                ends[key], instead[other.row.uid] = kept, kept.row.uid
    if instead:
        past.jobs = [job for job in past.jobs if job.row.uid not in instead]
        past.points = [point._replace(uid=_last(instead, point.uid)) for point in past.points]


def _key(job: JobThen, run_id: str) -> tuple[str, ...]:
    return (job.session.entry.session_id, job.row.type, job.row.site or job.row.host, job.row.id, run_id)


def _last(instead: dict[str, str], uid: str) -> str:
    seen = set[str]()
    while uid in instead and uid not in seen:
        seen.add(uid)
        uid = instead[uid]
    return uid


def _take(desk: Desk, past: PastOf, session: Session) -> None:
    records = session.load()
    history = desk.history(session)
    alive = {record.uid for record in records}
    now = desk.world.clock().timestamp()
    jobs = [JobThen(row, session, live=False) for uid, row in history.rows(session).items() if uid not in alive]
    lived = [record for record in records if record.phase.closed or len(record.attempts) > 1]
    past.jobs += jobs
    past.jobs += [JobThen(row_of_record(record, at=now), session, live=True) for record in lived]
    past.points += history.points(session)
    past.living += [(record, session) for record in records]
    past.removed += history.removed(session)


async def find_in(desk: Desk, past: PastOf, text: str, scope: str) -> tuple[Known | None, list[JobThen]]:
    """Find the one job that is meant, or several ended ones of a name.

    Raises:
        JobNotFoundError, AmbiguousJobError: None fits, or several that live do; the text lists them.
    """
    known = [Known(record, session, live=True) for record, session in past.living]
    fitting = [job for job in past.jobs if not job.live and _fits(job.row, text)]
    alive = any(_fits(row_of_record(one.record, at=0.0), text) for one in known)
    if not fitting and not alive:  # perhaps by the name that its source has for it
        fitting = [job for job in past.jobs if not job.live and job.row.job_name == text]
        known = [one for one in known if one.record.job_name == text]
        if len(known) + len(fitting) == 1:
            return (known or await _loaded(desk, fitting))[0], []
        if fitting:
            return None, fitting
        wider = WIDER[scope]
        hint = f"Without a job, what has ended is listed{'; ' + wider if wider else ''}."
        raise JobNotFoundError(f"No job here is called {text[:200]!r}.", hint=hint)
    try:
        return find_job([*await _loaded(desk, fitting), *known], text), []
    except AmbiguousJobError:
        if alive:
            raise
        return None, fitting


async def _loaded(desk: Desk, jobs: Sequence[JobThen]) -> list[Known]:
    """Read the whole records of ended jobs, oldest first."""
    over: list[Known] = []
    for session in {job.session.entry.session_id: job.session for job in jobs}.values():
        history = desk.history(session)
        uids = [job.row.uid for job in jobs if job.session is session]
        ended = await desk.world.sessions.call(session, partial(history.ended, uids=uids))
        over += [Known(one.record, session, live=False, seq=one.seq) for one in ended.values()]
    now = desk.world.clock()
    return sorted(over, key=lambda one: (one.record.ended_at or one.record.observed_at or now, one.seq))


def _fits(row: Row, text: str) -> bool:
    ids = {row.id, *(str(run[0]) for run in row.runs)}
    return text == row.name or any(text == one or text.endswith(f":{one}") for one in ids)
