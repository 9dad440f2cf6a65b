"""How often hosts were asked, and how often that went wrong: counted by every process, kept in one file.

The file lies on the local disk beside the ledger and is lost with it (a reboot): whoever reads the numbers must
expect that they begin again at 0.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from jobwarden.transport.base import Chunk, Completed, Transport

COUNTS = "counts.json"
"""The file's name, in the runtime folder."""
_MOST_ROWS = 5000
_MAX_BYTES = 4 * 1024 * 1024

What = Literal["commands", "reads", "polls", "errors"]


class Row(NamedTuple):
    """One number: what is counted, and of what.

    Attributes:
        what: `commands` run and `reads` of files on a host; `polls` of a source there, and `errors`: polls without an
            answer.
        host: As it was registered or configured.
        type: The source; empty for what is counted of a host alone.
        code: Of an error.
    """

    what: What
    host: str
    type: str = ""
    code: str = ""


class _File(BaseModel):
    rows: list[tuple[Row, int]] = []


class Tally:
    """Counts in memory, and adds that to the file now and then. Safe for many threads and processes.

    Args:
        path: The file; None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._fresh: Counter[Row] = Counter()

    def add(self, row: Row) -> None:
        """Count one."""
        with self._guard:
            self._fresh[row] += 1

    def flush(self) -> None:
        """Add to the file what was counted since; where that cannot be now, it is kept for the next time."""
        if self._path is None:
            return
        with self._guard:
            fresh, self._fresh = self._fresh, Counter()
        if not fresh:
            return
        try:
            self._add_to_file(self._path, fresh)
        except OSError:  # another process is at it, or the disk is full
            with self._guard:
                self._fresh.update(fresh)

    def _add_to_file(self, path: Path, fresh: Counter[Row]) -> None:
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            rows = Counter(read_counts(path))
            rows.update({row: count for row, count in fresh.items() if row in rows or len(rows) < _MOST_ROWS})
            new = path.with_suffix(".new")
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(_File(rows=list(rows.items())).model_dump_json())
            new.replace(path)
        finally:
            os.close(lock)


def read_counts(path: Path) -> dict[Row, int]:
    """Read what all processes have counted; a file that is missing or cannot be believed is an empty one."""
    with suppress(OSError, ValidationError):
        if path.stat().st_size <= _MAX_BYTES:
            return dict(_File.model_validate_json(path.read_bytes()).rows)
    return {}


class CountedTransport:
    """A transport, each use of which is counted. See `Transport`."""

    def __init__(self, inner: Transport, tally: Tally) -> None:
        self._inner = inner
        self._tally = tally

    @property
    def host(self) -> str:
        """See `Transport.host`."""
        return self._inner.host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        self._tally.add(Row("commands", self._inner.host))
        return await self._inner.run(argv, timeout_s=timeout_s, stdin=stdin)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`."""
        self._tally.add(Row("reads", self._inner.host))
        return await self._inner.read(path, start=start, max_bytes=max_bytes)
