"""Who else goes on with a run: records and rules, of any session, that know it as one of their job's."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from jobwarden.actions.book import Book
from jobwarden.actions.deeds import CLAIMED, DONE, SUBMITS, SUBMITTED, UNSURE, Deed, whose
from jobwarden.actions.errors import ActionError, NotYetError
from jobwarden.actions.planning import run_of
from jobwarden.actions.restarting import refuse_unwanted
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord

_BEGUN = (CLAIMED, SUBMITTED, DONE, UNSURE)


def runs_of(record: JobRecord) -> frozenset[str]:
    """Give all ids under which a job has lived."""
    return frozenset({record.id, run_of(record), *(one.id for one in record.attempts)})


async def strangers(book: Book, record: JobRecord, run: str, *, begun_before: datetime | None = None) -> frozenset[str]:
    """Give the ids of other watched jobs there: members of a sweep share a name.

    Args:
        book: The deed's.
        record: The job.
        run: Its present run.
        begun_before: Only of those whose first run was submitted before this.

    Raises:
        ActionError: A record that knows this run goes on under another id.
        NotYetError: A session cannot be read.
    """
    try:
        groups = await book.rounds.groups(await book.rounds.sessions.known(), also_paused=True)
        group = groups.get((await book.rounds.target(record)).key)
    except JobwardenError as error:
        raise NotYetError(f"Whether somebody else goes on with it cannot be said: {error}") from error
    watched = list(group.records) if group is not None else []
    family, grown = frozenset[str](), frozenset({run})
    while grown != family:
        family = grown
        grown = family.union(*(runs_of(one) for one in watched if runs_of(one) & family))
    mine = [one for one in watched if runs_of(one) & family]
    gone_on = next((run_of(one) for one in mine if run in runs_of(one) and run_of(one) != run), None)
    if gone_on is not None:
        raise ActionError(f"It goes on as {gone_on} already.")
    others = (one for one in watched if one not in mine and _begun_before(one, begun_before))
    return frozenset(name for one in others for name in (one.id, run_of(one))) - family


def _begun_before(record: JobRecord, moment: datetime | None) -> bool:
    begun = record.attempts[0].submitted_at if record.attempts else record.submitted_at
    return moment is None or begun is None or begun < moment


async def is_unwanted(book: Book, record: JobRecord, deed: Deed) -> bool:
    """Whether somebody wanted the end of the run that a rule has submitted again, in any session that can be read."""
    known = await book.known()
    for session in await book.rounds.sessions.known():
        if session.entry.session_id != book.session.entry.session_id:
            with suppress(JobwardenError):
                other = await book.rounds.sessions.call(session, book.deeds.of)
                if other.is_unwanted(deed, _places(record)):
                    return True
    return known.is_unwanted(deed)


def _places(record: JobRecord) -> frozenset[str]:
    return frozenset(f"{record.type}:{place}" for place in (record.site, record.host))


async def refuse_rivals(book: Book, record: JobRecord, deed: Deed, *, claimed: bool) -> None:
    """Look whether another firing has this run submitted again, or somebody wanted its end, in any session.

    Args:
        book: The deed's.
        record: The job.
        deed: Which is to be done.
        claimed: It is begun: two that have begun at one moment both let go, rather than wait for each other.

    Raises:
        ActionError: It was, or may have been; or its end was asked for.
        NotYetError: One is about to, or a session cannot be read.
    """
    places = _places(record)
    try:
        sessions = await book.rounds.sessions.known()
        known = [await book.rounds.sessions.call(session, book.deeds.of) for session in sessions]
    except JobwardenError as error:
        raise NotYetError(f"Whether somebody else goes on with it cannot be said: {error}") from error
    for session, each in zip(sessions, known, strict=True):
        if session.entry.session_id != book.session.entry.session_id:
            refuse_unwanted(each, deed, places)
        for other in tuple(each.deeds.values()):  # another thread may read on meanwhile
            alike = other.action in SUBMITS and other.run == deed.run and other.id != deed.id
            step = each.step(other.id)
            if not alike or other.lineage.rpartition(":")[0] not in places or step not in _BEGUN:
                continue
            if step == CLAIMED and not claimed:
                raise NotYetError(f"{whose(other)} is submitting it again.")
            new_id = each.after[other.id].new_id if other.id in each.after else ""
            raise ActionError(f"{whose(other)} has submitted {deed.run} again{' as ' + new_id if new_id else ''}.")
