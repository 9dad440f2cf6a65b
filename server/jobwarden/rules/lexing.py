r"""The values of the #WATCHER syntax, character by character: `"text"`, `[a, b]`, `{"mem": "16G"}`, `name(key=value)`.

Every place is told as a column, counted from 1, so that an error can say where.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

from jobwarden.actions.call import ActionCall
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.substitution import Value

_T = TypeVar("_T")

_DEPTH = 8
_QUOTES = "\"'"
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}
_WORDS: dict[str, Value] = {"true": True, "True": True, "false": False, "False": False}
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:e[+-]?[0-9]{1,3})?")
_STOP = frozenset("\"'()[]{},=")


class Scanner:
    """Reads one line from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def wrong(self, what: str, hint: str = "", at: int | None = None) -> InvalidRuleError:
        """Make the error that says what is wrong here."""
        place = self.at if at is None else at
        return InvalidRuleError(f"{what} (column {place + 1} of {self.text[:200]!r})", hint=hint)

    @property
    def done(self) -> bool:
        """Whether only blanks are left."""
        self.blanks()
        return self.at >= len(self.text)

    def peek(self) -> str:
        """Give the next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def blanks(self) -> None:
        """Pass over blanks."""
        while self.peek() in (" ", "\t"):
            self.at += 1

    def take(self, mark: str) -> bool:
        """Pass over a mark that may stand here, blanks before it too."""
        self.blanks()
        if self.peek() != mark:
            return False
        self.at += 1
        return True

    def word(self) -> str:
        """Read a bare word: up to a blank, a bracket, a comma, a quote or `=`."""
        self.blanks()
        start = self.at
        while (letter := self.peek()) and not letter.isspace() and letter not in _STOP:
            self.at += 1
        return self.text[start : self.at]

    def raw_quoted(self) -> str:
        r"""Read a quoted text as it stands, but for `\"`, which is the quote itself."""
        return self._quoted(raw=True)

    def quoted(self) -> str:
        r"""Read a quoted text; `\\`, `\"`, `\n` and `\t` have their usual meaning, other backslashes stay."""
        return self._quoted(raw=False)

    def _quoted(self, *, raw: bool) -> str:
        start, mark = self.at, self.peek()
        self.at += 1
        found: list[str] = []
        while (letter := self.peek()) != mark:
            if not letter:
                raise self.wrong(f"The quote {mark} is not closed", "Close it on the same line.", start)
            self.at += 1
            if letter == "\\" and (after := self.peek()):
                self.at += 1
                if after == mark:
                    letter = mark
                elif raw or (after not in _ESCAPES and after not in _QUOTES):
                    letter += after
                else:
                    letter = _ESCAPES.get(after, after)
            found.append(letter)
        self.at += 1
        return "".join(found)

    def to_blank(self) -> str:
        """Read up to the next blank."""
        start = self.at
        while self.peek() not in ("", " ", "\t"):
            self.at += 1
        return self.text[start : self.at]

    # -- values

    def value(self, depth: int = 0) -> Value:
        """Read one argument's value."""
        self.blanks()
        if depth > _DEPTH:
            raise self.wrong("This is nested too deeply", f"At most {_DEPTH} brackets within each other.")
        mark = self.peek()
        if mark and mark in _QUOTES:
            return self.quoted()
        if mark == "[":
            return self.listed(lambda: self.value(depth + 1))
        if mark == "{":
            return self._mapping(depth)
        word = self.word()
        if not word:
            raise self.wrong("A value is missing here", 'Write "text", a number, true, [a, b] or {"key": "value"}.')
        return bare_value(word)

    def listed(self, item: Callable[[], _T]) -> list[_T]:
        """Read `[item, item]`; a comma may stand after the last."""
        return self._between("[", "]", item)

    def _mapping(self, depth: int) -> Value:
        def pair() -> tuple[str, Value]:
            self.blanks()
            mark = self.peek()
            key = self.quoted() if mark and mark in _QUOTES else self.word().removesuffix(":")
            if not key or not (self.take(":") or self.text[self.at - 1] == ":"):
                raise self.wrong("Here a key and a colon must stand", 'Write {"mem": "16G", "time": "120"}.')
            return key, self.value(depth + 1)

        start = self.at
        pairs = self._between("{", "}", pair)
        found: dict[str, Value] = dict(pairs)
        if len(found) < len(pairs):
            raise self.wrong("A key stands there twice", at=start)
        return found

    def call(self) -> ActionCall:
        """Read `name` or `name(key=value, ...)`."""
        self.blanks()
        start, name = self.at, self.word()
        if not name.isidentifier() or not name.isascii():
            raise self.wrong(
                f"{name!r} is no action's name", 'Write an action as cancel_job(reason="Loss too high").', start
            )
        if self.peek() != "(":
            return ActionCall(name, {})
        pairs = self._between("(", ")", self._argument)
        arguments = dict(pairs)
        if len(arguments) < len(pairs):
            raise self.wrong(f"An argument of {name} stands there twice", at=start)
        return ActionCall(name, arguments)

    def _argument(self) -> tuple[str, Value]:
        self.blanks()
        start, key = self.at, self.word()
        if not key.isidentifier() or not key.isascii() or not self.take("="):
            raise self.wrong("An argument needs its name", 'Write reason="Loss too high".', start)
        return key, self.value()

    def _between(self, opening: str, closing: str, item: Callable[[], _T]) -> list[_T]:
        start = self.at
        self.take(opening)
        found: list[_T] = []
        while not self.take(closing):
            if found and not self.take(","):
                missing = "is not closed" if self.done else "needs a comma here"
                raise self.wrong(f"The {opening} of column {start + 1} {missing}")
            if found and self.take(closing):
                break
            if self.done:
                raise self.wrong(f"The {opening} of column {start + 1} is not closed", at=start)
            found.append(item())
        return found


def bare_value(word: str) -> Value:
    """Read a word without quotes: true, false, a whole number, a number, else a text."""
    if word in _WORDS:
        return _WORDS[word]
    if _WHOLE.fullmatch(word):
        return int(word)
    if _NUMBER.fullmatch(word) and math.isfinite(number := float(word)):
        return number
    return word


def write_value(value: Value) -> str:
    """Write what `Scanner.value` reads."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(write_value(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quote(key)}: {write_value(one)}" for key, one in value.items()) + "}"
    return quote(value)


def write_call(call: ActionCall) -> str:
    """Write what `Scanner.call` reads."""
    if not call.arguments:
        return call.name
    return f"{call.name}(" + ", ".join(f"{key}={write_value(one)}" for key, one in call.arguments.items()) + ")"


def quote(text: str) -> str:
    """Write what `Scanner.quoted` reads."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def quote_raw(text: str) -> str:
    """Write what `Scanner.raw_quoted` reads; no quote of `text` may have a backslash before it (`plain_quotes`)."""
    mark = "'" if '"' in text and "'" not in text else '"'
    return mark + text.replace(mark, f"\\{mark}") + mark


def plain_quotes(pattern: str) -> str:
    r"""Take the backslash from every `\"` and `\'` of a pattern: it means nothing there."""
    found: list[str] = []
    rest = iter(pattern)
    for letter in rest:
        after = next(rest, "") if letter == "\\" else ""
        found.append(after if after and after in _QUOTES else letter + after)
    return "".join(found)
