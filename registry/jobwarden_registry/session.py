"""One session's registry: the journal, the project's file, and the lock around both.

A change is made in this order, so that a crash anywhere loses nothing and doubles nothing: the new file is written
beside the old one (a full disk shows here), the journal gets its events and is forced to the disk (now they have
happened), the new file takes its place, and the projection notes how far the file reflects the journal. What comes
after the journal is made good by the next writer.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from jobwarden_registry.active_file import ActiveFile, Contents, Found, Prepared
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.cursors import Cursors
from jobwarden_registry.disk import Folder, MovedError, Signature, open_folder, told_plainly
from jobwarden_registry.errors import LeaseLostError, LockTimeoutError, RegistryError, UnwritableError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.journal import EVENTS, Journal, Lines, append_lines, lines_from, seq_of
from jobwarden_registry.leasefile import lease_token
from jobwarden_registry.locks import Excluder, Held, SessionLock, Surroundings, local_flock
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import SESSIONS, Places, active_jobs_path, check_session_id
from jobwarden_registry.projection import PROJECTION, Projection, Told, job_of, load_projection, save_projection, tell
from jobwarden_registry.reconcile import Finding, Layout, apply_quietly, reconcile
from jobwarden_registry.records import Identity, read_record
from jobwarden_registry.transaction import Transaction

_ROUNDS = 3
"""How often a commit begins again because somebody wrote the file meanwhile; the next writer goes on from there."""
_SETTLE_S = 0.05
"""A file that does not parse may be one that is being written; it is looked at again after this."""


@dataclass(frozen=True, slots=True)
class _View:
    """Everything on disk about the session, at one moment."""

    projection: Projection
    contents: Contents
    lines: Lines
    told: Told
    layout: Layout
    findings: list[Finding]
    own: bool


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What `load` gave last, and what it was read from.

    The bytes are compared, not the files' times: those are too coarse, and a network file system remembers old ones.
    """

    files: tuple[object, ...]
    end: int
    records: tuple[JobRecord, ...]

    def ends_there(self, folder: Folder) -> bool:
        """Whether the journal still ends where it did."""
        return (folder.read(EVENTS, start=max(0, self.end - 1)) or b"") == (b"\n" if self.end else b"")


