"""When to ask next: pure."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from jobwarden.config.clocks import Clocks
from jobwarden.ledger.rules import spent
from jobwarden.ledger.snapshot import LedgerKey, Snapshot


@dataclass(frozen=True, slots=True)
class KeyState:
    """What decides the pace of one source on one host.

    Attributes:
        key: Which.
        snapshot: `Ledger.peek` of it.
        registrations: When its jobs were registered; at least those of the last `quick_window_s`.
        lost_only: All its jobs are lost: only a reappearance is waited for.
        interval_s: What the configuration says is the least time between two questions to this host.
    """

    key: LedgerKey
    snapshot: Snapshot
    registrations: Iterable[datetime] = ()
    lost_only: bool = False
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Due:
    """The next question.

    Attributes:
        at: When; it may be past.
        max_age_s: To hand to `Ledger.ask`: an answer that somebody else got since then is good enough.
        quick: To hand to `Ledger.ask`: it is one of the first questions after a registration.
    """

    at: datetime
    max_age_s: float
    quick: bool = False


class Cadence:
    """Says when the next question is due. Each wait is spread by a share that is the same however often it is asked."""

    def __init__(self, clocks: Clocks, *, seed: str = "") -> None:
        self._clocks = clocks
        self._seed = seed

    def due_at(self, state: KeyState, now: datetime) -> Due:
        """Say when this key is asked next."""
        tried = state.snapshot.tried_at
        if tried is None or tried > now:  # never, or by a clock that has been set back since
            return Due(now, 0.0)
        earliest = tried + timedelta(seconds=state.interval_s)
        failure = state.snapshot.failure
        if failure is not None:
            return Due(max(earliest, failure.next_try_at), 0.0)
        usual = max(earliest, tried + timedelta(seconds=self._pace_s(state, tried)))
        quick = self._quick_at(state, tried, now)
        if quick is not None and max(earliest, quick) < usual:
            at = max(earliest, quick)
            return Due(at, _just_under(tried, at), quick=True)
        return Due(usual, _just_under(tried, usual))

    def _pace_s(self, state: KeyState, tried: datetime) -> float:
        pace_s = self._clocks.backoff_most_s if state.lost_only else self._slowed_s(state.snapshot.silent)
        spread = random.Random(f"{self._seed}\0{state.key.text}\0{tried.isoformat()}")  # noqa: S311 -- spreads load
        return pace_s * (1.0 + spread.uniform(-self._clocks.jitter, self._clocks.jitter))

    def _slowed_s(self, silent: int) -> float:
        """Double the pace with each answer in a row that a part of the site is missing from.

        Up to half the longest pause: what still answers may be forgetting (slurmctld: after MinJobAge, 300 s).
        """
        poll_s = self._clocks.poll_s
        return max(poll_s, min(self._clocks.backoff_most_s / 2, poll_s * 2.0 ** min(silent, 30)))

    def _quick_at(self, state: KeyState, tried: datetime, now: datetime) -> datetime | None:
        """The first quick moment that the latest question does not serve, while the budget lasts."""
        if len(spent(state.snapshot.quick, now, self._clocks)) >= self._clocks.quick_budget:
            return None
        steps = [step for step in accumulate(self._clocks.quick_s) if step <= self._clocks.quick_window_s]
        window = timedelta(seconds=self._clocks.quick_window_s)
        moments = (
            registered + timedelta(seconds=step)
            for registered in state.registrations
            if now - window <= registered <= now
            for step in steps
        )
        return min((moment for moment in moments if moment > tried), default=None)


def _just_under(tried: datetime, at: datetime) -> float:
    """The age that the latest answer will have by then, less a little: it is to be asked anew."""
    return max(0.0, (at - tried).total_seconds() - 0.001)
