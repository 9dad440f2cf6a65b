"""What is new in a job's logs, for all of its rules at once: one read a file and look if nothing odd happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from jobwarden.logs.allowed import LogRefusedError
from jobwarden.logs.position import Advance, CursorError, Position, advance, position_in
from jobwarden.rules.lines import LINE_BYTES, first_lines, lines_of, whole_bytes
from jobwarden.rules.sight import Text
from jobwarden.rules.state import Place
from jobwarden.transport.base import Chunk, Transport
from jobwarden.transport.errors import TransportError

READ_BYTES = 1024 * 1024
"""At one look; what is left comes with the next, at once."""
MOST_LINES = 20_000
"""Likewise: what rules cost goes by lines."""


@dataclass(slots=True)
class Read:
    """What one look at one file brought.

    Attributes:
        place: Where to go on.
        parts: The new lines, in order, as `Text.data`.
        grew: Whether the file has changed at all.
        more: Whether there is more to be read at once.
        missing: There is no such file.
        anew: Another file lies there now, or its beginning; whether it may be read must be decided anew.
    """

    place: Place
    parts: list[bytes] = field(default_factory=list[bytes])
    grew: bool = False
    more: bool = False
    missing: bool = False
    anew: bool = False

    def texts(self, streams: Sequence[str], run: tuple[str, int]) -> list[Text]:
        """Give the lines as the engine takes them: those of this run, its id and its number."""
        return [Text(tuple(streams), part, *run) for part in self.parts if part]


async def read_on(transport: Transport, place: Place, *, last: bool) -> Read:
    """Read what has come since.

    Args:
        transport: Where the file is.
        place: Of a path that is allowed (`jobwarden.logs.allowed`).
        last: Nothing comes after this: an open line at the end is a line, too.

    Raises:
        As `Transport.read`.
    """
    position = _position(place)
    if not place.place and place.begin == "end":
        return await _begin_at_end(transport, place)
    step = await advance(transport, position, max_bytes=READ_BYTES)
    return _odd(Read(place), step.happened) if step.happened else _taken(step, place, position, last=last)


async def read_aside(transport: Transport, place: Place, path: PurePosixPath) -> Read:
    """Read what was still written into a file before rotation moved it to this path; nothing where it is another.

    Raises:
        As `Transport.read`.
    """
    position = _position(place)
    if not position.file_id:
        return Read(place)
    step = await advance(transport, replace(position, path=str(path)), max_bytes=READ_BYTES)
    return Read(place) if step.happened else _taken(step, place, position, last=True)


def anew(place: Place) -> Place:
    """Begin the file that lies there now."""
    return place.model_copy(update={"place": "", "begin": "start", "size_bytes": -1, "closed": False})


def why_refused(error: Exception) -> str | None:
    """Say why a file may not be read for good; None for a host that does not answer now."""
    if isinstance(error, LogRefusedError):
        return error.text
    if isinstance(error, TransportError) and error.code == "file.unreadable":
        return error.text
    return None


async def _begin_at_end(transport: Transport, place: Place) -> Read:
    """Begin with the line after the one that stands at the end now."""
    chunk = await transport.read(PurePosixPath(place.path), start=-LINE_BYTES, max_bytes=LINE_BYTES)
    if chunk is None:
        return Read(anew(place), missing=True)
    used = whole_bytes(chunk.data)
    if not used and chunk.start:
        used = len(chunk.data)
    begun = position_in(Chunk(chunk.data[:used], chunk.start, chunk.size_bytes, chunk.file_id), place.path)
    return Read(place.model_copy(update={"place": begun.encode(), "size_bytes": chunk.size_bytes}))


def _taken(step: Advance, place: Place, position: Position, *, last: bool) -> Read:
    whole = len(step.data) < READ_BYTES
    ended = step.data if last and whole else step.data[: whole_bytes(step.data)]
    used = first_lines(ended, MOST_LINES)
    size = step.size_bytes or 0
    return Read(
        place.model_copy(update={"place": _cut(step, position, used).encode(), "size_bytes": size}),
        parts=[lines_of(ended[:used])],
        grew=size != place.size_bytes,
        more=not whole or used < len(ended),
    )


def _odd(read: Read, happened: str) -> Read:
    if happened == "missing":
        read.missing = True
    else:
        read.anew = True
    return read


def _position(place: Place) -> Position:
    try:
        return Position.decode(place.place, place.path) if place.place else Position(place.path)
    except CursorError:  # a newer version wrote it, or a broken disk
        return Position(place.path)


def _cut(step: Advance, position: Position, used: int) -> Position:
    """Give the position after so many bytes of a step."""
    if used == len(step.data):
        return replace(step.position, path=position.path)
    data = step.before + step.data[:used]
    end = step.position.offset - (len(step.data) - used)
    chunk = Chunk(data, end - len(data), step.size_bytes or 0, step.position.file_id)
    return position_in(chunk, position.path)
