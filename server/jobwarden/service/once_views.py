"""What one pass for cron answers, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from jobwarden_registry.events import Event


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChangeView(_View):
    """One change that this pass has found."""

    session: str
    event: Event


class OnceView(_View):
    """The answer of `watch --once`."""

    watcher: bool = False
    """Whether the watcher of this machine runs: then it looks, and nothing was done here."""
    jobs: int = 0
    """How many were asked about."""
    passed_over: int = 0
    """Sessions that somebody else looks after, or that could not be read."""
    changes: tuple[ChangeView, ...] = ()
    troubles: tuple[str, ...] = ()
