"""One writer at a time: both locks, dead holders, broken locks, and leases."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from jobwarden_registry import locks
from jobwarden_registry.cursors import Cursor
from jobwarden_registry.disk import Steps
from jobwarden_registry.errors import LeaseLostError, LockTimeoutError
from jobwarden_registry.events import EventKind
from jobwarden_registry.leases import Lease
from jobwarden_registry.locks import judge, local_flock
from jobwarden_registry.processes import ProcessId, process_of, this_process
from jobwarden_registry.session import Session
from unit.registry.registry_rig import FaultySteps, Killed, Rig, reconcile, register, slurm, tree, update


def _elsewhere(process: ProcessId) -> None:
    """Judge as from another machine: nobody can be seen."""


def _excludes_nobody(descriptor: int) -> bool:
    return True


def _errors(descriptor: int) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


def _always_busy(descriptor: int) -> bool:
    return False


def _lock(rig: Rig, **fields: Any) -> Path:
    """Let another holder's lock be there."""
    path = rig.folder / "lock"
    raw = {"token": "theirs", "beats": "0"} | asdict(ProcessId("boot", "ns", 999, "1")) | fields
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.parametrize("exclude", [local_flock, _excludes_nobody, _errors])
def test_a_second_writer_waits_and_gives_up_in_time(rig: Rig, exclude: locks.Excluder) -> None:
    with rig.process(exclude=exclude).transaction() as change:
        change.register(slurm("1"))
        before = rig.waited
        other = rig.process(exclude=exclude, timeout_s=3.0, stale_s=1.0)
        with pytest.raises(LockTimeoutError) as caught, other.transaction():
            pass
        assert caught.value.retryable
        assert 3.0 <= rig.waited - before < 3.3
    assert [job.id for job in rig.process().load()] == ["1"]


def test_a_lock_on_local_disk_that_never_comes_free_does_not_stop_us(rig: Rig) -> None:
    """A process stopped by Ctrl-Z keeps its flock for ever."""
    register(rig.process(exclude=_always_busy, timeout_s=5.0, stale_s=1.0), slurm())
    assert 1.0 <= rig.waited < 1.2


def test_a_runtime_folder_that_is_gone_does_not_stop_us(rig: Rig) -> None:
    rig.places.runtime.rmdir()
    register(rig.process(), slurm())
    assert rig.kinds() == ["registered"]


def test_two_threads_of_one_process_exclude_each_other(rig: Rig) -> None:
    """Both are alive under one pid, as the server's workers are."""
    inside = threading.Event()
    leave = threading.Event()
    session = rig.process()

    def hold() -> None:
        with session.transaction() as change:
            inside.set()
            leave.wait(10)
            change.register(slurm("1"))

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(LockTimeoutError), session.transaction():
        pass
    leave.set()
    thread.join(10)
    register(session, slurm("2"))
    assert [event.seq for event in rig.events()] == [1, 2]


def test_a_dead_holders_lock_is_broken_at_once(rig: Rig) -> None:
    steps = FaultySteps(die_at=4)
    with pytest.raises(Killed):
        register(rig.process(steps), slurm("1"))
    assert (rig.folder / "lock").exists()
    rig.kill()
    register(rig.process(), slurm("2"))
    assert rig.waited < 0.1
    assert not list(rig.folder.glob(".lock*"))


def test_a_living_holders_lock_is_left_to_it(rig: Rig) -> None:
    path = _lock(rig)
    before = path.read_bytes()
    with pytest.raises(LockTimeoutError) as caught:
        register(rig.process(timeout_s=5.9, stale_s=1.0), slurm())
    assert "999" in caught.value.hint
    assert path.read_bytes() == before
    assert not list(rig.folder.glob(".lock*"))


