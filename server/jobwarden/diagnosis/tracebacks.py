"""Python's tracebacks in a log: where they are, whose, how they are chained, and the last frame of the user's own code.

Forms: the plain one (3.8 to 3.14), of exception groups, of worker processes (multiprocessing, concurrent.futures, Ray),
of rich and of IPython; a SyntaxError, which has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobwarden.diagnosis.form import squeeze
from jobwarden.diagnosis.reading import Text

_HEADER = re.compile(r"(?P<group>Exception Group )?Traceback \(most recent call last\)(?::| ?[─-]{2,}.*|$)")
_STACK_HEADER = re.compile(r"^\s*(?:Current thread|Thread) 0x[0-9a-f]{4,16}.{0,80}\(most recent call first\)")
_IPYTHON = re.compile(r"^(?P<name>[A-Za-z_][\w.]{0,100})\s{2,200}Traceback \(most recent call last\)\s*$")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,9})(?:, in (?P<where>.{1,200}))?')
_RICH_FRAME = re.compile(r"^[│|] (?P<file>/?[^\s:│]{1,300}):(?P<line>\d{1,9}) in (?P<where>[^\s│]{1,100})")
_CELL_FRAME = re.compile(
    r"^(?:Cell |File |/)?(?P<file>In ?\[\d{1,5}\]"
    r"|[^\s,:]{1,300}\.py)[,:] ?(?:line )?(?P<line>\d{1,9})(?:, in (?P<where>.{1,200}))?"
)
_EXCEPTION = re.compile(
    r"^(?P<type>(?:[A-Za-z_]\w{0,100}\.){0,8}[A-Za-z_]\w{0,100}(?:\([A-Za-z_][\w.]{0,100}\))?)(?::\s?(?P<message>.{0,1500}))?$"
)
_DIRECT = "The above exception was the direct cause of the following exception:"
_DURING = "During handling of the above exception, another exception occurred:"
_GROUP_EDGE = re.compile(r"^(?: {0,40}[|+](?:[ |+-]{0,60}(?= |$))? ?)")
_SEPARATOR = re.compile(r"^[\s|+]*\+?-[+-]*-{4,} ?(?:\d{1,4}|\.\.\.)? ?-*\s*$")
_NOT_OURS = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages)/|/lib(?:64|32)?/python\d|/lib/pypy|^<frozen |^<(?:string|stdin"
    r"|__array_function__ internals|decorator-gen.*|unknown)>$"
    r"|/conda/pkgs/|^[a-z_]{1,30}\.pyx$|\.pyx$|\.venv/lib|/opt/conda/lib"
)
_MOST_FRAMES = 30_000
_MESSAGE_LINES = 14
_FOREIGN_LINES = 20
_MOST_HEADERS = 1500
_NOT_A_MESSAGE = re.compile(
    r"\s{0,2}(?:srun|slurmstepd\S{0,60}|mpirun|prterun|wandb|make|sbatch): |\[?\d{4}-\d\d-\d\d|(?:Killed|Aborted"
    r"|Segmentation fault)\b"
)
_SYNTAX = re.compile(r"^(?:\s{0,8})(?P<type>SyntaxError|IndentationError|TabError): (?P<message>.{1,500})")


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in code.

    Attributes:
        at: Its line's index in the log.
        file: As the trace names it.
        line: In that file.
        where: The function.
        source: The code there, where the trace shows it.
    """

    at: int
    file: str
    line: int
    where: str
    source: str = ""

    @property
    def own(self) -> bool:
        """Whether it is the user's own code: neither the standard library's nor an installed package's."""
        return _NOT_OURS.search(self.file) is None


