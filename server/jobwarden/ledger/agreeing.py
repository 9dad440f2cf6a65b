"""What is wanted is written down, and what all want together is known: found out once, while nobody wants otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobwarden.ledger.rules import all_wanted, must_renew
from jobwarden.ledger.snapshot import Wants
from jobwarden.sources.base import Wanted


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds of these wants for some time.

    Attributes:
        wants: What is written down.
        wanted: What somebody wants, which is among it.
        all: What all want.
        since: From then on.
        until: Before then.
    """

    wants: Wants
    wanted: Sequence[Wanted]
    all: Sequence[Wanted]
    since: datetime
    until: datetime

    def holds(self, wants: Wants, wanted: Sequence[Wanted], now: datetime) -> bool:
        """Whether `must_renew` and `all_wanted` would say of these what they said."""
        return self.wants is wants and self.wanted is wanted and self.since <= now < self.until


def agree(wants: Wants, wanted: Sequence[Wanted], now: datetime, keep_s: float) -> Agreed:
    """Find out what all want, these jobs among it whether they are written down or not."""
    every = all_wanted(wants.wants, wanted, now, keep_s)
    return Agreed(wants, wanted, every, since=now, until=_until(wants, wanted, now, keep_s))


def _until(wants: Wants, wanted: Sequence[Wanted], now: datetime, keep_s: float) -> datetime:
    """Say up to when that holds; `now` where it must be written, or where time decides to which id a job has gone."""
    followed = any(one.resubmitted_as is not None for one in (*wanted, *(one.wanted for one in wants.wants.values())))
    if followed or must_renew(wants.wants, wanted, now, keep_s):
        return now
    return min((one.until for one in wants.wants.values()), default=now) - timedelta(seconds=keep_s / 2)