def test_a_lock_that_its_living_holder_could_not_remove_needs_no_hand(rig: Rig) -> None:
    """No single wait is long enough; the watcher's many waits together are."""
    register(rig.process(), slurm("0"))
    steps = FaultySteps()
    register(rig.process(steps), slurm("1"))
    register(rig.process(FaultySteps(fail_at=steps.log.index("unlink lock"), code=errno.EIO)), slurm("2"))
    assert (rig.folder / "lock").exists()
    watcher = rig.process(timeout_s=2.0, stale_s=1.0)
    for _ in range(2):
        with pytest.raises(LockTimeoutError):
            register(watcher, slurm("3"))
    register(watcher, slurm("3"))
    assert [job.id for job in rig.process().load()] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"token": 1, "pid": "x"}'])
def test_another_machines_lock_that_does_not_change_is_broken_after_its_time(rig: Rig, content: bytes | None) -> None:
    path = _lock(rig)
    if content is not None:
        path.write_bytes(content)
    register(rig.process(judge=_elsewhere, timeout_s=5.0, stale_s=2.0), slurm())
    assert 2.0 <= rig.waited < 2.2
    assert rig.kinds() == ["registered"]


def test_another_machines_lock_that_beats_is_not_broken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = iter(range(10**9))
    _lock(rig)

    def pause(seconds: float) -> None:
        rig.waited += seconds
        _lock(rig, beats=str(next(beats)))

    monkeypatch.setattr(rig, "_pause", pause)
    with pytest.raises(LockTimeoutError):
        register(rig.process(judge=_elsewhere, timeout_s=20.0, stale_s=2.0), slurm())


def test_a_long_holder_beats(rig: Rig) -> None:
    contents: set[bytes] = set()
    with rig.process(stale_s=2.0).transaction() as change:
        for number in range(8):
            rig.waited += 0.3
            change.register(slurm(str(number)))
            contents.add((rig.folder / "lock").read_bytes())
    assert len(contents) >= 4
    assert len({len(content) for content in contents}) == 1


def test_a_holder_whose_lock_was_broken_writes_nothing(rig: Rig) -> None:
    """It stood still for long, another took over and is done."""
    register(rig.process(), slurm("1"))

    def stand_still() -> None:
        with rig.process().transaction() as change:
            change.register(slurm("2"))
            rig.waited += 100
            register(rig.process(judge=_elsewhere, exclude=_excludes_nobody), slurm("3"))

    with pytest.raises(LockTimeoutError) as caught:
        stand_still()
    assert caught.value.retryable
    assert [job.id for job in rig.process().load()] == ["1", "3"]
    assert [event.seq for event in rig.events()] == [1, 2]
    assert not (rig.folder / "lock").exists()


def test_a_holder_whose_lock_was_broken_does_not_remove_the_next_ones(rig: Rig) -> None:
    slow = rig.process()
    with pytest.raises(LockTimeoutError), slow.transaction():
        _lock(rig)
    assert (rig.folder / "lock").exists()


class _Once(Steps):
    """Does something just before the first step of some name."""

    def __init__(self, what: str, deed: Any) -> None:
        self._what = what
        self._deed = deed

    def before(self, what: str) -> None:
        if what.startswith(self._what):
            self._what = "nothing more"
            self._deed()


@pytest.mark.parametrize(
    "moment", ["open events", "write events", "fsync events", "rename .active", "create .projection"]
)
def test_two_writers_at_once_lose_nothing(rig: Rig, moment: str) -> None:
    """The worst case: our lock is broken between our last look at it and our write."""
    register(rig.process(), slurm("1"))

    def intrude() -> None:
        (rig.folder / "lock").unlink()
        register(rig.process(exclude=_excludes_nobody), slurm("3"))

    ours = rig.process(_Once(moment, intrude))
    wanted = {"1", "2", "3"}
    if moment == "open events":  # the last moment at which it can be seen that another has written
        wanted.discard("2")
        with pytest.raises(LockTimeoutError):
            register(ours, slurm("2"))
    else:
        register(ours, slurm("2"))
    for _ in range(2):
        reconcile(rig.process())
    assert {job.id for job in rig.process().load()} == wanted
    assert {entry["id"] for entry in rig.read()} == wanted
    assert sorted(str(event.job_id) for event in rig.events() if event.event == "registered") == sorted(wanted)
    assert "removed" not in rig.kinds()


