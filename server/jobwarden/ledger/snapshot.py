"""What the ledger holds: for one source on one host, the last whole answer and what went wrong since.

The answer file is one `Stored` as JSON, the file of wants one `Wants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from jobwarden.sources.base import Sighting, Wanted
from jobwarden_registry.model import Utc


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """One source on one host; two names of one host are one key.

    Attributes:
        type: The source's name.
        site: `Site.key`: the resolved host, port and remote user.
        cluster: Which cluster there, where a host serves several.
    """

    type: str
    site: str
    cluster: str = ""

    @property
    def text(self) -> str:
        """The key as one string; no two keys share it."""
        return "\0".join((self.type, self.site, self.cluster))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Failure(_Frozen):
    """Why nothing is known since the last whole answer."""

    code: str
    text: str
    hint: str = ""
    since: Utc
    """The first failure in a row."""
    at: Utc
    """The latest one."""
    next_try_at: Utc
    """Nobody asks before then, unless a person does."""
    count: int = 1
    shared: bool = True
    """A fact about the far side. When false it says only that this process could not ask."""


class Snapshot(_Frozen):
    """What is known of one source on one host; whoever reads it works out the age."""

    asked_at: Utc | None = None
    """When the last whole answer was asked for."""
    answered: Mapping[str, Sighting] = Field(default_factory=dict[str, Sighting])
    """One sighting for every id in `asked`, and no other key."""
    asked: Mapping[str, Utc] = Field(default_factory=dict[str, datetime])
    """When the sighting of each id was asked for: `asked_at`, or earlier where a job's end is remembered."""
    failure: Failure | None = None
    """None when the latest question was answered."""
    silent: int = 0
    """Answers in a row in which a part of the site was silent (`CouldNotAsk`), but for one that only catches up."""
    quick: tuple[Utc, ...] = ()
    """When questions were asked ahead of the usual pace; only what still counts against the budget."""

    @property
    def tried_at(self) -> datetime | None:
        """When the latest question was asked, answered or not."""
        tries = [moment for moment in (self.asked_at, self.failure.at if self.failure else None) if moment is not None]
        return max(tries, default=None)


class Stored(Snapshot):
    """The answer file."""

    key: str
    """`LedgerKey.text`: a file that is not this key's own is not believed."""


class Want(_Frozen):
    """One id that somebody wants to know about."""

    wanted: Wanted
    until: Utc
    """Forgotten then, unless it is wanted again."""
    followed_until: Utc | None = None
    """Where it is followed to another id: until then that counts for who wants it and does not know, unless said again;
    the id itself may be another job's when nobody says so any more."""


class Wants(_Frozen):
    """The file of wants, by id."""

    key: str
    wants: Mapping[str, Want] = Field(default_factory=dict[str, Want])
