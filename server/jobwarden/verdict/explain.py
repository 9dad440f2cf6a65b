"""Why a job is in the state that it is in: data for the faces, which turn it into lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobwarden_registry.events import Event, EventKind
from jobwarden_registry.model import Evidence, JobRecord


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a job, with what decided it.

    Attributes:
        at: When it was journaled.
        seq: Its number in the journal.
        event: The kind of event.
        change: `RUNNING -> COMPLETED`, or what else the record shows; empty when no word changed.
        text: What the event said beside that.
        asked_at: When the question was asked; None when no question decided it.
        question: The commands, as they were run.
        lines: The raw lines of the answer that concern the job.
        rule: The rule that read them.
    """

    at: datetime
    seq: int
    event: str
    change: str
    text: str
    asked_at: datetime | None = None
    question: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job's whole story.

    Attributes:
        steps: What happened, oldest first; bookkeeping only where evidence came with it.
        standing: Sentences on what the present state rests on, and what is unsure of it.
    """

    steps: tuple[Step, ...]
    standing: tuple[str, ...]


def explain(record: JobRecord, events: Sequence[Event]) -> Explanation:
    """Tell why the job is where it is.

    Args:
        record: As it stands, or as its `finished` event left it.
        events: The session's events; those of other jobs are passed over.
    """
    own = [event for event in events if event.uid == record.uid]
    told = [event for event in own if event.event != EventKind.UPDATED or event.evidence is not None]
    return Explanation(tuple(_step(event) for event in told), _standing(record))


def _step(event: Event) -> Step:
    evidence = event.evidence or Evidence(asked_at=event.timestamp)
    return Step(
        at=event.timestamp,
        seq=event.seq,
        event=str(event.event),
        change=_change(event),
        text=event.text or "",
        asked_at=evidence.asked_at if event.evidence is not None else None,
        question=evidence.question,
        lines=evidence.lines,
        rule=evidence.rule,
    )


def _change(event: Event) -> str:
    old, new = event.old_status or "", event.new_status or ""
    if old == new:
        return ""
    return f"{old or '(nothing)'} -> {new or '(nothing)'}"


def _standing(record: JobRecord) -> tuple[str, ...]:
    said: list[str] = []
    if record.observed_at is None:
        said.append("No answer has shown this job yet.")
    else:
        word = record.last_status or "(no word)"
        said.append(f"{record.phase}: its source said {word}, asked at {record.observed_at:%Y-%m-%d %H:%M:%S} UTC.")
    if record.absence is not None:
        since = f"{record.absence.since:%Y-%m-%d %H:%M:%S} UTC"
        said.append(f"Absent from {record.absence.answers} whole answers since {since}; absence is not an end.")
    if record.stale_since is not None:
        since = f"{record.stale_since:%Y-%m-%d %H:%M:%S} UTC"
        said.append(f"Nobody could be asked since {since}: {record.stale_because or 'no reason is known'}.")
    return tuple(said)
