"""Stack traces of other languages: where they end, the place in the user's own code, and the cause at their root.

Java and its relatives, Node.js, Rust, Go, Julia, .NET, and native traces of sanitizers, gdb and glibc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobwarden.diagnosis.reading import Text
from jobwarden.diagnosis.tracebacks import Frame

_MOST_LINES = 400
_JAVA = re.compile(
    r"^\s+at (?P<where>[\w.$<>/@-]{1,300})\((?P<file>[\w$.-]{1,200}\.(?:java|kt|scala|groovy|clj)):(?P<line>\d{1,7})\)"
)
_NODE = re.compile(
    r"^\s+at (?:(?P<where>[^()]{1,200}) \()?(?:file://)?(?P<file>/[^():]{1,400}|[A-Za-z]:\\[^():]{1,400}):(?P<line>\d{1,7}):\d{1,7}\)?"
)
_GO = re.compile(r"^\t(?P<file>/[^\s:]{1,400}\.go):(?P<line>\d{1,7})(?: \+0x[0-9a-f]+)?")
_RUST = re.compile(r"^\s+at (?P<file>[^\s:]{1,400}\.rs):(?P<line>\d{1,7})(?::\d{1,7})?")
_JULIA = re.compile(
    r"^\s+@ (?P<where>[\w.]{1,80}) (?P<file>[^\s:]{1,400}\.jl):(?P<line>\d{1,7})"
    r"|^\s*\[\d{1,4}\] .{1,300} @ (?P<where2>[\w.]{1,80}) (?P<file2>[^\s:]{1,400}\.jl):(?P<line2>\d{1,7})"
)
_NATIVE = re.compile(
    r"^\s*(?:==\d+==\s+(?:at|by) 0x[0-9A-F]+: (?P<where2>[^(]{1,200})"
    r" \((?P<file2>[^:)]{1,200}):(?P<line2>\d{1,7})\)"
    r"|#\d{1,4}\s+(?:0x[0-9a-f]+ )?in (?P<where>.{1,200}?) (?P<file>[^\s:]{1,400}\.\w{1,4}):(?P<line>\d{1,7}))"
)
_DOTNET = re.compile(r"^\s+at (?P<where>.{1,300}) in (?P<file>[^:]{1,400}):line (?P<line>\d{1,7})")
_FRAMES = (_JAVA, _NODE, _GO, _RUST, _JULIA, _NATIVE, _DOTNET)
_NOT_OURS = re.compile(
    r"^(?:java|javax|jdk|sun|com\.sun|scala|kotlin|groovy|clojure|akka|org\.(?:apache|springframework|eclipse|junit|scalatest|gradle|hibernate))[./]|^(?:java|jdk)\.[a-z.]{1,40}/"
    r"|/node_modules/|^node:|/usr/local/go/|/usr/lib/go|/pkg/mod/|/rustc/|/\.cargo/registry/|/library/(?:std|core|alloc)/|/julia/|^\./[a-z]{1,20}\.jl$|sysdeps/|csu/libc|libsanitizer|/glibc|vg_replace_malloc"
)
_CAUSED = re.compile(r"^\s{0,8}(?:Caused by:?|Suppressed:|\[cause\]:|  \[cause\]:|Root cause:)\s?(?P<what>.{0,600})")
_GOES_ON = re.compile(
    r"^(?:\s|goroutine \d|created by |main\.|\[signal |stack backtrace|Stacktrace|note: |runtime\."
    r"|[\w./*()]{1,200}\(.{0,200}\)$|Node\.js v|==\d+==|\.\.\. \d+ more|\}|\{|SUMMARY: |Shadow bytes|=>0x"
    r"|#\d{1,3}\s|Caused by|in expression starting at|exit status \d)"
)


@dataclass(frozen=True, slots=True)
class Stack:
    """What follows an error's line.

    Attributes:
        end: Behind its last line.
        root: The line of the cause that is named last; the error's own if there is none.
        frame: The first place in the user's own code.
    """

    end: int
    root: int
    frame: Frame | None


def read_stack(text: Text, at: int, rank: str) -> Stack | None:
    """Give the stack trace that follows a line; None where none does."""
    end, root, frame, frames = at + 1, at, None, 0
    blank = 0
    for index in range(at + 1, min(len(text.lines), at + _MOST_LINES)):
        if index in text.gaps:
            break
        if text.rank(index) != rank:
            continue
        line = text.content(index)
        if not line.strip():
            blank += 1
            if blank > 2:
                break
            continue
        if _CAUSED.match(line):
            root, frame = index, None
        elif found := _frame(index, line):
            frames += 1
            frame = frame or (found if _is_own(found, line) else None)
        elif not _GOES_ON.match(line):
            if frames or index - at > 3:
                break
            continue  # a message of several lines, before its trace
        blank = 0
        end = index + 1
    return Stack(end, root, frame) if frames or root != at else None


def _frame(at: int, line: str) -> Frame | None:
    for pattern in _FRAMES:
        if found := pattern.match(line):
            named = found.groupdict()
            file, number = named.get("file") or named.get("file2") or "", named.get("line") or named.get("line2") or "0"
            return Frame(at, file, int(number), (named.get("where") or named.get("where2") or "").strip())
    return None


def _is_own(frame: Frame, line: str) -> bool:
    del line
    return not (_NOT_OURS.search(frame.file) or _NOT_OURS.search(frame.where))
