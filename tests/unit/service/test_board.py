"""The board: every session of the user at a glance, at no scheduler's cost (`service.board`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from jobwarden.identity import Caller, resolve_caller
from jobwarden.service.past.history import Ended, _ended  # pyright: ignore[reportPrivateUsage] -- what reads one whole
from jobwarden.service.past.index import INDEX
from jobwarden.service.past.rows import Row
from jobwarden.service.service import Service
from jobwarden.sources.base import RESULT, Wanted
from jobwarden.sources.log_files import Hosts, JobLogs
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.clock import utc_now
from jobwarden_registry.disk import Opened
from jobwarden_registry.errors import JobNotFoundError
from jobwarden_registry.events import EventKind
from jobwarden_registry.journal import EVENTS
from jobwarden_registry.model import JobRecord, LogPaths
from jobwarden_registry.rawjson import write_json
from jobwarden_registry.session import Session
from support.household import Household
from support.journals import a_life, add_session
from support.paper import Paper, QuietDesk, paper_service


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Sequence[float] = (0.01, 0.05, 0.1)
    monkeypatch.setattr("jobwarden.service.stopping._LOOKS_S", looks)


def elsewhere(home: Household, session_id: str = "session-2") -> Caller:
    """An agent in another project."""
    project = home.root / "other"
    (project / ".git").mkdir(parents=True, exist_ok=True)
    (project / ".git" / "HEAD").touch()
    env = {"CLAUDE_CODE_SESSION_ID": session_id}
    return resolve_caller(env, cwd=project, places=home.places, client="client-2")


@pytest.fixture
async def two_sessions(service: Service, home: Household, paper: Paper) -> None:
    paper.states |= {"1": "RUNNING", "2": "PENDING", "3": "FAILED"}
    await service.register(home.caller(), type="paper", ids=["1"], name="train")
    await service.register(elsewhere(home), type="paper", ids=["2", "3"], host="far")


async def change(desk: QuietDesk, session_id: str, uid: str, **fields: object) -> None:
    """Write into a record, as a source's answer would."""
    (session,) = [one for one in await desk.world.sessions.known() if one.entry.session_id == session_id]

    def write(session: Session) -> None:
        with session.transaction() as transaction:
            record: JobRecord = transaction.jobs[uid]
            transaction.change(uid, record.changed(**fields), EventKind.UPDATED)

    await desk.world.sessions.call(session, write)


@pytest.mark.usefixtures("two_sessions")
async def test_it_shows_all_sessions_of_the_user_what_ended_badly_first_and_asks_nobody(
    service: Service, home: Household, paper: Paper
) -> None:
    asked, counted = len(paper.asked), (await service.board.metrics()).counts
    view = await service.board.look(home.caller())
    assert [(one.job.id, one.session, one.job.phase) for one in view.jobs] == [
        ("3", "session-2", "failed"),
        ("1", "session-1", "running"),
        ("2", "session-2", "pending"),
    ]
    assert view.counts.total == 3
    assert [one.job.mine for one in view.jobs] == [False, True, False]
    assert {one.project for one in view.jobs} == {str(home.project), str(home.root / "other")}
    assert [(one.session, one.living, one.ended) for one in view.sessions] == [("session-2", 1, 1), ("session-1", 1, 0)]
    assert len(paper.asked) == asked, "the watcher asks; the board never does"
    async with paper_service(home, paper) as (another, _desk):
        await another.board.look(home.caller())
    assert (await service.board.metrics()).counts == counted, "nor does it run or read anything on a host"


@pytest.mark.usefixtures("two_sessions")
async def test_it_tells_no_news_so_that_the_agents_still_hear_them(
    service: Service, home: Household, desk: QuietDesk, paper: Paper
) -> None:
    paper.states["2"] = "COMPLETED"
    await desk.refresh(await desk.world.sessions.known())
    for _ in range(2):
        await service.board.look(home.caller())
    view = await service.status(elsewhere(home), refresh=False)
    assert any(event.event == "finished" for event in view.news)


