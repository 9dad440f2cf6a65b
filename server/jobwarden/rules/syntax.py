r"""Rules as people write them: `#WATCHER` lines and `#WATCHER_BEGIN ... #WATCHER_END` blocks, in a script or alone.

#WATCHER pattern="loss: ([0-9.]+)" captures=[loss] condition="float(loss) > 5" action=cancel_job

#WATCHER_BEGIN
# pattern: "loss: ([0-9.]+)"
# actions:
#   - cancel_job(reason="Loss diverged")
#WATCHER_END
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobwarden.actions.call import ActionCall
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.substitution import Value
from jobwarden.rules.lexing import Scanner, bare_value, plain_quotes

MARK = "#WATCHER"
_BEGIN, _END = f"{MARK}_BEGIN", f"{MARK}_END"
TEXTS = frozenset({"name", "condition", "missing_file"})
LISTS = frozenset({"captures", "state"})
OTHERS = frozenset(
    {
        "interval",
        "max_triggers",
        "cooldown",
        "output_type",
        "at_end",
        "silence",
        "standstill",
        "counter",
        "time",
        "within",
        "check_failed",
        "times",
        "wait",
        "wait_most",
        "backoff",
    }
)
WAYS = "restart"
TABLES = frozenset({"changes"})
_ACTIONS = frozenset({"action", "actions"})
KEYS = frozenset({"pattern", WAYS, *TABLES, *TEXTS, *LISTS, *OTHERS, *_ACTIONS})
TEXT_CHARS = 8000
"""Of one rule as written."""
SCRIPT_CHARS = 256 * 1024
RULES_MOST = 1000
WRONG_MOST = 5
_KEY = re.compile(r"#\s*(?P<key>[A-Za-z_]+)\s*:(?P<rest>.*)")
_COMMENT = re.compile(r"#\s*(?:#.*)?")
_ITEM = re.compile(r"#\s*-\s*(?P<call>.*)")


@dataclass(slots=True)
class Written:
    """A rule as it was written, before anybody looked whether it makes sense.

    Attributes:
        fields: By key; a list where the key takes one.
        actions: In order.
        where: `line 12`; empty for a text that stands alone.
    """

    fields: dict[str, Value] = field(default_factory=dict[str, Value])
    actions: list[ActionCall] = field(default_factory=list[ActionCall])
    where: str = ""


def read_text(text: str) -> list[Written]:
    """Read what a caller gave: one rule with or without the `#WATCHER` before it, or several lines of a script.

    Raises:
        InvalidRuleError: What is wrong and where, and what to write instead.
    """
    stripped = text.strip()
    if len(stripped) > TEXT_CHARS:
        raise InvalidRuleError(f"A rule of {len(stripped)} characters is too long.", hint=f"At most {TEXT_CHARS}.")
    if not stripped.startswith(MARK):
        if "\n" in stripped:
            raise InvalidRuleError("A rule of several lines begins with #WATCHER_BEGIN.", hint=_HINT)
        return [_inline(stripped)]
    found, wrong = read_script(stripped)
    if wrong:
        raise wrong[0]
    if not found:
        raise InvalidRuleError(f"There is no rule in {stripped[:80]!r}.", hint=_HINT)
    return found


def read_script(
    script: str, *, most_rules: int = RULES_MOST, most_wrong: int = WRONG_MOST
) -> tuple[list[Written], list[InvalidRuleError]]:
    """Read the rules of a job script; what is wrong with one of them spoils no other.

    After so many rules, or so many that are wrong, the rest is not read; the last of what is wrong says so then.
    """
    found: list[Written] = []
    wrong: list[InvalidRuleError] = []
    lines = [line.strip() for line in script[:SCRIPT_CHARS].split("\n")]
    at = 0
    while at < len(lines):
        if len(found) >= most_rules or len(wrong) >= most_wrong:
            if any(line.startswith(MARK) for line in lines[at:]):
                wrong.append(InvalidRuleError(f"What stands from line {at + 1} on was not read."))
            return found, wrong
        number, line = at + 1, lines[at]
        at += 1
        try:
            if line == _BEGIN:
                end = _end_of(lines, at)
                body, at = lines[at : end - 1], end
                found.append(_block(body, number))
            elif line.startswith(MARK):
                found.append(_inline(_after_mark(line)))
                found[-1].where = f"line {number}"
        except InvalidRuleError as error:
            wrong.append(_placed(error, number))
    if MARK in script[SCRIPT_CHARS:]:
        wrong.append(InvalidRuleError(f"What stands after its first {SCRIPT_CHARS} characters was not read."))
    return found, wrong


def _after_mark(line: str) -> str:
    rest = line.removeprefix(MARK)
    if line == _END:
        raise InvalidRuleError(f"There is no {_BEGIN} to this {_END}.")
    if rest[:1] not in ("", " ", "\t"):
        raise InvalidRuleError(f"{line.split()[0][:40]!r} is none of {MARK}, {_BEGIN}, {_END}.")
    return rest


def _end_of(lines: Sequence[str], at: int) -> int:
    """Give the number of the line that ends a block."""
    for number in range(at, len(lines)):
        if lines[number] == _END:
            return number + 1
        if lines[number] and not lines[number].startswith("#"):
            break
    raise InvalidRuleError(f"This {_BEGIN} has no {_END}.", hint=f"Write {_END} on a line of its own after it.")


def _placed(error: InvalidRuleError, number: int) -> InvalidRuleError:
    text = error.text if error.text.startswith("Line ") else f"Line {number}: {error.text}"
    return InvalidRuleError(text, hint=error.hint)


def _inline(text: str) -> Written:
    _check_characters(text)
    scanner, written = Scanner(text), Written()
    while not scanner.done and scanner.peek() != "#":
        start, key = scanner.at, scanner.word()
        if not key or scanner.peek() != "=":
            raise scanner.wrong("Here key=value must stand", _HINT, start)
        _check_key(key, written)
        scanner.at += 1
        if scanner.peek() in ("", " ", "\t"):
            raise scanner.wrong(f"{key} has no value", _HINT)
        _take(scanner, key, written)
        if scanner.peek() not in ("", " ", "\t"):
            raise scanner.wrong(f"After the value of {key} a blank must stand", _HINT)
    return written


def _take(scanner: Scanner, key: str, written: Written) -> None:
    """Read one value of an inline rule."""
    quoted = scanner.peek() in ('"', "'")
    if key == "action":
        written.actions.append(scanner.call())
    elif key == "actions":
        written.actions += scanner.listed(scanner.call) if scanner.peek() == "[" else [scanner.call()]
    elif key == "pattern":
        written.fields[key] = plain_quotes(scanner.raw_quoted() if quoted else scanner.to_blank())
    elif key in LISTS:
        written.fields[key] = _list(scanner)
    elif key == WAYS:
        written.fields[key] = _ways(scanner)
    elif key in TABLES:
        written.fields[key] = scanner.value()
    elif quoted:
        written.fields[key] = scanner.quoted()
    else:
        word = scanner.to_blank() if key in TEXTS else scanner.word()
        written.fields[key] = word if key in TEXTS else bare_value(word)


def _list(scanner: Scanner) -> Value:
    values = scanner.value()
    found = values if isinstance(values, list) else [values]
    return [str(one) for one in found]


def _ways(scanner: Scanner) -> Value:
    """Read ways to fail: words, and `pattern:"..."`, whose quotes hold anything."""

    def way() -> str:
        scanner.blanks()
        quoted = scanner.peek() in ('"', "'")
        word = scanner.quoted() if quoted else scanner.word()
        if not quoted and word.endswith(":") and scanner.peek() in ('"', "'"):
            word += plain_quotes(scanner.raw_quoted()) if word == "pattern:" else scanner.quoted()
        if not word:
            raise scanner.wrong("A way to fail is missing here", "Write: restart=[TIMEOUT, exit:75]")
        return word

    scanner.blanks()
    return [*scanner.listed(way)] if scanner.peek() == "[" else [way()]


def _block(lines: Sequence[str], number: int) -> Written:
    written, listing = Written(where=f"line {number}"), False
    for at, line in enumerate(lines, start=number + 1):
        if not line or _COMMENT.fullmatch(line):
            continue
        try:
            listing = _take_block_line(line, written, listing=listing)
        except InvalidRuleError as error:
            raise _placed(error, at) from error
    return written


def _take_block_line(line: str, written: Written, *, listing: bool) -> bool:
    """Read one line of a block; answers whether actions are listed below it."""
    _check_characters(line)
    item, pair = _ITEM.fullmatch(line), _KEY.fullmatch(line)
    if item is not None and listing:
        written.actions.append(_only_call(item["call"]))
        return True
    if pair is None:
        raise InvalidRuleError(f"{line[:80]!r} is no part of a rule.", hint=_BLOCK_HINT)
    key, rest = pair["key"], pair["rest"].strip()
    _check_key(key, written)
    if key in _ACTIONS and not rest:
        return True
    _take_line(key, rest, written)
    return False


def _take_line(key: str, rest: str, written: Written) -> None:
    """Read one value of a block: the rest of the line is its."""
    if not rest:
        raise InvalidRuleError(f"{key} has no value.", hint=_BLOCK_HINT)
    scanner = Scanner(rest)
    if key in _ACTIONS:
        if rest.startswith("["):
            written.actions += scanner.listed(scanner.call)
            _check_done(scanner)
        else:
            written.actions.append(_only_call(rest))
    elif key in LISTS or key == WAYS:
        written.fields[key] = _ways(scanner) if key == WAYS else _list(scanner)
        _check_done(scanner)
    elif key == "pattern" or key in TEXTS:
        text = _whole(rest, raw=key == "pattern")
        written.fields[key] = plain_quotes(text) if key == "pattern" else text
    else:
        written.fields[key] = scanner.value()
        _check_done(scanner)


def _whole(rest: str, *, raw: bool) -> str:
    """Read a line's text: without its quotes where they stand around all of it."""
    if rest[0] not in ('"', "'"):
        return rest
    scanner = Scanner(rest)
    try:
        text = scanner.raw_quoted() if raw else scanner.quoted()
    except InvalidRuleError:
        if raw:
            raise
        return rest
    return text if scanner.done or scanner.peek() == "#" else rest


def _only_call(text: str) -> ActionCall:
    scanner = Scanner(text)
    call = scanner.call()
    _check_done(scanner)
    return call


def _check_done(scanner: Scanner) -> None:
    if not scanner.done and scanner.peek() != "#":
        raise scanner.wrong("Nothing may follow here")


def _check_key(key: str, written: Written) -> None:
    if key not in KEYS:
        raise InvalidRuleError(f"{key[:40]!r} is nothing that a rule has.", hint=f"It has: {', '.join(sorted(KEYS))}.")
    if key in written.fields:
        raise InvalidRuleError(f"{key} stands there twice.", hint="Leave one out, or write two rules.")


def _check_characters(text: str) -> None:
    if any(ord(letter) < 32 and letter != "\t" for letter in text) or "\x7f" in text:
        raise InvalidRuleError(f"There is a control character in {text[:80]!r}.", hint="Leave it out.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRuleError(f"{ascii(text)[:80]} is no text.", hint="Write it in UTF-8.") from error


_HINT = 'Write: #WATCHER pattern="loss: ([0-9.]+)" captures=[loss] condition="float(loss) > 5" action=notify'
_BLOCK_HINT = "In a block each line is `# key: value`, or `#   - action(...)` below `# actions:`."
