"""What an answer says, and that nothing that goes wrong makes it say less or more (`service.desk`, `reading`, ...)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from jobwarden.identity import resolve_caller
from jobwarden.logs.allowed import LogRefusedError
from jobwarden.service.service import Service
from jobwarden.service.tickets import Ticket
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import UnwritableError
from jobwarden_registry.events import EventKind
from jobwarden_registry.model import JobRecord, LogPaths
from jobwarden_registry.phases import Phase
from jobwarden_registry.session import Session
from jobwarden_registry.transaction import Transaction
from support.household import Household
from support.paper import Paper, QuietDesk, paper_service


async def register(service: Service, home: Household, *ids: str, host: str = "localhost") -> None:
    await service.register(home.caller(), type="paper", ids=ids, host=host)


async def change(desk: QuietDesk, home: Household, work: Callable[[Transaction], object]) -> None:
    session = await desk.session(home.caller())
    assert session is not None

    def write(session: Session) -> None:
        with session.transaction() as transaction:
            work(transaction)

    await desk.world.sessions.call(session, write)


def only(transaction: Transaction) -> JobRecord:
    (record,) = transaction.jobs.values()
    return record


# -- faults that are not the agent's


@pytest.mark.parametrize("fault", [ValueError("boom"), OSError("torn"), KeyError("x")])
async def test_a_plug_in_that_crashes_makes_its_jobs_stale_and_ends_no_server(
    service: Service, home: Household, paper: Paper, fault: Exception
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    paper.raises = fault
    await anyio.sleep(0.2)  # three polls without an answer: before, the state is young enough to stand as it is
    first = await service.status(home.caller())
    assert first.jobs[0].phase == "running"
    assert "source.broken" in (first.jobs[0].stale_because or "")
    assert type(fault).__name__ in first.troubles[0]
    paper.raises = None
    assert (await service.status(home.caller(), refresh=False)).jobs


@pytest.mark.parametrize("answer", [None, "no mapping", {"1": "RUNNING"}, {1: None}, ["1"]])
async def test_an_answer_of_no_known_form_decides_nothing(
    service: Service, home: Household, paper: Paper, answer: object
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    paper.answer = answer if answer is not None else 7
    view = await service.status(home.caller())
    assert view.jobs[0].phase == "running"
    assert "source.unreadable" in (view.jobs[0].stale_because or "")


async def test_an_entry_of_a_type_that_is_not_installed_says_so_and_stops_nothing(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    by_hand(home, {"type": "nonesuch", "id": "7"})
    view = await service.status(home.caller())
    assert {job.type: (job.stale_because or "")[:19] for job in view.jobs} == {
        "paper": "",
        "nonesuch": "source.unknown_type",
    }


async def test_an_entry_by_hand_whose_host_leads_nowhere_says_why_nobody_asks(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    by_hand(home, {"type": "paper", "id": "2", "host": "a;b"})
    for _ in range(2):
        view = await service.status(home.caller())
        assert [bool(job.stale_because) for job in view.jobs] == [False, True]
        assert "id.invalid" in view.troubles[0]


def by_hand(home: Household, entry: dict[str, object]) -> None:
    path = home.project / ".claude" / "agents" / "session-1" / "active_jobs.json"
    path.write_text(json.dumps([*home.active(), entry]), encoding="utf-8")


async def test_an_answer_that_could_not_be_kept_is_said_and_makes_no_old_state_young(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")

    async def full(*_: object) -> None:
        raise UnwritableError("The disk is full.", hint="Free some.")

    monkeypatch.setattr(desk.world.rounds, "_apply", full)
    paper.states["1"] = "FAILED"
    view = await service.status(home.caller())
    assert (view.jobs[0].phase, view.jobs[0].observed_at) == ("running", home_record(home).observed_at)
    assert "The disk is full" in " ".join(view.notes)


def home_record(home: Household) -> JobRecord:
    return JobRecord.model_validate(home.active()[0])


async def test_a_session_of_the_project_that_cannot_be_read_is_said_and_hides_no_other(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1")
    await service.register(home.caller("other"), type="paper", ids=["2"])
    journal = home.places.state / "sessions" / "other" / "events.jsonl"
    journal.unlink()
    journal.mkdir()
    view = await service.status(home.caller(), scope="project")
    assert [job.id for job in view.jobs] == ["1"]
    assert "Session other cannot be read" in " ".join(view.notes)
    checks = (await service.doctor(home.caller(), hosts=["localhost"])).checks
    assert [check.outcome for check in checks if check.subject == "session other"] == ["problem"]


# -- news


async def test_a_log_that_cannot_be_read_costs_the_agent_no_news(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await register(service, home, "1")
    await service.status(home.caller())
    paper.states["1"] = "RUNNING"
    paper.log = LogPaths(stdout="/etc/../proc/version")
    with pytest.raises(LogRefusedError):
        await service.tail(home.caller(), "1")
    await service.status(home.caller("looks-on"))
    told = await service.status(home.caller())
    assert [event.new_status for event in told.news] == ["RUNNING"]
    assert (await service.status(home.caller())).news == ()


async def test_news_is_never_behind_the_rows_nor_the_rows_behind_the_news(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "PENDING"
    await register(service, home, "1")
    for word in ("RUNNING", "COMPLETED"):
        paper.states["1"] = word
        view = await service.status(home.caller())
        assert [event.new_status for event in view.news] == [word] == [job.status for job in view.jobs]


async def test_two_calls_at_once_tell_the_same_news_once(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "PENDING"
    await register(service, home, "1")
    await service.status(home.caller())
    paper.states["1"] = "RUNNING"
    told: list[int] = []

    async def ask() -> None:
        told.append(len((await service.status(home.caller())).news))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
    assert sorted(told) == [0, 0, 0, 1]


async def test_who_only_names_a_session_is_told_its_news_and_takes_none_from_its_agent(
    service: Service, home: Household, paper: Paper
) -> None:
    """A person's `jobwarden status --session S`; and a wait of theirs holds no hook back."""
    person = replace(home.caller(client="cli"), claimed=True, borrower="terminal-1")
    hook = home.caller(client="hook-fresh")
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    await service.status(home.caller())
    ticket = await service.begin_wait(person, until="terminal", timeout_s=60.0)
    assert isinstance(ticket, Ticket)
    await service.wait_again(person, ticket, str)
    paper.states["1"] = "FAILED"
    assert [event.event for event in (await service.status(person)).news] == ["finished"]
    assert (await service.status(person)).news == ()
    assert [event.event for event in (await service.tell(hook, event="Rewake")).news] == ["finished"]


