"""Whether a program went on after something that it said: progress, ordinary lines and words of success."""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import Enum
from functools import lru_cache

from jobwarden.diagnosis.form import squeeze
from jobwarden.diagnosis.reading import Text

_PROGRESS = re.compile(
    r"(?i)\b(?:global[_ ]?step|step|epoch|iter(?:ation)?s?|it|batch|round|episode|chunk|shard|trial|fold|sample"
    r"|item|record|task|stage|iteration|case|file|part|block|request|row|frame)s?"
    r"[\s:=#\[(|]{0,4}\d+|\d{1,3}%\||\b\d{1,7}\s?/\s?\d{1,7}\b|\bit/s\b|\bs/it\b|(?<![a-z])loss\s{0,2}[=:]?\s{0,2}\d|\d{1,3}(?:\.\d{1,4})?\s?%(?!\s{1,4}/)"
    r"|\b(?:saved|saving|wrote|written|writing)\b.{0,80}(?:checkpoint|model|state|result|file|output|\.\w{2,5}\b)|tok(?:ens)?/s|samples/s"
)
_SUCCESS = re.compile(
    r"(?i)\bsuccess(?:ful|fully)?\b|\bsucceeded\b|\bcompleted\b|\b\d{1,7} passed\b|\ball (?:tests|checks|tasks"
    r"|jobs|files|done|good)\b|\bexit(?:ed|ing)? normally\b|\bexit(?:ed|ing)?(?: (?:with|code|status)){1,3}:? ?0\b"
    r"|\bstatus:? (?:ok|completed|success|0)\b|\b(?:training|evaluation|inference|pipeline|run|job|processing"
    r"|simulation|export|download|conversion|build|finetuning) (?:is )?(?:complete|done|finished|ended normally)\b"
    r"|\bexit code:? 0\b|\bnormal termination\b|\bfinished (?:ok|normally|training|all)\b|\brc ?= ?0\b|\bOK\s*$"
)
_WEAK_SUCCESS = re.compile(
    r"(?i)\b(?:done|finished|complete|bye|goodbye|end of|no errors|0 (?:errors|failed|failures))\b"
)
_EPILOGUE = re.compile(
    r"(?i)^(?:\s*$|[=\-_*#~+ ]{4,}$|wandb: |srun: |slurmstepd\S*: |(?:real|user|sys)\s+\d+m|job (?:finished|ended"
    r"|completed|done) (?:at|on)|end(?:ed)?(?: time)?\s?(?:at|:)|finished at|date:|(?:mon|tue|wed|thu|fri|sat"
    r"|sun)\w* .{0,60}$"
    r"|node\.js v\d|exit status \d|note: |\s+at |\s+\^|\[\d+\]:|\s+(?:time|host|rank|exitcode|error_file"
    r"|traceback)\s+:|goroutine \d|\s*\d+: 0x|frame #\d|#\d{1,3}\s{1,4}(?:0x|in )|.{0,300}\[0x[0-9a-f]{4,16}\]$"
    r"|stacktrace|stack trace|backtrace|\s*\[\d+\] .{1,120} @ "
    r"|state: |cores per node|cpu (?:utilized|efficiency)|memory (?:utilized|efficiency)|job id: |cluster: "
    r"|nodes: |usage: |try '|for help|see .{1,80} for|exception raised from|\[w\d|terminate called|\s+what\(\))"
)
_LEAVING = re.compile(
    r"(?i)\bshut(?:ting)?[ -]?down\b|\bstopping\b|\bclosing\b|\bclean(?:ing|ed)?[ -]?up\b|\bteardown\b"
    r"|\bfinali[sz]ing\b"
)
_FAULT = re.compile(
    r"(?i)error|fail|exception|fatal|abort|killed|denied|cannot|can't|could not|unable|traceback|panic|terminat"
    r"|segmentation|cancel|core dumped|not found|no such|exit code [1-9]|errno|warning"
)
_NO_FAULT = re.compile(
    r"(?i)\b\w{0,20}(?:errors?|exceptions?|fail\w{0,10}|abort\w{0,5}|fatal)[\"']?\s?[:=]\s?(?:0(?:\.0{1,4})?\b|null|none|false|\"\"|\[\]|\{\})"
    r"|\b(?:0|no) (?:errors?|failures?|warnings?|exceptions?)\b"
)
_HANDLED = re.compile(
    r"(?i)\bre-?try(?:ing|able)?\b|\bretries left\b|\bwill (?:try|retry)\b|\btry(?:ing)? again\b"
    r"|\bre-?connect(?:ing|ed)?\b|\battempt(?:ing)? ?#?\d{1,3}|\bfall(?:ing|s)?[ -]?back\b|\bfallback\b"
    r"|\bignor(?:ing|ed)\b|\bskipp?(?:ing|ed)?\b"
    r"|\bcontinu(?:ing|e[sd]? (?:with|without|anyway|using))\b|\bhandled\b|\brecover(?:ed|ing|able)\b"
    r"|\bnot fatal\b|\bnon-?fatal\b|\bharmless\b|\bsuppress(?:ed|ing)\b|\bexpected (?:error|failure|exception)"
    r"|\bas expected\b|\bsimulat(?:ed|ing)\b"
    r"|\binjected\b|\btolerat(?:ed|ing)\b|\bworkaround\b|\busing (?:the )?(?:default|cpu|cached|backup)\b"
    r"|\bdefault(?:ing|s)? to\b|\brecomput|\bbacking off\b|\bbackoff\b|\brequeu(?:ed|ing)\b|\bquarantin"
)
_GIVEN_UP = re.compile(
    r"(?i)giv(?:ing|en|e) up|retry (?:count|counter|limit)|retries exceeded|exhausted"
    r"|max(?:imum)? (?:number of )?(?:re)?(?:tries|retries|attempts)"
    r"|no more (?:re)?tries|too many (?:re)?(?:tries|attempts)|failed after|after \d+ (?:attempts|tries|retries)"
    r"|aborting|exiting|cannot continue|can't continue|not retrying|without success"
)
_LAST_TRY = re.compile(r"(?i)(?:attempt|try|retry)\s?#?\(?(\d{1,4})\s?(?:/|of)\s?(\d{1,4})")


