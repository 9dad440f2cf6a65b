"""From what a caller wrote to the jobs that are meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobwarden_registry.errors import AmbiguousJobError, JobNotFoundError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

UID = "uid:"
"""Before a record's `uid`, which no two of a user's jobs share: how a face names what it was shown."""


@dataclass(frozen=True, slots=True)
class Known:
    """A job, live or ended, and the session that watches it.

    Attributes:
        record: As it stands, or as it ended.
        session: Whose it is.
        live: Whether it is still watched.
        seq: The event that told its end; 0 for a live one.
    """

    record: JobRecord
    session: Session
    live: bool
    seq: int = 0


def find_job(known: Sequence[Known], text: str) -> Known:
    """Find the one job meant by an id, `type:id`, `host:id` or name. A live one is meant before an ended one.

    Raises:
        JobNotFoundError: None fits; the text lists what there is.
        AmbiguousJobError: Several live ones fit, or several ended ones and no live one; the text lists them.
    """
    fitting = _fitting(known, text)
    chosen = [one for one in fitting if one.live] or _latest_of_each(fitting)
    if not chosen:
        raise JobNotFoundError(f"No watched job is called {text!r}.", hint=_list_hint(known))
    if len(chosen) > 1:
        listed = ", ".join(sorted(describe(one.record) for one in chosen))
        raise AmbiguousJobError(f"{text!r} means several jobs: {listed}.", hint="Name one as type:id or host:id.")
    return chosen[0]


def find_jobs(known: Sequence[Known], texts: Iterable[str]) -> list[Known]:
    """Find all jobs meant; a text may also be a tag, which stands for every job that has it. An id is meant first.

    Raises:
        JobNotFoundError, AmbiguousJobError: As `find_job`; or it is the name of a live job and the tag of others.
    """
    found: dict[str, Known] = {}
    for text in texts:
        for one in _tagged(known, text) or [find_job(known, text)]:
            found[one.record.uid] = one
    return list(found.values())


def _tagged(known: Sequence[Known], text: str) -> list[Known]:
    tagged = [] if _by_id(known, text) else [one for one in known if text in one.record.tags]
    named = [one for one in known if one.live and one.record.name == text and text not in one.record.tags]
    if not tagged or not named:
        return tagged
    if not any(one.live for one in tagged):
        return []
    listed = ", ".join(sorted(describe(one.record) for one in (*named, *tagged) if one.live))
    raise AmbiguousJobError(
        f"{text!r} is the name of one job and a tag of others: {listed}.", hint="Name them as type:id or host:id."
    )


def without_earlier_runs(known: Sequence[Known]) -> list[Known]:
    """Leave out records that a later one goes on with: the same job, submitted again after its end.

    Args:
        known: Of each job the earlier records first.
    """
    gone_on = {
        (one.session.entry.session_id, one.record.key, run.id)
        for one in known
        if one.record.resubmitted_as is not None
        for run in one.record.attempts[:-1]
    }
    return [
        one
        for one in known
        if one.live or (one.session.entry.session_id, one.record.key, _latest_id(one.record)) not in gone_on
    ]


def _latest_id(record: JobRecord) -> str:
    return record.attempts[-1].id if record.attempts else record.id


def describe(record: JobRecord) -> str:
    """Name a job so that `find_job` finds it again, with its host for the reader."""
    name = f" ({record.name})" if record.name else ""
    return f"{record.type}:{record.id}{name} on {record.host}"


def _fitting(known: Sequence[Known], text: str) -> list[Known]:
    return _by_id(known, text) or [one for one in known if text == one.record.name] or _attempts(known, text)


def _by_id(known: Sequence[Known], text: str) -> list[Known]:
    if text.startswith(UID):
        return [one for one in known if UID + one.record.uid == text]
    exact = [one for one in known if text in (one.record.id, f"{one.record.type}:{one.record.id}")]
    if exact:
        return exact
    return [
        one
        for one in known
        if text in (f"{one.record.host}:{one.record.id}", f"{one.record.type}:{one.record.host}:{one.record.id}")
    ]


def _attempts(known: Sequence[Known], text: str) -> list[Known]:
    return [one for one in known if any(attempt.id == text for attempt in one.record.attempts)]


def _latest_of_each(ended: Sequence[Known]) -> list[Known]:
    latest: dict[tuple[str, str, str], Known] = {}
    for one in ended:  # oldest first: a later job of the same id takes the place
        latest[one.record.key] = one
    return list(latest.values())


def _list_hint(known: Sequence[Known]) -> str:
    names = [describe(one.record) for one in known if one.live][:10]
    if not names:
        return "Nothing is being watched here; register the job first."
    return "Watched: " + ", ".join(names) + "."