async def test_recent_events_are_the_last_ones_and_leave_out_bookkeeping(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")

    def busy(transaction: Transaction) -> None:
        for number in range(30):
            transaction.note(f"note {number}")
            record = only(transaction)
            transaction.change(record.uid, record.changed(node=f"n{number}"), EventKind.UPDATED)

    await change(desk, home, busy)
    assert [event.text for event in await service.recent(home.caller(), limit=3)] == ["note 27", "note 28", "note 29"]
    assert len(await service.recent(home.caller(), limit=1000)) == 32  # registered, its first state, thirty notes


# -- "2 of 4"


async def test_an_end_of_days_ago_is_counted_until_the_agent_has_been_told_and_has_called_again(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    long_ago = utc_now() - timedelta(days=3)
    await change(
        desk,
        home,
        lambda transaction: transaction.finish(
            only(transaction).uid,
            only(transaction).changed(phase=Phase.FAILED, last_status="FAILED", ended_at=long_ago),
        ),
    )
    counts = [(await service.status(home.caller())).counts for _ in range(4)]
    assert counts[0].failed == 1
    assert counts[-1].total == 0


async def test_a_job_that_ended_today_is_counted_all_day(service: Service, home: Household, paper: Paper) -> None:
    paper.states |= {"1": "RUNNING", "2": "RUNNING"}
    await register(service, home, "1", "2")
    paper.states["1"] = "COMPLETED"
    for _ in range(5):
        counts = (await service.status(home.caller())).counts
        assert (counts.total, counts.succeeded, counts.running) == (2, 1, 1)


async def test_a_journal_of_ten_thousand_events_costs_a_running_server_little(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    paper.states["live"] = "RUNNING"
    await register(service, home, "live")

    def many(transaction: Transaction) -> None:
        for number in range(5000):
            record, _ = transaction.register(JobRecord(type="paper", id=f"j{number}", site="elsewhere"))
            ended = record.changed(phase=Phase.SUCCEEDED, last_status="COMPLETED", ended_at=utc_now())
            transaction.finish(record.uid, ended.changed(ended_at=utc_now() - timedelta(days=2)))

    await change(desk, home, many)
    for _ in range(2):
        await service.status(home.caller())
    began = time.monotonic()
    view = await service.status(home.caller())
    assert view.counts.total == 1
    assert time.monotonic() - began < 1.0


# -- machines and folders


async def test_what_runs_on_another_machine_is_shown_as_last_known_and_its_log_is_not_looked_for_here(
    service: Service, desk: QuietDesk, home: Household, paper: Paper, tmp_path: Path
) -> None:
    paper.states["1"] = "RUNNING"
    secret = tmp_path / "log"
    secret.write_text("of this machine", encoding="utf-8")
    paper.log = LogPaths(stdout=str(secret))
    await register(service, home, "1")
    elsewhere = "local:" + "f" * 16
    await change(
        desk,
        home,
        lambda transaction: transaction.change(
            only(transaction).uid, only(transaction).changed(site=elsewhere), EventKind.UPDATED
        ),
    )
    asked = len(paper.asked)
    paper.states["1"] = "FAILED"
    view = await service.status(home.caller())
    assert view.jobs[0].phase == "running"
    assert "another machine" in " ".join(view.notes)
    tail = await service.tail(home.caller(), "1")
    assert (tail.text, "another machine" in (tail.note or "")) == ("", True)
    assert len(paper.asked) == asked


async def test_a_session_follows_its_project_folder_when_that_is_renamed(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    moved = home.root / "renamed"
    home.project.rename(moved)
    caller = resolve_caller({"CLAUDE_CODE_SESSION_ID": "session-1"}, cwd=moved, places=home.places, client="c")
    assert caller.project == moved
    paper.states["1"] = "COMPLETED"
    view = await service.status(caller)
    assert view.counts.succeeded == 1
    assert (moved / ".claude/agents/session-1/active_jobs.json").read_text(encoding="utf-8").strip() == "[]"
    assert not home.project.exists()


async def test_an_end_is_noted_though_the_project_is_gone(service: Service, home: Household, paper: Paper) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")
    caller = home.caller()
    home.project.rename(home.root / "away")
    paper.states["1"] = "FAILED"
    assert (await service.status(caller)).counts.failed == 1
    assert home.kinds()[-1] == "finished"


async def test_the_least_time_between_questions_holds_for_servers_and_the_command_line(
    home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    for _ in range(2):  # as two runs of the command line
        async with paper_service(home, paper) as (service, _desk):
            await service.register(home.caller(), type="paper", ids=["1"], host="slow")
            await service.status(home.caller())
            await service.wait(home.caller(), timeout_s=0.3)
    assert [cluster for _, cluster in paper.asked] == ["slow"]


async def test_the_project_makes_a_log_shorter_whoever_asks(
    service: Service, home: Household, paper: Paper, tmp_path: Path
) -> None:
    log = tmp_path / "out.log"
    log.write_text("".join(f"line {number}\n" for number in range(4000)), encoding="utf-8")
    paper.states["1"], paper.log = "RUNNING", LogPaths(stdout=str(log))
    await register(service, home, "1")
    whole = await service.tail(home.caller(), "1", lines=2000)
    (home.project / ".jobwarden.toml").write_text("answer_chars = 3000", encoding="utf-8")
    less = await service.tail(home.caller(), "1", lines=2000)
    assert len(less.text) <= 1500 < len(whole.text)


async def test_that_a_session_cannot_be_written_is_said_once_however_often_it_is_met(
    service: Service,
    home: Household,
    paper: Paper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    paper.states["1"] = "RUNNING"
    await register(service, home, "1")

    def refuse(*_: object, **__: object) -> None:
        raise UnwritableError("Read-only file system.")

    monkeypatch.setattr(Session, "transaction", refuse)
    monkeypatch.setattr("jobwarden.delivery.news.shown", refuse)
    for _ in range(3):
        assert [job.id for job in (await service.status(home.caller(), refresh=False)).jobs] == ["1"]
    assert [record.getMessage() for record in caplog.records if "Read-only" in record.getMessage()] == [
        "session session-1: Read-only file system."
    ]
