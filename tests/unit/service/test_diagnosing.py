"""Causes that are told with an end, whatever goes wrong while they are looked for; and diagnose_job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from jobwarden.diagnosis.gathering import Place, read_logs
from jobwarden.diagnosis.model import Category
from jobwarden.service.service import Service
from jobwarden.service.views import JobView
from jobwarden.sources.base import Host, Seen, Sighting, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.post_mortem import PostMortem, Written
from jobwarden.transport.base import Transport
from jobwarden.verdict import causes, dissecting, rounds
from jobwarden_registry.errors import UnwritableError
from jobwarden_registry.model import JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from support.household import Household, eventually
from support.paper import Paper

TRACEBACK = """loading
Traceback (most recent call last):
  File "/w/train.py", line 12, in <module>
    main()
  File "/w/train.py", line 7, in main
    return rows["labels"]
KeyError: 'labels'
"""


@dataclass
class Accountable(Paper):
    """Paper that says what its jobs asked for, and where each of them writes.

    Attributes:
        logs: Id to path.
        work_dir: Of all of them.
        told: Id to what is said of its end.
        stuck: Id to why it will never start.
        asked_about: The ids of each question about ends.
        mute: Whether such a question is never answered.
        trouble: What comes instead of such an answer.
    """

    logs: dict[str, str] = field(default_factory=dict[str, str])
    work_dir: str | None = None
    told: dict[str, PostMortem] = field(default_factory=dict[str, PostMortem])
    stuck: dict[str, str] = field(default_factory=dict[str, str])
    asked_about: list[list[str]] = field(default_factory=list[list[str]])
    mute: bool = False
    trouble: Exception | None = None

    async def observe(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, Sighting]:
        seen = await super().observe(host, wanted)
        return {job: self._with_log(job, one) for job, one in seen.items()}

    def _with_log(self, job: str, one: Sighting) -> Sighting:
        if not isinstance(one, Seen):
            return one
        log = LogPaths(stdout=self.logs[job]) if job in self.logs else None
        exit_code = 1 if one.phase is Phase.FAILED else None
        more = {"log": log, "work_dir": self.work_dir, "exit_code": exit_code, "stuck": self.stuck.get(job)}
        return one.model_copy(update=more)

    async def post_mortem(self, host: Host, wanted: Sequence[Wanted]) -> Mapping[str, PostMortem]:
        assert host.timeout_s <= 60
        self.asked_about.append([one.id for one in wanted])
        if self.mute:
            await anyio.sleep_forever()
        if self.trouble is not None:
            raise self.trouble
        return self.told


@pytest.fixture
def paper() -> Accountable:
    return Accountable()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all logs that were to be read."""
    paths: list[str] = []

    async def spied(transport: Transport, places: Sequence[Place], *rest: object, **more: object) -> object:
        paths.extend(place.path for place in places)
        return await read_logs(transport, places, *rest, **more)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(dissecting, "read_logs", spied)
    return paths


def a_log(home: Household, paper: Accountable, job: str = "1", text: str = TRACEBACK) -> Path:
    path = home.project / f"{job}.log"
    path.write_text(text, encoding="utf-8")
    paper.logs[job] = str(path)
    return path


async def fail(service: Service, home: Household, paper: Paper, *ids: str, host: str = "localhost") -> None:
    """Have these jobs watched, and then fail."""
    paper.states.update(dict.fromkeys(ids, "RUNNING"))
    await service.register(home.caller(), type="paper", ids=ids, host=host)
    paper.states.update(dict.fromkeys(ids, "FAILED"))


async def shown(service: Service, home: Household, job: str = "1") -> JobView:
    return (await service.status(home.caller(), jobs=[job])).jobs[0]


def ends(home: Household) -> set[str]:
    return {one.job_id for one in home.journal() if one.event == "finished"}


def ended(home: Household, job: str = "1") -> JobRecord:
    (end,) = [one for one in home.journal() if one.event == "finished" and one.job_id == job]
    return JobRecord.model_validate(end.record)


# -- the line that is told with an end


async def test_a_failed_job_ends_with_its_cause_in_the_journal_the_row_and_the_news(
    service: Service, home: Household, paper: Accountable
) -> None:
    a_log(home, paper)
    await fail(service, home, paper, "1")
    view = await service.status(home.caller())
    assert "KeyError: 'labels'" in (view.jobs[0].cause or "")
    assert "train.py:7" in (view.jobs[0].cause or "")
    assert view.jobs[0].cause == ended(home).cause == (view.news[-1].record or {})["cause"]
    assert paper.asked_about == [["1"]]
    again = await service.status(home.caller())
    assert again.jobs[0].cause == view.jobs[0].cause
    assert paper.asked_about == [["1"]]  # nothing is asked twice


