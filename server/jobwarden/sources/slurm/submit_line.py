"""What a job was submitted with, out of sacct's SubmitLine: options to be given again, the script's arguments. Pure.

The quoting of the line is not kept (22.05.8): words that held blanks look like several. What cannot be read for certain
is refused, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.sources.slurm.stored import ALONE, LONG_ALONE

_ONCE = (
    "parsable", "wait", "test-only", "dependency", "begin", "hold", "job-name", "chdir", "comment", "quiet", "verbose",
    "version", "help", "usage", "deadline", "ignore-pbs", "kill-on-invalid-dep",
)  # fmt: skip
"""Options of that one submission; name, folder and comment are given anew."""
_NEVER = ("wrap", "array", "export-file", "get-user-env", "uid", "gid", "bb", "bbf", "clusters")
"""What makes another kind of job, or another user's."""
_WHOLE = "export"
"""An option by itself, with which the name of another begins."""
_SHORT = {
    "W": "wait", "d": "dependency", "b": "begin", "H": "hold", "J": "job-name", "D": "chdir", "Q": "quiet",
    "v": "verbose", "V": "version", "h": "help", "a": "array", "M": "clusters",
}  # fmt: skip
_MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")
_WRAPPED = "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n"
_PLAIN = re.compile(r"[\w./:=,@%+^~#-]+")
_TOKEN = re.compile(r";?\bjobwarden:jw[0-9a-z]+")
_OURS = re.compile(r" --comment=(?P<comment>(?:(?! --).)*?);?\bjobwarden:jw[0-9a-z]+(?= |$)")
_SCRIPT = re.compile(r"/dev/stdin|.+\.(?:sh|bash|slurm|sbatch|sbat|job|sub|batch|cmd|run|py|pl|csh|zsh)")
_COMMENT = re.compile(r"^#SBATCH\s+--comment[=\s]\s*(?P<value>.+?)\s*$", re.MULTILINE)
_FEW_CHARS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A submit line as it can be given again.

    Attributes:
        options: One word each, as `--mem=4G` or `-p long` in one.
        arguments: Of the script.
        comment: What its comment was.
    """

    options: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    comment: str = ""


def read_submit_line(line: str, script: str, command: str, *, name: str = "") -> Line:
    """Read a submit line.

    Args:
        line: sacct's SubmitLine.
        script: The batch script's text.
        command: scontrol's Command, with the script's path; empty where it is not known any more.
        name: The job's own, which may hold blanks.

    Raises:
        NotAgainError: It is no sbatch, makes no plain job, or cannot be read for certain.
    """
    line = line.strip()
    if not line:
        raise NotAgainError("Slurm has not kept what it was submitted with.")
    rest = line.partition(" ")[2]
    rest, comment = _without_texts(f" {rest}", name)
    if PurePosixPath(line.split(" ", 1)[0]).name != "sbatch":
        raise NotAgainError(f"It was not submitted by sbatch but by: {line[:_FEW_CHARS]}")
    wrapped = script.startswith(_WRAPPED)
    if wrapped:
        rest = _without_wrap(rest, script.removeprefix(_WRAPPED).rstrip("\n"))
    words = rest.split(" ") if rest else []
    options: list[str] = []
    comment = comment or "".join(_COMMENT.findall(script)[-1:]).strip("'\"")
    taken = 0
    for option, value, used in _options(words):
        taken += used
        if option == "comment":
            comment = value
        elif option is not None and not _is_one_of(option, _ONCE):
            options.append(_written(words[taken - used], value if used > 1 else None))
    arguments = words[taken:]
    _check(wrapped, arguments, command)
    return Line(tuple(options), tuple(arguments[1:]), _TOKEN.sub("", comment).strip())


def without_memory(options: Sequence[str], changes: Sequence[str]) -> tuple[str, ...]:
    """Leave out what excludes a change: sbatch takes one of the three forms of memory."""
    if not any(_name(word) in _MEMORY for word in changes):
        return tuple(options)
    return tuple(word for word in options if _name(word) not in _MEMORY)


def comment_with(comment: str, token: str) -> str:
    """Give a comment that a job can be found by; sites and users read JSON in it, which stays JSON."""
    try:
        told = json.loads(comment)
    except ValueError:
        told = None
    if isinstance(told, dict):
        return json.dumps({**told, "jobwarden": token}, separators=(",", ":"))
    return f"{comment};jobwarden:{token}" if comment else f"jobwarden:{token}"


def _without_texts(rest: str, name: str) -> tuple[str, str]:
    """Leave out what is known and may hold blanks: the name, and a comment of ours, which is given back."""
    ours = _OURS.search(rest)
    if ours is not None:
        rest = rest[: ours.start()] + rest[ours.end() :]
    for form in (" --job-name=", " --job-name ", " -J ", " -J"):
        before, found, after = rest.partition(form + name)
        if " " in name and found and (not after or after.startswith(" ")):
            rest = before + after
    return rest.strip(" "), ours["comment"] if ours else ""


def _check(wrapped: bool, words: Sequence[str], command: str) -> None:  # noqa: FBT001 -- one caller
    if wrapped:
        if words:
            raise NotAgainError("Its submit line cannot be read for certain: there are words after what it wraps.")
        return
    for word in words:
        if not _PLAIN.fullmatch(word):
            raise NotAgainError(f"The quoting of its submit line is not kept, and {word[:60]!r} looks quoted.")
    known = command.split(" ")[0] if command not in ("", "(null)") else ""
    script = words[0] if words else "/dev/stdin"
    certain = PurePosixPath(known).name == PurePosixPath(script).name if known else _SCRIPT.fullmatch(script)
    if not certain:
        raise NotAgainError(f"Its submit line cannot be read for certain: is {script[:60]!r} its script?")


def _without_wrap(rest: str, text: str) -> str:
    for form in ("--wrap=", "--wrap "):
        before, found, after = rest.partition(form + text)
        if found and (not after or after.startswith(" ")):
            return f"{before.strip()} {after.strip()}".strip()
    raise NotAgainError("Its submit line cannot be read for certain: it does not hold what it wraps.")


def _options(words: Sequence[str]) -> Iterator[tuple[str | None, str, int]]:
    """Give each option's long name, its value, and how many words it took; up to the first word that is none."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word, used = words[at], 1
        if word == "--":
            yield None, "", 1
            return
        name = _name(word)
        value = word.partition("=")[2] if word.startswith("--") else word[2:]
        if _is_one_of(name, _NEVER):
            raise NotAgainError(f"A job that was submitted with {word[:60]!r} is not submitted again.")
        if _takes_next(word, name):
            used = 2
            value = words[at + 1] if at + 1 < len(words) else ""
        if not word.isascii() or not _PLAIN.fullmatch(value or "-"):
            if name != "comment":
                raise NotAgainError(f"The quoting of its submit line is not kept, and {value[:60]!r} looks quoted.")
            while value.startswith("{") and not _is_json(value) and at + used < len(words):
                value, used = f"{value} {words[at + used]}", used + 1
        yield name, value, used
        at += used


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _name(word: str) -> str:
    return word[2:].partition("=")[0] if word.startswith("--") else _SHORT.get(word[1], word[1])


def _takes_next(word: str, name: str) -> bool:
    if word.startswith("--"):
        return "=" not in word and name not in LONG_ALONE
    return len(word) == 2 and word[1] not in ALONE


def _is_one_of(name: str, options: Sequence[str]) -> bool:
    """Whether it is one of these or cut short to mean one: sbatch takes any beginning that is no option itself."""
    return len(name) > 1 and name != _WHOLE and any(full.startswith(name) for full in options)


def _written(word: str, value: str | None) -> str:
    if value is None:
        return word
    return f"{word}={value}" if word.startswith("--") else f"{word}{value}"
