"""Jobs of this user that no session watches: discover_jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
from pydantic import JsonValue

from jobwarden.identity import Caller
from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service import registering
from jobwarden.service.desk import Desk
from jobwarden.service.health import all_hosts
from jobwarden.service.views import DiscoverView, FoundView
from jobwarden.sources.base import Discovers, Found, LivesHere
from jobwarden.sources.errors import SourceError
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.discovering import Asker, list_all
from jobwarden.verdict.resolving import SLURM
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import AmbiguousJobError, InvalidIdError, JobNotFoundError, JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

ALL = "all"
_HERE = "localhost"
_ORDER = ("nel", "slurm", "launcher")
"""Whoever asks without an id means these first, in this order; then the rest by name."""
_PATIENCE_S = 30.0
_NOT_HERE = ("not_installed",)
"""Where nobody said that a host has such a program, its absence is no trouble."""


@dataclass(slots=True)
class _Seen:
    """What all places said."""

    found: dict[Target, tuple[Found, ...]] = field(default_factory=dict[Target, tuple[Found, ...]])
    troubles: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Watched:
    """What is in somebody's hands already.

    Attributes:
        ids: The ids of watched jobs and of their attempts, by where they are asked about.
        facts: Those of the watched jobs, likewise.
        unread: About sessions that could not be read: what they watch may be listed as if nobody did.
    """

    ids: dict[LedgerKey, set[str]] = field(default_factory=dict[LedgerKey, set[str]])
    facts: dict[LedgerKey, list[Mapping[str, JsonValue]]] = field(
        default_factory=dict[LedgerKey, list[Mapping[str, JsonValue]]]
    )
    unread: list[str] = field(default_factory=list[str])

    def add(self, key: LedgerKey, ids: Iterable[str]) -> None:
        """Note that somebody has these."""
        self.ids.setdefault(key, set()).update(ids)

    def has(self, key: LedgerKey, job: str) -> bool:
        """Whether somebody has it, or a part of it (see `Found.id`)."""
        return any(one == job or (one.startswith(job) and one[len(job)] in "_+.") for one in self.ids.get(key, ()))


async def discover(
    desk: Desk, caller: Caller, *, host: str | None, job_type: str | None, adopt: Sequence[str]
) -> DiscoverView:
    """See `Service.discover`."""
    places, asked = await _places(desk, host, job_type)
    watched = await watched_by_all(desk)
    askers = {one: Asker(str(caller.project), tuple(watched.facts.get(one.key, ()))) for one in places}
    seen = await _look(desk, askers, asked if host is not None else ())
    meant = await _claim(desk, seen, watched, asked if job_type is None else ())
    free = [
        (place, one)
        for place in sorted(seen.found, key=_by_type)
        for one in seen.found[place]
        if (place.key in asked or (place, one.id) in meant)
        and not one.phase.final
        and not watched.has(place.key, one.id)
    ]
    chosen = _choose(free, adopt)
    taken = await registering.adopt(desk, caller, chosen)
    session = await desk.session(caller)
    now = desk.world.clock()
    rest = [_view(place, one, now.timestamp()) for place, one in free if (place, one) not in chosen]
    told = () if taken is None else taken.news
    if taken is None:
        async with desk.news.telling(session, caller) as fresh:
            told = fresh
    return DiscoverView(
        watched=0 if session is None else sum(one.live for one in await desk.known([session])),
        jobs=tuple(rest),
        adopted=() if taken is None else taken.jobs,
        troubles=tuple(seen.troubles),
        notes=(*(() if taken is None else taken.notes), *watched.unread),
        news=told,
    )


async def _places(desk: Desk, host: str | None, job_type: str | None) -> tuple[list[Target], set[LedgerKey]]:
    """Say where to look, two names of one host once; and which of these places the caller asked about.

    The others are asked only for the Slurm jobs that are parts of theirs.
    """
    sources = desk.world.sources
    if job_type is not None and not isinstance(sources.get(job_type), Discovers):
        raise InvalidIdError(f"Jobs of type {job_type} cannot be listed.", hint="Register them by their ids.")
    types = [name for name, source in sources.usable.items() if isinstance(source, Discovers)]
    asked: set[LedgerKey] = set()
    places: dict[LedgerKey, Target] = {}
    hosts = [_HERE, *await all_hosts(desk)] if host is None else [host, _HERE]
    for one in dict.fromkeys(hosts):
        try:
            here = await _key(desk, "", one)
        except JobwardenError:
            if one == host:
                raise
            continue  # its jobs are shown as stale, with why
        if host is None and (await desk.world.rounds.paused()).of_host(one, here.site) is not None:
            continue
        for name in types:
            lives_here = isinstance(sources.get(name), LivesHere)
            meant = host in (None, one) and job_type in (None, name)
            if (lives_here and not desk.world.rounds.here(here.site)) or not (meant or _has_parts(name, lives_here)):
                continue
            key = replace(here, type=name, cluster="" if lives_here else here.cluster)
            places.setdefault(key, Target(key, one))
            if meant:
                asked.add(key)
    return list(places.values()), asked


def _has_parts(job_type: str, lives_here: bool) -> bool:  # noqa: FBT001 -- one of two facts about a source
    """Whether a source's jobs can have Slurm jobs as parts."""
    return job_type != SLURM and not lives_here