async def test_all_that_fail_at_once_are_asked_about_in_one_question_and_the_first_ten_logs_are_read(
    service: Service, home: Household, paper: Accountable, reads: list[str]
) -> None:
    ids = [f"j{at:02d}" for at in range(13)]
    for job in ids:
        a_log(home, paper, job)
        paper.told[job] = PostMortem(state="FAILED", exit="1:0")
    paper.told[ids[-1]] = PostMortem(state="TIMEOUT", part="7", exit="0:0", time_limit_s=60, elapsed_s=61)
    await fail(service, home, paper, *ids)
    await service.status(home.caller())
    assert paper.asked_about == [ids]
    assert len(reads) == causes.READ_MOST
    told = [ended(home, job).cause or "" for job in ids]
    assert sum("KeyError" in cause for cause in told) == causes.READ_MOST
    assert told[-1].endswith("its log was not read)")


@pytest.mark.parametrize("word", ["COMPLETED", "CANCELLED"])
async def test_of_a_job_that_did_not_fail_nothing_is_asked_or_read(
    service: Service, home: Household, paper: Accountable, reads: list[str], word: str
) -> None:
    a_log(home, paper)
    await fail(service, home, paper, "1")
    paper.states["1"] = word
    assert (await shown(service, home)).status == word
    assert (paper.asked_about, reads) == ([], [])


async def never(*_args: object, **_more: object) -> None:
    await anyio.sleep_forever()


async def boom(*_args: object, **_more: object) -> None:
    raise KeyError("boom")


def unwritable(*_args: object, **_more: object) -> None:
    raise UnwritableError("The disk is full.")


@pytest.mark.parametrize("read", [never, boom])
@pytest.mark.parametrize("trouble", [None, KeyError("plug-in"), SourceUnavailableError("down", code="paper.down")])
async def test_the_verdict_lands_whatever_becomes_of_its_cause(
    service: Service,
    home: Household,
    paper: Accountable,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[..., object],
    trouble: Exception | None,
) -> None:
    monkeypatch.setattr(causes, "ALL_S", 0.3)
    monkeypatch.setattr(dissecting, "read_logs", read)
    paper.mute, paper.trouble = trouble is None, trouble
    a_log(home, paper)
    await fail(service, home, paper, "1")
    with anyio.fail_after(20):
        assert (await shown(service, home)).phase is Phase.FAILED
    assert ended(home).last_status == "FAILED"


async def test_what_was_found_out_is_kept_for_a_session_that_could_not_be_written(
    service: Service, home: Household, paper: Accountable, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_log(home, paper)
    await fail(service, home, paper, "1")
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "apply_answer", unwritable)
        for _ in range(3):
            await service.status(home.caller())
    assert ends(home) == set()
    assert "KeyError" in ((await shown(service, home)).cause or "")
    assert len(reads) == len(paper.asked_about) == 1


async def test_sessions_that_watch_the_same_job_have_its_cause_from_one_look(
    service: Service, home: Household, paper: Accountable, reads: list[str]
) -> None:
    a_log(home, paper)
    await fail(service, home, paper, "1")
    paper.states["1"] = "RUNNING"
    await service.register(home.caller("session-2"), type="paper", ids=["1"])
    paper.states["1"] = "FAILED"
    found = await service.status(home.caller(), scope="project")
    assert ["KeyError" in (job.cause or "") for job in found.jobs] == [True, True]
    assert len(reads) == len(paper.asked_about) == 1


async def test_a_fault_of_the_engine_costs_the_line_alone(
    service: Service, home: Household, paper: Accountable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_args: object) -> None:
        raise RecursionError

    monkeypatch.setattr(causes, "diagnose", faulty)
    a_log(home, paper)
    await fail(service, home, paper, "1")
    assert (await shown(service, home)).phase is Phase.FAILED
    assert ended(home).cause is None


