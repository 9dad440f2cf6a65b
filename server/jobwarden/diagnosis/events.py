"""Everything in a log that may be a failure, with what shows whether it was one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed

from jobwarden.diagnosis import exits
from jobwarden.diagnosis.exceptions import is_probe, reads_settings, signature_of
from jobwarden.diagnosis.form import Signature, Weight
from jobwarden.diagnosis.health import Course, Sort, gave_up, sort_of, sounds_bad, was_handled
from jobwarden.diagnosis.matching import Hit, find
from jobwarden.diagnosis.model import Category, Retryable
from jobwarden.diagnosis.reading import Text
from jobwarden.diagnosis.stacks import read_stack
from jobwarden.diagnosis.tracebacks import Frame, Traceback, find_tracebacks, message_lines
from jobwarden.diagnosis.wording import is_error, signature_of_wording

_ECHO = re.compile(
    r"\s{0,40}(?:\++ |#(?!\s?(?:There is insufficient|A fatal error|EXCEPTION|SIG|  SIG))|//|raise |throw |echo "
    r"|warnings\.warn\(|warn\(|log\.\w{1,10}\(|sys\.\w{1,10}\(|print\(|printf |assert |assert\(|if |elif |for "
    r"|while (?!\w{1,20}ing )|def |return |except |>>> |\$ |\"\"\"|logger\.|logging\.|grep |sbatch: lua:)"
)
_NEVER = re.compile(
    r"(?i)\b(?:0|no) (?:errors?|failures?|exceptions?|oom)|\b(?:errors?|failed|failures?)\s?[:=]\s?0\b"
    r"|\btest_\w+.{0,80}\b(?:PASSED|ok)\b|\bPASSED\b|\bxfail|\bif you (?:see|get|encounter|run into)\b"
    r"|\bin case of\b|\bto avoid\b(?! fragmentation)"
    r"|\b(?:may|might|could|would|can) (?:cause|lead|result|raise|fail|happen|occur)"
    r"|\bhelp:|--[a-z-]{2,40} .{0,60}\bdefault\b|\bwhat to do\b|\bhow to\b"
)
_MOST = 60
_INDENTED = re.compile(r"(?: {2,40}|\t{1,4})[A-Za-z]")
_LATE, _LAST = 60, 12
_BARE_EXCEPTION = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Exit|Expired|Timeout)):\s(?P<message>.{1,1000})"
)
_OF_OTHERS = frozenset(
    {
        "node-error",
        "java-exception",
        "r-error",
        "perl-ruby-lua-octave",
        "killed",
        "terminated",
        "aborted",
        "interrupted",
    }
)
"""What is no better than the kind of a Python exception."""
_UNKNOWN = Signature(
    "wording-unknown", Category.UNKNOWN, "", (), "{line}", "Read what stands before it", Retryable.NO, Weight.FACT
)


@dataclass(slots=True)
class Event:
    """Something that may be a failure.

    Attributes:
        signature: What it is.
        log: Which log.
        at: Its telling line.
        start: Its first line.
        end: Behind its last line.
        rank: Whose it is.
        category: The signature's, or what its signal or exit code says.
        kind: Likewise.
        found: What stands in its line.
        uncaught: Whether its form is that of a program's end.
        handled: Whether it says itself that the program went on.
        soft: Whether its line is only a warning or less.
        traceback: Its exception.
        frame: The last frame of the user's own code.
        last: The line where it came out: of the last exception in a chain, of a panic's message.
        indented: Whether its line belongs to one above it, and cannot stand for an end alone.
        recovered: Whether the program went on.
    """

    signature: Signature
    log: int
    at: int
    start: int
    end: int
    rank: str
    category: Category
    kind: str
    found: dict[str, str] = field(default_factory=dict[str, str])
    uncaught: bool = False
    handled: bool = False
    soft: bool = False
    traceback: Traceback | None = None
    frame: Frame | None = None
    last: int | None = None
    indented: bool = False
    recovered: bool = False

    @property
    def weight(self) -> Weight:
        """How much it explains."""
        return self.signature.weight


@dataclass(slots=True)
class Scene:
    """One log with all that may be a failure in it.

    Attributes:
        text: The log.
        events: In its order.
        course: How it goes on.
    """

    text: Text
    events: list[Event]
    course: Course


def find_events(log: int, text: Text) -> Scene:
    """Give everything in a log that may be a failure."""
    tracebacks = find_tracebacks(text)
    inside = {at for one in tracebacks for at in one.used}
    messages = {at for one in tracebacks for at in message_lines(text, one)}
    hits: dict[int, list[Hit]] = {}
    for hit in find(text.lines, [(text.content_start(at), text.body_start(at)) for at in range(len(text.lines))]):
        if hit.at not in inside or hit.at in messages:
            hits.setdefault(hit.at, []).append(hit)
    heads = _heads(tracebacks)
    heads = heads if len(heads) <= 2 * _MOST else [*heads[:_MOST], *heads[-_MOST:]]
    events = [_of_traceback(log, text, head, hits) for head in heads if not head.ignored]
    plain = [found for at, found in hits.items() if at not in messages and not _is_echo(text, at)]
    events.extend(_of_line(log, text, _best(found), hits) for found in plain)
    events.extend(_last_words(log, text, inside | messages | hits.keys()))
    events = _fewer(sorted(events, key=lambda event: event.at))
    first = min((event.start for event in events), default=len(text.lines))
    return Scene(text, events, Course(text, inside | messages & _later(text, tracebacks), first))


def _later(text: Text, tracebacks: Iterable[Traceback]) -> set[int]:
    """Give the continued lines of messages that look continued: indented ones."""
    return {
        at
        for one in tracebacks
        for at in message_lines(text, one)
        if one.message.endswith(":") or text.content(at)[:1].isspace()
    }


def _heads(tracebacks: Sequence[Traceback]) -> list[Traceback]:
    causes = {id(one.cause) for one in tracebacks if one.cause is not None}
    return [one for one in tracebacks if id(one) not in causes]


def root_of(head: Traceback) -> Traceback:
    """Give the exception of a chain that is meant: the first, unless the program only asked something by it."""
    chain = list(head.chain())
    at = len(chain) - 1
    while at > 0:
        here, after = chain[at], chain[at - 1]
        asked = not after.direct and is_probe(here) and signature_of(after).category is not Category.CODE_ERROR
        if not asked and here.type:
            break
        at -= 1
    return chain[at]


def _of_traceback(log: int, text: Text, head: Traceback, hits: dict[int, list[Hit]]) -> Event:
    root = root_of(head)
    hit = _hit_of(text, root, hits)
    signature = hit.signature if hit else signature_of(root)
    if signature.name == "data" and reads_settings(root):
        signature = changed(signature_of(root), category=Category.CONFIGURATION, kind="settings", weight=Weight.LIKELY)
    if signature.name == "missing-module" and _own_import(root):
        signature = changed(signature_of(root), category=Category.CODE_ERROR, kind="import", weight=Weight.LIKELY)
    if head.group and root is head:
        signature = changed(signature, weight=Weight.CASCADE)
    start = min(one.start for one in head.chain())
    event = Event(
        signature, log, root.at, start, head.end, head.rank, signature.category, signature.kind, traceback=root
    )
    event.found = dict(hit.found) if hit else {}
    event.last = head.at
    for one in head.chain():  # one that is raised from it may say more of the same
        more = _hit_of(text, one, hits)
        if more and more.signature.category is event.category and more.signature.weight > signature.weight:
            event.signature, event.kind, hit = more.signature, more.signature.kind, more
            event.found = event.found | more.found
            break
    frames = [one.own_frame() for one in [root, *head.chain()]]
    event.frame = next((frame for frame in frames if frame is not None), None)
    if hit is not None:
        _resolve(event)
    before = _neighbour(text, start, -1, head.rank)
    event.uncaught = not (before is not None and _announces(text, before))
    after = _next(text, head.end, head.rank, 2)
    event.handled = any(was_handled(text.lines[at]) for at in after) or (
        before is not None and sounds_bad(text.lines[before]) and was_handled(text.lines[before])
    )
    event.soft = before is not None and text.level(before) in {"warn", "info"} and not event.uncaught
    return event


def _hit_of(text: Text, root: Traceback, hits: dict[int, list[Hit]]) -> Hit | None:
    lines = message_lines(text, root)
    first = [hit for hit in hits.get(lines.start, ()) if not (root.type and hit.signature.name in _OF_OTHERS)]
    if first:
        return _best(first)
    more = [
        hit for at in lines[1:] for hit in hits.get(at, ()) if hit.signature.weight is Weight.ROOT or not root.message
    ]
    return _best(more) if more else None


def _own_import(root: Traceback) -> bool:
    """Whether a name could not be imported from the user's own module, which is there."""
    if not root.message.startswith("cannot import name"):
        return False
    path = re.search(r"\((?P<path>/[^)]{1,400}|unknown location)\)\s*$", root.message)
    return "circular import" in root.message or (
        path is not None and path["path"] != "unknown location" and Frame(0, path["path"], 0, "").own
    )


