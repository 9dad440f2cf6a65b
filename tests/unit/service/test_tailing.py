"""tail_log by way of the service: which file, since when, and what is said about it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobwarden.logs.allowed import LogRefusedError
from jobwarden.logs.pattern import PatternError
from jobwarden.logs.position import CursorError
from jobwarden.service.service import Service
from jobwarden.sources.base import Wanted
from jobwarden.sources.log_files import Hosts, JobLogs, LogFile
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths
from support.household import Household, household
from support.paper import Paper, paper_service

BEGUN = "".join(f"line {number}\n" for number in range(500))


@pytest.fixture
def log(paper: Paper, tmp_path: Path) -> Path:
    path = tmp_path / "out.log"
    path.write_text(BEGUN)
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    paper.log = LogPaths(stdout=str(path))
    return path


async def register(service: Service, home: Household, *ids: str) -> None:
    await service.register(home.caller(), type="paper", ids=ids)


def add(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def put(path: Path, text: str) -> None:
    path.write_text(text)


def move(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


async def test_a_cursor_gives_only_what_is_new_and_outlives_the_server(
    service: Service, home: Household, paper: Paper, log: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1", lines=2)
    assert first.text == "line 498\nline 499"
    assert first.cursor is not None
    add(log, "new\nand this")
    async with paper_service(home, paper) as (another, _desk):
        got = await another.tail(home.caller(), "1", cursor=first.cursor)
        assert got.text == "new\nand this"
        assert "has no end yet" in (got.note or "")
        assert got.cursor is not None
        add(log, " too\n")
        last = await another.tail(home.caller(), "1", cursor=got.cursor)
    assert (last.text, last.note) == ("and this too", None)


async def test_the_rest_of_a_log_that_was_rotated_away_comes_first(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    assert first.cursor is not None
    add(log, "its end\n")
    move(log, "out.log.1")
    put(log, "the new file\n")
    got = await service.tail(home.caller(), "1", cursor=first.cursor)
    assert got.text == "its end\nthe new file"
    assert "Another file has taken its name" in (got.note or "")
    assert "out.log.1" in (got.note or "")
    assert got.cursor is not None
    assert (await service.tail(home.caller(), "1", cursor=got.cursor)).text == ""


async def test_what_lies_at_the_rotated_name_is_read_only_if_it_is_the_file_that_was_read_before(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    log.with_name("out.log.1").write_text(BEGUN + "somebody else's\n")
    move(log, "elsewhere")
    put(log, "the new file\n")
    got = await service.tail(home.caller(), "1", cursor=first.cursor)
    assert got.text == "the new file"
    assert "is not shown" in (got.note or "")


async def test_a_link_at_the_rotated_name_is_not_followed_to_the_file_that_was_read_before(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    add(log, "more of it\n")
    move(log, "elsewhere")
    log.with_name("out.log.1").symlink_to(log.with_name("elsewhere"))
    put(log, "the new file\n")
    assert (await service.tail(home.caller(), "1", cursor=first.cursor)).text == "the new file"


async def test_of_a_rotated_file_with_much_left_the_end_is_shown_and_the_rest_is_counted(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    add(log, "".join(f"old {number:05}\n" for number in range(1000)))
    move(log, "out.log.1")
    put(log, "new 1\nnew 2\n")
    got = await service.tail(home.caller(), "1", cursor=first.cursor, lines=4)
    assert got.text == "old 00998\nold 00999\nnew 1\nnew 2"
    assert "9980 bytes of that are not shown." in (got.note or "")


async def test_a_cursor_of_another_job_or_no_cursor_at_all_is_refused(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1", "2")
    first = await service.tail(home.caller(), "1")
    for job, cursor in (("2", first.cursor), ("1", "garbage"), ("1", f"{first.cursor}0")):
        with pytest.raises(CursorError):
            await service.tail(home.caller(), job, cursor=cursor)


async def test_a_job_that_goes_on_in_another_file_is_read_there_from_its_beginning_and_said_so(
    service: Service, home: Household, paper: Paper, log: Path, tmp_path: Path
) -> None:
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    other = tmp_path / "again.log"
    other.write_text("the second run\n")
    paper.log = LogPaths(stdout=str(other))
    await service.status(home.caller())
    got = await service.tail(home.caller(), "1", cursor=first.cursor)
    assert got.text == "the second run"
    assert "another file" in (got.note or "")


async def test_a_log_that_does_not_exist_yet_is_said_so_with_its_path_and_can_be_waited_for(
    service: Service, home: Household, log: Path
) -> None:
    move(log, "elsewhere")
    await register(service, home, "1")
    first = await service.tail(home.caller(), "1")
    assert (first.text, first.note) == ("", f"There is no file {log} yet.")
    assert first.cursor is not None
    add(log, "there it is\n")
    assert (await service.tail(home.caller(), "1", cursor=first.cursor)).text == "there it is"


async def test_a_search_says_how_much_it_found_and_a_bad_pattern_is_refused(
    service: Service, home: Household, log: Path
) -> None:
    await register(service, home, "1")
    got = await service.tail(home.caller(), "1", grep="line 4.8$", lines=2)
    assert (got.text, got.hits) == ("489: line 488\n499: line 498", 10)
    assert f"10 line(s) match in all of {len(BEGUN)} bytes, 2 shown." in (got.note or "")
    around = await service.tail(home.caller(), "1", grep="line 250", context=1)
    assert around.text == "250- line 249\n251: line 250\n252- line 251"
    add(log, "line 4x8\n")
    new = await service.tail(home.caller(), "1", grep="line 4.8$", cursor=got.cursor)
    assert (new.text, new.hits) == ("line 4x8", 1)
    with pytest.raises(PatternError):
        await service.tail(home.caller(), "1", grep=r"(a)\1")


async def test_both_streams_come_in_the_order_of_their_times_else_one_after_the_other(
    service: Service, home: Household, paper: Paper, log: Path, tmp_path: Path
) -> None:
    err = tmp_path / "err.log"
    put(log, "10:00:01 one\n10:00:03 three\n")
    put(err, "10:00:02 two\n")
    paper.log = LogPaths(stdout=str(log), stderr=str(err))
    await register(service, home, "1")
    got = await service.tail(home.caller(), "1", stream="both")
    assert got.text == "out| 10:00:01 one\nerr| 10:00:02 two\nout| 10:00:03 three"
    assert got.path == f"{log} and {err}"
    add(log, "10:00:05 five\n")
    add(err, "10:00:04 four\nno time here\n")
    assert (await service.tail(home.caller(), "1", stream="stderr", cursor=got.cursor)).text.startswith("10:00:04")
    new = await service.tail(home.caller(), "1", cursor=got.cursor)
    assert new.text == "err| 10:00:04 four\nerr| no time here\nout| 10:00:05 five"
    err.write_text("no time at all\n")
    again = await service.tail(home.caller(), "1", stream="both", lines=1)
    assert again.text == "out| 10:00:05 five\nerr| no time at all"
    assert "One after the other" in (again.note or "")
    with pytest.raises(InvalidIdError, match="no stream 'server'"):
        await service.tail(home.caller(), "1", stream="server")


@dataclass
class Filed(Paper):
    """A kind of job that says itself which logs it has."""

    told: JobLogs = field(default_factory=JobLogs)
    tasks: list[str | None] = field(default_factory=list[str | None])

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:  # noqa: ARG002 -- the contract's
        self.tasks.append(task)
        if self.raises is not None:
            raise self.raises
        return self.told


@pytest.fixture
async def filed(home: Household) -> AsyncGenerator[tuple[Filed, Service]]:
    source = Filed(states={"1": "RUNNING"})
    async with paper_service(home, source) as (service, _desk):
        yield source, service


async def test_a_source_that_knows_its_tasks_is_asked_for_their_logs_and_a_cursor_stays_with_its_task(
    filed: tuple[Filed, Service], home: Household, tmp_path: Path
) -> None:
    source, service = filed
    path = tmp_path / "task.log"
    path.write_text("of task 3\n")
    files = (LogFile("stdout", str(path)), LogFile("server", str(tmp_path / "server.log")))
    source.told = JobLogs(files, task="3", tasks=("3", "1", "2"), why="the first that failed")
    await register(service, home, "1")
    got = await service.tail(home.caller(), "1")
    assert (got.text, got.task) == ("of task 3", "3")
    assert got.note == "Task 3 (the first that failed). Others: 1, 2."
    for _ in range(2):
        await service.tail(home.caller(), "1", cursor=got.cursor)
    await service.tail(home.caller(), "1", task="2", cursor=got.cursor)
    assert source.tasks[:2] == [None, "3"]
    assert source.tasks[-1] == "2"
    server = await service.tail(home.caller(), "1", stream="server")
    assert "There is no file" in (server.note or "")


async def test_a_source_is_asked_for_logs_once_in_a_poll_however_often_they_are_read(
    clean_environment: Path, tmp_path: Path
) -> None:
    source = Filed(states={"1": "RUNNING"}, told=JobLogs((LogFile("stdout", str(tmp_path / "log")),)))
    with household(clean_environment, {"poll_s": 600.0, "floor_s": 0.0}) as home:
        async with paper_service(home, source) as (service, _desk):
            await register(service, home, "1")
            for _ in range(5):
                await service.tail(home.caller(), "1")
            assert source.tasks == [None]
            source.states["1"] = "FAILED"
            await service.status(home.caller())
            await service.tail(home.caller(), "1")
            assert source.tasks == [None, None]


async def test_a_source_that_names_a_hidden_file_has_it_not_read(
    filed: tuple[Filed, Service], home: Household, tmp_path: Path
) -> None:
    source, service = filed
    secret = tmp_path / ".ssh" / "id"
    secret.parent.mkdir()
    secret.write_text("secret")
    source.told = JobLogs((LogFile("stdout", str(secret)),), work_dir=str(tmp_path))
    await register(service, home, "1")
    with pytest.raises(LogRefusedError):
        await service.tail(home.caller(), "1")


@pytest.mark.parametrize("fault", ["raises", "no answer"])
async def test_a_source_that_fails_to_tell_its_logs_costs_nothing_but_that(
    filed: tuple[Filed, Service], home: Household, tmp_path: Path, fault: str
) -> None:
    source, service = filed
    path = tmp_path / "known.log"
    path.write_text("known already\n")
    source.log = LogPaths(stdout=str(path))
    await register(service, home, "1")
    await service.status(home.caller())
    if fault == "raises":
        source.raises = ValueError("boom")
    else:
        source.told = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] -- what a bad plug-in does
    got = await service.tail(home.caller(), "1")
    assert got.text == "known already"
    assert "could not be asked for" in (got.note or "")
