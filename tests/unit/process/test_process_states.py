"""What the supervisor's files mean, read from folders made here; the processes are this test's own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from jobwarden.sources.base import Absent, CouldNotAsk, Host, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.process.source import ProcessSource
from jobwarden_registry.errors import InvalidIdError, UntrustedError
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import this_process
from support.processes import MACHINE, NoTransport

ID = "p-0123456789ab"
NOW = datetime(2026, 11, 20, 10, 9, tzinfo=UTC)


@dataclass
class Kept:
    """One job's files, made by hand; by default those of this very process, running."""

    root: Path
    facts: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    def __post_init__(self) -> None:
        us = this_process()
        self.root.mkdir(mode=0o700)
        self.folder.mkdir(mode=0o700)
        self.job: dict[str, JsonValue] = {
            "v": 1,
            "id": ID,
            "machine_id": MACHINE,
            "boot_id": us.boot_id,
            "pid_namespace": us.pid_namespace,
            "uid": os.getuid(),
            "work_dir": "/work dir",
            "log": "/log",
            "submitted_at": 100.0,
        }
        self.start: dict[str, JsonValue] = {
            "v": 1,
            "pid": us.pid,
            "start_time": us.start_time,
            "supervisor_pid": 1,
            "supervisor_start_time": "never",
            "started_at": 101.0,
        }
        self.write("job.json", self.job)
        self.write("start.json", self.start)

    @property
    def folder(self) -> Path:
        return self.root / ID

    def write(self, name: str, value: dict[str, JsonValue]) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def end(self, **fields: JsonValue) -> None:
        self.write("result.json", {"v": 1, "exit_code": 0, "signal": None, "ended_at": 102.0, **fields})

    async def look(self, job_id: str = ID, machine_id: str = MACHINE) -> Sighting:
        host = Host(transport=NoTransport(), machine_id=machine_id)
        source = ProcessSource(self.root, clock=lambda: NOW)
        found = await source.observe(host, [Wanted(id=job_id, facts=self.facts)])
        assert set(found) == {job_id}
        return found[job_id]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "processes")


async def test_a_live_process_is_running_with_where_and_since_when(kept: Kept) -> None:
    seen = await kept.look()
    assert isinstance(seen, Seen)
    assert (seen.phase, seen.status, seen.work_dir) == (Phase.RUNNING, "RUNNING", "/work dir")
    assert seen.log is not None
    assert (seen.log.stdout, seen.log.stderr) == ("/log", "/log")
    assert seen.submitted_at == datetime.fromtimestamp(100, UTC)
    assert seen.started_at == datetime.fromtimestamp(101, UTC)
    assert seen.evidence.asked_at == NOW
    assert any(line.startswith(f"{os.getpid()} (") for line in seen.evidence.lines)


@pytest.mark.parametrize(
    ("result", "phase", "word"),
    [
        ({"exit_code": 0}, Phase.SUCCEEDED, "EXITED 0"),
        ({"exit_code": 137}, Phase.FAILED, "EXITED 137"),
        ({"exit_code": None, "signal": 11}, Phase.FAILED, "SIGNALED 11"),
        ({"exit_code": None, "signal": 15, "cancelled": True}, Phase.CANCELLED, "SIGNALED 15"),
        ({"exit_code": 0, "cancelled": True}, Phase.CANCELLED, "EXITED 0"),
    ],
)
async def test_a_result_decides(kept: Kept, result: dict[str, JsonValue], phase: Phase, word: str) -> None:
    kept.end(**result)
    seen = await kept.look()
    assert isinstance(seen, Seen)
    assert (seen.phase, seen.status, seen.exit_code, seen.signal) == (
        phase,
        word,
        result["exit_code"],
        result.get("signal"),
    )
    assert seen.ended_at == datetime.fromtimestamp(102, UTC)


async def test_a_result_outlives_a_reboot_and_another_container(kept: Kept) -> None:
    kept.write("job.json", {**kept.job, "boot_id": "another", "pid_namespace": "another"})
    kept.end()
    seen = await kept.look()
    assert isinstance(seen, Seen)
    assert seen.phase is Phase.SUCCEEDED


async def test_another_machine_cannot_judge_not_even_by_a_result(kept: Kept) -> None:
    for sighting in (await kept.look(machine_id="another"), await _with_result(kept).look(machine_id="another")):
        assert isinstance(sighting, CouldNotAsk)
        assert sighting.code == "process.other_machine"


def _with_result(kept: Kept) -> Kept:
    kept.end()
    return kept


async def test_another_machine_cannot_judge_a_job_whose_folder_it_does_not_have(kept: Kept) -> None:
    kept.facts = {"machine_id": "another"}
    sighting = await kept.look("p-000000000000")
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "process.other_machine"


