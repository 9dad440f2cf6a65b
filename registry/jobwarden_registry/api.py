"""The registry for other programs: load, list, reconcile, save. No server is needed, and none is started.

    import os
    from pathlib import Path
    from jobwarden_registry import api
    from jobwarden_registry.model import JobRecord

    project, session = Path.cwd(), "my-session"
    api.save(project, session, [JobRecord(type="slurm", id="12345", host="cluster-a")], os.environ)
    for job in api.load(project, session, os.environ):
        print(job.id, job.last_status)

`env` says where the user's folders are (`XDG_STATE_HOME`, `XDG_RUNTIME_DIR`, `HOME`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import user_places
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction


def open_session(
    project: Path, session_id: str, env: Mapping[str, str], *, agent: str = "manual", clock: Clock = utc_now
) -> Session:
    """Open a session, and enter it in the user's index where it is not there yet.

    A session that the index knows keeps the project that it has there.

    Raises:
        InvalidIdError: The id is not safe as a folder's name.
        UntrustedError: A folder is not the user's own.
        UnwritableError: The state folder cannot be written.
    """
    places = user_places(env)
    now = clock()
    entry = SessionEntry(session_id=session_id, project=project, agent=agent, created_at=now, last_seen_at=now)
    return Session(places, Index(places, clock=clock).add(entry), clock=clock)


def load(project: Path, session_id: str, env: Mapping[str, str]) -> tuple[JobRecord, ...]:
    """Give what a session watches now. Writes nothing.

    Raises:
        InvalidIdError, UntrustedError: See `open_session`.
        UnreadableError: The disk did not answer.
    """
    places = user_places(env)
    entry = Index(places).get(session_id)
    if entry is None:
        now = utc_now()
        entry = SessionEntry(session_id=session_id, project=project.absolute(), created_at=now, last_seen_at=now)
    return Session(places, entry).load()


def list_jobs(env: Mapping[str, str], *, project: Path | None = None) -> Mapping[str, tuple[JobRecord, ...]]:
    """Give what all the user's sessions watch, by session id; with `project`, those of that folder only."""
    places = user_places(env)
    wanted = project.absolute() if project is not None else None
    return {
        entry.session_id: Session(places, entry).load()
        for entry in Index(places).all()
        if wanted is None or entry.project == wanted
    }


def reconcile(
    project: Path, session_id: str, env: Mapping[str, str], *, clock: Clock = utc_now
) -> tuple[JobRecord, ...]:
    """Take in what was changed in the file by hand, mend what is broken, and give what is watched then.

    Raises:
        InvalidIdError, UntrustedError, UnwritableError: See `open_session`.
        LockTimeoutError: Another process wrote for too long.
    """
    session = open_session(project, session_id, env, clock=clock)
    with session.transaction():
        pass
    return session.load()


def save(
    project: Path, session_id: str, records: Iterable[JobRecord], env: Mapping[str, str], *, clock: Clock = utc_now
) -> tuple[JobRecord, ...]:
    """Register new records (those without a `uid`), and write back those that `load` gave; all of them or none.

    A record whose phase is final leaves the file, and stays in the journal. What is not among `records` stays watched.

    Returns:
        The records as they stand now, in the same order.

    Raises:
        JobNotFoundError: A `uid` that the session does not watch.
        NewerRecordError: A record that a newer jobwarden wrote.
        InvalidIdError, UntrustedError, UnwritableError, LockTimeoutError: See `reconcile`.
    """
    with open_session(project, session_id, env, clock=clock).transaction() as change:
        return tuple(_save(change, record) for record in records)


def _save(change: Transaction, record: JobRecord) -> JobRecord:
    uid = record.uid
    if not uid:
        known, created = change.register(record)
        if created and not record.phase.final:
            return known
        uid, record = known.uid, record.changed(uid=known.uid, registered_at=known.registered_at)
        if not created and not record.phase.final:
            return known
    if uid not in change.jobs:
        raise JobNotFoundError(f"No watched job has the uid {uid!r}.")
    if record.phase.final:
        return change.finish(uid, record)
    old = change.jobs[uid]
    moved = old.last_status != record.last_status or old.phase is not record.phase
    return change.change(uid, record, EventKind.STATUS_CHANGE if moved else EventKind.UPDATED)
