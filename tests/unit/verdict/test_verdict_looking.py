"""Looking for expected output, on real files through a real shell."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from jobwarden.sources.base import Absent, CouldNotAsk, Host, Output, Seen, Sighting, Wanted
from jobwarden.transport.base import Completed
from jobwarden.transport.errors import ConnectError, OutcomeUnknownError
from jobwarden.verdict.files_there import File, searched
from jobwarden.verdict.looking import look_for_outputs
from jobwarden_registry.model import Expectation
from support.file_transport import FileTransport
from support.sightings import absent, seen

NOW = datetime.now(UTC)
SUBMITTED = NOW - timedelta(hours=1)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Site:
    """A working directory, and a folder that is none of the job's."""

    work: Path
    foreign: Path

    def write(self, name: str, text: str = "whole\n", *, old: bool = False) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if old:
            os.utime(path, (1_000_000_000, 1_000_000_000))
        return path

    async def look(self, path: str, *, min_bytes: int = 0, pattern: str | None = None) -> Output:
        expect = Expectation(path=path, min_bytes=min_bytes, pattern=pattern)
        one = Wanted(id="7", submitted_at=SUBMITTED, work_dir=str(self.work), expect=(expect,))
        sighting = await look(one, seen("COMPLETED"))
        assert isinstance(sighting, Seen)
        (output,) = sighting.outputs
        return output


async def look(one: Wanted, sighting: Sighting, transport: FileTransport | None = None) -> Sighting:
    host = Host(transport=transport or FileTransport(), machine_id="m", timeout_s=10)
    return (await look_for_outputs(host, [one], {one.id: sighting}, folders=(), now=NOW))[one.id]


