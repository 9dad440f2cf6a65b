"""Files on a job's host, by constant shell text: which match a glob, where they really are, and which hold a pattern.

Needs GNU coreutils there (`stat --printf`, 5.3 of 2005), and Linux's /proc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from jobwarden.transport.base import Transport

CANDIDATES = 20
"""So many of those that match are opened, the newest: a sweep's ten thousand checkpoints are no reason to wait."""

# With an empty IFS an unquoted word is expanded as a glob and never split. The folder is entered first, so that only
# the glob's own characters are special. Every answer ends with a NUL, for a name may hold anything else.
_FIND = r"""
IFS=
cd -- "$1" 2>/dev/null || { printf 'done\0'; exit 0; }
set -- $2
if [ $# -gt 5000 ]; then printf 'many\0done\0'; exit 0; fi
for jw_file in "$@"; do
  if [ -L "$jw_file" ] && [ ! -e "$jw_file" ]; then printf 'dangling\0'; fi
done
stat -L --printf 'file %s %Y %n\0' -- "$@" 2>/dev/null
printf 'done\0'
"""

# What is opened is what is told of: a name may be given to another file meanwhile.
_OPEN = r"""
while [ $# -gt 0 ]; do
  jw_at=$1 jw_file=$2; shift 2
  if [ -d "$jw_file" ]; then
    printf '%s d %s %s\0' "$jw_at" "$(stat -L -c '%s %Y' -- "$jw_file")" "$(realpath -e -- "$jw_file")"
  elif [ -f "$jw_file" ]; then
    {
      printf '%s f %s %s\0' "$jw_at" "$(stat -L -c '%s %Y' /proc/self/fd/3)" "$(readlink /proc/self/fd/3)"
    } 3<"$jw_file"
  fi
done
printf 'done\0'
"""

_SEARCH = r"""
jw_regex=$1; shift
while [ $# -gt 0 ]; do
  jw_at=$1 jw_real=$2; shift 2
  if [ -f "$jw_real" ]; then
    {
      if [ "$(readlink /proc/self/fd/3)" = "$jw_real" ] && grep -a -E -q -e "$jw_regex" <&3; then
        printf '%s\0' "$jw_at"
      fi
    } 3<"$jw_real"
  fi
done
printf 'done\0'
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What to look for.

    Attributes:
        folder: Absolute; its own characters are never a glob's.
        glob: Below it, or absolute.
    """

    folder: str
    glob: str

    @property
    def path(self) -> PurePosixPath:
        """Where that is, by name."""
        return PurePosixPath(self.folder) / self.glob


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder that matches.

    Attributes:
        path: As it was found; of one that was opened, where it really is.
        size: In bytes.
        changed: When it was written last.
        folder: Whether it is a folder.
    """

    path: PurePosixPath
    size: int
    changed: datetime
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """What matches a glob.

    Attributes:
        files: Newest first.
        many: Whether there are too many to look at.
        dangling: Whether there is a link to what is not there.
    """

    files: Sequence[File] = ()
    many: bool = False
    dangling: bool = False


async def files_of(transport: Transport, look: Look, *, timeout_s: float) -> Matches | None:
    """Find what matches; None for an answer that is not whole.

    Raises:
        TransportError: As `Transport.run`.
    """
    pieces = await _run(transport, _FIND, [look.folder, look.glob], timeout_s)
    if pieces is None:
        return None
    files: list[File] = []
    for piece in pieces:
        if piece.startswith("file "):
            file = _read(piece.removeprefix("file "))
            if file is not None:
                files.append(replace(file, path=PurePosixPath(look.folder) / file.path))
    files.sort(key=lambda file: file.changed, reverse=True)
    return Matches(files, many="many" in pieces, dangling="dangling" in pieces)


async def opened(transport: Transport, files: Sequence[File], *, timeout_s: float) -> list[File] | None:
    """Open the newest of these, and tell size, time and place of what was opened; None as `files_of`.

    Raises:
        TransportError: As `Transport.run`.
    """
    chosen = files[:CANDIDATES]
    if not chosen:
        return []
    pieces = await _run(transport, _OPEN, _numbered(file.path for file in chosen), timeout_s)
    if pieces is None:
        return None
    there: list[File] = []
    for piece in pieces:
        at, kind, rest = (*piece.split(" ", 2), "", "")[:3]
        file = _read(rest)
        if file is not None and at.isdigit() and int(at) < len(chosen):
            there.append(replace(file, folder=kind == "d"))
    return there


async def searched(transport: Transport, files: Sequence[File], pattern: str, *, timeout_s: float) -> list[File]:
    """Give those of these opened files that hold an extended regular expression (`grep -E`).

    Raises:
        TransportError: As `Transport.run`.
    """
    if not files:
        return []
    pieces = await _run(transport, _SEARCH, [pattern, *_numbered(file.path for file in files)], timeout_s)
    return [files[int(piece)] for piece in pieces or () if piece.isdigit() and int(piece) < len(files)]


async def _run(transport: Transport, script: str, words: Sequence[str], timeout_s: float) -> list[str] | None:
    done = await transport.run(["sh", "-c", script, "sh", *words], timeout_s=timeout_s)
    pieces = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return pieces[:-2] if pieces[-2:] == ["done", ""] else None


def _numbered(paths: Iterable[PurePosixPath]) -> list[str]:
    return [word for at, path in enumerate(paths) for word in (str(at), str(path))]


def _read(text: str) -> File | None:
    """Read `SIZE SECONDS PATH`."""
    size, _, rest = text.partition(" ")
    seconds, _, path = rest.partition(" ")
    if not (size.isdigit() and seconds.isdigit() and path):
        return None
    return File(PurePosixPath(path), int(size), datetime.fromtimestamp(min(int(seconds), 2**36), UTC))
