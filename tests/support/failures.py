"""The failures of tests/data/failures as `diagnose` takes them, and how right an answer is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from jobwarden.diagnosis.model import Category, Diagnosis, Log, Outcome, Piece

DATA = Path(__file__).parents[1] / "data" / "failures"
FACTS = {field.name for field in fields(Outcome)}
STREAMS = {"out": "stdout", "err": "stderr"}


@dataclass(frozen=True)
class Failure:
    """One case and its truth.

    Attributes:
        right: Pairs of category and kind, the best first; an empty kind: any.
        lines: File and number of each telling line, the most telling first.
        silent: Whether its logs alone say nothing.
    """

    name: str
    logs: tuple[Log, ...]
    outcome: Outcome
    right: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, int], ...]
    retryable: tuple[str, ...]
    healthy: bool
    silent: bool

    @property
    def category(self) -> str:
        """The one it is counted under."""
        return self.right[0][0]

    @property
    def size_bytes(self) -> int:
        """Of all its logs."""
        return sum(len(piece.data) for log in self.logs for piece in log.pieces)


@dataclass(frozen=True)
class Answered:
    """What was said of a case.

    Attributes:
        with_outcome: Whether it was known how the job had ended.
    """

    failure: Failure
    diagnosis: Diagnosis
    with_outcome: bool

    @property
    def right(self) -> bool:
        """Whether the category is one of the right ones."""
        return any(self.diagnosis.category == category for category, _ in self.failure.right)

    @property
    def right_kind(self) -> bool:
        """Whether the kind is right, too."""
        said = (self.diagnosis.category, self.diagnosis.kind)
        return any(said[0] == category and kind in {"", said[1]} for category, kind in self.failure.right)

    @property
    def right_retry(self) -> bool:
        """Whether what is said of another try is true."""
        return self.diagnosis.retryable in self.failure.retryable

    @property
    def shown(self) -> list[tuple[str, int]]:
        """The lines that it rests on, without their neighbours."""
        found = [line for line in self.diagnosis.evidence if not line.context]
        return [(line.file, line.line) for line in found if line.line is not None]

    @property
    def line_first(self) -> bool:
        """Whether the first line shown is a telling one."""
        return bool(self.shown) and self.shown[0] in self.failure.lines

    @property
    def line_shown(self) -> bool:
        """Whether a telling line is shown."""
        return bool(set(self.shown) & set(self.failure.lines))


@cache
def truth() -> Mapping[str, Any]:
    """Read the truth file: by case."""
    cases: Mapping[str, Any] = json.loads((DATA / "truth.json").read_text("utf-8"))["cases"]
    return cases


def failures() -> list[Failure]:
    """Read every case."""
    return [_failure(name, told) for name, told in truth().items()]


def _failure(name: str, told: Mapping[str, Any]) -> Failure:
    logs = tuple(Log(file, (Piece((DATA / file).read_bytes()),), label=_label(name, file)) for file in told["files"])
    also = [tuple((also + " ").split(" ")[:2]) for also in told["also_right"]]
    return Failure(
        name=name,
        logs=logs,
        outcome=Outcome(**{key: value for key, value in told.items() if key in FACTS}),
        right=((told["category"], told["kind"]), *((pair[0], pair[1]) for pair in also)),
        lines=tuple((spot["file"], spot["line"]) for spot in told["evidence"]),
        retryable=tuple(told["retryable"]),
        healthy=told["healthy"],
        silent=not told["alone"],
    )


def _label(name: str, file: str) -> str:
    part = Path(file).name.removeprefix(f"{Path(name).name}.")
    if rank := re.search(r"(?:rank|task)[_-]?(\d+)", part):
        return f"rank {rank[1]}"
    return STREAMS.get(part, "")


def ask(diagnose: Callable[[tuple[Log, ...], Outcome], Diagnosis]) -> list[Answered]:
    """Ask about every case: with what is known of its end, and by its logs alone where they say something."""
    answers: list[Answered] = []
    for failure in failures():
        answers.append(Answered(failure, diagnose(failure.logs, failure.outcome), with_outcome=True))
        if not failure.silent:
            answers.append(Answered(failure, diagnose(failure.logs, Outcome()), with_outcome=False))
    return answers


def false_alarms(answers: list[Answered]) -> list[str]:
    """Name the healthy ones of which a failure was said; `unknown` says that it failed."""
    return [a.failure.name for a in answers if a.failure.healthy and a.diagnosis.category is not Category.NONE]