def _last_words(log: int, text: Text, known: set[int]) -> list[Event]:
    """Give the errors among the last lines that no signature knows."""
    found: list[Event] = []
    if not text.ends:
        return found
    last = [at for at in range(max(0, len(text.lines) - _LATE), len(text.lines)) if text.lines[at].strip()][-_LAST:]
    for at in last:
        body = text.lines[at][text.body_start(at) :]
        if is_error(body) and body.rstrip().endswith(":"):  # its message stands in the next line
            body = " ".join(
                [body.strip(), *(text.content(index).strip() for index in _next(text, at + 1, text.rank(at), 1))]
            )
        if at in known or _is_echo(text, at) or not (is_error(body) or text.level(at) == "error"):
            continue
        if sort_of(body, level="") in {Sort.SUCCESS, Sort.DONE, Sort.PROGRESS}:
            continue
        signature = _exception_of(at, body) or signature_of_wording(body) or _UNKNOWN
        event = Event(
            signature, log, at, at, at + 1, text.rank(at), signature.category, signature.kind, {"line": body.strip()}
        )
        event.soft = text.level(at) in {"warn", "info"} or _NEVER.search(text.lines[at]) is not None
        event.handled = was_handled(text.lines[at])
        found.append(event)
    return found


def _exception_of(at: int, body: str) -> Signature | None:
    """Read the last line of a Python traceback whose rest is not there."""
    found = _BARE_EXCEPTION.match(body.strip())
    if found is None:
        return None
    return signature_of(Traceback(at, at, at + 1, "", found["type"], found["message"]))