def test_a_line_that_another_machine_put_before_ours_counts(rig: Rig) -> None:
    """It came between our look at the journal's end and our write, and left the lock alone."""
    register(rig.process(), slurm("1"))
    line = json.loads(rig.journal.read_text())
    theirs = {**line, "seq": 2, "uid": "c" * 12, "job_id": "3", "record": line["record"] | {"uid": "c" * 12, "id": "3"}}

    def intrude() -> None:
        with rig.journal.open("a") as journal:
            journal.write(json.dumps(theirs) + "\n")

    register(rig.process(_Once("write events", intrude)), slurm("2"))
    reconcile(rig.process())
    assert [job.id for job in rig.process().load()] == ["1", "3", "2"]
    assert [entry["id"] for entry in rig.read()] == ["1", "3", "2"]
    assert [event.seq for event in rig.events()] == [1, 2, 2, 3]
    assert rig.kinds()[3] == "note"


def test_a_lock_judged_dead_that_is_another_by_now_is_given_back(rig: Rig) -> None:
    path = _lock(rig)
    dead = path.read_bytes()

    def replace() -> None:
        path.unlink()
        _lock(rig, token="alive", pid=1000)

    rig.dead.add(999)
    steps = _Once("rename lock", replace)
    with pytest.raises(LockTimeoutError):
        register(rig.process(steps, timeout_s=1.0, stale_s=0.5), slurm())
    assert json.loads(path.read_text())["token"] == "alive"
    assert path.read_bytes() != dead
    assert not list(rig.folder.glob(".lock*"))


def test_a_lock_that_another_breaks_first_is_competed_for_again(rig: Rig) -> None:
    path = _lock(rig)
    rig.dead.add(999)
    register(rig.process(_Once("rename lock", path.unlink)), slurm())
    assert rig.kinds() == ["registered"]


def test_a_contenders_file_that_was_swept_away_is_made_again(rig: Rig) -> None:
    def sweep() -> None:
        for path in rig.folder.glob(".lock.*"):
            path.unlink()

    register(rig.process(_Once("link ", sweep)), slurm())
    assert rig.kinds() == ["registered"]


def test_a_link_whose_answer_was_lost_counts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS may repeat a LINK whose answer was lost, and then says EEXIST for our own link (link(2), BUGS)."""
    real = os.link

    def twice(*args: Any, **options: Any) -> None:
        real(*args, **options)
        real(*args, **options)

    monkeypatch.setattr(os, "link", twice)
    register(rig.process(), slurm())
    assert rig.kinds() == ["registered"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_is_locked_too(rig: Rig, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    with rig.process().transaction() as change:
        change.register(slurm("1"))
        with pytest.raises(LockTimeoutError):
            register(rig.process(timeout_s=1.0), slurm("2"))
    register(rig.process(), slurm("2"))
    assert rig.kinds() == ["registered", "registered"]


def test_litter_of_the_dead_is_swept_and_that_of_the_living_is_not(rig: Rig) -> None:
    def contender(name: str, pid: int, age_s: float = 0.0) -> Path:
        path = rig.folder / name
        path.write_text(json.dumps(asdict(ProcessId("boot", "ns", pid, "1"))))
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_s))
        return path

    rig.dead.add(7)
    dead = contender(".lock.aa.tmp", 7)
    alive = contender(".lock.bb.tmp", 8)
    ancient = contender(".lock.cc.tmp", 8, age_s=4000)
    killed = contender(".projection.json.dd.tmp", 8)
    entry = contender(".session.json.ee.tmp", 8)
    register(rig.process(), slurm())
    assert [path.exists() for path in (dead, alive, ancient, killed, entry)] == [False, True, False, False, True]


def test_a_holder_that_stands_under_sigstop_is_judged_by_its_beats() -> None:
    """Seen by the real /proc."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = process_of(child.pid)
        assert process is not None
        assert judge(process) is True
        os.kill(child.pid, 19)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert judge(process) is None
        child.kill()
    assert judge(process) is False
    assert judge(this_process()) is True


