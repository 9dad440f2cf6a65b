"""What a job wrote: tail_log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.logs.allowed import LogRefusedError, Readable, allowed_path
from jobwarden.logs.cursor import Cursor
from jobwarden.logs.merge import in_order
from jobwarden.logs.pattern import Pattern
from jobwarden.logs.position import Position, advance
from jobwarden.logs.search import Hits, Query, search_file
from jobwarden.logs.tail import Tail, tail_file, tail_since
from jobwarden.service.desk import Desk
from jobwarden.service.log_files import Chosen, choose, readable_of
from jobwarden.service.names import Known
from jobwarden.service.reading import find
from jobwarden.service.views import TailView
from jobwarden.sources.log_files import LogFile
from jobwarden.transport.base import Transport
from jobwarden_registry.model import JobRecord, LogPaths

_AROUND_CHARS = 1900
"""Kept free of an answer for what is said about the log."""
_LEAST_CHARS = 200
"""Shown at least of what is left of a rotated file."""
_TASKS_TOLD = 10
_MARKS = ("out| ", "err| ")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader wants of a log.

    Attributes:
        lines: At most so many, the last ones.
        stream: `stdout`, `stderr`, `both`, or a source's own word; None: the cursor's, else stdout.
        task: One of the job's tasks; None: the cursor's, else the one that failed.
        cursor: What the answer before ended with: only what is new since then.
        grep: Only lines that match.
        context: So many lines around each.
    """

    lines: int = 80
    stream: str | None = None
    task: str | None = None
    cursor: str | None = None
    grep: str | None = None
    context: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of one file."""

    path: str
    text: str = ""
    size_bytes: int | None = None
    omitted_bytes: int = 0
    omitted_lines: int | None = None
    hits: int | None = None
    position: Position | None = None
    notes: Sequence[str] = ()


async def tail(desk: Desk, caller: Caller, job: str, asked: Asked) -> TailView:
    """See `Service.tail`."""
    if asked.grep is not None:
        Pattern(asked.grep)  # one that cannot be is refused before anybody is asked
    one = await find(desk, caller, job)
    if one.live and one.record.log is None:
        await desk.refresh([one.session], about={one.record.uid})
        one = await find(desk, caller, job)
    return await tail_of(desk, caller, one, asked)


async def tail_of(
    desk: Desk, caller: Caller, one: Known, asked: Asked, *, ask: bool = True, telling: bool = True
) -> TailView:
    """Show the end of this job's log.

    Args:
        desk: Shared by the use cases.
        caller: Who is told, and in whose project the limits hold.
        one: The job.
        asked: What of its log.
        ask: Whether its source may be asked which files it has; else only what is on record counts.
        telling: False tells no news.

    Raises:
        As `Service.tail`.
    """
    pattern = Pattern(asked.grep) if asked.grep is not None else None
    cursor = Cursor.decode(asked.cursor, one.record.uid) if asked.cursor else None
    if desk.world.rounds.elsewhere(one.record.site):
        away = ["It ran on another machine; only there its log can be read."]
        return await _view(desk, caller, one, None, [], away, telling=telling)
    stream = asked.stream or (cursor.stream if cursor else "stdout")
    task = asked.task or (cursor.task if cursor else None) or None
    chosen = await choose(desk, one, stream=stream, task=task, ask=ask)
    limits = await to_thread.run_sync(desk.limits, caller)
    room = (limits.answer_chars - _AROUND_CHARS) // max(1, len(chosen.files))
    reader = _Reader(desk, one, chosen, asked, pattern, cursor, room)
    read = [await reader.read(file) for file in chosen.files]
    return await _view(desk, caller, one, chosen, read, _about(one, chosen, cursor), telling=telling)


class _Reader:
    """Reads the files of one answer."""

    def __init__(
        self,
        desk: Desk,
        one: Known,
        chosen: Chosen,
        asked: Asked,
        pattern: Pattern | None,
        cursor: Cursor | None,
        room: int,
    ) -> None:
        self._desk, self._one, self._chosen, self._asked = desk, one, chosen, asked
        self._pattern, self._cursor, self._room = pattern, cursor, room
        self._lines = max(1, asked.lines // max(1, len(chosen.files)))
        # Its last line is whole when nothing writes any more.
        self._ended = not one.live or one.record.phase.final

    async def read(self, file: LogFile) -> _Read:
        """Read one file as it was asked for."""
        world, record = self._desk.world, self._one.record
        host = file.host or record.host
        async with world.transports.lease(host) as transport:
            readable = readable_of(self._desk, self._one, self._chosen, file)
            timeout_s = world.config.clocks.ask_timeout_s
            real = await allowed_path(transport, file.path, readable, timeout_s=timeout_s)
            since = self._cursor.position(str(real)) if self._cursor else None
            notes = [_NEW_FILE.format(path=file.path)] if self._cursor and since is None else []
            if since is None and self._cursor is not None:
                since = Position(str(real))
            if self._pattern is not None:
                query = Query(self._pattern, self._asked.context, self._lines, self._room)
                hits = await search_file(transport, since or Position(str(real)), query, whole=self._ended)
                return _of_hits(hits, [*notes, *_happened(hits.happened)])
            end = await self._tail(transport, real, since)
            said = [*notes, *_happened(end.happened)]
            if end.happened == "replaced" and since is not None:
                rest = await self._rest(transport, end, since, readable, timeout_s)
                return _of_tail(end, rest, said if rest else [*said, _NO_REST])
            return _of_tail(end, None, said)

    async def _tail(self, transport: Transport, path: PurePosixPath, since: Position | None) -> Tail:
        lines, room = self._lines, self._room
        if since is None:
            return await tail_file(transport, path, lines=lines, max_chars=room, whole=self._ended)
        return await tail_since(transport, since, lines=lines, max_chars=room, whole=self._ended)

    async def _rest(
        self, transport: Transport, end: Tail, since: Position, readable: Readable, timeout_s: float
    ) -> Tail | None:
        """Give what was still to be read of the file that was there before, if rotation has left that at `.1`."""
        left = f"{since.path}.1"
        try:
            allowed = replace(readable, log=LogPaths(stdout=left))
            real = await allowed_path(transport, left, allowed, timeout_s=timeout_s)
        except LogRefusedError:
            return None
        before = replace(since, path=left)
        # A link there may lead to anything; and only the file that was read before may be read on.
        if str(real) != left or (await advance(transport, before, max_bytes=0)).happened:
            return None
        lines = max(1, self._lines - end.text.count("\n") - 1)
        room = max(_LEAST_CHARS, self._room - len(end.text) - 1)
        return await tail_since(transport, before, lines=lines, max_chars=room, whole=True)


_NO_REST = "What the old one got after that answer is not shown."
_NEW_FILE = "The cursor stands in another file; all of {path} is new."


def _happened(what: str) -> list[str]:
    said = {
        "truncated": "The file was cut or written anew since the last answer: all of it is new.",
        "replaced": "Another file has taken its name since the last answer (rotated or made anew): all of it is new.",
    }
    return [said[what]] if what in said else []


def _of_tail(end: Tail, rest: Tail | None, notes: Sequence[str]) -> _Read:
    said = [*notes, *([end.note] if end.note else [])]
    text = end.text
    if rest is not None and rest.text:
        said.append(f"First what was left in {rest.path}.")
        text = f"{rest.text}\n{text}" if text else rest.text
        if rest.omitted_bytes:
            said.append(f"{rest.omitted_bytes} bytes of that are not shown.")
    if end.partial:
        said.append("The last line has no end yet; with this cursor it comes again when it is whole.")
    return _Read(end.path, text, end.size_bytes, end.omitted_bytes, end.omitted_lines, None, end.position, said)


def _of_hits(hits: Hits, notes: Sequence[str]) -> _Read:
    said = [*notes, *([hits.note] if hits.note else [])]
    if hits.note is None:
        whole = hits.searched_bytes >= hits.wanted_bytes
        where = "all" if whole else f"the last {hits.searched_bytes}"
        left = f", {hits.shown} shown" if hits.shown < hits.count else ""
        said.append(f"{hits.count} line(s) match in {where} of {hits.wanted_bytes} bytes{left}.")
    return _Read(hits.path, hits.text, hits.size_bytes, hits=hits.count, position=hits.position, notes=said)


def _about(one: Known, chosen: Chosen, cursor: Cursor | None) -> list[str]:
    """Say which task it is, and what else is to be known of the files."""
    logs, said = chosen.logs, list[str]()
    if logs.task is not None:
        others = [name for name in logs.tasks if name != logs.task]
        told = ", ".join(others[:_TASKS_TOLD]) + (", …" if len(others) > _TASKS_TOLD else "")
        why = f" ({logs.why})" if logs.why else ""
        said.append(f"Task {logs.task}{why}." + (f" Others: {told}." if told else ""))
    if cursor is not None and cursor.run and (run := _run(one.record)) and run != cursor.run:
        said.append("The job was submitted or requeued again since the cursor was made: this is its present run.")
    if not chosen.files:
        said.append(f"It is not known where this job writes its {chosen.stream}.")
    if logs.note:
        said.append(logs.note)
    return said


async def _view(
    desk: Desk,
    caller: Caller,
    one: Known,
    chosen: Chosen | None,
    read: Sequence[_Read],
    notes: Sequence[str],
    *,
    telling: bool,
) -> TailView:
    stream = chosen.stream if chosen else "stdout"
    text, more = _joined(read)
    said = [*notes, *more, *(note for part in read for note in part.notes)]
    sizes = [part.size_bytes for part in read if part.size_bytes is not None]
    lines = [part.omitted_lines for part in read]
    hits = [part.hits for part in read if part.hits is not None]
    places = [part.position.encode() for part in read if part.position is not None]
    task = chosen.logs.task if chosen else None
    cursor = Cursor(one.record.uid, _run(one.record), stream, task or "", places).encode() if places else None
    # The log first: what cannot be read must not cost the agent its news.
    async with desk.news.telling(await desk.session(caller) if telling else None, caller) as told:
        return TailView(
            job=await desk.view(one, caller),
            path=" and ".join(part.path for part in read) or None,
            stream=stream,
            task=task,
            text=text,
            size_bytes=sum(sizes) if sizes else None,
            omitted_bytes=sum(part.omitted_bytes for part in read),
            omitted_lines=None if None in lines else sum(number for number in lines if number is not None),
            hits=sum(hits) if hits else None,
            note=" ".join(said) or None,
            cursor=cursor,
            news=told,
        )


def _joined(read: Sequence[_Read]) -> tuple[str, list[str]]:
    """Make one text of those of two files."""
    if len(read) < 2 or not all(part.text for part in read):
        return "".join(part.text for part in read), []
    first, second = (part.text.split("\n") for part in read[:2])
    merged = in_order(first, second)
    if merged is not None:
        return "\n".join(f"{_MARKS[which]}{line}" for which, line in merged), ["In the order of the times in both."]
    rows = [f"{mark}{line}" for mark, lines in zip(_MARKS, (first, second), strict=True) for line in lines]
    return "\n".join(rows), ["One after the other, for their lines do not both tell the time in one way."]


def _run(record: JobRecord) -> int:
    """Tell one run of a job from the next by when it was submitted."""
    moment = record.attempts[-1].submitted_at if record.attempts else None
    moment = moment or record.submitted_at
    return 0 if moment is None else int(moment.timestamp())
