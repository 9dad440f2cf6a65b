"""The cursor that an answer about a log ends with: all that the next call needs, whichever server gets it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from jobwarden.logs.position import CursorError, Position

_MOST_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the reader of a job's log stands.

    Attributes:
        job: The job's `uid`.
        run: When the run was submitted whose log it was, in seconds; 0 where that was not known.
        stream: As it was asked for.
        task: Likewise; empty for none.
        places: A position as `Position.encode` gives it, for each of the stream's files.
    """

    job: str
    run: int
    stream: str
    task: str
    places: Sequence[str]

    def encode(self) -> str:
        """Give it as a short text without blanks."""
        words = [_short(self.job), str(self.run), _quoted(self.stream), _quoted(self.task), *self.places]
        body = "~".join(words)
        return f"{_short(body)[:4]}~{body}"

    @classmethod
    def decode(cls, text: str, job: str) -> Cursor:
        """Read what `encode` gave for this job.

        Raises:
            CursorError: It is none, was changed on the way, or is another job's.
        """
        check, _, body = text.strip().partition("~")
        words = body.split("~")
        if len(text) > _MOST_CHARS or len(words) < 5 or _short(body)[:4] != check or not words[1].isdigit():
            raise CursorError(
                "This is no cursor of a log.", hint="Give it exactly as the answer before ended with it, or none."
            )
        owner, run, stream, task, *places = words
        if owner != _short(job):
            raise CursorError("This cursor is of another job's log.", hint="Ask without a cursor first.")
        return cls(job, int(run), unquote(stream), unquote(task), tuple(places))

    def position(self, path: str) -> Position | None:
        """Give the position in this file; None when the cursor has none there."""
        for place in self.places:
            try:
                return Position.decode(place, path)
            except CursorError:
                continue
        return None


def _quoted(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E")


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
