"""What an agent has not been told yet, as few lines as there are jobs it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobwarden.mcp_server.cells import SAY_NOTHING, cell, fit, moment_text
from jobwarden_registry.events import Event, EventKind

_TOLD_BY_STATES = ""
_WORDS = {
    EventKind.REGISTERED: "registered",
    EventKind.STATUS_CHANGE: _TOLD_BY_STATES,
    EventKind.ATTEMPT: "new attempt",
    EventKind.REQUEUED: "requeued",
    EventKind.STUCK: "stuck",
    EventKind.UNREACHABLE: "cannot be asked now",
    EventKind.REACHABLE: "can be asked again",
    EventKind.STALLED: "",
    EventKind.READY: "",
    EventKind.RULE_FIRED: "rule fired",
    EventKind.ACTION: "",
    EventKind.CANCEL_REQUESTED: "cancel requested",
    EventKind.CONTROL: "",
    EventKind.LOST: "lost: nowhere to be found, how it ended is not known",
    EventKind.FOUND_AGAIN: "found again",
    EventKind.REMOVED: "no longer watched",
    EventKind.NOTE: "",
}
_REASON_CHARS = 80
_TEXT_CHARS = 200
_MESSAGE_CHARS = 400
"""Of a rule's message, which says too for which line it fired."""


def job_label(type_: str, job_id: str, host: str, name: str | None = None) -> str:
    """Name a job in a sentence: `slurm:12345 on cluster-a (ptq)`."""
    label = f"{type_}:{cell(job_id, 60)}" if type_ else cell(job_id, 60)
    if host and host != "localhost":
        label += f" on {cell(host, 60)}"
    return f"{label} ({cell(name, 40)})" if name else label


def news_lines(news: Sequence[Event], now: datetime, most: int) -> list[str]:
    """Tell all that happened to one job in one line, in the order of the latest happening.

    Args:
        news: Oldest first.
        now: The present, to leave out today's date.
        most: Characters to stay within; what does not fit is counted, and where to find it said.
    """
    if not news:
        return []
    groups: dict[tuple[str, str, str], list[Event]] = {}
    for event in news:
        key = (event.type, event.host, event.job_id)
        groups[key] = [*groups.pop(key, []), event]
    lines, cut = fit([_line(events, now) for events in groups.values()], most)
    if cut:
        lines.append(f"... and news of {cut} more (resource events://recent has all)")
    return ["NEWS", *lines]


def event_text(event: Event) -> str:
    """Say what one event tells, without its job and its moment."""
    said = "; ".join(part for part in (_states([event]), *_happenings([event])) if part)
    return said or cell(str(event.event), 40)


def _line(events: Sequence[Event], now: datetime) -> str:
    last = events[-1]
    said = [_states(events), *_happenings(events)]
    text = "; ".join(part for part in said if part) or "noted"
    when = moment_text(last.timestamp, now)
    if not last.job_id:
        return f"{when} {text}"
    name = next((event.name for event in reversed(events) if event.name), None)
    return f"{when} {job_label(last.type, last.job_id, last.host, name)}: {text}"


def _states(events: Sequence[Event]) -> str:
    words: list[str] = []
    for event in events:
        for word in (event.old_status, event.new_status):
            if word and (not words or words[-1] != word):
                words.append(word)
    return " -> ".join(cell(word, 40) for word in words)


def _happenings(events: Sequence[Event]) -> list[str]:
    said: list[str] = []
    for event in events:
        word = _ending(event) if event.event == EventKind.FINISHED else _word(event.event)
        parts = [word, _told(event)]
        text = ": ".join(part for part in parts if part)
        if (event.model_extra or {}).get("observed_late"):
            text = f"{text} (seen late)".strip()
        if text and text not in said:
            said.append(text)
    return said


def _told(event: Event) -> str:
    text = event.text or ""
    if event.event != EventKind.ACTION or len(shown := cell(text)) <= _MESSAGE_CHARS:
        return cell(text, _TEXT_CHARS if event.event != EventKind.ACTION else 0)
    half = _MESSAGE_CHARS // 2  # the rule and its message stand at the beginning, and its line at the end
    return f"{shown[:half]}…{shown[-half:]}"


def _word(kind: EventKind | str) -> str:
    try:
        return _WORDS.get(EventKind(kind), str(kind))
    except ValueError:  # written by a newer version
        return cell(str(kind), 40)


def _ending(event: Event) -> str:
    record = event.record or {}
    said = f"ended: {event.phase or 'phase not recorded'}"
    code, signal = record.get("exit_code"), record.get("signal")
    reason, cause = record.get("reason"), record.get("cause")
    if isinstance(code, int) and code:
        said += f", exit {code}"
    if isinstance(signal, int) and signal:
        said += f", signal {signal}"
    if isinstance(cause, str) and cause:
        said += f", cause: {cell(cause, _TEXT_CHARS)}"
    elif isinstance(reason, str) and reason and reason not in SAY_NOTHING:
        said += f", {cell(reason, _REASON_CHARS)}"
    return said