@pytest.fixture(params=["work", "layers=[64,64]", "a *?[1] b"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Folders are called as people call them: with characters that a glob has, too."""
    work, foreign = tmp_path / str(request.param), tmp_path / "foreign"
    work.mkdir()
    foreign.mkdir()
    return Site(work, foreign)


async def test_output_that_is_there_is_found_plain_by_glob_and_as_a_folder(site: Site) -> None:
    site.write("out/a.json")
    for path in ("out/a.json", "out/*.json", "o*/?.json", "out", str(site.work / "out" / "a.json")):
        if path.startswith("/") and "[" in path:
            continue  # an absolute path is a glob as a whole
        assert (await site.look(path)).found is True, path


@pytest.mark.parametrize(
    ("path", "options", "told"),
    [
        ("nothing.bin", {}, "is not there"),
        ("sub/*.bin", {}, "is not there"),
        ("small.bin", {"min_bytes": 100}, "6 bytes, not 100"),
        ("old.bin", {}, "older than the job"),
        ("small.bin", {"pattern": "^never"}, "does not hold"),
    ],
)
async def test_output_that_is_missing_small_old_or_other_is_told_so(
    site: Site, path: str, options: dict[str, object], told: str
) -> None:
    site.write("small.bin")
    site.write("old.bin", old=True)
    output = await site.look(path, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- by name
    assert output.found is False
    assert told in output.line


async def test_a_pattern_is_looked_for_in_every_file_that_matches(site: Site) -> None:
    site.write("a.log", "begun\n")
    site.write("b.log", "begun\nTraining complete\n")
    assert (await site.look("*.log", pattern="Training (complete|over)")).found is True


async def test_a_new_file_among_hundreds_of_old_ones_is_found(site: Site) -> None:
    for number in range(300):
        site.write(f"ckpt_{number:04}.pt", old=True)
    assert (await site.look("ckpt_*.pt")).found is False
    site.write("ckpt_0299.pt")
    assert (await site.look("ckpt_*.pt")).found is True


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "fifo"])
async def test_what_leads_elsewhere_or_is_no_plain_file_fails_nobody_and_is_said(site: Site, kind: str) -> None:
    """Results that lie on another file system, behind a link, are the rule on clusters."""
    (site.foreign / "r.json").write_text("whole")
    if kind == "file":
        (site.work / "r.json").symlink_to(site.foreign / "r.json")
    elif kind == "folder":
        (site.work / "results").symlink_to(site.foreign)
    elif kind == "dangling":
        (site.work / "r.json").symlink_to("/nowhere/r.json")
    else:
        os.mkfifo(site.work / "r.json")
    output = await site.look("results/r.json" if kind == "folder" else "r.json", pattern="whole")
    assert output.found is None
    assert "not looked for" in output.line


async def test_what_lies_outside_is_not_even_given_to_the_shell(site: Site) -> None:
    transport = FileTransport()
    expects = [Expectation(path=path) for path in ("/etc/host*", "/net/*/*")]
    one = Wanted(id="7", submitted_at=SUBMITTED, work_dir=str(site.work), expect=tuple(expects))
    sighting = await look(one, seen("COMPLETED"), transport)
    assert isinstance(sighting, Seen)
    assert [output.found for output in sighting.outputs] == [None, None]
    assert transport.requests == 1  # where the working directory really is


async def test_a_file_that_was_put_in_the_place_of_an_approved_one_is_not_searched(site: Site) -> None:
    secret = site.foreign / "key"
    secret.write_text("password=1")
    swapped = site.work / "train.log"
    swapped.symlink_to(secret)
    file = File(path=PurePosixPath(swapped), size=1, changed=NOW)
    assert await searched(FileTransport(), [file], "password", timeout_s=10) == []


async def test_without_a_submission_time_old_output_proves_nothing(site: Site) -> None:
    site.write("old.bin", old=True)
    one = Wanted(id="7", work_dir=str(site.work), expect=(Expectation(path="old.bin"),), absent_since=NOW)
    for sighting in (seen("COMPLETED"), absent()):
        looked = await look(one, sighting)
        assert isinstance(looked, Seen | Absent)
        assert [output.found for output in looked.outputs] == [None]
    told = await look(one, seen("COMPLETED", submitted_at=SUBMITTED))
    assert isinstance(told, Seen)
    assert [output.found for output in told.outputs] == [False]


class Failing(FileTransport):
    """Fails for one working directory alone."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        super().__init__()
        self._error = error

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        if any("bad" in word for word in argv):
            raise self._error()
        return await super().run(argv, timeout_s=timeout_s, stdin=stdin)


async def test_trouble_with_one_jobs_output_concerns_no_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    (good / "out").write_text("x")
    jobs = [
        Wanted(id=name, submitted_at=SUBMITTED, work_dir=str(tmp_path / name), expect=(Expectation(path="out"),))
        for name in ("good", "bad")
    ]
    answer: dict[str, Sighting] = {"good": seen("COMPLETED"), "bad": seen("COMPLETED"), "other": seen("RUNNING")}
    broken = Failing(lambda: ConnectError("No connection.", code="ssh.refused"))
    slow = Failing(lambda: OutcomeUnknownError("No answer.", code="ssh.timeout"))
    for transport in (broken, slow):
        host = Host(transport=transport, machine_id="m", timeout_s=10)
        looked = await look_for_outputs(host, jobs, answer, folders=(), now=NOW)
        assert looked["other"] == answer["other"]
        well = looked["good"]
        assert isinstance(well, Seen)
        assert well.outputs[0].found is True
        one = looked["bad"]
        if transport is broken:
            assert isinstance(one, CouldNotAsk)
            assert one.code.endswith("_behind")
        else:
            assert isinstance(one, Seen)
            assert one.outputs[0].found is None


@pytest.mark.parametrize("sighting", [seen("RUNNING"), seen("FAILED"), absent()])
async def test_nothing_is_looked_for_before_it_can_matter(site: Site, sighting: Sighting) -> None:
    transport = FileTransport()
    one = Wanted(id="7", submitted_at=SUBMITTED, work_dir=str(site.work), expect=(Expectation(path="out"),))
    assert await look(one, sighting, transport) is sighting
    assert transport.requests == 0


async def test_where_only_an_earlier_run_is_known_the_present_ones_output_is_looked_for(site: Site) -> None:
    (site.work / "out").write_text("x")
    before, after = NOW - timedelta(days=1), NOW + timedelta(days=1)
    sighting = seen("FAILED", submitted_at=before - timedelta(seconds=90))
    for run_at, found in ((before, True), (after, False)):  # what the earlier run wrote is not the present one's
        one = Wanted(
            id="7",
            submitted_at=sighting.submitted_at,
            run_submitted_at=run_at,
            absent_since=NOW,
            work_dir=str(site.work),
            expect=(Expectation(path="out"),),
        )
        looked = await look(one, sighting)
        assert isinstance(looked, Seen)
        assert [output.found for output in looked.outputs] == [found]