_USUAL_LINES = 300
_FIGURES = re.compile(r"[\s\d.,;:+-]{1,200}")


class Sort(Enum):
    """What a line says about how a program does."""

    PROGRESS = 1
    SUCCESS = 2
    DONE = 3
    ORDINARY = 4
    NOTHING = 5


@lru_cache(maxsize=16_384)
def sort_of(body: str, *, level: str, indented: bool = False) -> Sort:
    """Tell what a line says."""
    if not body.strip() or _LEAVING.search(body) or (_EPILOGUE.match(body) and level == ""):
        return Sort.NOTHING
    faulty = _FAULT.search(_NO_FAULT.sub("", body)) is not None
    if _SUCCESS.search(body) and not re.search(
        r"(?i)\b(?:not|un|never|without|in)\s?success|exit code [1-9]|[1-9]\d* (?:failed|errors?)\b", body
    ):
        return Sort.SUCCESS
    if level == "error":
        return Sort.NOTHING
    if not faulty or level == "info":
        if _PROGRESS.search(body):
            return Sort.PROGRESS
        if faulty or indented:
            return Sort.NOTHING
        return Sort.DONE if _WEAK_SUCCESS.search(body) else Sort.ORDINARY
    return Sort.NOTHING


def was_handled(line: str) -> bool:
    """Whether a line says that what failed was tried again or got along without."""
    if _HANDLED.search(line) is None or _GIVEN_UP.search(line):
        return False
    last = _LAST_TRY.search(line)
    return last is None or last[1] != last[2]


def sounds_bad(line: str) -> bool:
    """Whether a line has a word that failures have."""
    return _FAULT.search(line) is not None


def gave_up(line: str) -> bool:
    """Whether a line says that no more tries will follow."""
    return _GIVEN_UP.search(line) is not None


def _opening(text: Text, at: int) -> str:
    """Give the word that a line begins with, where more follows; of a line of figures its shape."""
    body = text.lines[at][text.body_start(at) :]
    opening = body.split(None, 1)
    if _FIGURES.fullmatch(body):
        return squeeze(body.strip())
    return squeeze(opening[0]) if len(opening) == 2 else ""


class Course:
    """How one log goes on after each of its lines.

    Args:
        text: The log.
        inside: Lines of tracebacks, which say nothing of how it goes on.
        start: The first line that matters.
    """

    def __init__(self, text: Text, inside: set[int], start: int) -> None:
        self._by: dict[tuple[Sort, str], list[int]] = {}
        before = range(max(0, start - _USUAL_LINES), start)
        usual = {_opening(text, at) for at in before if at not in inside and not sounds_bad(text.lines[at])} - {""}
        for at in range(start, len(text.lines)):
            if at in inside or not text.lines[at]:
                continue
            indented = text.content(at)[:1].isspace()
            sort = sort_of(text.lines[at][text.body_start(at) :], level=text.level(at), indented=indented)
            if sort is Sort.ORDINARY and _opening(text, at) in usual:
                sort = Sort.PROGRESS  # as before: it does what it did
            if sort is not Sort.NOTHING:
                self._by.setdefault((sort, text.rank(at)), []).append(at)

    def after(self, at: int, sort: Sort, rank: str | None = None) -> int:
        """Count lines of a sort behind a line; of one rank, or of all."""
        return sum(
            len(places) - bisect_right(places, at)
            for (kind, whose), places in self._by.items()
            if kind is sort and rank in {None, whose}
        )

    def last(self, sort: Sort) -> int:
        """Give the last line of a sort; -1 if there is none."""
        return max((places[-1] for (kind, _), places in self._by.items() if kind is sort), default=-1)

    def between(self, start: int, end: int, sort: Sort) -> int:
        """Count lines of a sort between two."""
        return self.after(start, sort) - self.after(end, sort)
