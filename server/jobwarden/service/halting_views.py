"""What the emergency stop answers, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden.service.views import CancelRow, JobView
from jobwarden_registry.model import Utc


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class HaltView(_View):
    """A halt that holds in one session."""

    session: str
    since: Utc
    by: str
    reason: str = ""


class DoomedView(_View):
    """What a stop would end."""

    sessions: tuple[str, ...]
    jobs: tuple[JobView, ...]


class StopView(_View):
    """The answer of stop-all."""

    halted: tuple[HaltView, ...]
    rows: tuple[CancelRow, ...]
    unsettled: tuple[str, ...] = ()
    """What may still come back or live: one sentence each. Empty: nothing of it lives."""
    seconds: float = 0.0

    @property
    def stopped(self) -> bool:
        """Whether nothing of it is left, as far as was seen."""
        return not self.unsettled and all(row.ended for row in self.rows)
