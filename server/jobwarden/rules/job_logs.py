"""The logs of one job, for its rules: which files they are, whether they may be read, and what is new in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import anyio

from jobwarden.actions.planning import run_of, runs_of
from jobwarden.logs.allowed import LogRefusedError, allowed_path
from jobwarden.rules.reading import Read, anew, read_aside, read_on, why_refused
from jobwarden.rules.sight import Text
from jobwarden.rules.state import JobRules, Place
from jobwarden.sources.log_files import JobLogs, LogFile
from jobwarden.verdict.log_files import file_of, logs_of, readable_at, with_claimed
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase

if TYPE_CHECKING:
    from jobwarden.transport.base import Transport
    from jobwarden.verdict.rounds import Rounds

_ALLOWED_S = 600.0
"""A path that might be read is not looked at anew for so long, as long as the same file lies there."""
_FILES_KEPT = 8

Run = tuple[str, int]
"""A run's id, and how many the job had had when it was there."""


@dataclass(slots=True)
class New:
    """What one look at all of a job's logs brought: see `sight.Look`.

    Attributes:
        files: Where to go on.
        more: Whether there is more to be read at once.
        known: Whether it is known at all where the job writes.
    """

    files: dict[str, Place]
    texts: list[Text] = field(default_factory=list[Text])
    grew: set[str] = field(default_factory=set[str])
    unread: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    more: bool = False
    known: bool = True

    def take(self, read: Read, streams: tuple[str, ...], run: Run) -> None:
        """Add what one file brought: lines of this run."""
        self.texts += read.texts(streams, run)
        self.more = self.more or read.more