@dataclass(slots=True)
class Traceback:
    """One exception with its frames.

    Attributes:
        start: Index of its first line.
        at: Index of the line with its type and message; the last of what is there if it was cut off.
        end: Index behind its last line, continued messages left out.
        rank: Whose.
        type: The exception's full name; empty if it was cut off.
        message: Of that line.
        frames: From the outermost.
        cause: The exception before it in the chain.
        direct: Whether that was its direct cause (`raise … from`).
        group: Whether it is a group of exceptions.
        ignored: Python itself only mentions it: in a destructor, at exit, in logging.
        thread: Raised in a thread, which may have left the program running.
        used: Lines of it.
    """

    start: int
    at: int
    end: int
    rank: str
    type: str = ""
    message: str = ""
    frames: list[Frame] = field(default_factory=list[Frame])
    cause: Traceback | None = None
    direct: bool = False
    group: bool = False
    ignored: bool = False
    thread: bool = False
    used: set[int] = field(default_factory=set[int])

    @property
    def name(self) -> str:
        """The exception's name without its module."""
        return self.type.split("(")[0].rsplit(".", 1)[-1]

    def chain(self) -> Iterator[Traceback]:
        """Give it and what came before it, the root last."""
        one: Traceback | None = self
        while one is not None:
            yield one
            one = one.cause

    def own_frame(self) -> Frame | None:
        """Give the last frame of the user's own code, here or else in what came after in the chain."""
        return next((frame for frame in reversed(self.frames) if frame.own), None)


def find_tracebacks(text: Text) -> list[Traceback]:
    """Give all tracebacks of a log in their order; those that are the cause of a later one are within that one too."""
    found: list[Traceback] = []
    reader = _Reader(text)
    headers = [
        at for at, line in enumerate(text.lines) if "Traceback (most recent call last)" in line or "Error: " in line
    ]
    for at in headers if len(headers) <= 2 * _MOST_HEADERS else [*headers[:_MOST_HEADERS], *headers[-_MOST_HEADERS:]]:
        line = text.lines[at]
        if "Traceback (most recent call last)" in line and at not in reader.taken:
            traceback = reader.read(at)
            found.append(traceback)
            reader.taken.update(traceback.used)
        elif (syntax := _SYNTAX.match(text.content(at)) if "Error: " in line else None) and at not in reader.taken:
            found.append(reader.syntax(at, syntax))
    _link(text, found)
    return found