async def test_another_container_cannot_judge(kept: Kept) -> None:
    kept.write("job.json", {**kept.job, "pid_namespace": "another"})
    sighting = await kept.look()
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "process.other_machine"


async def test_after_a_reboot_without_a_result_it_is_absent(kept: Kept) -> None:
    kept.write("job.json", {**kept.job, "boot_id": "another"})
    sighting = await kept.look()
    assert isinstance(sighting, Absent)
    assert "reboot" in sighting.evidence.rule


async def test_another_start_time_is_another_process(kept: Kept) -> None:
    kept.write("start.json", {**kept.start, "start_time": "1"})
    assert isinstance(await kept.look(), Absent)


async def test_a_live_supervisor_has_the_last_word(kept: Kept) -> None:
    us = {"supervisor_pid": kept.start["pid"], "supervisor_start_time": kept.start["start_time"]}
    kept.write("start.json", {**kept.start, **us, "start_time": "1"})
    seen = await kept.look()
    assert isinstance(seen, Seen)
    assert seen.status == "RUNNING"


async def test_an_end_that_is_written_while_we_look_is_not_missed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_now(_pid: int, _start_time: str) -> None:
        kept.end(exit_code=3)

    monkeypatch.setattr("jobwarden.sources.process.source.find_process", ends_now)
    seen = await kept.look()
    assert isinstance(seen, Seen)
    assert seen.status == "EXITED 3"


async def test_a_claimed_pid_that_its_supervisor_did_not_write_is_not_believed(kept: Kept) -> None:
    kept.facts = {"pid": 1}
    sighting = await kept.look()
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "process.untrusted"


@pytest.mark.parametrize("name", ["job.json", "start.json", "result.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"v":1}', "\0\xff"])
async def test_a_torn_file_is_no_answer_about_that_job_alone(kept: Kept, name: str, text: str) -> None:
    kept.end()
    (kept.folder / name).write_text(text)
    sighting = await kept.look()
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "process.unreadable"


async def test_a_folder_that_others_may_write_is_not_believed(kept: Kept) -> None:
    kept.folder.chmod(0o770)
    sighting = await kept.look()
    assert isinstance(sighting, CouldNotAsk)
    assert sighting.code == "registry.untrusted"


async def test_a_link_in_place_of_a_file_or_folder_is_not_followed(kept: Kept, tmp_path: Path) -> None:
    kept.folder.rename(tmp_path / "elsewhere")
    kept.folder.symlink_to(tmp_path / "elsewhere")
    assert isinstance(await kept.look(), CouldNotAsk)
    kept.folder.unlink()
    (tmp_path / "elsewhere").rename(kept.folder)
    (kept.folder / "start.json").rename(tmp_path / "start.json")
    (kept.folder / "start.json").symlink_to(tmp_path / "start.json")
    assert isinstance(await kept.look(), CouldNotAsk)


async def test_a_job_of_another_name_does_not_count(kept: Kept) -> None:
    other = "p-ffffffffffff"
    kept.folder.rename(kept.root / other)
    assert isinstance(await kept.look(other), CouldNotAsk)


async def test_the_whole_folder_writable_by_others_stops_everything(kept: Kept) -> None:
    kept.root.chmod(0o777)
    with pytest.raises(UntrustedError):
        await kept.look()


async def test_a_folder_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "processes").write_text("not a folder")
    source = ProcessSource(tmp_path / "processes")
    with pytest.raises(SourceUnavailableError):
        await source.observe(Host(transport=NoTransport(), machine_id=MACHINE), [Wanted(id=ID)])


async def test_with_the_whole_folder_gone_a_known_job_cannot_be_asked_about(tmp_path: Path) -> None:
    """A home on a network file system that is not mounted."""
    source = ProcessSource(tmp_path / "processes")
    host = Host(transport=NoTransport(), machine_id=MACHINE)
    facts: dict[str, JsonValue] = {"machine_id": MACHINE, "pid": 1}
    found = await source.observe(host, [Wanted(id=ID, facts=facts), Wanted(id="p-ffffffffffff")])
    assert isinstance(found[ID], CouldNotAsk)
    assert isinstance(found["p-ffffffffffff"], Absent)


@pytest.mark.parametrize(
    "text",
    ["", "1234", "p-", "p-0123456789a", "p-0123456789abc", "../p-0123456789ab", "p-0123456789ag", "p-0123456789ab\n/"],
)
def test_an_id_of_another_form_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        ProcessSource().parse_id(text)
    assert "p-" in caught.value.hint


def test_an_id_has_one_form() -> None:
    assert ProcessSource().parse_id(" P-0123456789AB ") == ID