@pytest.mark.usefixtures("two_sessions")
async def test_a_host_that_does_not_answer_is_shown_with_its_reason_and_the_age_of_its_answer(
    service: Service, home: Household, paper: Paper
) -> None:
    before = {one.host: one for one in (await service.board.look(home.caller())).hosts}
    assert before["far"].age_s is not None
    assert before["far"].age_s < 60
    assert (before["far"].jobs, before["far"].failure) == (1, "")
    paper.raises = ConnectError("no route")
    await service.status(elsewhere(home))
    after = {one.host: one for one in (await service.board.look(home.caller())).hosts}
    assert "no route" in after["far"].failure
    assert after["far"].failing_since is not None
    assert after["far"].asked_at == before["far"].asked_at, "the age is that of the last whole answer"
    assert after["localhost"].failure == ""


@pytest.mark.usefixtures("two_sessions")
async def test_a_session_that_cannot_be_read_says_so_and_hides_no_other(service: Service, home: Household) -> None:
    journal = home.places.state / "sessions" / "session-2" / "events.jsonl"
    journal.unlink()
    journal.mkdir()
    view = await service.board.look(home.caller())
    assert [one.job.id for one in view.jobs] == ["1"]
    (broken,) = [one for one in view.sessions if one.session == "session-2"]
    assert broken.trouble


@pytest.mark.usefixtures("two_sessions")
async def test_what_was_written_meanwhile_shows_with_the_next_look(
    service: Service, home: Household, paper: Paper
) -> None:
    await service.board.look(home.caller())
    async with paper_service(home, paper) as (another, _desk):
        paper.states["4"] = "RUNNING"
        await another.register(home.caller(), type="paper", ids=["4"])
    assert "4" in [one.job.id for one in (await service.board.look(home.caller())).jobs]


@pytest.mark.usefixtures("two_sessions")
async def test_progress_and_results_are_in_their_source_s_words(
    service: Service, home: Household, desk: QuietDesk
) -> None:
    uids = {one.job.id: one.uid for one in (await service.board.look(home.caller())).jobs}
    await change(desk, "session-1", uids["1"], reason="mmlu: 120 requests done")
    await change(desk, "session-2", uids["2"], reason="Priority")
    told = {one.job.id: one.progress for one in (await service.board.look(home.caller())).jobs}
    assert told == {"1": "mmlu: 120 requests done", "2": "", "3": ""}
    await change(desk, "session-1", uids["1"], facts={RESULT: "MMLU-Pro 42.3 %"})
    told = {one.job.id: one.progress for one in (await service.board.look(home.caller())).jobs}
    assert told["1"] == "MMLU-Pro 42.3 %"


async def test_a_log_of_any_session_is_shown_without_a_question_to_its_source(
    service: Service, home: Household, desk: QuietDesk, paper: Paper, tmp_path: Path
) -> None:
    log = tmp_path / "out.log"
    log.write_text("one\ntwo\x1b[2J\nthree\n")
    paper.log = LogPaths(stdout=str(log))
    paper.states["2"] = "RUNNING"
    await service.register(elsewhere(home), type="paper", ids=["2"])
    (job,) = (await service.board.look(home.caller())).jobs
    paper.states["2"] = "COMPLETED"
    await desk.refresh(await desk.world.sessions.known())
    asked = len(paper.asked)
    view = await service.board.tail(elsewhere(home), job.uid, lines=2)
    news = (await service.status(elsewhere(home), refresh=False)).news
    assert [event.event for event in news] == ["finished"], "the agent still hears of it"
    assert view.text.splitlines()[-1] == "three"
    assert "\x1b" not in view.text
    with log.open("a") as stream:
        stream.write("four\n")
    assert (await service.board.tail(home.caller(), job.uid, cursor=view.cursor)).text.strip() == "four"
    assert len(paper.asked) == asked


@pytest.mark.usefixtures("two_sessions")
async def test_a_job_without_a_log_on_record_costs_no_question_either(
    service: Service, home: Household, paper: Paper
) -> None:
    uids = {one.job.id: one.uid for one in (await service.board.look(home.caller())).jobs}
    asked = len(paper.asked)
    view = await service.board.tail(home.caller(), uids["1"])
    assert (view.text, len(paper.asked)) == ("", asked)
    assert "not known where" in (view.note or "")
    with pytest.raises(JobNotFoundError):
        await service.board.tail(home.caller(), "nobody")


