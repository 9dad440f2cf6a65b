"""Everything that is kept of one job, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from jobwarden.service.past.rows import Point
from jobwarden.service.past_views import PointView, SeriesView
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.journal import EVENTS, read_event
from jobwarden_registry.scanning import Scan
from jobwarden_registry.session import Session

MOST_POINTS = 2000
"""Of a metric with more values, so many are given, evenly chosen."""


def events_of(session: Session, uid: str) -> tuple[Event, ...]:
    """Give the events of one job; for a thread.

    Raises:
        UntrustedError, UnreadableError: The session's folder cannot be read.
        InvalidIdError: That is no uid.
    """
    if not uid.isalnum():
        raise InvalidIdError(f"{uid[:60]!r} names no record.")
    folder = session.opened()
    if folder is None:
        return ()
    with folder, folder.opened(EVENTS) as journal:
        found = () if journal is None else Scan(journal, [f'"{uid}"'.encode()])
        return tuple(event for raw, _, _ in found if raw.get("uid") == uid and (event := read_event(raw)) is not None)


def is_told(event: Event) -> bool:
    """Whether a reader is told of an event: not of bookkeeping, unless something was asked for it."""
    if event.event == EventKind.UPDATED:
        return False
    return not (
        event.event == EventKind.ACTION and (event.model_extra or {}).get("deed", {}).get("action") == "store_metric"
    )


def series(points: Sequence[Point]) -> tuple[SeriesView, ...]:
    """Give the metrics of one job, by name."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.name, []).append(point)
    return tuple(_one(name, sorted(those, key=lambda point: point.at)) for name, those in sorted(found.items()))


def _one(name: str, points: Sequence[Point]) -> SeriesView:
    values = [point.value for point in points]
    step = max(1.0, (len(points) - 1) / (MOST_POINTS - 1)) if len(points) > 1 else 1.0
    chosen = [points[min(len(points) - 1, round(number * step))] for number in range(min(len(points), MOST_POINTS))]
    return SeriesView(
        name=name,
        count=len(points),
        first=values[0],
        last=values[-1],
        least=min(values),
        most=max(values),
        points=tuple(PointView(at=datetime.fromtimestamp(point.at, UTC), value=point.value) for point in chosen),
    )
