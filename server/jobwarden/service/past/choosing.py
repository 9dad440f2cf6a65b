"""Which of the ended jobs are meant: filters as a person or a model writes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from jobwarden.service.past.rows import Row
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.phases import Phase

SCOPES = ("session", "project", "user")
By = Literal["name", "series", "type", "host", "tag", "user"]

USUAL = 20
MOST = 1000
"""Rows of one page."""

_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ENDED = ("succeeded", "failed", "cancelled", "lost")
_ALIVE = frozenset({"pending", "running", "suspended"})
_WORD = re.compile(r"[A-Za-z_]+")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; empty: whatever there is.

    Attributes:
        job: One job, by id, `type:id`, `host:id` or name: then its whole story is told.
        state: Phases (`failed`) or the source's words (`TIMEOUT`, `FAILED`), with commas between.
        type: The source's name.
        host: As it was registered.
        name: Its name here or in its source; `*` and `?` stand for anything.
        since: Ended since then: `90m`, `24h`, `7d`, `2w`, or a date or moment (`2026-11-20`, `2026-11-20T10:00`).
        text: Stands somewhere in its id, names, description, tags, state, reason, cause, result or node.
        scope: Whose: `session`, `project` (all of its sessions) or `user` (all projects).
        limit: At most so many.
        page: From 1; the newest are on the first. Of one job's story: pages of events.
        singly: Each run of a job by itself, also ended runs of jobs that live again.
    """

    job: str | None = None
    state: str | None = None
    type: str | None = None
    host: str | None = None
    name: str | None = None
    since: str | None = None
    text: str | None = None
    scope: str = "session"
    limit: int = USUAL
    page: int = 1
    singly: bool = False


class Filter:
    """A query that was understood.

    Args:
        query: As it was written.
        now: The present; a moment without an offset is meant in this machine's own time.

    Raises:
        InvalidIdError: Something in it cannot be meant; the hint says what to write.
    """

    def __init__(self, query: Query, now: datetime) -> None:
        self._words = words_of(query.state)
        self._since = since_of(query.since, now) if query.since else None
        self._query = replace(query, text=query.text.casefold() if query.text else None)
        if query.scope not in SCOPES:
            raise InvalidIdError(f"{query.scope[:60]!r} is no scope.", hint=f"There is: {', '.join(SCOPES)}.")
        if not 1 <= query.limit <= MOST or query.page < 1:
            raise InvalidIdError("There is no such page.", hint=f"limit is 1 to {MOST}, page 1 or more.")

    @property
    def told(self) -> dict[str, str]:
        """What was understood, for the reader."""
        query = self._query
        given = {"state": query.state, "type": query.type, "host": query.host, "name": query.name, "text": query.text}
        told = {key: value for key, value in given.items() if value}
        if self._since is not None:
            told["since"] = f"{self._since:%Y-%m-%d %H:%M}Z"
        return told

    def takes(self, row: Row) -> bool:
        """Whether this job is meant, as far as anything but its end tells."""
        query = self._query
        return (
            (not query.type or row.type == query.type)
            and (not query.host or query.host in (row.host, row.site))
            and (not query.name or _named(row, query.name))
            and (not query.text or query.text in _all_text(row))
        )

    def takes_moment(self, when: float) -> bool:
        """Whether an end at that moment, in seconds since 1970, is meant."""
        return self._since is None or when >= self._since.timestamp()

    def takes_state(self, phase: str, status: str) -> bool:
        """Whether such an end is meant: `failed` is our phase, `FAILED` the source's word."""
        if not self._words or (phase in self._words and phase in _ENDED):
            return True
        said = {word.casefold() for word in _WORD.findall(status)}
        return any(word.casefold() in said for word in self._words if word not in _ENDED)


def words_of(state: str | None) -> frozenset[str]:
    """Read states.

    Raises:
        InvalidIdError: One of them is of jobs that live.
    """
    words = frozenset(word for word in re.split(r"[,\s]+", state or "") if word)
    alive = sorted({word.casefold() for word in words} & _ALIVE)
    if alive:
        raise InvalidIdError(
            f"History has ended jobs, and {alive[0]} ones live.",
            hint=f"check_status shows those; ended ones are {', '.join(_ENDED)}, or the scheduler's word (TIMEOUT).",
        )
    return words


def since_of(text: str, now: datetime) -> datetime:
    """Read a moment or a length of time before now.

    Raises:
        InvalidIdError: It is neither.
    """
    ago = _AGO.fullmatch(text.strip().casefold())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
        return (
            moment.astimezone(now.tzinfo) if moment.tzinfo is not None else moment.astimezone().astimezone(now.tzinfo)
        )
    except (ValueError, OverflowError) as error:
        raise InvalidIdError(
            f"{text[:60]!r} is no moment.", hint="Write 24h, 7d or 2w, or a date: 2026-11-20, 2026-11-20T10:00."
        ) from error


def keys_of(row: Row, by: By) -> Sequence[str]:
    """Give the groups that a job belongs to; several only by its tags."""
    if by == "name":
        return (row.title,)
    if by == "series":
        return (_DIGITS.sub("*", row.title),)
    if by == "tag":
        return row.tags or ("(no tag)",)
    return ({"type": row.type, "host": row.host, "user": row.user or "(not known)"}[by],)


def counted(phases: Sequence[str]) -> dict[str, int]:
    """Count ends by phase."""
    return {"total": len(phases), **{phase.value: phases.count(phase.value) for phase in Phase}}


def _named(row: Row, name: str) -> bool:
    return any(fnmatchcase(known, name) for known in (row.name, row.job_name) if known)


def _all_text(row: Row) -> str:
    runs = [str(run[0]) for run in row.runs]
    words = (row.id, row.name, row.job_name, row.description, *row.tags, row.status, row.reason, row.cause, row.result)
    return "\n".join(word for word in (*words, row.node, *runs) if word).casefold()
