"""What a look at a job shows, as its rules see it, and what a line lets be captured. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from jobwarden.logs.clean import readable
from jobwarden.logs.pattern import Match, Pattern
from jobwarden.rules.building import names_of
from jobwarden.rules.condition_reading import Scalar
from jobwarden.rules.model import Rule
from jobwarden.rules.state import Fired, Held, JobRules
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

LINE_CHARS: Final = 500
CAPTURE_CHARS: Final = 500
_PATTERN_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Text:
    """What is new in one file.

    Attributes:
        streams: What it is: `stdout`, `stderr`, or both where the job writes them into one.
        data: Whole lines without empty ones, and no line break at the end (`jobwarden.rules.lines`).
        run: Whose lines these are; empty: the run's that is there.
        runs: How many runs the job had had then, that one included.
    """

    streams: tuple[str, ...]
    data: bytes
    run: str = ""
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a job at one moment.

    Attributes:
        record: The job, as it stands or as it ended.
        now: The present.
        texts: What is new in its logs.
        grew: Streams whose files have grown, be it by half a line.
        unread: Why a stream could not be read, by its name: nothing is known of it.
        refused: As `unread`, where that will not change by itself; of a rule's file by its path, here and above.
        words: The states that it has gone through since the look before: phase and the source's word.
        words_before: So many of them, the first ones, are those of an earlier run.
        missing: By path, whether a file is missing; of a path that is not here nothing is known.
        last: Nothing comes after this: it has ended, and all was read.
        run_over: Its run has ended, and all of that was read; whether another one follows is to be decided.
        cause: Why that failed, by the categories of diagnose_job, where a rule wants to know.
    """

    record: JobRecord
    now: datetime
    texts: Sequence[Text] = ()
    grew: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    words: Sequence[tuple[Phase, str]] = ()
    words_before: int = 0
    missing: Mapping[str, bool] = field(default_factory=dict[str, bool])
    last: bool = False
    run_over: bool = False
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a look.

    Attributes:
        state: To be remembered; what fired is among `pending` too.
        fired: What fired, in order.
        said: By rule, why it is disabled from now on; of the last look, why it has not seen all.
    """

    state: JobRules
    fired: tuple[Fired, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict[str, str])


@lru_cache(maxsize=512)
def compiled(text: str) -> Pattern:
    """Compile a pattern that was checked when it was written."""
    return Pattern(text, most_chars=_PATTERN_CHARS)


def captured(group: bytes | None) -> str | None:
    """Give what a group has captured; None where it took no part."""
    return None if group is None else readable(group[: 4 * CAPTURE_CHARS].decode("utf-8", "replace"))[:CAPTURE_CHARS]


def group_of(rule: Rule, pattern: Pattern) -> int:
    """Give the number of the group whose value must go on."""
    names: list[tuple[str, ...]] = [("0",)]
    names += [
        (str(number), group, *rule.captures[number - 1 : number])
        for number, group in enumerate(pattern.groups, start=1)
    ]
    return max(number for number, known in enumerate(names) if rule.counter in known)


def held_of(rule: Rule, pattern: Pattern, match: Match, text: Text) -> Held:
    """Give what a line lets be captured: by number, by the group's own name, by the rule's name for it.

    A group that took no part is missing.
    """
    captures: dict[str, str] = {}
    for number, group in enumerate(match.groups):
        if group is None:
            continue
        value = captured(group) or ""
        captures[str(number)] = value
        if number and pattern.groups[number - 1]:
            captures[pattern.groups[number - 1]] = value
        if 0 < number <= len(rule.captures):
            captures[rule.captures[number - 1]] = value
    line = text.data[match.start : min(match.end, match.start + 4 * LINE_CHARS)]
    stream = next(stream for stream in text.streams if stream in rule.reads)
    shown = readable(line.decode("utf-8", "replace"))[:LINE_CHARS]
    return Held(captures=captures, line=shown, stream=stream, run=text.run, runs=text.runs)


def built_in(rule: Rule, look: Look, held: Held, *, count: int, fired: int) -> dict[str, Scalar]:
    """Give the names that a condition has beside its captures; a capture without a value is empty."""
    record = look.record
    names = names_of(rule.captures, compiled(rule.pattern).groups if rule.pattern else ())
    elapsed = (look.now - record.started_at).total_seconds() if record.started_at is not None else 0.0
    return {
        "job_id": record.resubmitted_as or record.id,
        "job_name": record.name or record.job_name or "",
        "host": record.host,
        "status": record.last_status,
        "phase": record.phase.value,
        "line": held.line,
        "stream": held.stream,
        "count": count,
        "fired": fired,
        "attempt": max(1, len(record.attempts)),
        "elapsed_s": max(0.0, elapsed),
        **dict.fromkeys(names, ""),
    }