async def test_a_host_whose_logs_hang_holds_up_no_other_hosts_verdict(
    service: Service, home: Household, paper: Accountable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The near host's logs hang for as long as the test; the far one's jobs must not wait for that."""
    monkeypatch.setattr(causes, "ALL_S", 1000.0)

    async def read(transport: Transport, *rest: object, **more: object) -> object:
        if transport.host == "localhost":
            await anyio.sleep_forever()
        return await read_logs(transport, *rest, **more)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(dissecting, "read_logs", read)
    a_log(home, paper)
    a_log(home, paper, "2")
    await fail(service, home, paper, "1")
    await fail(service, home, paper, "2", host="far")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.status, home.caller())
        await to_thread.run_sync(eventually, lambda: "2" in ends(home), "the far host's job has ended")
        tasks.cancel_scope.cancel()
    assert "KeyError" in (ended(home, "2").cause or "")
    assert "1" not in ends(home)


async def test_what_its_parts_wrote_is_read_too_where_it_may_be(
    service: Service, home: Household, paper: Accountable, reads: list[str]
) -> None:
    a_log(home, paper, text="srun: error: n1: task 3: Exited with exit code 1\n")
    (home.project / "rank-3.log").write_text(TRACEBACK, encoding="utf-8")
    paper.work_dir = str(home.project)
    written = (Written(str(home.project / "rank-3.log"), "rank 3"), Written("/etc/hostname", "rank 4"))
    paper.told["1"] = PostMortem(state="FAILED", exit="1:0", written=written)
    await fail(service, home, paper, "1")
    assert "KeyError" in ((await shown(service, home)).cause or "")
    found = await service.diagnose(home.caller(), "1")
    assert [one.label for one in found.read if one.label] == ["rank 3"]
    assert any("/etc/hostname" in note and "not read" in note for note in found.notes)


async def test_a_secret_in_an_exception_is_in_no_cause(service: Service, home: Household, paper: Accountable) -> None:
    a_log(
        home, paper, text=TRACEBACK.replace("KeyError: 'labels'", "RuntimeError: token hf_abcdefghijklmnopqrstuvwxyz")
    )
    await fail(service, home, paper, "1")
    cause = (await shown(service, home)).cause or ""
    assert "RuntimeError" in cause
    assert "abcdefghij" not in cause


# -- diagnose_job


async def test_a_diagnosis_says_cause_evidence_and_what_was_asked_for_and_used(
    service: Service, home: Household, paper: Accountable
) -> None:
    path = a_log(home, paper)
    paper.told["1"] = PostMortem(
        state="FAILED", exit="1:0", time_limit_s=3600, elapsed_s=60, memory_limit_bytes=2**30, max_rss_bytes=2**20
    )
    await fail(service, home, paper, "1")
    await service.status(home.caller())
    found = await service.diagnose(home.caller(), "1")
    assert found.category == Category.CODE_ERROR
    assert any(line.file == str(path) and line.line == 7 and "KeyError" in line.text for line in found.evidence)
    assert (found.resources.time_limit_s, found.resources.max_rss_bytes) == (3600, 2**20)
    assert found.read[0].size_bytes == path.stat().st_size
    assert found.job.cause == found.cause


async def test_of_a_job_that_succeeded_there_is_nothing_to_say_and_nothing_is_read(
    service: Service, home: Household, paper: Accountable, reads: list[str]
) -> None:
    a_log(home, paper)
    await fail(service, home, paper, "1")
    paper.states["1"] = "COMPLETED"
    found = await service.diagnose(home.caller(), "1")
    assert (found.category, found.evidence) == (Category.NONE, ())
    assert (paper.asked_about, reads) == ([], [])


async def test_of_a_job_that_lives_its_log_is_looked_into_all_the_same(
    service: Service, home: Household, paper: Accountable
) -> None:
    a_log(home, paper, text="step 1\nstep 2\n")
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"])
    found = await service.diagnose(home.caller(), "1")
    assert found.category in (Category.NONE, Category.STUCK)
    assert found.read
    assert found.notes[0].startswith("It has not ended. Its log grew last ")


async def test_what_cannot_be_asked_or_read_is_said_and_the_rest_stands(
    service: Service, home: Household, paper: Accountable
) -> None:
    path = a_log(home, paper)
    paper.trouble = SourceUnavailableError("it is down", code="paper.down")
    await fail(service, home, paper, "1")
    await service.status(home.caller())
    path.unlink()
    found = await service.diagnose(home.caller(), "1")
    assert found.category == Category.UNKNOWN
    assert any("it is down" in note for note in found.notes)
    assert any("is not there" in note for note in found.notes)


async def test_whoever_cancelled_through_us_is_named(service: Service, home: Household, paper: Accountable) -> None:
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"])
    await service.cancel(home.caller(), jobs=["1"], reason="wrong data")
    found = await service.diagnose(home.caller(), "1")
    assert found.category == Category.CANCELLED
    assert "wrong data" in found.cause


async def test_of_a_job_that_waits_for_what_time_cannot_bring_that_is_the_cause(
    service: Service, home: Household, paper: Accountable
) -> None:
    """It was said that nothing shows a failure."""
    paper.stuck["1"] = "held by its user; `scontrol release 1` lets it go"
    paper.states["1"] = "PENDING"
    await service.register(home.caller(), type="paper", ids=["1"])
    found = await service.diagnose(home.caller(), "1")
    assert (found.category, found.cause) == (Category.STUCK, paper.stuck["1"])