def test_the_real_flock_excludes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    one, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    assert local_flock(one)
    assert not local_flock(other)
    os.close(one)
    assert local_flock(other)
    os.close(other)


def test_nothing_real_is_injected_by_default(rig: Rig) -> None:
    """The defaults are the product's: real pids, a real clock, a real wait."""
    session = Session(rig.places, rig.entry(), lock_timeout_s=0.05)
    with session.transaction() as change:
        change.register(slurm())
        holder = json.loads((rig.folder / "lock").read_text())
        with pytest.raises(LockTimeoutError), Session(rig.places, rig.entry(), lock_timeout_s=0.05).transaction():
            pass
    assert holder["pid"] == os.getpid()
    assert rig.kinds() == ["registered"]


# -- cursors


def test_a_cursor_is_kept_for_each_consumer(rig: Rig) -> None:
    cursors = rig.process().cursors
    assert cursors.get("mcp") == Cursor()
    cursors.put("mcp", Cursor(shown=3, acknowledged=2, clients=("77",)))
    cursors.put("watch", Cursor(shown=1))
    assert rig.process().cursors.get("mcp") == Cursor(shown=3, acknowledged=2, clients=("77",))
    assert rig.process().cursors.get("watch") == Cursor(shown=1)
    assert not (rig.folder / "lock").exists()


def test_a_cursor_can_be_put_within_a_transaction(rig: Rig) -> None:
    session = rig.process()
    with session.transaction() as change:
        change.register(slurm())
        session.cursors.put("mcp", Cursor(shown=1))
        assert (rig.folder / "lock").exists()
    assert session.cursors.get("mcp").shown == 1


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"consumers": 5}', b'{"consumers": {"mcp": {"shown": "x"}}}'])
def test_an_unreadable_cursor_has_been_told_nothing(rig: Rig, broken: bytes) -> None:
    (rig.folder / "cursors.json").write_bytes(broken)
    assert rig.process().cursors.get("mcp") == Cursor()
    rig.process().cursors.put("mcp", Cursor(shown=1))
    assert rig.process().cursors.get("mcp").shown == 1


def test_a_session_without_a_folder_has_told_nobody_anything(rig: Rig) -> None:
    (rig.folder / "session.json").unlink()
    rig.folder.rmdir()
    assert rig.process().cursors.get("mcp") == Cursor()


# -- leases


def _owner(pid: int) -> ProcessId:
    return ProcessId("boot", "ns", pid, "1")


def _acquire(lease: Lease, session: Session, pid: int, stale_s: float = 10.0) -> str | None:
    return lease.acquire(session, _owner(pid), machine_id="m", stale_s=stale_s)


def test_only_one_watcher_holds_the_lease(rig: Rig) -> None:
    one, other = Lease(), Lease()
    session = rig.process()
    token = _acquire(one, session, 101)
    assert token is not None
    assert one.holds(token)
    assert _acquire(other, session, 102) is None
    assert not other.holds(None)
    assert not other.holds(token)
    one.beat()
    one.release()
    assert not one.holds(token)
    assert _acquire(other, session, 102) is not None
    raw = json.loads((rig.folder / "lease.json").read_text())
    assert (raw["epoch"], raw["pid"], raw["machine_id"]) == (2, 102, "m")


def test_the_same_watcher_gets_its_lease_again(rig: Rig) -> None:
    session = rig.process()
    assert _acquire(Lease(), session, 101) is not None
    assert _acquire(Lease(), session, 101) is not None


