"""Compaction: what stays, that numbers stay, that a crash leaves the old or the new, and that readers see it."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden_registry.compaction import compact, kept_lines
from jobwarden_registry.disk import Folder, Steps, open_folder
from jobwarden_registry.errors import UntrustedError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index, SessionEntry
from jobwarden_registry.journal import EVENTS, Journal, Line, seq_of
from jobwarden_registry.locks import Surroundings
from jobwarden_registry.model import JobRecord
from jobwarden_registry.paths import Places
from jobwarden_registry.phases import Phase
from jobwarden_registry.rawjson import Raw, read_object, write_json
from jobwarden_registry.removal import remove_session, sweep_removed
from jobwarden_registry.session import Session

OLD = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE = NOW - timedelta(days=90)


class Killed(BaseException):
    """As if the process had been killed here."""


class Stops(Steps):
    """Stops at the n-th change."""

    def __init__(self) -> None:
        self.left = -1

    def before(self, what: str) -> None:  # noqa: ARG002 -- the contract's
        self.left -= 1
        if self.left == 0:
            raise Killed


def never(_: Raw) -> bool:
    return False


class Shelf:
    """A session with a clock that a test moves."""

    def __init__(self, root: Path) -> None:
        self.now = OLD
        self.steps = Stops()
        self.places = Places(root / "state", root / "run")
        for folder in (self.places.state, self.places.runtime, root / "project"):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.entry = SessionEntry(session_id="s1", project=root / "project", created_at=OLD, last_seen_at=OLD)
        Index(self.places, clock=lambda: self.now).add(self.entry)
        self.session = self.opened()

    def opened(self, *, alone: bool = False) -> Session:
        """Open it; `alone`: whoever else has held its lock is dead."""
        around = Surroundings(steps=self.steps, judge=lambda _: False) if alone else Surroundings(steps=self.steps)
        return Session(self.places, self.entry, clock=lambda: self.now, around=around)

    def run_one(self, job: str, *, events: int = 40, ends: bool = True) -> None:
        with self.session.transaction() as transaction:
            record, _ = transaction.register(JobRecord(type="slurm", id=job, host="cluster-a"))
            for number in range(events):
                changed = transaction.jobs[record.uid].changed(reason=f"look {number}")
                transaction.change(record.uid, changed, EventKind.STATUS_CHANGE)
        if not ends:
            return
        with self.session.transaction() as transaction:
            over = transaction.jobs[record.uid].changed(phase=Phase.SUCCEEDED, last_status="COMPLETED")
            transaction.finish(record.uid, over)

    def bytes(self) -> bytes:
        return (self.places.state / "sessions" / "s1" / EVENTS).read_bytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_of_a_job_that_is_long_over_its_registration_and_end_stay_with_their_numbers(shelf: Shelf) -> None:
    shelf.run_one("1")
    with shelf.session.transaction() as transaction:
        transaction.note("somebody did this", kind=EventKind.ACTION)
    shelf.now = NOW - timedelta(days=1)
    shelf.run_one("2", events=2)
    before = shelf.session.journal.read()
    size = len(shelf.bytes())
    assert compact(shelf.session, BEFORE, spare=never, keep=never, dry_run=True) > 0
    assert len(shelf.bytes()) == size
    freed = compact(shelf.session, BEFORE, spare=never, keep=never)
    assert len(shelf.bytes()) == size - freed
    after = shelf.session.journal.read()
    assert [(event.seq, str(event.event), event.job_id) for event in after] == [
        (1, "registered", "1"),
        (42, "finished", "1"),
        (43, "action", ""),
        (44, "registered", "2"),
        (45, "status_change", "2"),
        (46, "status_change", "2"),
        (47, "finished", "2"),
    ]
    assert all(one in before for one in after)
    assert compact(shelf.session, BEFORE, spare=never, keep=never) == 0, "once"
    shelf.run_one("3", events=0)
    assert [event.seq for event in shelf.session.journal.read(47)] == [48, 49], "numbers go on"


def test_a_session_that_watches_anything_is_left_as_it_is(shelf: Shelf) -> None:
    shelf.run_one("1")
    shelf.run_one("2", ends=False)
    shelf.now = NOW
    before = shelf.bytes()
    assert compact(shelf.session, BEFORE, spare=never, keep=never) == 0
    assert shelf.bytes() == before


def test_the_last_number_is_never_given_again_even_without_the_note_of_the_file(shelf: Shelf) -> None:
    shelf.run_one("1")
    with shelf.session.transaction() as transaction:
        transaction.note("something passing")
    last = shelf.session.journal.last_seq()
    shelf.now = NOW
    assert compact(shelf.session, BEFORE, spare=never, keep=never)
    (shelf.places.state / "sessions" / "s1" / "projection.json").unlink()
    with shelf.opened().transaction() as transaction:
        transaction.note("fresh")
    assert shelf.opened().journal.last_seq() == last + 1


def test_a_reader_that_has_read_before_goes_on_by_numbers(shelf: Shelf) -> None:
    """Its marks lead into another journal now; some lead to where a line begins all the same."""
    reader = shelf.opened().journal
    for job in range(1, 6):
        shelf.run_one(str(job), events=70)
    shelf.run_one("6", events=0)
    known = {after: reader.read(after) for after in range(0, 362, 7)}
    shelf.now = NOW
    compact(shelf.session, BEFORE, spare=never, keep=never)
    shelf.run_one("7", events=400)
    fresh = shelf.opened().journal.read()
    for after in known:
        assert reader.read(after) == tuple(event for event in fresh if event.seq > after)


def test_a_kill_at_any_step_leaves_the_old_journal_or_the_new_one(tmp_path: Path) -> None:
    at, killed, outcomes = 1, True, set[str]()
    while killed:
        root = tmp_path / str(at)
        root.mkdir()
        shelf = Shelf(root)
        shelf.run_one("1", events=5)
        shelf.run_one("2", events=5)
        shelf.now = NOW
        old = shelf.bytes()
        shelf.steps.left = at
        try:
            compact(shelf.session, BEFORE, spare=never, keep=never)
            killed = False
        except Killed:
            killed = True
        shelf.steps.left = -1
        data = shelf.bytes()
        outcomes.add("old" if data == old else "new")
        kinds = [read_object(line) or {} for line in data.splitlines()]
        assert data == old or [raw["event"] for raw in kinds] == ["registered", "finished"] * 2
        again = shelf.opened(alone=True)
        assert again.load() == ()
        with again.transaction() as transaction:
            assert transaction.register(JobRecord(type="slurm", id="3", host="cluster-a"))[1]
        events = again.journal.read()
        assert [event.seq for event in events if event.seq > 14] == [15], "nothing is told twice, nor numbered twice"
        at += 1
    assert outcomes == {"old", "new"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(list(EventKind)), st.integers(-50, 50)), max_size=60))
def test_whatever_a_journal_holds_registrations_ends_and_the_last_line_stay(
    made: list[tuple[int, EventKind, int]],
) -> None:
    lines: list[Line] = []
    for seq, (uid, kind, days) in enumerate(made, start=1):
        at = (BEFORE + timedelta(days=days)).isoformat()
        raw: Raw = {"seq": seq, "event": kind.value, "session": "s1", "timestamp": at, "uid": f"u{uid}" if uid else ""}
        lines.append(Line(raw, write_json(raw), 0))
    kept = kept_lines(lines, BEFORE, spare=never, keep=never)
    numbers = [seq_of(line.raw) for line in kept]
    assert numbers == sorted(numbers)
    assert kept == [line for line in lines if line in kept], "nothing is changed"
    assert kept[-1:] == lines[-1:]
    over = {
        str(line.raw["uid"])
        for line in lines
        if line.raw["event"] in ("finished", "removed") and str(line.raw["timestamp"]) < BEFORE.isoformat()
    }
    for line in lines:
        young = str(line.raw["timestamp"]) >= BEFORE.isoformat()
        living = line.raw["uid"] and line.raw["uid"] not in over
        if young or living or line.raw["event"] in ("registered", "finished", "removed", "action"):
            assert line in kept


def test_a_removed_session_leaves_nothing_but_what_is_not_ours(shelf: Shelf) -> None:
    shelf.run_one("1")
    folder = shelf.session.active_path.parent
    assert folder.exists()
    shelf.now = NOW
    assert remove_session(shelf.places, shelf.session, used_at=OLD, dry_run=True) > 0
    assert Index(shelf.places).get("s1") is not None
    assert remove_session(shelf.places, shelf.session, used_at=OLD) > 0
    assert Index(shelf.places).all() == ()
    assert list((shelf.places.state / "sessions").iterdir()) == []
    assert not folder.exists()
    again = Shelf(shelf.places.state.parent)
    again.run_one("2")
    assert [event.seq for event in again.session.journal.read(40)] == [41, 42]


def test_a_session_that_is_used_again_or_watches_something_is_not_removed(shelf: Shelf) -> None:
    shelf.run_one("1", ends=False)
    shelf.now = NOW
    assert remove_session(shelf.places, shelf.session, used_at=OLD) == 0
    with shelf.session.transaction() as transaction:
        (record,) = transaction.jobs.values()
        transaction.remove(record.uid, text="x")
    assert remove_session(shelf.places, shelf.session, used_at=OLD) == 0, "that was just now"
    assert Index(shelf.places).get("s1") is not None


def test_what_a_person_has_put_into_the_projects_folder_stays(shelf: Shelf) -> None:
    shelf.run_one("1")
    folder = shelf.session.active_path.parent
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    remove_session(shelf.places, shelf.session, used_at=NOW)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_no_link_in_the_project_is_followed_by_a_removal(shelf: Shelf, tmp_path: Path) -> None:
    shelf.run_one("1")
    agents = shelf.session.active_path.parent.parent
    elsewhere = tmp_path / "elsewhere"
    agents.rename(elsewhere)
    agents.symlink_to(elsewhere)
    with pytest.raises(UntrustedError):
        remove_session(shelf.places, shelf.session, used_at=NOW)
    assert (elsewhere / "s1" / "active_jobs.json").exists()
    assert Index(shelf.places).get("s1") is not None


def test_a_removal_does_not_wait_for_a_pipe_in_the_project(shelf: Shelf) -> None:
    shelf.run_one("1")
    path = shelf.session.active_path.with_name(".gitignore")
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    removing = threading.Thread(target=lambda: remove_session(shelf.places, shelf.session, used_at=NOW), daemon=True)
    removing.start()
    removing.join(20)
    assert not removing.is_alive()
    assert path.exists()


def test_what_a_crash_left_of_a_removal_is_no_session_and_is_swept(shelf: Shelf) -> None:
    shelf.run_one("1")
    sessions = shelf.places.state / "sessions"
    (sessions / "s1").rename(sessions / ".removed-s1-00ff")
    assert Index(shelf.places).all() == ()
    sweep_removed(shelf.places)
    assert list(sessions.iterdir()) == []


def test_a_place_at_which_another_line_begins_now_is_not_the_same_place(tmp_path: Path) -> None:
    """All lines are of one length: every old place is one at which a line begins, but a later one."""

    def line(seq: int) -> bytes:
        raw: Raw = {"seq": seq, "timestamp": OLD.isoformat(), "event": "note", "session": "s1", "text": f"{seq:06}"}
        return write_json({**raw, "pad": "x" * (6 - len(str(seq)))}) + b"\n"

    def opened() -> Folder | None:
        return open_folder(tmp_path, ("s1",), Steps(), create=False)

    (tmp_path / "s1").mkdir(mode=0o700)
    path = tmp_path / "s1" / EVENTS
    path.write_bytes(b"".join(map(line, range(1, 301))))
    reader = Journal(opened)
    for after in range(0, 300, 10):
        reader.read(after)
    kept = [*range(1, 300, 3), 300, *range(301, 500)]
    path.write_bytes(b"".join(map(line, kept)))
    for after in (290, 64, 128, 200, 0, 300, 420):
        assert [event.seq for event in reader.read(after)] == [seq for seq in kept if seq > after]
