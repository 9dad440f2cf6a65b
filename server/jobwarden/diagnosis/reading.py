"""From a log's bytes to lines with their numbers, and what stands before a line's message: rank, time, level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jobwarden.diagnosis.model import Log

_LINE_CHARS = 1600
_MOST_LINES = 400_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BAR = re.compile(r"\d{1,3}%\|")

_RANK = re.compile(
    r"\s{0,2}(?:\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})?(?:\[(?:rank|default)(?P<torch>\d{1,6})\]:?"
    r"|(?P<srun>\d{1,6}): "
    r"|\[\d{1,6},(?P<mpi>\d{1,6})\](?:<std(?:out|err)>)?:?"
    r"|\[(?P<hydra>\d{1,6})\] |\((?P<actor>[A-Za-z_][\w.:]{0,60}(?: rank=\d{1,6})? pid=\d{1,9}(?:, ip=[\d.]{7,15})?)\)"
    r"|\[?[Rr]ank[ :=]?(?P<word>\d{1,6})\]?[:,|] ?) ?"
)
_SURE_RANKS = frozenset({"torch", "mpi", "actor", "word"})
_STAMP = re.compile(
    r"[\[(]?(?P<date>\d{4}[-/]\d\d[-/]\d\d)?[T ,]{0,2}(?P<time>\d\d:\d\d:\d\d)(?P<part>[.,]\d{1,9})?(?:Z"
    r"| ?[+-]\d\d:?\d\d)?[\])]?"
)
_LEVEL = re.compile(
    r"(?<![A-Za-z_.-])(?:(?P<word>CRITICAL|FATAL|SEVERE|ERROR|WARNING|WARN|INFO|DEBUG|TRACE|NOTICE)(?![A-Za-z_=(-])"
    r"|(?:[\"']?(?:level|levelname|lvl|severity)[\"']?\s?[:=]\s?[\"']?)(?P<named>[A-Za-z]{3,9})"
    r"|\[(?P<small>fatal|error|warning|warn|info|debug|trace)\s?\]"
    r"|(?P<letter>[IWEF])\d{4} \d\d:\d\d:\d\d|\[(?P<mark>[IWEF])\] "
    r"|\d\d:\d\d:\d\d[.,]\d{1,9}: (?P<google>[IWEF]) )"
)
_SMALL = re.compile(
    r"(?:[\w./-]{1,120}:(?:\d{1,6}:)? )?(?P<small>warning|note|info|debug|hint)s?\b\s?:|.{0,200}\b\w{0,40}Warning: ",
    re.IGNORECASE,
)
_LEVELS = {
    "CRITICAL": "error", "FATAL": "error", "SEVERE": "error", "ERROR": "error", "ERR": "error",
    "E": "error", "F": "error",
    "CRIT": "error", "PANIC": "error", "WARNING": "warn", "WARN": "warn", "W": "warn",
    "INFO": "info", "DEBUG": "info", "TRACE": "info", "NOTICE": "info", "NOTE": "info", "HINT": "info", "I": "info",
}  # fmt: skip
_FRONT = re.compile(
    r"(?:\s|[\[(<{|>-]{1,3}(?![A-Za-z]{3,}[A-Za-z ]{8})"
    r"|(?:CRITICAL|FATAL|SEVERE|ERROR|WARNING|WARN|INFO|DEBUG|TRACE|NOTICE)(?![A-Za-z_=(])[\]:)|>-]{0,3}"
    r"|[IWEF]\d{4} |[\])>:|,-]{1,3}"
    r"|\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|T(?=\d\d:)"
    r"|\d{1,9}(?=\s)(?! [A-Za-z])){1,12}"
)
_MOST_FRONT = 160


@dataclass(slots=True)
class Text:
    """One log as lines.

    Attributes:
        name: As shown.
        label: Whose it is.
        lines: Cleaned and cut.
        numbers: Of each line in its file; None where that is not known.
        ends: Whether its last line is the file's.
        gaps: Indices of lines before which something is left out.
        ranked: Whether nearly every line says its rank.
    """

    name: str
    label: str
    ends: bool
    lines: list[str] = field(default_factory=list[str])
    numbers: list[int | None] = field(default_factory=list[int | None])
    gaps: set[int] = field(default_factory=set[int])
    ranked: bool = False
    _ranks: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])

    def rank(self, at: int) -> str:
        """Whose line it is; empty where it does not say."""
        return self._rank(at)[0]

    def content(self, at: int) -> str:
        """The line without its rank."""
        return self.lines[at][self._rank(at)[1] :]

    def content_start(self, at: int) -> int:
        """Where the line begins behind its rank."""
        return self._rank(at)[1]

    def body_start(self, at: int) -> int:
        """Where the message begins, behind rank, time and level."""
        line, start = self.lines[at], self._rank(at)[1]
        front = _FRONT.match(line, start, min(len(line), start + _MOST_FRONT))
        return front.end() if front else start

    def level(self, at: int) -> str:
        """How grave the line says it is: error, warn, info, or empty."""
        line = self.lines[at]
        if found := _LEVEL.search(line, 0, 140):
            word = (
                found["word"]
                or found["named"]
                or found["small"]
                or found["letter"]
                or found["mark"]
                or found["google"]
                or ""
            ).upper()
            if level := _LEVELS.get(word):
                return "error" if "NCCL WARN" in line else level
        small = _SMALL.match(line, self._rank(at)[1], 300)
        return (
            ""
            if small is None
            else "info"
            if (small["small"] or "").lower() in {"note", "info", "debug", "hint"}
            else "warn"
        )

    def moment(self, at: int, *, back: int = 30) -> datetime | None:
        """When the line was written, as it or one before it says; naive."""
        for index in range(at, max(-1, at - back), -1):
            if moment := read_moment(self.lines[index]):
                return moment
        return None

    def _rank(self, at: int) -> tuple[str, int]:
        if at not in self._ranks:
            self._ranks[at] = self._find_rank(self.lines[at])
        return self._ranks[at]

    def _find_rank(self, line: str) -> tuple[str, int]:
        found = _RANK.match(line)
        if found is None or not (self.ranked or found.lastgroup in _SURE_RANKS):
            return "", 0
        return found[found.lastgroup or 0], found.end()


def read_moment(line: str) -> datetime | None:
    """Give the date and time that a line begins with, or holds within its first 80 characters."""
    found = _STAMP.search(line, 0, 80)
    if found is None or not found["date"]:
        return None
    part = (found["part"] or ".0")[1:7]
    try:
        return datetime.fromisoformat(f"{found['date'].replace('/', '-')}T{found['time']}.{part:0<6}")
    except ValueError:
        return None


def ended_at(line: str) -> datetime | None:
    """Give the moment at which Slurm says that it ended a job (`CANCELLED AT 2026-11-20T10:05:48`)."""
    found = re.search(r"CANCELLED AT (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", line)
    return read_moment(found[1]) if found else None


def read(log: Log) -> Text:
    """Make lines of a log. Never fails.

    A line that a program wrote over with carriage returns counts as one; it shows its last state, and states before
    that which are no progress bar.
    """
    text = Text(log.name, log.label, log.ends)
    for piece in log.pieces:
        if text.lines:
            text.gaps.add(len(text.lines))
        number = piece.first_line
        rows = piece.data.decode("utf-8", "replace").split("\n")
        if rows and not rows[-1]:
            rows.pop()
        for row in rows[-_MOST_LINES:] if number is None else rows[:_MOST_LINES]:
            for line in _states(row):
                text.lines.append(line)
                text.numbers.append(number)
            number = None if number is None else number + 1
    labelled = [line for line in text.lines[:400] + text.lines[-400:] if line.strip()]
    text.ranked = bool(labelled) and sum(_RANK.match(line) is not None for line in labelled) > 0.6 * len(labelled)
    return text


def _states(row: str) -> Sequence[str]:
    if "\x1b" in row:
        row = _ESCAPES.sub("", row)
    row = row.rstrip("\r")
    if "\r" in row:
        states = [state for state in row.split("\r") if state.strip()]
        kept = [state for state in states[:-1] if not _BAR.search(state)][-20:]
        return [_cut(state) for state in [*kept, *states[-1:]]] or [""]
    return (_cut(row),)


def _cut(line: str) -> str:
    if len(line) > _LINE_CHARS:
        line = f"{line[: _LINE_CHARS - 600]} … {line[-590:]}"
    return _UNSEEN.sub("", line).rstrip() if not line.isascii() or not line.isprintable() else line.rstrip()
