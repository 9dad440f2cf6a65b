"""Looking for the expected outputs of jobs on their host: a few short commands for each, and only at its end.

Whatever goes wrong here concerns one job alone: it is not settled yet, or its output is said not to have been looked
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

import anyio

from jobwarden.logs.allowed import LogRefusedError, Readable, lies_below, readable_folders
from jobwarden.sources.base import Absent, CouldNotAsk, Host, Output, Seen, Sighting, Wanted
from jobwarden.transport.base import Transport
from jobwarden.transport.errors import OutcomeUnknownError, TransportError
from jobwarden.verdict.files_there import CANDIDATES, File, Look, files_of, opened, searched
from jobwarden_registry.model import Expectation
from jobwarden_registry.phases import Phase

_NEWER = timedelta(seconds=60)
"""By how much the clocks of a file server and of a scheduler may differ."""
_ONE_S = 15.0
"""For each command."""
_ALL_S = 30.0
"""For all looks of one question; what is left over is looked for with the next."""
_ABSENT_LONGEST = timedelta(hours=1)
"""A job that is nowhere for longer has been judged."""
_BEHIND = "expect.looking_behind"


async def look_for_outputs(
    host: Host,
    wanted: Sequence[Wanted],
    answer: Mapping[str, Sighting],
    *,
    folders: Sequence[str],
    now: datetime,
    by_hand: bool = False,
) -> Mapping[str, Sighting]:
    """Put beside each success, and each absence that has lasted, what was found of the job's expected outputs.

    Raises nothing of the host's: a job whose output could not be looked for is `CouldNotAsk`, and the others stand.

    Args:
        host: Where the jobs ran.
        wanted: The jobs; only those with `expect` are looked at.
        answer: What their source said.
        folders: Folders that the user's configuration allows to be read there, beside each job's working directory.
        now: The present.
        by_hand: A person wants to know: however long a job has been nowhere.
    """
    expecting = [one for one in wanted if one.expect]
    looks = ((one, _worth_a_look(one, answer.get(one.id), now, by_hand=by_hand)) for one in expecting)
    due = [(one, sighting) for one, sighting in looks if sighting is not None]
    if not due:
        return answer
    near = replace(host, timeout_s=min(host.timeout_s, _ONE_S))
    until = anyio.current_time() + _ALL_S
    looked: dict[str, Sighting] = {}
    for one, sighting in due:
        if anyio.current_time() > until:
            looked[one.id] = _behind(sighting, "others' outputs took all the time")
            continue
        try:
            outputs = await find_outputs(near, one, sighting, folders=folders)
        except TransportError as error:
            looked[one.id] = _behind(sighting, error.text)
            continue
        looked[one.id] = sighting.model_copy(update={"outputs": outputs})
    return {**answer, **looked}


async def find_outputs(
    host: Host, one: Wanted, sighting: Sighting | None, *, folders: Sequence[str]
) -> tuple[Output, ...]:
    """Say what is there of a job's expected outputs now, in whatever state the job is.

    Args:
        host: Where it ran.
        one: The job; it has `expect`.
        sighting: What its source said, where that is known.
        folders: As `look_for_outputs`.

    Raises:
        TransportError: The host could not be asked. One that takes too long gives outputs that were not looked for.
    """
    try:
        return await _outputs(host, one, sighting if isinstance(sighting, Seen) else None, folders)
    except OutcomeUnknownError:
        return _all_unseen(one, f"no answer within {host.timeout_s:.0f} s")


def _worth_a_look(one: Wanted, sighting: Sighting | None, now: datetime, *, by_hand: bool) -> Seen | Absent | None:
    match sighting:
        case Seen(phase=Phase.SUCCEEDED):
            return sighting
        case Absent() if by_hand:
            return sighting
        case Seen() if not (sighting.phase.final and one.has_run_since(sighting)):
            return None
        case Seen() | Absent() if one.absent_since is not None and now - one.absent_since < _ABSENT_LONGEST:
            return sighting  # which is nowhere, too, where a run before the present one is all that is known
        case _:
            return None


def _behind(sighting: Seen | Absent, why: str) -> CouldNotAsk:
    text = f"Its expected output has not been looked for yet: {why}"
    return CouldNotAsk(code=_BEHIND, text=text, evidence=sighting.evidence)


def _all_unseen(one: Wanted, why: str) -> tuple[Output, ...]:
    return tuple(_unseen(expect, why) for expect in one.expect)


def _unseen(expect: Expectation, why: str) -> Output:
    return Output(expect=expect, found=None, line=f"{expect.path} was not looked for: {why}")


@dataclass(frozen=True, slots=True)
class _Rules:
    """What decides about files.

    Attributes:
        homes: Folders whose files may be read, links resolved.
        since: What is older is of before the job.
    """

    homes: Sequence[PurePosixPath]
    since: datetime

    def too_old(self, file: File) -> bool:
        """Whether it was there before the job."""
        return file.changed < self.since - _NEWER


async def _outputs(host: Host, one: Wanted, seen: Seen | None, folders: Sequence[str]) -> tuple[Output, ...]:
    work_dir = (seen.work_dir if seen is not None else None) or one.work_dir
    since = one.submitted_at or (seen.submitted_at if seen is not None else None)
    if seen is not None and one.has_run_since(seen):
        since = one.run_submitted_at
    if since is None:
        return _all_unseen(one, "when the job was submitted is not known")
    try:
        readable = Readable(work_dir=work_dir, folders=folders)
        homes = await readable_folders(host.transport, readable, timeout_s=host.timeout_s)
    except LogRefusedError as error:
        return _all_unseen(one, error.text)
    named = (*homes, *map(PurePosixPath, folders), *([PurePosixPath(work_dir)] if work_dir else []))
    rules = _Rules(homes, since)
    return tuple([await _output(host, expect, work_dir, named, rules) for expect in one.expect])


async def _output(
    host: Host, expect: Expectation, work_dir: str | None, named: Sequence[PurePosixPath], rules: _Rules
) -> Output:
    absolute = expect.path.startswith("/")
    if not absolute and not work_dir:
        return _unseen(expect, "no working directory is known")
    look = Look("/" if absolute else work_dir or "/", expect.path)
    if not lies_below(look.path, named):
        return _unseen(expect, "it is not below the working directory, nor where `read` allows")
    transport, limit_s = host.transport, host.timeout_s
    found = await files_of(transport, look, timeout_s=limit_s)
    if found is None:
        return _unseen(expect, "the commands there gave no whole answer")
    good = [file for file in found.files if not rules.too_old(file) and file.size >= expect.min_bytes]
    there = await opened(transport, good, timeout_s=limit_s)
    if there is None:
        return _unseen(expect, "the commands there gave no whole answer")
    allowed = [file for file in there if lies_below(file.path, rules.homes)]
    match = await _first(transport, expect, [file for file in allowed if not rules.too_old(file)], limit_s)
    if match is not None:
        line = f"{match.path} is there: {match.size} bytes, {match.changed:%Y-%m-%d %H:%M:%S} UTC"
        return Output(expect=expect, found=True, line=line)
    if found.many or len(good) > CANDIDATES:
        return _unseen(expect, "too many files match")
    if len(allowed) < len(good) or found.dangling:
        return _unseen(expect, "it is a link that leads elsewhere, or no plain file")
    return Output(expect=expect, found=False, line=f"{expect.path} {_why_not(expect, found.files, allowed, rules)}")


async def _first(transport: Transport, expect: Expectation, files: Sequence[File], limit_s: float) -> File | None:
    """Give the first file that is large enough and holds the pattern."""
    fitting = [file for file in files if file.size >= expect.min_bytes]
    if expect.pattern is None:
        return fitting[0] if fitting else None
    plain = [file for file in fitting if not file.folder]
    holding = await searched(transport, plain, expect.pattern, timeout_s=limit_s)
    return holding[0] if holding else None


def _why_not(expect: Expectation, files: Sequence[File], allowed: Sequence[File], rules: _Rules) -> str:
    if allowed:
        return f"does not hold {expect.pattern!r}"
    newer = [file for file in files if not rules.too_old(file)]
    if newer:
        return f"has {max(file.size for file in newer)} bytes, not {expect.min_bytes}"
    if files:
        return f"is older than the job ({max(file.changed for file in files):%Y-%m-%d %H:%M:%S} UTC)"
    return "is not there"
