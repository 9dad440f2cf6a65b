"""A host that is not to be asked, where a job of another kind hangs on it; and the words for what is paused."""

from __future__ import annotations

from collections.abc import Mapping

from jobwarden.sources.base import CouldNotAsk, DependsOn, Sighting
from jobwarden_registry.model import JobRecord, Pause
from jobwarden_registry.pauses import Paused

PAUSED = "watch.paused"
"""The code of what is not asked about because somebody wanted that: no outage."""


def told(pause: Pause) -> str:
    """Say since when, why, and by whom: `since 2026-11-21 10:00 UTC: maintenance (by codex session 01ab)`."""
    why = f": {pause.reason}" if pause.reason else ""
    who = f" (by {pause.by})" if pause.by else ""
    return f"since {pause.since:%Y-%m-%d %H:%M:%S} UTC{why}{who}"


def is_paused(record: JobRecord) -> bool:
    """Whether what keeps a job stale is that it hangs on a paused host."""
    return (record.stale_because or "").split(":")[0] == PAUSED


def hanging(record: JobRecord, paused: Paused) -> str | None:
    """Say for a job that hangs on a paused host why nobody watches it: `as cluster-a is paused since ...`.

    A pause that is over may still stand in the record: the next answer takes it out.
    """
    return (record.stale_because or "").partition(": ")[2] if is_paused(record) and paused.hosts else None


def left_alone(answer: Mapping[str, Sighting], hosts: Mapping[str, Pause]) -> dict[str, Sighting]:
    """Put `CouldNotAsk` in the place of what hangs on a host that is paused; `hosts` by the names in `DependsOn`."""
    known = dict(answer)
    for job, one in answer.items():
        pause = hosts.get(one.host) if isinstance(one, DependsOn) else None
        if isinstance(one, DependsOn) and pause is not None:
            text = f"as {one.host or 'its host'} is paused {told(pause)}"
            known[job] = CouldNotAsk(code=PAUSED, text=text, evidence=one.evidence, facts=one.facts)
    return known
