"""Asking a source for all of the user's jobs: through the ledger, so that many who ask are one question to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pydantic import JsonValue

from jobwarden.sources.base import Discovers, Found, Host, LivesHere, Prepares, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceError, UnreadableAnswerError
from jobwarden.sources.plugins import BrokenSourceError, guarded
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.living import find_living
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import Evidence
from jobwarden_registry.phases import Phase

MOST_JOBS = 2000
"""Of one source on one host: more are for nobody to read."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, where that makes a difference: for a source that `Prepares`.

    Attributes:
        project: The caller's folder.
        watched: The facts of the source's jobs that are watched on that host.
    """

    project: str = ""
    watched: tuple[Mapping[str, JsonValue], ...] = ()


NOBODY = Asker()

_ALL = Wanted(id="all")
"""Stands for the whole list in the ledger, under a key that no source's own jobs have."""


async def list_all(rounds: Rounds, target: Target, asker: Asker = NOBODY) -> tuple[Found, ...]:
    """List the user's living jobs of one source on one host, watched or not.

    An answer may be as old as the ledger's floor; what lives here is looked at afresh, for that asks nobody.

    Raises:
        TransportError, SourceError: They could not be listed.
    """
    type_ = target.key.type
    source = rounds.sources.get(type_)
    if not isinstance(source, Discovers):
        raise UnreadableAnswerError(f"The source {type_} cannot list jobs.", code="source.cannot_list", retryable=False)
    if isinstance(source, LivesHere):
        return await _found(rounds, source, target, asker)
    asker = asker if isinstance(source, Prepares) else NOBODY
    listing = Target(replace(target.key, type=f"{type_} list {asker.project}".strip()), target.host)
    rounds.intervals.note(listing)
    question = partial(_ask, rounds, source, target, asker)
    snapshot = await rounds.ledger.ask(
        listing.key, [_ALL], question, max_age_s=rounds.config.clocks.floor_s, person=True
    )
    if snapshot.failure is not None:
        failure = snapshot.failure
        raise SourceError(failure.text, code=failure.code, hint=failure.hint)
    answer = snapshot.answered.get(_ALL.id)
    lines = () if answer is None else answer.evidence.lines
    return tuple(Found.model_validate_json(line) for line in lines)


async def _ask(
    rounds: Rounds, source: Discovers, target: Target, asker: Asker, _wanted: Sequence[Wanted]
) -> Mapping[str, Sighting]:
    """Write the list down as the ledger keeps answers."""
    at = rounds.clock()
    lines = tuple(one.model_dump_json() for one in await _found(rounds, source, target, asker))
    evidence = Evidence(asked_at=at, question=(f"all jobs of {target.key.type}",), lines=lines)
    return {_ALL.id: Seen(phase=Phase.UNKNOWN, status="", evidence=evidence)}


async def _found(rounds: Rounds, source: Discovers, target: Target, asker: Asker) -> tuple[Found, ...]:
    type_ = target.key.type
    try:
        with guarded(type_):
            async with rounds.host(target) as host:
                found = tuple(await source.discover(_told(host, source, asker, here=rounds.here(target.key.site))))
    except (TransportError, SourceError):
        raise
    except JobwardenError as error:
        raise BrokenSourceError(error.text, hint=error.hint, code=error.code) from error
    if not all(isinstance(one, Found) for one in found):  # pyright: ignore[reportUnnecessaryIsInstance] -- foreign code
        raise UnreadableAnswerError(f"The source {type_} listed something that is no job: {found!r:.200}.")
    return await _living(rounds, target, found[:MOST_JOBS])


def _told(host: Host, source: Discovers, asker: Asker, *, here: bool) -> Host:
    if not isinstance(source, Prepares):
        return host
    given: dict[str, JsonValue] = {
        "project": asker.project if here and asker.project else None,
        "watched": [dict(facts) for facts in asker.watched],
    }
    return replace(host, settings={**host.settings, **given})


async def _living(rounds: Rounds, target: Target, found: tuple[Found, ...]) -> tuple[Found, ...]:
    there = rounds.there(target, rounds.sources.get(target.key.type))
    if there is None:
        return tuple(one.model_copy(update={"depends": None}) for one in found)

    async def queue(host: str) -> Sequence[Found]:
        return await list_all(rounds, await rounds.slurm_target(host or target.host))

    return await find_living(found, queue, rounds.slurm(target), there)
