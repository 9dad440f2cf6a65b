"""From the first cause to a diagnosis: words and evidence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from jobwarden.diagnosis import exits
from jobwarden.diagnosis.advice import change, show_time
from jobwarden.diagnosis.choosing import Choice
from jobwarden.diagnosis.events import Event, Scene
from jobwarden.diagnosis.form import fill
from jobwarden.diagnosis.model import Category, Confidence, Diagnosis, EvidenceLine, Outcome, Retryable
from jobwarden.diagnosis.reading import Text, ended_at, read_moment
from jobwarden.logs.clean import shorten
from jobwarden.logs.secrets import mask_lines

SCHEDULER = "scheduler"
_CAUSE_CHARS = 300
_LINE_CHARS = 400
_MOST_EVIDENCE = 14
_AROUND = 2
_LONG_S = 600.0
_FEWEST_STEPS = 5
_FAULTY = re.compile(
    r"(?i)\berr(?:or)?\b|error:|fail|exception|fatal|abort|killed|denied|cannot|could not|unable|traceback|panic"
    r"|not found|no such"
)
_CONFIDENCE = (Confidence.LOW, Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH)


def tell(choice: Choice, scenes: Sequence[Scene], outcome: Outcome) -> Diagnosis:
    """Write the diagnosis of a cause."""
    event, fact = choice.event, choice.fact
    texts = [scene.text for scene in scenes]
    by_fact = fact is not None and (event is None or fact.sure)
    assert fact is not None or event is not None
    category = fact.category if by_fact and fact else event.category if event else Category.UNKNOWN
    kind = (fact.kind if by_fact and fact else "") or (event.kind if event else "")
    if event is not None and event.category is category:
        kind = event.kind or kind
    line = "" if event is None else texts[event.log].lines[event.at]
    agreed = event is not None and event.category is category
    told = fill(event.signature.change, _clean(event.found)) if event is not None and agreed else ""
    evidence = [*(_event_lines(texts[event.log], event) if event is not None else [])]
    if described := exits.describe(outcome):
        evidence.insert(0 if by_fact and not agreed else len(evidence), EvidenceLine(SCHEDULER, None, described))
    if event is None:
        evidence.extend(telling_lines(texts, 4))
    return Diagnosis(
        category,
        kind,
        shorten(_cause(choice, category, texts), _CAUSE_CHARS),
        _CONFIDENCE[choice.sure],
        masked(evidence[:_MOST_EVIDENCE]),
        _retry(event if agreed else None, category),
        change(category, kind, told, outcome, texts, line),
        (*_silence(category, texts), *(_also(scenes, other) for other in choice.others)),
    )


def telling_lines(texts: Sequence[Text], most: int) -> list[EvidenceLine]:
    """Give the last lines that sound like a failure, or else the last lines."""
    found: list[EvidenceLine] = []
    for text in texts:
        faulty = [at for at in range(max(0, len(text.lines) - 400), len(text.lines)) if _FAULTY.search(text.lines[at])]
        last = [at for at in range(len(text.lines)) if text.lines[at].strip()][-2:] if text.lines else []
        found.extend(_line(text, at) for at in sorted({*faulty[-most:], *last}))
    return found[: 3 * most]


def masked(evidence: Sequence[EvidenceLine]) -> tuple[EvidenceLine, ...]:
    """Mask what looks like a secret, and cut what is long."""
    texts = mask_lines([line.text for line in evidence])
    return tuple(
        EvidenceLine(line.file, line.line, shorten(text, _LINE_CHARS), line.context)
        for line, text in zip(evidence, texts, strict=True)
    )


def _line(text: Text, at: int, *, context: bool = False) -> EvidenceLine:
    return EvidenceLine(text.name, text.numbers[at], text.lines[at], context)


def _event_lines(text: Text, event: Event) -> list[EvidenceLine]:
    """Give the telling line, the user's own place in the code, and what stands around."""
    shown = [event.at]
    lines = [_line(text, event.at)]
    if event.last is not None and event.last not in shown:
        lines.append(_line(text, event.last))
        shown.append(event.last)
    if event.frame is not None:
        for at in (event.frame.at, event.frame.at + 1):
            if (
                at < len(text.lines)
                and at not in shown
                and at in (event.traceback.used if event.traceback else set[int]()) | {event.frame.at}
            ):
                lines.append(_line(text, at))
                shown.append(at)
    around = [
        *range(max(0, event.at - _AROUND), event.at),
        *range(event.at + 1, min(len(text.lines), event.at + 1 + _AROUND)),
    ]
    lines.extend(
        _line(text, at, context=True)
        for at in around
        if at not in shown and text.lines[at].strip() and not _gap_between(text, at, event.at)
    )
    return lines


def _gap_between(text: Text, one: int, other: int) -> bool:
    first, last = sorted((one, other))
    return any(first < gap <= last for gap in text.gaps)


def _cause(choice: Choice, category: Category, texts: Sequence[Text]) -> str:
    event, fact = choice.event, choice.fact
    if event is None or (event.category is not category and fact is not None):
        return fact.cause if fact else ""
    words = event.found.get("told", "") or fill(event.signature.cause, _clean(event.found))
    if fact is not None and fact.sure and category is Category.CANCELLED:
        words = fact.cause
    where = ""
    if event.frame is not None and event.traceback is not None:
        place = f"{event.frame.file}:{event.frame.line}" + (f" in {event.frame.where}" if event.frame.where else "")
        if event.traceback.name and event.traceback.name not in words and event.traceback.message:
            words = f"{words} ({event.traceback.name}: {event.traceback.message[:160]})"
        where = f", at {place}"
    who = event.rank or (texts[event.log].label if len(texts) > 1 else "")
    said = f"rank {who}: " if who.isdigit() else f"{who}: " if who else ""
    return f"{said}{words}{where}"


def _clean(found: dict[str, str]) -> dict[str, str]:
    return {name: shorten(" ".join(mask_lines([text])[0].split()), 160) for name, text in found.items()}


def _retry(event: Event | None, category: Category) -> Retryable:
    if event is not None and category is event.signature.category:
        return event.signature.retry
    return exits.RETRY.get(category, Retryable.AFTER_CHANGE)


def _silence(category: Category, texts: Sequence[Text]) -> list[str]:
    """Say that a job wrote nothing for long before its time was up: it may have hung."""
    if category is not Category.TIME_LIMIT:
        return []
    for text in texts:
        moments = [moment for line in text.lines[-400:] if (moment := ended_at(line) or read_moment(line))]
        steps = [(after - before).total_seconds() for before, after in itertools.pairwise(moments)]
        if len(steps) >= _FEWEST_STEPS and steps[-1] >= max(_LONG_S, 5 * max(steps[:-1])):
            return [
                f"stuck: it wrote nothing in its last {show_time(steps[-1])}; if it hung, more time alone will not help"
            ]
    return []


def _also(scenes: Sequence[Scene], event: Event) -> str:
    text = scenes[event.log].text
    number = text.numbers[event.at]
    where = f"{text.name}:{number}" if number else text.name
    return shorten(f"{event.category.value}: {mask_lines([text.lines[event.at].strip()])[0]} ({where})", 240)