def _of_line(log: int, text: Text, hit: Hit, hits: dict[int, list[Hit]]) -> Event:
    at, signature = hit.at, hit.signature
    event = Event(signature, log, at, at, at + 1, text.rank(at), signature.category, signature.kind, hit.found)
    _resolve(event)
    if signature.name == "uncaught-native":
        _explain(text, event, hits)
    elif signature.name == "panic" and text.lines[at].endswith(":"):
        _take_panic(text, event, hits)
    elif stack := read_stack(text, at, event.rank):
        event.end, event.frame = stack.end, stack.frame
        if stack.root != at:
            _take_root(text, event, stack.root, hits)
    line = text.lines[at]
    level = text.level(at)
    event.uncaught = signature.fatal or gave_up(line)
    event.soft = (level in {"warn", "info"} and not signature.fatal) or _NEVER.search(line) is not None
    event.indented = _INDENTED.match(text.content(at)) is not None and level == "" and not signature.fatal
    after = _next(text, at + 1, event.rank, 1)
    event.handled = not signature.fatal and any(was_handled(text.lines[index]) for index in [at, *after])
    return event


def _take_panic(text: Text, event: Event, hits: dict[int, list[Hit]]) -> None:
    """Let the message of a panic, which stands in the next line, say what it was."""
    at = next(iter(_next(text, event.at + 1, event.rank, 1)), None)
    if at is None:
        return
    event.last, event.end = at, at + 1
    event.found = event.found | {"what": f"{text.content(at).strip()} ({event.found.get('what', '')})"}
    best = _best(hits[at]) if at in hits else None
    if best is not None and best.signature.weight >= Weight.LIKELY:
        event.signature, event.found = best.signature, event.found | best.found
        event.category, event.kind = best.signature.category, best.signature.kind