class LogReader:
    """Reads for all jobs of one watcher; remembers which paths might be read."""

    def __init__(self, rounds: Rounds, env: Mapping[str, str]) -> None:
        self._rounds = rounds
        self._env = env
        self._allowed: dict[tuple[str, str, str], tuple[PurePosixPath, float]] = {}

    async def read(self, record: JobRecord, state: JobRules, streams: Collection[str], *, last: bool) -> New:
        """Read what is new in these streams. What cannot be read is said in what comes back."""
        new = New(dict(state.files))
        try:
            logs = with_claimed(record, await logs_of(self._rounds, record))
        except JobwardenError as error:
            new.unread = dict.fromkeys(streams, error.text)
            return new
        wanted: dict[tuple[str, str], list[str]] = {}
        for stream in sorted(streams, key=lambda name: name != "stdout"):
            file = file_of(logs.files, stream)
            if file is None:
                new.unread[stream] = f"It is not known where it writes its {stream}."
                new.known = False
            else:
                wanted.setdefault((file.host or record.host, file.path), []).append(stream)
        current: set[str] = set()
        for (host, path), names in wanted.items():
            try:
                current.add(
                    await self._one(record, state, logs, LogFile(names[0], path, host), tuple(names), new, last)
                )
            except JobwardenError as error:
                refused = why_refused(error)
                (new.unread if refused is None else new.refused).update(dict.fromkeys(names, error.text))
                if refused is not None:
                    self._allowed.pop((record.uid, host, path), None)
        if not new.unread and not new.refused:
            await self._leave(current, new)
        return new

    async def is_missing(self, record: JobRecord, path: str) -> bool | None:
        """Say whether a file is missing; None where its host does not answer.

        Raises:
            LogRefusedError: It is none that may be looked for.
        """
        folder = record.work_dir or ""
        full = path if path.startswith("/") else f"{folder.rstrip('/')}/{path}" if folder else ""
        if not full:
            return None
        logs = JobLogs(work_dir=record.work_dir)
        readable = replace(readable_at(self._rounds, record, logs, LogFile("", full), self._env), log=record.log)
        try:
            async with self._rounds.transports.lease(record.host) as transport:
                timeout_s = self._rounds.config.clocks.ask_timeout_s
                real = await allowed_path(transport, full, readable, timeout_s=timeout_s)
                return await transport.read(real, start=0, max_bytes=0) is None
        except LogRefusedError:
            raise
        except JobwardenError as error:
            return False if error.code == "file.unreadable" else None

    async def _one(
        self,
        record: JobRecord,
        state: JobRules,
        logs: JobLogs,
        file: LogFile,
        streams: tuple[str, ...],
        new: New,
        last: bool,  # noqa: FBT001 -- of this class alone
    ) -> str:
        """Read one file on; answers its key."""
        async with self._rounds.transports.lease(file.host) as transport:
            real = await self._may_read(transport, record, logs, file)
            key = f"{file.host}:{real}"
            place = state.files.get(key) or Place(host=file.host, path=str(real), begin=state.begin)
            now = run_of(record), runs_of(record)
            whose = (place.run, place.runs) if place.run else now
            place = place.model_copy(update={"streams": streams, "closed": False, "run": whose[0], "runs": whose[1]})
            # Until a look has found the new run begun, what comes in a file of the earlier one may be that one's.
            begun = record.phase not in (Phase.PENDING, Phase.UNKNOWN)
            read = await read_on(transport, place, last=last)
            if read.anew or read.missing:
                self._allowed.pop((record.uid, file.host, file.path), None)
            if read.anew:
                rest = await self._aside(transport, record, logs, file, place)
                new.take(rest, streams, whose)
                if rest.more:  # the file that lies there now is begun when the one before it was read to its end
                    new.files[key] = rest.place
                    new.grew.update(streams)
                    return key
                whose = now if begun else whose
                real = await self._may_read(transport, record, logs, file)
                key = f"{file.host}:{real}"
                read = await read_on(transport, anew(place.model_copy(update={"path": str(real)})), last=last)
                read.grew = True
            if not read.missing:
                next_ = now if begun and not read.more else whose
                new.files[key] = read.place.model_copy(update={"run": next_[0], "runs": next_[1]})
            elif place.place:
                new.files[key] = place
            new.take(read, streams, whose)
            if read.grew:
                new.grew.update(streams)
            return key

    async def _may_read(self, transport: Transport, record: JobRecord, logs: JobLogs, file: LogFile) -> PurePosixPath:
        asked = (record.uid, file.host, file.path)
        known = self._allowed.get(asked)
        if known is not None and anyio.current_time() < known[1]:
            return known[0]
        readable = readable_at(self._rounds, record, logs, file, self._env)
        timeout_s = self._rounds.config.clocks.ask_timeout_s
        real = await allowed_path(transport, file.path, readable, timeout_s=timeout_s)
        self._allowed[asked] = real, anyio.current_time() + _ALLOWED_S
        return real

    async def _aside(self, transport: Transport, record: JobRecord, logs: JobLogs, file: LogFile, place: Place) -> Read:
        """Read what rotation moved to `.1` before it was read."""
        aside = replace(file, path=f"{place.path}.1")
        readable = readable_at(self._rounds, record, logs, aside, self._env)
        try:
            timeout_s = self._rounds.config.clocks.ask_timeout_s
            real = await allowed_path(transport, aside.path, readable, timeout_s=timeout_s)
            return await read_aside(transport, place, real)
        except LogRefusedError:
            return Read(place)

    async def _leave(self, current: Collection[str], new: New) -> None:
        """Read the files to their end that the job writes to no more, and forget the oldest of them."""
        for key, place in list(new.files.items()):
            if key in current or place.closed:
                continue
            try:
                async with self._rounds.transports.lease(place.host) as transport:
                    read = await read_on(transport, place, last=True)
            except JobwardenError as error:
                new.unread.update(dict.fromkeys(place.streams, error.text))
                continue
            if not read.anew and not read.missing:
                new.take(read, place.streams, (place.run, place.runs))
            new.files[key] = read.place.model_copy(update={"closed": not read.more})
        closed = [key for key in new.files if new.files[key].closed]
        for key in closed[: max(0, len(closed) - _FILES_KEPT)]:
            del new.files[key]