def test_a_dead_watchers_lease_is_taken_over_at_once_and_its_token_writes_nothing(rig: Rig) -> None:
    session = rig.process()
    old = Lease()
    token = _acquire(old, session, 101)
    (job,) = register(session, slurm())
    rig.dead.add(101)
    new_token = _acquire(Lease(), session, 102)
    assert new_token is not None
    before = tree(rig.root)
    with pytest.raises(LeaseLostError) as caught, session.transaction(lease=token, own=False) as change:
        change.remove(job.uid, text="never")
    assert caught.value.code == "lease.lost"
    with pytest.raises(LeaseLostError):
        old.beat()
    with pytest.raises(LeaseLostError):
        old.beat()
    old.release()
    assert tree(rig.root) == before
    with session.transaction(lease=new_token, own=False) as change:
        change.note("acts")
    assert rig.kinds() == ["registered", "note"]


def test_a_lease_that_is_lost_within_a_transaction_writes_nothing(rig: Rig) -> None:
    session = rig.process()
    token = _acquire(Lease(), session, 101)
    register(session, slurm())

    def lose_it() -> None:
        with session.transaction(lease=token) as change:
            change.note("never")
            rig.dead.add(101)
            assert _acquire(Lease(), session, 102) is not None

    with pytest.raises(LeaseLostError):
        lose_it()
    assert rig.kinds() == ["registered"]


def test_another_machines_watcher_is_silent_for_its_time_before_it_is_replaced(rig: Rig) -> None:
    there = Lease()
    assert _acquire(there, rig.process(), 101) is not None
    here, session = Lease(), rig.process(judge=_elsewhere)
    assert _acquire(here, session, 102) is None
    rig.waited += 9
    there.beat()
    assert _acquire(here, session, 102) is None
    rig.waited += 9.9
    assert _acquire(here, session, 102) is None
    rig.waited += 0.2
    assert _acquire(here, session, 102) is not None
    with pytest.raises(LeaseLostError):
        there.beat()


def test_a_watcher_that_hangs_is_replaced_although_it_lives(rig: Rig) -> None:
    session = rig.process()
    assert _acquire(Lease(), session, 101) is not None
    here = Lease()
    assert _acquire(here, session, 102) is None
    rig.waited += 11
    assert _acquire(here, session, 102) is not None


@pytest.mark.parametrize("broken", [b"", b"{", b'{"token": 5}', b'{"token": ""}'])
def test_a_lease_that_cannot_be_read_is_nobodys(rig: Rig, broken: bytes) -> None:
    (rig.folder / "lease.json").write_bytes(broken)
    session = rig.process()
    with pytest.raises(LeaseLostError), session.transaction(lease="anything"):
        pass
    assert _acquire(Lease(), session, 101) is not None


def test_a_lease_that_was_never_held_cannot_beat(rig: Rig) -> None:
    with pytest.raises(LeaseLostError):
        Lease().beat()
    Lease().release()


def test_beats_are_counted_even_after_somebody_spoiled_them(rig: Rig) -> None:
    lease, session = Lease(), rig.process()
    _acquire(lease, session, 101)
    path = rig.folder / "lease.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"beats": "x", "epoch": "y"}))
    lease.beat()
    assert json.loads(path.read_text())["beats"] == 1
    lease.release()
    assert _acquire(Lease(), session, 102) is not None
    assert json.loads(path.read_text())["epoch"] == 1


def test_a_job_changed_under_a_lease_is_changed(rig: Rig) -> None:
    session = rig.process()
    token = _acquire(Lease(), session, 101)
    (job,) = register(session, slurm())
    with session.transaction(lease=token, own=False) as change:
        change.change(job.uid, change.jobs[job.uid].changed(last_status="RUNNING"), EventKind.STATUS_CHANGE)
    update(session, job.uid, last_status="COMPLETING")
    assert rig.process().load()[0].last_status == "COMPLETING"