def _explain(text: Text, event: Event, hits: dict[int, list[Hit]]) -> None:
    """Let the message of a C++ exception, which stands in the next line, say what it was."""
    at = next(iter(_next(text, event.at + 1, event.rank, 1)), None)
    if at is None or "what():" not in text.lines[at]:
        return
    message = text.lines[at].split("what():", 1)[1].strip()
    best = _best(hits[at]) if at in hits else None
    known = best.signature if best and best.signature.weight >= Weight.CASCADE else None
    if known is None and (worded := signature_of_wording(message)):
        known = changed(worded, name="uncaught-worded")
    event.end = at + 1
    event.found = event.found | {"line": message, "what": message, **(best.found if best else {})}
    if known is not None:
        event.signature, event.at = known, at
        event.category, event.kind = known.category, known.kind


def _take_root(text: Text, event: Event, root: int, hits: dict[int, list[Hit]]) -> None:
    """Let the cause that a trace names last be what it was."""
    best = _best(hits[root]) if root in hits else None
    event.at = root
    event.found = event.found | {"what": text.content(root).strip().removeprefix("Caused by:").strip()}
    if best is not None and best.signature.weight >= event.signature.weight:
        event.signature, event.found = best.signature, event.found | best.found
        event.category, event.kind = best.signature.category, best.signature.kind


def _resolve(event: Event) -> None:
    """Let a signal or an exit code say what it was."""
    fact = None
    if event.signature.signal and event.found.get("signal", "").isdigit():
        fact = exits.of_signal(int(event.found["signal"]))
    elif event.signature.code and event.found.get("code", "").isdigit():
        fact = exits.of_code(int(event.found["code"]))
    if fact is not None:
        event.category, event.kind = fact.category, fact.kind
        event.found = event.found | {"told": fact.cause}


def _best(hits: Sequence[Hit]) -> Hit:
    return max(hits, key=lambda hit: hit.signature.weight)


def _is_echo(text: Text, at: int) -> bool:
    line = text.lines[at]
    if at > 0 and text.content(at)[:1].isspace() and "Warning: " in text.lines[at - 1]:
        return True  # Python shows the code that warned
    return _ECHO.match(line, text.body_start(at)) is not None or _ECHO.match(line) is not None


def _announces(text: Text, at: int) -> bool:
    """Whether a line before a traceback is that of a logger, which prints it for a program that goes on or gives up."""
    level = text.level(at)
    return level in {"error", "warn"} or (sounds_bad(text.lines[at]) and (level != "" or was_handled(text.lines[at])))


def _neighbour(text: Text, at: int, step: int, rank: str) -> int | None:
    index = at + step
    if 0 <= index < len(text.lines) and text.rank(index) == rank and text.lines[index].strip():
        return index
    return None


def _next(text: Text, start: int, rank: str, count: int) -> list[int]:
    found: list[int] = []
    for index in range(start, min(len(text.lines), start + 12)):
        if text.rank(index) == rank and text.lines[index].strip():
            found.append(index)
        if len(found) == count:
            break
    return found


def _fewer(events: list[Event]) -> list[Event]:
    """Of many events of one kind keep the first and the last."""
    places: dict[tuple[str, str], list[int]] = {}
    for index, event in enumerate(events):
        places.setdefault((event.signature.name, event.rank), []).append(index)
    kept = {index for some in places.values() for index in [*some[:_MOST], *some[-_MOST:]]}
    return [event for index, event in enumerate(events) if index in kept]