class Session:
    """One session's watched jobs and events.

    Args:
        places: The user's folders.
        entry: The session, as in the index.
        clock: Gives events their time.
        lock_timeout_s: How long to wait for other writers.
        lock_stale_s: How long another machine's lock may stay unchanged before it is broken.
        exclude: This machine's lock.
        around: See `Surroundings`.

    Raises:
        InvalidIdError: The session's id is not safe as a folder's name.
    """

    def __init__(
        self,
        places: Places,
        entry: SessionEntry,
        *,
        clock: Clock = utc_now,
        lock_timeout_s: float = 30.0,
        lock_stale_s: float = 10.0,
        exclude: Excluder = local_flock,
        around: Surroundings | None = None,
    ) -> None:
        self.entry = entry
        self.around = around or Surroundings()
        self._session_id = check_session_id(entry.session_id)
        self._state = places.state
        self._clock = clock
        self._lock = SessionLock(
            places.runtime, timeout_s=lock_timeout_s, stale_s=lock_stale_s, exclude=exclude, around=self.around
        )
        self._mine = threading.local()
        self._loaded: _Loaded | None = None
        self._finished: tuple[int, Mapping[str, Identity]] = (0, {})
        self._active = ActiveFile(entry.project, self._session_id, self.around.steps)
        self.active_path = active_jobs_path(entry.project, self._session_id)
        self.journal = Journal(self.opened)
        self.cursors = Cursors(self.opened, self.locked)

    def load(self) -> tuple[JobRecord, ...]:
        """Give what is watched now, the lost ones too, in the order of registration. Writes nothing.

        A hand-written entry shows only after a transaction of its own session has adopted it.

        Raises:
            UntrustedError: The session's folder is not the user's own.
            UnreadableError: The disk did not answer.
        """
        folder = self.opened()
        if folder is None:
            return ()
        with folder:
            before = self._bytes(folder)
            if self._loaded is not None and self._loaded.files == before and self._loaded.ends_there(folder):
                return self._loaded.records
            view = self._look(folder, own=False)
            after = self._bytes(folder)
        apply_quietly(view.told, view.findings)
        records = tuple(record for raw in view.told.alive.values() if (record := read_record(raw)) is not None)
        self._loaded = _Loaded(after, view.lines.end, records) if before == after else None
        return records

    @contextmanager
    def transaction(self, *, lease: str | None = None, own: bool = True) -> Generator[Transaction]:
        """Change the session; an exception in the block undoes everything.

        What the file says and the journal does not know yet (entries added, changed or removed by hand, a file that is
        gone or broken) is journaled first.

        Args:
            lease: The token of the lease under which this is done; see `Lease`.
            own: Whether this is the caller's own session, whose hand-written entries count.

        Raises:
            LeaseLostError: Another watcher holds the session now; nothing was written.
            LockTimeoutError: Others kept the lock for too long, or broke ours; nothing was written.
            UnwritableError: The disk is full or the folder read-only; everything on disk is as it was.
            UntrustedError: A folder is not the user's own.
        """
        if self._held() is not None:
            raise RuntimeError("a transaction is open in this thread already")
        with self.locked() as folder:
            held = self._held()
            assert held is not None
            self._check_lease(folder, lease)
            view = self._look(folder, own=own)
            change = self._begin(view, held)
            yield change
            self._check_lease(folder, lease)
            self._commit(folder, held, view, change)

    def stamp(self) -> tuple[int, ...]:
        """Give numbers that change whenever the file or the journal has changed; costs two looks at the disk."""
        path = self._state / SESSIONS / self._session_id / EVENTS
        journal: Signature = ()
        with suppress(OSError):
            found = path.lstat()
            journal = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        nothing = (0, 0, 0, 0)
        return (self._active.signature() or nothing) + (journal or nothing)

    def opened(self) -> Folder | None:
        """Open the session's state folder, or give None when there is none yet."""
        return open_folder(self._state, (SESSIONS, self._session_id), self.around.steps, create=False)

    @contextmanager
    def locked(self) -> Generator[Folder]:
        """Hold the session's lock without looking at its jobs; within a transaction of this thread it is held already.

        Raises:
            LockTimeoutError, UnwritableError, UntrustedError: See `transaction`.
        """
        folder = open_folder(self._state, (SESSIONS, self._session_id), self.around.steps, create=True)
        if folder is None:
            raise UnwritableError(f"{self._state} is gone.")
        with folder:
            if self._held() is not None:
                yield folder
                return
            with self._lock.hold(folder) as held:
                self._mine.held = held
                try:
                    yield folder
                finally:
                    self._mine.held = None

    def _bytes(self, folder: Folder) -> tuple[object, ...]:
        """Read what `load` rests on beside the journal's end; parsing costs a hundred times more than reading."""
        return (folder.read(PROJECTION), *self._active.raw())

    def _held(self) -> Held | None:
        held: Held | None = getattr(self._mine, "held", None)
        return held

    @staticmethod
    def _check_lease(folder: Folder, lease: str | None) -> None:
        if lease is not None and lease_token(folder) != lease:
            raise LeaseLostError("Another watcher holds the lease on this session now.")

    def _look(self, folder: Folder, *, own: bool) -> _View:
        # In this order: whoever reads without the lock then never sees a file that is newer than the journal, and
        # never takes for removed by hand what a writer has just finished.
        projection = load_projection(folder)
        contents = self._active.read()
        if contents.found is Found.BROKEN and self._held() is not None:
            self.around.pause(_SETTLE_S)
            contents = self._active.read()
        lines = lines_from(folder, projection.offset)
        goes_on = lines.start == projection.offset
        told = tell(projection, [line.raw for line in lines.lines if goes_on or seq_of(line.raw) > projection.seq])
        layout, findings = reconcile(
            projection,
            told,
            contents,
            session_id=self._session_id,
            own=own,
            closed=lambda uid: self._all_finished(folder, lines.end).get(uid),
        )
        return _View(projection, contents, lines, told, layout, findings, own)

    def _all_finished(self, folder: Folder, end: int) -> Mapping[str, Identity]:
        """Read the whole journal for the jobs that finished: an old entry may have come back into the file."""
        if self._finished[0] != end:
            lines = lines_from(folder, 0).lines
            ended = EventKind.FINISHED.value
            self._finished = (end, {str(raw.get("uid")): job_of(raw) for raw, *_ in lines if raw["event"] == ended})
        return self._finished[1]

    def _begin(self, view: _View, held: Held) -> Transaction:
        change = Transaction(self._session_id, view.told, view.layout, self._clock, held.beat)
        for finding in view.findings:
            change.take_in(finding)
        return change

    def _commit(self, folder: Folder, held: Held, view: _View, change: Transaction) -> None:
        for _ in range(_ROUNDS):
            if self._write(folder, held, view, change):
                return
            view = self._look(folder, own=view.own)
            change = self._begin(view, held)

    def _write(self, folder: Folder, held: Held, view: _View, change: Transaction) -> bool:
        """Write what has changed.

        Returns:
            False when the events are in the journal, but somebody wrote the file since it was read.
        """
        items = view.layout.items(view.told.alive)
        differs = view.contents.found is Found.BROKEN or list(view.contents.items) != items
        prepared = self._active.prepare(items) if differs else None
        try:
            end = self._write_journal(folder, held, view, change, prepared)
            # The events have happened: a file or projection that cannot be written now is made good by the next writer.
            with suppress(OSError, RegistryError):
                return self._follow(folder, held, view, prepared, end)
            return True
        finally:
            if prepared is not None:
                prepared.close()

    def _write_journal(
        self, folder: Folder, held: Held, view: _View, change: Transaction, prepared: Prepared | None
    ) -> int | None:
        """Make the events last; see `append_lines` for what comes back."""
        with told_plainly(folder.path):
            if prepared is not None and view.contents.found is Found.BROKEN:
                prepared.keep_aside(view.contents, self._clock())
            held.check()
            if not change.events:
                return view.lines.end
            try:
                return append_lines(folder, view.lines, change.events, self._clock())
            except MovedError as error:
                raise LockTimeoutError("Another machine wrote while we held the lock.", hint="Try again.") from error

    def _follow(self, folder: Folder, held: Held, view: _View, prepared: Prepared | None, end: int | None) -> bool:
        """Let file and projection follow the journal; see `_write` for what comes back."""
        if end is None or not held.is_ours():
            return True  # another machine writes too: what is in the journal stands, and the next one writes the file
        place = view.contents.place
        if prepared is not None:
            if prepared.is_outdated(view.contents):
                return False
            prepared.place()
            place = prepared.place_inode()
        fresh = Projection(
            seq=view.told.seq,
            offset=end,
            has_file=prepared is not None or view.contents.found is not Found.MISSING,
            place=place,
            records=view.told.alive,
            told=frozenset(view.layout.told) if view.own else view.projection.told | view.told.told,
            known=True,
        )
        if fresh != view.projection:
            save_projection(folder, fresh)
        return True