async def _key(desk: Desk, job_type: str, host: str) -> LedgerKey:
    site = await desk.world.transports.resolve(host)
    return LedgerKey(job_type, site.key, desk.world.config.host(host).cluster)


async def _look(desk: Desk, places: Mapping[Target, Asker], named: Collection[LedgerKey]) -> _Seen:
    """Ask everywhere at once; a slow place is given up. In a place that was named, a missing program is a trouble."""
    seen = _Seen()

    async def ask(place: Target) -> None:
        try:
            seen.found[place] = await list_all(desk.world.rounds, place, places[place])
        except (TransportError, SourceError) as error:
            if place.key in named or not error.code.endswith(_NOT_HERE):
                seen.troubles.append(f"{place.key.type} on {place.host} could not be asked: {error} [{error.code}]")
        waiting.discard(place)

    waiting = set(places)
    with anyio.move_on_after(_PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for place in places:
                tasks.start_soon(ask, place)
    seen.troubles += [f"{one.key.type} on {one.host} has not answered within {_PATIENCE_S:.0f} s." for one in waiting]
    return seen


async def watched_by_all(desk: Desk) -> Watched:
    """Gather what every session of the user watches."""
    watched = Watched()
    for session in await desk.world.sessions.known():
        try:
            records = await desk.world.sessions.call(session, Session.load)
        except JobwardenError as error:
            watched.unread.append(
                f"Session {session.entry.session_id} cannot be read, and may watch some of these: {error}"
            )
            continue
        for record in records:
            with suppress(JobwardenError):  # where its host leads nowhere
                key = (await desk.world.rounds.target(record)).key
                watched.add(key, _ids(record))
                watched.facts.setdefault(key, []).append(record.facts)
    return watched


def _ids(record: JobRecord) -> set[str]:
    ids = {record.id, *(attempt.id for attempt in record.attempts)}
    return ids if record.resubmitted_as is None else {*ids, record.resubmitted_as}


async def _claim(desk: Desk, seen: _Seen, watched: Watched, asked: Collection[LedgerKey]) -> set[tuple[Target, str]]:
    """Count the Slurm jobs that are parts of other jobs as taken: they are no jobs of their own.

    Returns:
        Those other jobs whose Slurm was asked about: who means a host means them, too.
    """
    meant: set[tuple[Target, str]] = set()
    for place, jobs in seen.found.items():
        for one in jobs:
            if one.slurm_ids:
                with suppress(JobwardenError):
                    key = await _key(desk, SLURM, one.slurm_host or place.host)
                    watched.add(key, one.slurm_ids)
                    if key in asked:
                        meant.add((place, one.id))
    return meant


def _choose(free: Sequence[tuple[Target, Found]], adopt: Sequence[str]) -> list[tuple[Target, Found]]:
    if ALL in adopt:
        return list(free)
    chosen: list[tuple[Target, Found]] = []
    for text in adopt:
        fitting = [
            (place, one)
            for place, one in free
            if text
            in (
                one.id,
                f"{place.key.type}:{one.id}",
                f"{place.host}:{one.id}",
                f"{place.key.type}:{place.host}:{one.id}",
            )
        ]
        if not fitting:
            raise JobNotFoundError(
                f"No job that nobody watches is called {text!r}.",
                hint="It may be watched already, or have ended; without `adopt` all are listed.",
            )
        if len(fitting) > 1:
            listed = ", ".join(f"{place.key.type}:{place.host}:{one.id}" for place, one in fitting)
            raise AmbiguousJobError(f"{text!r} means several jobs: {listed}.", hint="Name one as it stands there.")
        chosen += [one for one in fitting if one not in chosen]
    return chosen


def _by_type(place: Target) -> tuple[int, str, str]:
    at = _ORDER.index(place.key.type) if place.key.type in _ORDER else len(_ORDER)
    return at, place.key.type, place.host


def _view(place: Target, found: Found, now_s: float) -> FoundView:
    started = found.started_at
    return FoundView(
        type=place.key.type,
        id=found.id,
        host=place.host,
        phase=found.phase,
        status=found.status,
        name=found.name,
        what=found.what,
        question=found.question,
        submitted_at=found.submitted_at,
        elapsed_s=None if started is None else max(0.0, now_s - started.timestamp()),
    )
