"""Looking for the expected outputs of a job on its host: three short commands at most, and only at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from jobwarden.logs.allowed import LogRefusedError, Readable, lies_below, readable_folders
from jobwarden.sources.base import Absent, CouldNotAsk, Host, Output, Seen, Sighting, Wanted
from jobwarden_registry.model import Expectation
from jobwarden_registry.phases import Phase

_NEWER = timedelta(seconds=60)
"""By how much the clocks of a file server and of a scheduler may differ."""

# Constant text. With an empty IFS an unquoted word is expanded as a glob and never split; what does not match stays
# as it is, and is not there. Each answer ends with a NUL, for a name may hold anything else.
_FIND = r"""
IFS=
while [ $# -gt 0 ]; do
  jw_n=0
  for jw_file in $2; do
    [ -e "$jw_file" ] || continue
    jw_n=$((jw_n + 1)); [ "$jw_n" -le 200 ] || break
    printf '%s %s %s\0' "$1" "$(stat -L -c '%s %Y' -- "$jw_file")" "$(realpath -e -- "$jw_file")"
  done
  shift 2
done
printf 'done\0'
"""
_SEARCH = r"""
while [ $# -gt 0 ]; do
  if grep -a -E -q -e "$2" -- "$3"; then printf '%s\0' "$1"; fi
  shift 3
done
printf 'done\0'
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """One expectation of one job.

    Attributes:
        job: The job's id.
        expect: What must be there.
        glob: Where, absolute; empty where that is not known.
        since: It must be newer than this.
    """

    job: str
    expect: Expectation
    glob: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _File:
    path: PurePosixPath
    size: int
    changed: datetime


async def look_for_outputs(
    host: Host, wanted: Sequence[Wanted], answer: Mapping[str, Sighting], *, folders: Sequence[str]
) -> Mapping[str, Sighting]:
    """Put beside each success, and each absence that has lasted, what was found of the job's expected outputs.

    Args:
        host: Where the jobs ran.
        wanted: The jobs; only those with `expect` are looked at.
        answer: What their source said.
        folders: Folders that the user's configuration allows to be read there, beside each job's working directory.

    Raises:
        TransportError: As `Transport.run`.
    """
    looked: dict[str, Sighting] = {}
    for one in wanted:
        sighting = answer.get(one.id)
        if one.expect and isinstance(sighting, Seen | Absent) and _worth_a_look(one, sighting):
            outputs = await _outputs(host, one, sighting, folders)
            looked[one.id] = sighting.model_copy(update={"outputs": outputs}) if outputs else _unseen(sighting)
    return {**answer, **looked} if looked else answer


def _worth_a_look(one: Wanted, sighting: Seen | Absent) -> bool:
    return sighting.phase is Phase.SUCCEEDED if isinstance(sighting, Seen) else one.absent_since is not None


def _unseen(sighting: Seen | Absent) -> CouldNotAsk:
    text = "Its expected output could not be looked for: the commands there gave no whole answer."
    return CouldNotAsk(code="expect.unreadable", text=text, evidence=sighting.evidence)


async def _outputs(host: Host, one: Wanted, sighting: Seen | Absent, folders: Sequence[str]) -> tuple[Output, ...]:
    """Look for all expectations of one job; nothing when the host's programs gave no whole answer."""
    work_dir = (sighting.work_dir if isinstance(sighting, Seen) else None) or one.work_dir
    looks = [_Look(one.id, expect, _absolute(expect.path, work_dir), one.submitted_at) for expect in one.expect]
    try:
        homes = await readable_folders(
            host.transport, Readable(work_dir=work_dir, folders=folders), timeout_s=host.timeout_s
        )
    except LogRefusedError:
        return ()
    known = [look for look in looks if look.glob]
    files = await _find(host, known) if known else {}
    if files is None:
        return ()
    files = {index: [file for file in found if lies_below(file.path, homes)] for index, found in files.items()}
    matched = await _search(host, known, files)
    if matched is None:
        return ()
    found = {look: files.get(index, []) for index, look in enumerate(known)}
    allowed = (*homes, *map(PurePosixPath, folders), *([PurePosixPath(work_dir)] if work_dir else []))
    return tuple(_judged(look, allowed, found.get(look, []), matched) for look in looks)


def _absolute(path: str, work_dir: str | None) -> str:
    if path.startswith("/"):
        return path
    return f"{work_dir.rstrip('/')}/{path}" if work_dir else ""


async def _find(host: Host, looks: Sequence[_Look]) -> dict[int, list[_File]] | None:
    words = [word for index, look in enumerate(looks) for word in (str(index), look.glob)]
    done = await host.transport.run(["sh", "-c", _FIND, "sh", *words], timeout_s=host.timeout_s)
    pieces = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if pieces[-2:] != ["done", ""]:
        return None
    found: dict[int, list[_File]] = {}
    for piece in pieces[:-2]:
        index, size, seconds, path = piece.split(" ", 3)
        file = _File(PurePosixPath(path), int(size), datetime.fromtimestamp(int(seconds), UTC))
        found.setdefault(int(index), []).append(file)
    return found


async def _search(
    host: Host, looks: Sequence[_Look], files: Mapping[int, Sequence[_File]]
) -> set[tuple[PurePosixPath, str]] | None:
    """Give the files that hold a pattern, each with that."""
    wanted = [
        (file.path, looks[index].expect.pattern or "")
        for index, found in files.items()
        if looks[index].expect.pattern
        for file in found
    ]
    if not wanted:
        return set()
    words = [word for at, (path, pattern) in enumerate(wanted) for word in (str(at), pattern, str(path))]
    done = await host.transport.run(["sh", "-c", _SEARCH, "sh", *words], timeout_s=host.timeout_s)
    pieces = done.stdout.decode("utf-8", "replace").split("\0")
    if pieces[-2:] != ["done", ""]:
        return None
    return {wanted[int(piece)] for piece in pieces[:-2]}


def _judged(
    look: _Look, allowed: Sequence[PurePosixPath], files: Sequence[_File], matched: set[tuple[PurePosixPath, str]]
) -> Output:
    expect = look.expect
    if not look.glob:
        return Output(expect=expect, found=None, line=f"{expect.path} was not looked for: no working directory known")
    if not lies_below(PurePosixPath(look.glob), allowed):
        line = f"{expect.path} was not looked for: it is not below the working directory, nor where `read` allows"
        return Output(expect=expect, found=None, line=line)
    why = "is not there"
    for file in files:
        why = _what_is_wrong(look, file, matched)
        if not why:
            line = f"{file.path} is there: {file.size} bytes, {file.changed:%Y-%m-%d %H:%M:%S} UTC"
            return Output(expect=expect, found=True, line=line)
    return Output(expect=expect, found=False, line=f"{expect.path} {why}")


def _what_is_wrong(look: _Look, file: _File, matched: set[tuple[PurePosixPath, str]]) -> str:
    if look.since is not None and file.changed < look.since - _NEWER:
        return f"is older than the job ({file.changed:%Y-%m-%d %H:%M:%S} UTC)"
    if file.size < look.expect.min_bytes:
        return f"has {file.size} bytes, not {look.expect.min_bytes}"
    if look.expect.pattern and (file.path, look.expect.pattern) not in matched:
        return f"does not hold {look.expect.pattern!r}"
    return ""
