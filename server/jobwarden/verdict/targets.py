"""What is asked about together: the jobs of several sessions on one source and host."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobwarden.config.model import Config
from jobwarden.ledger.ledger import LedgerKey
from jobwarden_registry.model import JobRecord
from jobwarden_registry.session import Session

LOCAL = "local:"


@dataclass(frozen=True, slots=True)
class Target:
    """One source on one host.

    Attributes:
        key: What names it in the ledger: two names of one host are one target.
        host: A name that leads there.
    """

    key: LedgerKey
    host: str


@dataclass(slots=True)
class Group:
    """The jobs of several sessions on one target.

    Attributes:
        target: What to ask.
        sessions: Whose jobs.
        records: The jobs, each session's in turn.
        pace_s: The projects of all these sessions want to be asked about no more often than this.
    """

    target: Target
    sessions: list[Session] = field(default_factory=list[Session])
    records: list[JobRecord] = field(default_factory=list[JobRecord])
    pace_s: float = 0.0


class Intervals:
    """How long each target is left alone at least: what the configuration says for any name that led there."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[LedgerKey, float] = {}

    def note(self, target: Target) -> None:
        """Remember that this name leads there."""
        interval_s = self._config.host(target.host).min_interval_s
        self._known[target.key] = max(interval_s, self._known.get(target.key, 0.0))

    def of(self, key: LedgerKey) -> float:
        """Give the least time between two questions, in seconds; 0 when none is configured."""
        return self._known.get(key, 0.0)
