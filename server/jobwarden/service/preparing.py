"""What a source wants of the session that registers a job: asked for once, before the record is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from jobwarden.ledger.ledger import LedgerKey
from jobwarden.service.desk import Desk
from jobwarden.sources.base import Found, Prepared, Prepares, Source
from jobwarden.sources.plugins import guarded
from jobwarden.transport.base import Site
from jobwarden.transport.errors import TransportError
from jobwarden.verdict.targets import Target
from jobwarden_registry.errors import JobwardenError


async def prepared(
    desk: Desk, source: Source, site: Site, ids: Sequence[str], *, log_path: str | None, project: Path
) -> Sequence[Prepared]:
    """Give each id in full, with the facts that its record begins with; each job once.

    A host that does not answer now hinders no registration: then the source knows only what it is given.

    Args:
        desk: Whose world.
        source: Of these jobs.
        site: Their host.
        ids: In canonical form.
        log_path: Where the caller says that they write.
        project: The caller's folder.

    Raises:
        InvalidIdError: An id stands for several jobs.
        SourceError: The source says that nothing can be asked from this session.
    """
    if not isinstance(source, Prepares):
        return [Prepared(one) for one in ids]
    rounds = desk.world.rounds
    target = Target(LedgerKey(source.name, site.key, desk.world.config.host(site.host).cluster), site.host)
    env: Mapping[str, str] = desk.world.env if rounds.here(site.key) else {}
    found: Mapping[str, Prepared] = {}
    try:
        with guarded(source.name):
            async with rounds.host(target) as lent:
                given: dict[str, JsonValue] = {"log_path": log_path, "project": str(project) if env else None}
                host = replace(lent, settings={**lent.settings, **given})
                found = await source.prepare(host, ids, env)
    except TransportError:
        if rounds.here(site.key):
            raise
    known = [found.get(one, Prepared(one)) for one in ids]
    return list({one.id: one for one in known}.values())


async def facts_of_found(
    desk: Desk, project: Path, found: Sequence[tuple[Target, Found]]
) -> list[dict[str, JsonValue]]:
    """Give the facts that the records of jobs which were found begin with, for each in turn.

    What their source cannot learn of this session hinders nothing: it has listed them.
    """
    ids: dict[Target, list[str]] = {}
    for place, one in found:
        ids.setdefault(place, []).append(one.id)
    known: dict[tuple[Target, str], Mapping[str, JsonValue]] = {}
    for place, some in ids.items():
        with suppress(JobwardenError):
            site = await desk.world.transports.resolve(place.host)
            source = desk.world.sources.get(place.key.type)
            for told in await prepared(desk, source, site, some, log_path=None, project=project):
                known[place, told.id] = told.facts
    return [{**known.get((place, one.id), {}), **one.facts} for place, one in found]