@dataclass
class Filed(Paper):
    """A kind of job that says itself which logs it has."""

    asked_for_logs: int = 0

    async def logs(self, hosts: Hosts, wanted: Wanted, *, known: LogPaths | None, task: str | None) -> JobLogs:  # noqa: ARG002 -- the contract's
        self.asked_for_logs += 1
        return JobLogs()


async def test_a_source_is_asked_for_its_logs_only_when_a_person_wants_the_whole_log(home: Household) -> None:
    filed = Filed(states={"1": "RUNNING"})
    async with paper_service(home, filed) as (service, _desk):
        await service.register(home.caller(), type="paper", ids=["1"])
        (job,) = (await service.board.look(home.caller())).jobs
        before = filed.asked_for_logs
        await service.board.tail(home.caller(), job.uid)
        assert filed.asked_for_logs == before
        await service.board.tail(home.caller(), job.uid, ask=True)
        assert filed.asked_for_logs == before + 1


async def test_a_cancel_ends_this_one_job_where_two_sessions_watch_the_same_and_says_who_asked(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "uid:x": "RUNNING"}
    await service.register(home.caller(), type="paper", ids=["1"])
    await service.register(elsewhere(home), type="paper", ids=["1"], name="uid:x", host="far")
    person = home.caller("person")
    (job,) = [one for one in (await service.board.look(person)).jobs if one.session == "session-2"]
    (row,) = (await service.board.cancel(person, job.uid, reason="from the board")).rows
    assert (row.outcome, row.job.host) == ("accepted", "far")
    texts = [event.text for event in home.journal("session-2") if event.event == "cancel_requested"]
    assert texts == ["by claude-code session person: from the board"]
    assert "cancel_requested" not in home.kinds("session-1")


@pytest.mark.usefixtures("two_sessions")
async def test_a_job_of_another_session_is_held_and_its_watching_paused_by_the_person_at_the_board(
    service: Service, home: Household
) -> None:
    person = home.caller("person")
    (two,) = [one for one in (await service.board.look(person)).jobs if one.job.id == "2"]
    (row,) = (await service.board.control(person, two.uid, "hold", reason="from the board")).rows
    assert row.outcome == "refused", "a source that cannot says so"
    (row,) = (await service.board.control(person, two.uid, "pause_watching", reason="from the board")).rows
    assert row.outcome == "done"
    (two,) = [one for one in (await service.board.look(person)).jobs if one.job.id == "2"]
    assert "from the board" in (two.job.paused_because or "")
    with pytest.raises(JobNotFoundError):
        await service.board.control(person, "nobody", "hold", reason="")


@pytest.mark.usefixtures("two_sessions")
async def test_what_is_paused_is_said_at_its_session_and_host_and_needs_no_watcher(
    service: Service, home: Household
) -> None:
    await service.control.control(home.caller(), jobs=(), action="pause_watching", reason="lunch")
    await service.control.control(home.caller(), jobs=(), action="pause_watching", value="far", force=True)
    view = await service.board.look(home.caller())
    assert view.notes == (), "nothing is to be watched"
    assert "lunch" in {one.session: one.notes for one in view.sessions}["session-1"][0]
    assert "not watched since" in {one.host: one.notes for one in view.hosts}["far"][0]


@pytest.mark.usefixtures("two_sessions")
async def test_a_halt_is_said_at_its_session_and_above_all_until_it_is_lifted(
    service: Service, home: Household, desk: QuietDesk
) -> None:
    own = await desk.in_scope(home.caller(), project=False)
    await service.halting.stop(home.caller(), own, reason="wrong data")
    view = await service.board.look(home.caller())
    assert "The rules of 1 session(s) are halted: session-1." in view.notes
    notes = {one.session: one.notes for one in view.sessions}
    assert notes["session-2"] == ()
    assert "halted by" in notes["session-1"][0]
    assert "wrong data" in notes["session-1"][0]
    await service.halting.lift(home.caller(), own)
    assert not any("halted" in note for note in (await service.board.look(home.caller())).notes)


