from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from jobwarden.logs.allowed import LogRefusedError, Readable, allowed_path
from jobwarden_registry.model import LogPaths
from support.file_transport import FileTransport


class Disk:
    """A home with a job in it, a hidden key beside it, and somebody else's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "home/work"
        self.logs = root / "scratch/logs"
        for folder in (self.work / "out", self.work / ".git", self.logs, root / "home/.ssh", root / "other"):
            folder.mkdir(parents=True)
        for path in (
            self.work / "train.log",
            self.work / "out/deep.log",
            self.work / ".env",
            self.work / ".git/config",
            self.logs / "job.out",
            self.logs / "neighbour.out",
            root / "home/.ssh/id_rsa",
            root / "other/file",
        ):
            path.write_text("text\n")
        self.job = Readable(log=LogPaths(stdout=str(self.logs / "job.out")), work_dir=str(self.work))

    def link(self, name: str, target: str) -> Path:
        path = self.root / name
        path.symlink_to(self.root / target)
        return path


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path.resolve())


async def allow(path: Path | str, readable: Readable) -> PurePosixPath:
    return await allowed_path(FileTransport(), str(path), readable, timeout_s=10)


async def refused(path: Path | str, readable: Readable) -> None:
    with pytest.raises(LogRefusedError) as caught:
        await allow(path, readable)
    assert caught.value.code == "log.refused"
    assert caught.value.hint


async def test_the_log_that_the_scheduler_named_is_allowed_in_one_round_trip(disk: Disk) -> None:
    transport = FileTransport()
    path = disk.logs / "job.out"
    assert await allowed_path(transport, str(path), disk.job, timeout_s=10) == PurePosixPath(path)
    assert transport.requests == 1


async def test_a_log_that_the_scheduler_names_with_dots_is_allowed_and_resolved(disk: Disk) -> None:
    written = f"{disk.work}/../../scratch/logs/job.out"
    readable = Readable(log=LogPaths(stdout=written), work_dir=str(disk.work))
    assert await allow(written, readable) == PurePosixPath(disk.logs / "job.out")
    key = f"{disk.work}/../.ssh/id_rsa"
    await refused(key, Readable(log=LogPaths(stdout=key), work_dir=str(disk.work)))


async def test_files_below_the_working_directory_are_allowed_even_before_they_exist(disk: Disk) -> None:
    for name in ("train.log", "out/deep.log", "out/not/yet.log", "out/with space\u00e4.log"):
        assert await allow(disk.work / name, disk.job) == PurePosixPath(disk.work / name)


async def test_folders_of_the_users_configuration_are_allowed(disk: Disk) -> None:
    readable = Readable(folders=(str(disk.root / "other"),))
    assert await allow(disk.root / "other/file", readable) == PurePosixPath(disk.root / "other/file")


async def test_everything_else_is_refused(disk: Disk) -> None:
    for path in (
        disk.root / "other/file",
        disk.logs / "neighbour.out",
        disk.work,
        disk.work / "../.ssh/id_rsa",
        f"{disk.work}/./../work/train.log",
        f"{disk.work}x/train.log",
        "train.log",
        "~/work/train.log",
        "",
        "/",
        "//etc/passwd",
        "/etc/passwd",
        f"{disk.work}/a\nb",
    ):
        await refused(path, disk.job)


async def test_hidden_files_and_folders_are_refused(disk: Disk) -> None:
    await refused(disk.work / ".env", disk.job)
    await refused(disk.work / ".git/config", disk.job)


async def test_a_hidden_log_is_refused_even_when_the_scheduler_named_it(disk: Disk) -> None:
    """`sbatch --hold --output=~/.ssh/id_rsa` must not be a way to read a key."""
    key = disk.root / "home/.ssh/id_rsa"
    await refused(key, Readable(log=LogPaths(stdout=str(key)), work_dir=str(disk.work)))


async def test_a_hidden_working_directory_allows_nothing(disk: Disk) -> None:
    await refused(disk.root / "home/.ssh/id_rsa", Readable(work_dir=str(disk.root / "home/.ssh")))
    await refused(disk.root / "home/.ssh/id_rsa", Readable(work_dir=f"{disk.root}/home/.ssh/"))
    await refused("/etc/passwd", Readable(work_dir="/"))
    await refused("/proc/self/environ", Readable(work_dir="/proc/self"))


async def test_an_agents_worktree_is_a_working_directory_like_any_other(disk: Disk) -> None:
    work = disk.root / "home/project/.claude/worktrees/fix"
    assert await allow(work / "a.log", Readable(work_dir=str(work))) == PurePosixPath(work / "a.log")
    await refused(disk.root / "home/project/.claude/settings.json", Readable(work_dir=str(disk.root / "home/project")))


async def test_no_link_leads_out(disk: Disk) -> None:
    await refused(disk.link("home/work/key", "home/.ssh/id_rsa"), disk.job)
    await refused(disk.link("home/work/away", "other") / "file", disk.job)
    await refused(disk.link("home/work/env.log", "home/work/.env"), disk.job)


async def test_no_link_in_place_of_the_log_leads_out(disk: Disk) -> None:
    (disk.logs / "job.out").unlink()
    disk.link("scratch/logs/job.out", "other/file")
    await refused(disk.logs / "job.out", disk.job)


async def test_a_working_directory_that_is_a_link_to_a_hidden_one_allows_nothing(disk: Disk) -> None:
    work = disk.link("innocent", "home/.ssh")
    for written in (str(work), f"{work}/"):
        await refused(work / "id_rsa", Readable(work_dir=written))
        await refused(work / "id_rsa", Readable(work_dir=written, log=LogPaths(stdout=str(work / "id_rsa"))))


async def test_links_that_stay_inside_are_followed_and_the_answer_is_resolved(disk: Disk) -> None:
    assert await allow(disk.link("home/work/latest", "home/work/train.log"), disk.job) == PurePosixPath(
        disk.work / "train.log"
    )
    alias = disk.link("alias", "home/work")
    readable = Readable(work_dir=str(alias))
    assert await allow(alias / "out/deep.log", readable) == PurePosixPath(disk.work / "out/deep.log")


async def test_a_log_that_points_to_another_run_beside_it_is_followed(disk: Disk) -> None:
    (disk.logs / "job.out").unlink()
    disk.link("scratch/logs/job.out", "scratch/logs/neighbour.out")
    assert await allow(disk.logs / "job.out", disk.job) == PurePosixPath(disk.logs / "neighbour.out")


async def test_our_own_folder_of_supervised_processes_is_no_hidden_one(disk: Disk) -> None:
    kept = disk.root / "home/.local/state/jobwarden/processes"
    log = kept / "p-0123456789ab/output.log"
    readable = Readable(log=LogPaths(stdout=str(log)), kept=str(kept))
    assert await allow(log, readable) == PurePosixPath(log)
    await refused(log, Readable(log=LogPaths(stdout=str(log))))


async def test_a_relative_log_is_refused_whoever_named_it(disk: Disk) -> None:
    await refused("job.out", Readable(log=LogPaths(stdout="job.out"), work_dir=str(disk.work)))


async def test_devices_are_no_logs(disk: Disk) -> None:
    await refused("/dev/null", Readable(log=LogPaths(stdout="/dev/null")))
    await refused("/proc/self/environ", Readable(log=LogPaths(stdout="/proc/self/environ")))


async def test_where_links_cannot_be_resolved_nothing_is_read(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(disk.root))
    (disk.root / "realpath").write_text("#!/bin/sh\nshift 3\nprintf '%s\\0' \"$@\"\nexit 1\n")
    (disk.root / "realpath").chmod(0o755)
    await refused(disk.logs / "job.out", disk.job)