class _Reader:
    """Reads one traceback after the other, over lines of other ranks in between."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self.taken: set[int] = set()

    def read(self, at: int) -> Traceback:
        text = self._text
        line = text.content(at)
        header = _HEADER.search(line)
        edge = line[: header.start()] if header else ""
        result = Traceback(at, at, at + 1, text.rank(at), used={at})
        if header and header["group"]:
            result.group = True
        self._before(result)
        ipython = _IPYTHON.match(line)
        boxed = "─" in line or ("--" in edge and "+" in edge and not ipython)
        indent = len(edge) - len(edge.lstrip()) if not edge.strip() else 0
        front = re.compile(re.escape(squeeze(edge)).replace("0", "[0-9]{1,12}"), re.IGNORECASE)
        foreign = 0
        for index in self._following(at, result.rank):
            content = self._strip(text.content(index), edge, front)
            if boxed and content.startswith(("│", "|", "╰", "╭", "+", " ")):
                self._boxed(result, index, content)
            elif (content[:1].isspace() and len(content) - len(content.lstrip()) > indent) or (
                self._is_source(content) and not ipython
            ):
                self._inside(result, index, content)
            elif ipython and not content.startswith(f"{ipython['name']}:") and content != ipython["name"]:
                self._cell(result, index, content)
            elif boxed and not content.strip():
                result.used.add(index)
            elif self._exception(result, index, content.strip()):
                return result
            elif (foreign := foreign + 1) > _FOREIGN_LINES:
                return result  # cut off, or another program writes between
        return result

    def syntax(self, at: int, found: re.Match[str]) -> Traceback:
        text = self._text
        result = Traceback(at, at, at + 1, text.rank(at), found["type"], found["message"], used={at})
        for index in range(max(0, at - 5), at):
            if frame := _FRAME.match(text.content(index)):
                result.start = index
                result.frames.append(Frame(index, frame["file"], int(frame["line"]), frame["where"] or ""))
                result.used.update(range(index, at))
        return result

    def _before(self, result: Traceback) -> None:
        """Look at what announces it."""
        for index in range(result.start - 1, max(-1, result.start - 4), -1):
            line = self._text.content(index).strip()
            if line.startswith(
                ("Exception ignored in", "Error in atexit", "--- Logging error ---", "Exception ignored while")
            ):
                result.ignored = True
                result.used.add(index)
            elif line.startswith("Exception in thread ") or "exception was never retrieved" in line:
                result.thread = True
                result.used.add(index)
            if line:
                return

    def _following(self, at: int, rank: str) -> Iterator[int]:
        for index in range(at + 1, min(len(self._text.lines), at + _MOST_FRAMES)):
            if index in self._text.gaps:
                return
            if self._text.rank(index) == rank:
                yield index

    @staticmethod
    def _strip(content: str, edge: str, front: re.Pattern[str]) -> str:
        """Take away what stands before the traceback in each of its lines: a box's edge, or a logger's prefix."""
        if not edge.strip():
            return content
        if not content[: len(edge)].strip(" |+"):
            return content[len(edge) :]
        found = front.match(content)
        return content[found.end() :] if found else content

    @staticmethod
    def _is_source(content: str) -> bool:
        return content.startswith(("[Previous line repeated", "...<")) or _FRAME.match(content) is not None

    @staticmethod
    def _inside(result: Traceback, index: int, content: str) -> None:
        result.used.add(index)
        result.end = index + 1
        result.at = index
        if frame := _FRAME.match(content):
            result.frames.append(Frame(index, frame["file"], int(frame["line"]), frame["where"] or ""))
        elif result.frames and not result.frames[-1].source and content.strip(" ~^"):
            last = result.frames[-1]
            result.frames[-1] = Frame(last.at, last.file, last.line, last.where, content.strip())

    @staticmethod
    def _boxed(result: Traceback, index: int, content: str) -> None:
        result.used.add(index)
        result.end = index + 1
        if frame := _RICH_FRAME.match(content):
            result.frames.append(Frame(index, frame["file"], int(frame["line"]), frame["where"] or ""))
        elif result.frames and "❱" in content:
            last, code = result.frames[-1], content.split("❱", 1)[1].strip(" │0123456789")
            result.frames[-1] = Frame(last.at, last.file, last.line, last.where, code)

    @staticmethod
    def _cell(result: Traceback, index: int, content: str) -> None:
        result.used.add(index)
        result.end = index + 1
        if frame := _CELL_FRAME.match(content):
            result.frames.append(Frame(index, frame["file"], int(frame["line"]), frame["where"] or ""))

    @staticmethod
    def _exception(result: Traceback, index: int, content: str) -> bool:
        found = _EXCEPTION.match(content)
        if found is not None and (found["type"].rsplit(".", 1)[-1][0].isupper() or "." in found["type"]):
            result.type, result.message = found["type"], (found["message"] or "").strip()
            result.at = index
            result.end = index + 1
            result.used.add(index)
            return True
        return False


def message_lines(text: Text, traceback: Traceback) -> range:
    """Give the lines of an exception's message: its first, and those after it up to a blank one."""
    end = traceback.end
    for index in range(traceback.end, min(len(text.lines), traceback.end + _MESSAGE_LINES)):
        line = text.content(index)
        if index in text.gaps or "Traceback (most recent" in line or _NOT_A_MESSAGE.match(line):
            break
        if text.rank(index) != traceback.rank:
            continue
        if not line.strip():
            if traceback.message.endswith(":") and index <= traceback.end + 1:
                continue
            break
        end = index + 1
    return range(traceback.at, max(end, traceback.at + 1))


def _link(text: Text, found: list[Traceback]) -> None:
    """Chain those between which Python says how they belong together."""
    last: dict[str, Traceback] = {}
    for one in found:
        before = last.get(one.rank)
        if before is not None and text.content(one.start).startswith("Original Traceback"):
            before.cause, before.direct = one, True  # PyTorch's way of showing a worker's exception
            continue
        if before is not None and (said := _between(text, before.end, one.start, one.rank)):
            one.cause, one.direct = before, said == _DIRECT
        last[one.rank] = one


def _between(text: Text, start: int, end: int, rank: str) -> str:
    if end - start > 400:
        return ""
    for index in range(end - 1, max(start, end - 60) - 1, -1):
        if text.rank(index) != rank:
            continue
        line = text.content(index).strip().lstrip("|+ ")
        if line in {_DIRECT, _DURING}:
            return line
        if line and line.strip("\"'") and not line.startswith(("multiprocessing.", "concurrent.", "joblib.")):
            return ""
    return ""
