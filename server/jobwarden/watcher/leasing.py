"""Which sessions are this watcher's: it holds their leases, and beats while it lives."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

from jobwarden.verdict.world import World
from jobwarden_registry.errors import JobwardenError, LeaseLostError
from jobwarden_registry.leases import Lease
from jobwarden_registry.processes import this_process
from jobwarden_registry.session import Session

log = logging.getLogger(__name__)


class Leasing:
    """The leases of one watcher."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._me = this_process()
        self._leases: dict[str, Lease] = {}
        self._tokens: dict[str, str] = {}
        self._open: dict[str, Session] = {}

    def tokens(self) -> dict[str, str]:
        """Give the token of each held session, by session id."""
        return dict(self._tokens)

    async def hold(self, session: Session) -> bool:
        """Take the session's lease unless it is held; answers whether it is ours now.

        Raises:
            UnwritableError, LockTimeoutError: The lease cannot be written.
        """
        session_id = session.entry.session_id
        if session_id in self._tokens:
            return True
        lease = self._leases.setdefault(session_id, Lease())
        token = await self._world.sessions.call(session, lambda _: self._acquire(lease, session))
        if token is None:
            return False
        log.info("session %s: watching", session_id)
        self._tokens[session_id] = token
        self._open[session_id] = session
        return True

    def lost(self, session_id: str) -> None:
        """Note that another watcher has taken a session over; it is not acted for any more."""
        if self._tokens.pop(session_id, None) is not None:
            log.warning("session %s: another watcher has taken it over", session_id)

    async def beat(self) -> None:
        """Show that we live, in every held session."""
        for session_id in list(self._tokens):
            try:
                await self._world.sessions.call(self._open[session_id], partial(_beat, self._leases[session_id]))
            except LeaseLostError:
                self.lost(session_id)
            except (JobwardenError, OSError) as error:  # that session's own trouble; the next beat tries again
                log.warning("session %s: no beat: %s", session_id, error)

    def recall(self, path: Path) -> None:
        """Go on from what an earlier process of this machine has seen of others' leases; for a thread."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            told = json.loads(path.read_bytes())
            if told.get("boot") != self._me.boot_id:
                return  # its clock began anew
            for session_id, (token, beats, since) in told["leases"].items():
                self._leases.setdefault(session_id, Lease()).watch_on(token, beats, float(since))

    def remember(self, path: Path) -> None:
        """Write down what was seen of others' leases, for the next process; for a thread."""
        leases = {name: lease.watched for name, lease in self._leases.items() if lease.watched is not None}
        fresh = path.with_name(f".{path.name}.{self._me.pid}.tmp")
        with suppress(OSError):
            fresh.write_text(json.dumps({"boot": self._me.boot_id, "leases": leases}), encoding="utf-8")
            fresh.replace(path)

    async def release_but(self, kept: Collection[Session]) -> None:
        """Give back the sessions that have no jobs any more."""
        keep = {session.entry.session_id for session in kept}
        for session_id in [held for held in self._tokens if held not in keep]:
            await self._release(session_id)

    async def release_all(self) -> None:
        """Give everything back."""
        await self.release_but(())

    async def _release(self, session_id: str) -> None:
        self._tokens.pop(session_id, None)
        try:
            await self._world.sessions.call(self._open[session_id], lambda _: self._leases[session_id].release())
        except (JobwardenError, OSError) as error:  # it runs out by itself
            log.warning("session %s: lease not given back: %s", session_id, error)
        else:
            log.info("session %s: no longer watching", session_id)

    def _acquire(self, lease: Lease, session: Session) -> str | None:
        return lease.acquire(
            session, self._me, machine_id=self._world.machine_id, stale_s=self._world.config.clocks.lease_s
        )


def _beat(lease: Lease, session: Session) -> None:  # noqa: ARG001 -- the lease knows its session
    lease.beat()
