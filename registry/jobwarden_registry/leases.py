"""Who acts for a session: one watcher at a time, over all machines that share the user's home."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from jobwarden_registry.disk import told_plainly
from jobwarden_registry.errors import LeaseLostError
from jobwarden_registry.leasefile import read_lease, write_lease
from jobwarden_registry.locks import process_raw, read_process
from jobwarden_registry.processes import ProcessId
from jobwarden_registry.rawjson import Raw
from jobwarden_registry.session import Session


class Lease:
    """One watcher's lease on one session.

    Keep the object and call `acquire` again and again while another holds the lease: how long the other has been
    silent is judged by our own clock, over what we saw ourselves.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        """Ours, while we believe that we hold the lease."""
        self._session: Session | None = None
        self._seen: tuple[object, object] | None = None
        self._since = 0.0

    def acquire(self, session: Session, owner: ProcessId, *, machine_id: str, stale_s: float) -> str | None:
        """Take the lease if it is free, its holder is dead, or its holder has been silent for `stale_s`.

        Args:
            session: The session.
            owner: The process that is to hold it.
            machine_id: Where that process runs, for people.
            stale_s: How long another's beats may stay unchanged.

        Returns:
            The token for `Session.transaction`, or None when another watcher holds the lease.

        Raises:
            LockTimeoutError, UnwritableError, UntrustedError: See `Session.transaction`.
        """
        with session.locked() as folder:
            raw = read_lease(folder)
            held = isinstance(raw.get("token"), str) and raw.get("token") != ""
            if held and not self._may_take(raw, session, owner, stale_s):
                return None
            token = secrets.token_hex(16)
            epoch = raw.get("epoch")
            fresh: Raw = {
                "token": token,
                "epoch": (epoch if isinstance(epoch, int) else 0) + 1,
                "machine_id": machine_id,
                "beats": 0,
                **process_raw(owner),
            }
            with told_plainly(folder.path):
                write_lease(folder, fresh)
        self._session, self.token, self._seen = session, token, None
        return token

    @property
    def watched(self) -> tuple[object, object, float] | None:
        """What was seen of another's lease (token, beats), and since when by our own clock."""
        return None if self._seen is None else (*self._seen, self._since)

    def watch_on(self, token: object, beats: object, since: float) -> None:
        """Go on from what an earlier process has seen, by the same clock: who looks once sees nothing grow old."""
        self._seen, self._since = (token, beats), since

    def beat(self) -> None:
        """Show that we are alive.

        Raises:
            LeaseLostError: Another watcher has taken the lease; stop acting for the session.
        """
        if not self._rewrite(lambda raw: {**raw, "beats": _count(raw) + 1}):
            self.token = None
            raise LeaseLostError("Another watcher holds the lease on this session now.")

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        self._rewrite(lambda raw: {**raw, "token": ""})
        self.token = None

    def holds(self, token: str | None) -> bool:
        """Say whether that token is the one of the lease as it stands now."""
        folder = self._session.opened() if self._session is not None else None
        if folder is None or not token:
            return False
        with folder:
            return read_lease(folder).get("token") == token

    def _rewrite(self, change: Callable[[Raw], Raw]) -> bool:
        if self._session is None or self.token is None:
            return False
        with self._session.locked() as folder, told_plainly(folder.path):
            raw = read_lease(folder)
            if raw.get("token") != self.token:
                return False
            write_lease(folder, change(raw))
        return True

    def _may_take(self, raw: Raw, session: Session, owner: ProcessId, stale_s: float) -> bool:
        holder = read_process(raw)
        if holder == owner or (holder is not None and session.around.judge(holder) is False):
            return True
        now = session.around.monotonic()
        seen = (raw.get("token"), raw.get("beats"))
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since >= stale_s


def _count(raw: Raw) -> int:
    beats = raw.get("beats")
    return beats if isinstance(beats, int) else 0
