"""What each agent has been told: shown when it was in an answer, acknowledged at the session's next call.

At least once, never twice to a client that is still there: events that were shown but not acknowledged come again only
to a client process that has not called before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobwarden_registry.cursors import Cursor
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.session import Session

ROOT = "root"
_CLIENTS_KEPT = 16
_SUPERSEDED = frozenset({EventKind.STATUS_CHANGE, EventKind.UNREACHABLE, EventKind.REACHABLE})
_PASSING = _SUPERSEDED | {EventKind.ATTEMPT, EventKind.REQUEUED}
_URGENT = frozenset(
    {
        EventKind.STUCK,
        EventKind.STALLED,
        EventKind.READY,
        EventKind.RULE_FIRED,
        EventKind.LOST,
        EventKind.FOUND_AGAIN,
        EventKind.FINISHED,
        EventKind.REMOVED,
        EventKind.NOTE,
    }
)
_TOLD = _PASSING | _URGENT

TOLD = "told"
"""In an action's extra fields: whether it is news. What an agent did itself is none; what a rule did may be."""
QUIET = "quiet"
"""In the extra fields of `rule_fired`: nobody is to be told."""
BY_SESSION = "by_session"
"""In an event's extra fields: the session that did it, where that may be another one than the journal's."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is in one answer.

    Attributes:
        events: Oldest first.
        begin: What lies before was shown to this client already, or is acknowledged.
        latest: The last event that was looked at, told or not.
    """

    events: tuple[Event, ...] = ()
    begin: int = 0
    latest: int = 0


def unseen(session: Session, *, consumer: str, client: str) -> Told:
    """Give what this client is to be told now; moves nothing."""
    begin = _begin(_cursor(session, consumer), client)
    events = session.journal.read(begin)
    latest = max((event.seq for event in events), default=begin)
    return Told(coalesce(event for event in events if is_news(event)), begin, latest)


def shown(session: Session, told: Told, *, consumer: str, client: str) -> None:
    """Note that an answer with these was given; what was shown to this client before is thereby acknowledged.

    Raises:
        LockTimeoutError, UnwritableError: It could not be noted; the same will be told again.
    """
    if _moved(_cursor(session, consumer), told, client) == session.cursors.get(consumer):
        return
    with session.locked():  # between this look and the writing nobody else may move it
        session.cursors.put(consumer, _moved(_cursor(session, consumer), told, client))


def greet(session: Session, *, consumer: str, client: str) -> None:
    """Let a sub-agent's news begin now: what its root is told from here on is still news to it.

    Raises:
        LockTimeoutError, UnwritableError: It could not be noted.
    """
    if consumer != ROOT and not session.cursors.get(consumer).clients:
        here = session.cursors.get(ROOT).shown
        shown(session, Told(begin=here, latest=here), consumer=consumer, client=client)


def take(session: Session, *, consumer: str, client: str) -> tuple[Event, ...]:
    """Give what this client is to be told, and note it as shown; whoever asks at the same moment gets the rest.

    Raises:
        LockTimeoutError, UnwritableError: It could not be noted.
    """
    with session.locked():
        told = unseen(session, consumer=consumer, client=client)
        shown(session, told, consumer=consumer, client=client)
    return told.events


def acknowledged(session: Session, consumer: str) -> int:
    """Give the latest event that this consumer is known to have seen."""
    return _cursor(session, consumer).acknowledged


def is_news(event: Event) -> bool:
    """Whether an agent is told about it at all; its own requests and our bookkeeping are no news to it."""
    if event.event in (EventKind.CANCEL_REQUESTED, EventKind.CONTROL):
        return bool((event.model_extra or {}).get(BY_SESSION, event.session) != event.session)
    if event.event == EventKind.ACTION:
        return (event.model_extra or {}).get(TOLD) is True
    if event.event == EventKind.RULE_FIRED and (event.model_extra or {}).get(QUIET) is True:
        return False
    return event.event in _TOLD


def is_urgent(event: Event) -> bool:
    """Whether an agent that is about to stop is held for it: what it may act on, and not that a job has begun."""
    return is_news(event) and (event.event in _URGENT or event.event == EventKind.ACTION)


def coalesce(events: Iterable[Event]) -> tuple[Event, ...]:
    """Leave out what a later event about the same job or host has overtaken; of a rule's firings the last is told."""
    kept: list[Event] = []
    overtaken: set[tuple[str, str, str]] = set()
    rules: set[tuple[str, object]] = set()
    for event in reversed(list(events)):
        if event.event == EventKind.RULE_FIRED:
            rule = (event.uid, str((event.model_extra or {}).get("rule")))
            if rule in rules:
                continue
            rules.add(rule)
        about = (event.uid, event.type, event.host)
        if event.event in _SUPERSEDED and about in overtaken:
            continue
        if event.event in _SUPERSEDED or event.event == EventKind.FINISHED:
            overtaken.add(about)
        kept.append(event)
    return tuple(reversed(kept))


def _begin(cursor: Cursor, client: str) -> int:
    return cursor.shown if client in cursor.clients else cursor.acknowledged


def _moved(cursor: Cursor, told: Told, client: str) -> Cursor:
    clients = (*(name for name in cursor.clients if name != client), client)[-_CLIENTS_KEPT:]
    acknowledged = max(told.begin, cursor.acknowledged)
    return Cursor(acknowledged=acknowledged, shown=max(told.latest, cursor.shown), clients=clients)


def _cursor(session: Session, consumer: str) -> Cursor:
    cursor = session.cursors.get(consumer)
    if cursor.clients or consumer == ROOT:
        return cursor
    # A sub-agent that calls for the first time is not told what its root session has been told already.
    return Cursor(acknowledged=session.cursors.get(ROOT).shown)
