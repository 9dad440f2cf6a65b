"""A place in a log that is being written, and what has come after it: whatever happens to the file meanwhile."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from jobwarden.transport.base import Chunk, Transport
from jobwarden_registry.errors import JobwardenError

TAIL_BYTES = 64

Happened = Literal["", "truncated", "replaced", "missing"]


class CursorError(JobwardenError):
    """This text is no place in this log."""

    code: str = "log.bad_cursor"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; `Position(path)` is the beginning of one that nobody has seen yet.

    Attributes:
        path: Absolute.
        file_id: As `Chunk.file_id`; empty before the file was seen.
        offset: So many bytes stand before it.
        tail: A short hash of the (at most 64) bytes just before it, by which a file that was cut and written anew under
            the same inode is recognised.
    """

    path: str
    file_id: str = ""
    offset: int = 0
    tail: str = ""

    def encode(self) -> str:
        """Give it as a short text of letters, digits, `.` and `:`. The path is there as a hash only."""
        return f"{self.offset}.{self.file_id}.{self.tail}.{_digest(self.path.encode('utf-8', 'surrogateescape'), 3)}"

    @classmethod
    def decode(cls, text: str, path: str) -> Position:
        """Read what `encode` gave for this path.

        Raises:
            CursorError: It is none, or one of another path.
        """
        words = text.split(".")
        if len(words) != 4 or not words[0].isascii() or not words[0].isdigit() or len(words[0]) > 18:
            raise CursorError("This is no place in a log.")
        found = cls(path, file_id=words[1], offset=int(words[0]), tail=words[2])
        if found.encode() != text:
            raise CursorError(f"This is a place in another file than {path}.")
        return found


@dataclass(frozen=True, slots=True)
class Advance:
    """What has come after a position.

    Attributes:
        data: The bytes; they end where `position` is.
        position: For the next time.
        happened: `truncated`: the file was cut, or written anew; `replaced`: it is another file under the same name;
            then `data` begins with the file's first byte. `missing`: there is none; the position stays.
        size_bytes: The file's size; None when there is none.
        before: The (at most 64) bytes that stand just before `data`.
    """

    data: bytes
    position: Position
    happened: Happened
    size_bytes: int | None
    before: bytes = b""


async def advance(transport: Transport, position: Position, *, max_bytes: int) -> Advance:
    """Read on from a position, in one round trip; in two when the file was truncated or replaced.

    A file that was truncated and has since been written with the very bytes that stood before the position cannot be
    told from one that was not.

    Args:
        transport: Where the file is.
        position: Its path must be allowed (`jobwarden.logs.allowed`).
        max_bytes: At most so many; what is left comes the next time.

    Raises:
        As `Transport.read`.
    """
    path = PurePosixPath(position.path)
    known = min(TAIL_BYTES, position.offset)
    chunk = await transport.read(path, start=position.offset - known, max_bytes=known + max_bytes)
    happened = _happened(position, chunk)
    if happened in ("truncated", "replaced"):
        known = 0
        chunk = await transport.read(path, start=0, max_bytes=max_bytes)
    if chunk is None:
        return Advance(b"", position, "missing", None)
    after = position_in(chunk, position.path)
    return Advance(chunk.data[known:], after, happened, chunk.size_bytes, chunk.data[:known])


def position_in(chunk: Chunk, path: str) -> Position:
    """Give the position at the end of a chunk, which holds at least 64 bytes or all that stands before its end."""
    known = chunk.data[-TAIL_BYTES:]
    return Position(path, chunk.file_id, chunk.start + len(chunk.data), _digest(known, 4) if known else "")


def _happened(position: Position, chunk: Chunk | None) -> Happened:
    if chunk is None:
        return "missing"
    if position.file_id and not _may_be_same(position.file_id, chunk.file_id):
        return "replaced"
    known = min(TAIL_BYTES, position.offset)
    if not known:
        return ""
    whole = chunk.start == position.offset - known and len(chunk.data) >= known
    if whole and _digest(chunk.data[:known], 4) == position.tail:
        return ""
    return "truncated" if position.file_id == chunk.file_id else "replaced"


def _may_be_same(before: str, now: str) -> bool:
    """Whether two ids may be of one file: the device's number changes from one login node to another (NFS)."""
    return before.rpartition(":")[2] == now.rpartition(":")[2]


def _digest(data: bytes, size: int) -> str:
    return hashlib.blake2b(data, digest_size=size).hexdigest()
