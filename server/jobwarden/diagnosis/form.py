r"""Signatures as data: what to look for, in a small language that is linear by construction.

A form is plain text that is looked for in a line, in any case, with

- `*`: anything, up to 160 characters;
- `'`: any quotation mark, or none;
- `(a|b|)`: one of these texts;
- `{name}`: a word, kept for the cause and the advice; `{name:n}` a number, `{name:size}` an amount of memory,
  `{name:rest}` the rest of the line, `{name:path}` anything up to a quotation mark or a colon;
- `^` at its beginning: where the message begins, after what a logger, a rank or a shell puts before it;
- `$` at its end: where the line ends;
- `\`: the next character as it is.

It begins at the beginning of a word, and if it is a single word, ends with it.
A cause and an advice are texts with `{name}`; a part in `[…]` is left out where its name was not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from jobwarden.diagnosis.model import Category, Retryable

_TOKEN = re.compile(r"\\(.)|(\*)|\{(\w+)(?::(\w+))?\}|\(([^()\\]*\|[^()\\]*)\)|(')", re.DOTALL)
_QUOTE = "['\"`\u2018\u2019\u201c\u201d\u00b4]"
_TYPES = {
    "": r"[^\s'\"`\u2018\u2019\u201c\u201d]{1,200}",
    "n": r"\d{1,18}(?:\.\d{1,6})?",
    "size": r"\d{1,18}(?:[.,]\d{1,6})?(?:\s?(?:[KMGTP]i?B|[KMGTP]?i?bytes|[KMGTPB])\b)?",
    "rest": r".{1,300}",
    "path": r"[^:'\"`\u2018\u2019\u201c\u201d]{1,300}",
}
_DIGITS = re.compile(r"[0-9]+")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-z0-9_]+")
_ONE_WORD = re.compile(r"[A-Za-z0-9_]+")
_SHORTEST_HINT = 3


class Weight(IntEnum):
    """How much a line explains."""

    FACT = 1
    """How something ended; not why."""
    CASCADE = 2
    """Most often the consequence of another failure."""
    LIKELY = 3
    """Most often a cause; may be a consequence, or said of something that was handled."""
    ROOT = 4
    """Names a cause that nothing else in a log brings about."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kind of failure looks like, and what is to be said about it.

    Attributes:
        name: For tests and for the reader of a diagnosis; unique.
        category: Of the cause.
        kind: Of the category.
        forms: Any of them is enough; in the language above.
        cause: For a person.
        change: What to do; may be empty.
        retry: Whether to start it again helps.
        weight: How much it explains.
        decoys: Texts that, in the same line, show that it is not meant; in the same language, but plain.
        fatal: Whether a program that prints this has ended by it.
        signal: It may tell a signal (`{signal}`), which then decides the category.
        code: It may tell an exit code (`{code}`), which then decides the category.
    """

    name: str
    category: Category
    kind: str
    forms: tuple[str, ...]
    cause: str
    change: str = ""
    retry: Retryable = Retryable.AFTER_CHANGE
    weight: Weight = Weight.LIKELY
    decoys: tuple[str, ...] = ()
    fatal: bool = False
    signal: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form made ready.

    Attributes:
        hint: Text in the shape that `squeeze` gives, which stands in every line that it finds.
        word: A whole word of such lines' shapes; empty where it has none.
        source: The regular expression that finds it; `pattern` makes it ready when it is first needed.
        anchored: Whether it is meant for the beginning of the message.
    """

    hint: str
    word: str
    source: str
    anchored: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """What finds it."""
        return _compiled(self.source)


def compile_form(text: str) -> Form:
    """Make a form ready.

    Raises:
        ValueError: It holds no text to look for first.
    """
    anchored, ended = text.startswith("^"), text.endswith("$")
    rest = text.removeprefix("^").removesuffix("$")
    regex: list[str] = []
    hints, at = [""], 0
    for token in _TOKEN.finditer(rest):
        _literal(rest[at : token.start()], regex, hints)
        at = token.end()
        if token[1]:
            _literal(token[1], regex, hints)
            continue
        hints.append("")
        regex.append(_piece(token))
    _literal(rest[at:], regex, hints)
    single = _ONE_WORD.fullmatch(rest) is not None
    before = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", rest) else ""
    after = r"\s*$" if ended else r"(?![A-Za-z0-9_])" if single else ""
    hint = squeeze(max(hints, key=len))
    if len(hint.strip()) < _SHORTEST_HINT:
        raise ValueError(f"nothing to look for in {text!r}")
    word = hint if single else _whole_word(hint, starts=rest.startswith(hints[0]) and squeeze(hints[0]) == hint)
    return Form(hint, word, before + "".join(regex) + after, anchored)


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)


def squeeze(text: str) -> str:
    """Give the shape of a text: lower case, and numbers as 0."""
    return _DIGITS.sub("0", text).lower()


def words(shape: str) -> list[str]:
    """Give the words of a shape, as `Form.word` has them."""
    return _WORD.findall(shape)


def fill(template: str, found: Mapping[str, str]) -> str:
    """Put what was found into a cause or an advice."""

    def optional(part: re.Match[str]) -> str:
        return part[1] if all(found.get(name) for name in _NAME.findall(part[1])) else ""

    text = _OPTIONAL.sub(optional, template)
    return _NAME.sub(lambda name: found.get(name[1], ""), text)


def _literal(text: str, regex: list[str], hints: list[str]) -> None:
    regex.append(re.escape(text))
    hints[-1] += text


def _whole_word(hint: str, *, starts: bool) -> str:
    """Give the longest word of a hint that cannot be a part of a longer one in the line."""
    best = ""
    for found in _WORD.finditer(hint):
        whole = (found.start() > 0 or starts) and found.end() < len(hint)
        if whole and len(found[0]) > len(best):
            best = found[0]
    return best


def _piece(token: re.Match[str]) -> str:
    if token[2]:
        return ".{0,160}?"
    if token[3]:
        return f"(?P<{token[3]}>{_TYPES[token[4] or '']})"
    if token[6]:
        return f"{_QUOTE}?"
    return "(?:" + "|".join(re.escape(part) for part in token[5].split("|")) + ")"
