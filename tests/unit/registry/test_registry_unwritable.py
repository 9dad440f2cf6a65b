"""A full disk, a read-only folder, a failing write at any step: a clear error, and everything on disk as it was."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from jobwarden_registry.cursors import Cursor
from jobwarden_registry.disk import Steps
from jobwarden_registry.errors import UnreadableError, UnwritableError
from jobwarden_registry.index import Index
from jobwarden_registry.leases import Lease
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import this_process
from unit.registry.registry_rig import FaultySteps, Rig, finish, make_rig, reconcile, register, slurm, tree, update

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


def _solid(rig: Rig) -> dict[str, bytes]:
    """What is on disk, without what a writer that was stopped may leave until the next one sweeps it."""
    return {name: data for name, data in tree(rig.root).items() if not name.endswith(".tmp")}


def _attempt(rig: Rig, steps: Steps, uid: str) -> UnwritableError | None:
    try:
        with rig.process(steps).transaction() as change:
            change.finish(uid, change.jobs[uid].changed(phase=Phase.FAILED))
            change.register(slurm("2"))
    except UnwritableError as error:
        return error
    return None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("cut", [None, 5])
def test_a_failure_at_any_step_is_all_or_nothing(tmp_path: Path, code: int, cut: int | None) -> None:
    """Ends one and registers one, with one step failing: either both are on disk and no error came, or nothing is."""
    errors = 0
    for at in itertools.count():
        rig = make_rig(tmp_path / str(at))
        (job,) = register(rig.process(), slurm("1"))
        before = _solid(rig)
        steps = FaultySteps(fail_at=at, code=code, cut=cut)
        error = _attempt(rig, steps, job.uid)
        if error is not None:
            errors += 1
            assert error.code == "registry.unwritable"
            assert os.strerror(code) in error.text
            assert _solid(rig) == before, steps.log
        else:
            assert [one.id for one in rig.process().load()] == ["2"], steps.log
        if not steps.failed:
            break
        # The next writer goes on as if nothing had been.
        register(rig.process(timeout_s=10.0, stale_s=1.0), slurm("2"))
        reconcile(rig.process())
        kinds = rig.kinds()
        assert kinds in (["registered", "finished", "registered"], ["registered", "registered"])
        assert [event.seq for event in rig.events()] == list(range(1, len(kinds) + 1))
    assert errors >= 6


def test_a_journal_line_that_was_cut_by_a_full_disk_is_taken_back(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    before = rig.journal.read_bytes()
    steps = FaultySteps()
    update(rig.process(steps), job.uid, reason="count")
    at = next(number for number, what in enumerate(steps.log) if what == "write events.jsonl")
    before = rig.journal.read_bytes()
    with pytest.raises(UnwritableError):
        update(rig.process(FaultySteps(fail_at=at, cut=20)), job.uid, reason="more")
    assert rig.journal.read_bytes() == before


class _NothingCanBeCut(Steps):
    """A disk on which even taking back fails, as a network file system that has gone away."""

    def before(self, what: str) -> None:
        if what in ("fsync events.jsonl", "truncate events.jsonl"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data[:30])


def test_a_line_that_cannot_even_be_taken_back_is_not_doubled(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    with pytest.raises(UnwritableError):
        finish(rig.process(_NothingCanBeCut()), job.uid)
    reconcile(rig.process())
    assert rig.kinds() == ["registered", "finished"]
    assert rig.process().load() == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Rig]:
    """A registry on a real file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(disk)], check=True)
    try:
        yield make_rig(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@root_only
def test_on_a_really_full_disk_nothing_is_lost(small_disk: Rig) -> None:
    rig = small_disk
    jobs = register(rig.process(), slurm("1"), slurm("2"))
    filler = rig.root / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 -- the loop ends by it
    before = _solid(rig)
    for attempt in (
        lambda: register(rig.process(), slurm("3")),
        lambda: update(rig.process(), jobs[0].uid, reason="x" * 4000),
        lambda: finish(rig.process(), jobs[1].uid),
        lambda: rig.process().cursors.put("mcp", Cursor(shown=1)),
        lambda: Index(rig.places).add(rig.entry().model_copy(update={"session_id": "s2"})),
    ):
        with pytest.raises(UnwritableError) as caught:
            attempt()
        assert caught.value.code == "registry.unwritable"
    assert _solid(rig) == before
    assert [job.id for job in rig.process().load()] == ["1", "2"]
    filler.unlink()
    finish(rig.process(), jobs[1].uid)
    register(rig.process(), slurm("3"))
    assert [job.id for job in rig.process().load()] == ["1", "3"]
    assert [event.seq for event in rig.events()] == [1, 2, 3, 4]


@root_only
def test_a_disk_that_fills_while_we_work_loses_nothing_that_was_acknowledged(small_disk: Rig) -> None:
    rig = small_disk
    acknowledged: list[str] = []

    def fill() -> None:
        for number in range(1000):
            register(rig.process(), slurm(str(number)))
            acknowledged.append(str(number))

    with pytest.raises(UnwritableError):
        fill()
    assert len(acknowledged) > 5
    assert [job.id for job in rig.process().load()] == acknowledged
    assert [event.job_id for event in rig.events()] == acknowledged


@root_only
def test_a_read_only_file_system_is_a_clear_error(tmp_path: Path) -> None:
    """Root is not stopped by modes, so the file system itself is read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True)
    try:
        rig = make_rig(disk)
        (job,) = register(rig.process(), slurm("1"))
        before = tree(rig.root)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        session = rig.process()
        for attempt in (
            lambda: register(session, slurm("2")),
            lambda: Lease().acquire(session, this_process(), machine_id="m", stale_s=1),
            lambda: session.cursors.put("x", Cursor()),
        ):
            with pytest.raises(UnwritableError) as caught:
                attempt()
            assert "Read-only file system" in caught.value.text
        assert session.load() == (job,)
        assert tree(rig.root) == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@root_only
@pytest.mark.parametrize("exists", [True, False])
def test_a_project_that_cannot_be_written_is_a_clear_error(tmp_path: Path, exists: bool) -> None:
    """The state folder could be written, and is not."""
    rig = make_rig(tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(rig.project)], check=True)
    try:
        if exists:
            register(rig.process(), slurm("1"))
        subprocess.run(["mount", "-o", "remount,ro", str(rig.project)], check=True)
        before = tree(rig.places.state, rig.project)
        with pytest.raises(UnwritableError):
            register(rig.process(), slurm("2"))
        assert tree(rig.places.state, rig.project) == before
        subprocess.run(["mount", "-o", "remount,rw", str(rig.project)], check=True)
        register(rig.process(), slurm("2"))
        assert len(rig.process().load()) == 1 + exists
    finally:
        subprocess.run(["umount", str(rig.project)], check=True)


def test_a_limit_on_file_sizes_takes_the_line_back(rig: Rig) -> None:
    """The kernel itself cuts the write: RLIMIT_FSIZE, in a child, because it cannot be raised again by all users."""
    (job,) = register(rig.process(), slurm("1"))
    update(rig.process(), job.uid, reason="x" * 3000)
    update(rig.process(), job.uid, reason=None)
    before = _solid(rig)
    limit = rig.journal.stat().st_size + 100
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        code = 1
        try:
            update(rig.process(), job.uid, reason="short")
        except UnwritableError:
            code = 42
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert _solid(rig) == before
    update(rig.process(), job.uid, reason="short")
    assert rig.process().load()[0].reason == "short"


def test_a_state_folder_that_is_gone_is_a_clear_error(rig: Rig) -> None:
    rig.places.state.rename(rig.root / "moved")
    assert rig.process().load() == ()
    with pytest.raises(UnwritableError):
        register(rig.process(), slurm())


def _refuse(*args: Any, **options: Any) -> Any:
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


@pytest.mark.parametrize("call", ["open", "pread", "stat", "listdir"])
def test_a_disk_that_does_not_answer_is_not_an_empty_registry(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (job,) = register(rig.process(), slurm("1"))
    session = rig.process()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _refuse)
        if call != "listdir":
            with pytest.raises(UnreadableError) as caught:
                session.load()
            assert caught.value.retryable
        with pytest.raises(UnreadableError):
            register(session, slurm("2"))
    rig.kill()
    assert rig.process().load() == (job,)
    assert rig.kinds() == ["registered"]


def test_a_line_whose_place_cannot_be_looked_at_afterwards_counts_all_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = register(rig.process(), slurm("1"))
    real = os.pread
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)

    def pread(descriptor: int, size: int, at: int) -> bytes:
        return _refuse() if len(synced) > 1 else real(descriptor, size, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "pread", pread)
        finish(rig.process(), job.uid)
    rig.kill()
    reconcile(rig.process())
    assert rig.kinds() == ["registered", "finished"]
    assert rig.read() == []
