"""Finding signatures in lines: linear in what is read, however many signatures there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from jobwarden.diagnosis.form import Form, Signature, compile_form, squeeze, words
from jobwarden.diagnosis.signatures.table import SIGNATURES

_MOST_ALIKE = 40
"""Of lines of one shape, this many of the first and of the last are looked at."""


_MOST_SHAPES = 1000
"""Of shapes that may hold a signature, likewise."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Hit:
    """A signature found in a line.

    Attributes:
        signature: Which.
        at: The line's index.
        found: What its names stand for there.
        start: Where in the line it begins.
    """

    signature: Signature
    at: int
    found: dict[str, str]
    start: int


@dataclass(frozen=True, slots=True)
class _Ready:
    order: int
    signature: Signature
    form: Form
    decoys: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class _Table:
    by_word: dict[str, tuple[_Ready, ...]]
    words: frozenset[str]
    wordless: tuple[_Ready, ...]


@cache
def _table() -> _Table:
    by_word: dict[str, list[_Ready]] = {}
    wordless: list[_Ready] = []
    for order, signature in enumerate(SIGNATURES):
        decoys = _decoys(signature)
        for text in signature.forms:
            form = compile_form(text)
            ready = _Ready(order, signature, form, decoys)
            (by_word.setdefault(form.word, []) if form.word else wordless).append(ready)
    return _Table({word: tuple(some) for word, some in by_word.items()}, frozenset(by_word), tuple(wordless))


def _decoys(signature: Signature) -> re.Pattern[str] | None:
    if not signature.decoys:
        return None
    some = [
        rf"{'(?<![A-Za-z0-9])' if text[0].isalnum() else ''}{re.escape(text)}(?![0-9])" for text in signature.decoys
    ]
    return re.compile("|".join(some), re.IGNORECASE)


def find(lines: Sequence[str], starts: Sequence[tuple[int, int]]) -> list[Hit]:
    """Give what is found in lines, in their order; in each line one hit of a signature at most.

    Args:
        lines: Cleaned and cut.
        starts: Where in each a form may be anchored: behind its rank, and where its message begins.
    """
    shapes: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        shapes.setdefault(squeeze(line), []).append(at)
    hits: list[Hit] = []
    promising = [(places, some) for shape, places in shapes.items() if (some := list(_candidates(shape)))]
    for places, candidates in _ends(promising, _MOST_SHAPES):
        for at in _ends(places, _MOST_ALIKE):
            hits.extend(_in_line(lines[at], starts[at], at, candidates))
    hits.sort(key=lambda hit: hit.at)
    return hits


def _ends(some: list[_T], most: int) -> list[_T]:
    return some if len(some) <= 2 * most else [*some[:most], *some[-most:]]


def _candidates(shape: str) -> Iterator[_Ready]:
    table = _table()
    for word in table.words.intersection(words(shape)):
        for ready in table.by_word[word]:
            if ready.form.hint in shape:
                yield ready
    for ready in table.wordless:
        if ready.form.hint in shape:
            yield ready


def _in_line(line: str, starts: tuple[int, int], at: int, candidates: Sequence[_Ready]) -> Iterator[Hit]:
    best: dict[int, tuple[tuple[int, int], Hit]] = {}
    for ready in candidates:
        match = _match(ready.form, line, starts)
        if match is None or (ready.decoys is not None and ready.decoys.search(line)):
            continue
        found = {name: _tidy(text) for name, text in match.groupdict().items() if text}
        rank = (len(found), match.end() - match.start())
        if ready.order not in best or best[ready.order][0] < rank:
            best[ready.order] = (rank, Hit(ready.signature, at, found, match.start()))
    for order in sorted(best):
        yield best[order][1]


def _match(form: Form, line: str, starts: tuple[int, int]) -> re.Match[str] | None:
    if not form.anchored:
        return form.pattern.search(line)
    return form.pattern.match(line, starts[1]) or form.pattern.match(line, starts[0])


_EDGES = re.compile(r"^[\s\"'`(\[]+|[\s\"'`.,;:)\]]+$")


def _tidy(text: str) -> str:
    return _EDGES.sub("", text)