async def test_a_broken_session_keeps_nobody_from_cancelling_in_another(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await service.register(home.caller(), type="paper", ids=["1"])
    await service.register(elsewhere(home), type="paper", ids=["2"], host="far")
    journal = home.places.state / "sessions" / "session-1" / "events.jsonl"
    journal.unlink()
    journal.mkdir()
    person = home.caller("person")
    (job,) = (await service.board.look(person)).jobs
    (row,) = (await service.board.cancel(person, job.uid, reason="")).rows
    assert row.outcome == "accepted"


@pytest.mark.usefixtures("two_sessions")
async def test_numbers_for_a_monitoring_system_count_what_every_process_asked(
    service: Service, home: Household, paper: Paper
) -> None:
    before = {(one.what, one.host): one.count for one in (await service.board.metrics()).counts}
    assert before["polls", "far"] >= 1
    assert ("errors", "far") not in before
    paper.raises = ConnectError("no route")
    async with paper_service(home, paper) as (another, _desk):
        await another.status(elsewhere(home))
    view = await service.board.metrics()
    after = {(one.what, one.host): one.count for one in view.counts}
    assert after["polls", "far"] == before["polls", "far"] + 1
    assert after["errors", "far"] == 1
    (error,) = [one for one in view.counts if one.what == "errors"]
    assert (error.type, error.code) == ("paper", ConnectError("x").code)
    assert {(one.phase.value, one.type, one.host, one.jobs) for one in view.jobs} == {
        ("failed", "paper", "far", 1),
        ("pending", "paper", "far", 1),
        ("running", "paper", "localhost", 1),
    }
    assert view.watcher.running is False


@pytest.mark.usefixtures("two_sessions")
async def test_without_a_watcher_the_board_says_that_nobody_looks(
    service: Service, home: Household, desk: QuietDesk
) -> None:
    assert "No watcher runs" in (await service.board.look(home.caller())).notes[0]
    desk.watcher_trouble = "it cannot be started"
    assert (await service.board.look(home.caller(), wake=True)).notes == ("it cannot be started",)


async def test_of_thousands_of_ended_jobs_only_those_of_the_last_day_are_read_whole(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def note(journal: Opened, row: Row) -> Ended | None:
        read.append(row.id)
        return _ended(journal, row)

    monkeypatch.setattr("jobwarden.service.past.history._ended", note)
    now, chance = utc_now(), Random(8)
    old = now - timedelta(days=60)
    lives = [life for number in range(40) for life in a_life(f"1{number:03}", chance, old, seq=1, session="session-8")]
    lives += a_life("2000", chance, now - timedelta(hours=3), seq=9, session="session-8", ran_s=60, waited_s=1)
    add_session(home, "session-8", b"".join(write_json(event) + b"\n" for event in lives), old)
    add_session(home, "session-9", b"".join(write_json(event) + b"\n" for event in lives[:-5]), old)
    os.utime(home.places.state / "sessions" / "session-9" / EVENTS, (old.timestamp(), old.timestamp()))
    paper.states["1"] = "RUNNING"
    await service.register(elsewhere(home), type="paper", ids=["1"], host="far")
    view = await service.board.look(home.caller("person"))
    assert {one.job.id for one in view.jobs} == {"1", "2000"}
    assert not (home.places.state / "sessions" / "session-9" / INDEX).exists(), "nothing has ended there for two months"
    (job,) = [one for one in view.jobs if one.job.id == "1"]
    (row,) = (await service.board.cancel(home.caller("person"), job.uid, reason="")).rows
    assert (row.outcome, row.job.phase) == ("accepted", "cancelled")
    (ended,) = [one for one in view.jobs if one.job.id == "2000"]
    (row,) = (await service.board.cancel(home.caller("person"), ended.uid, reason="")).rows
    assert row.outcome == "already ended"
    assert set(read) <= {"1", "2000"}
