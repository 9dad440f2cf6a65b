"""What goes wrong around the watcher, and what must go on: its loop in this process, over real files."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobwarden.actions.call import Firing
from jobwarden.actions.carrying import Actor
from jobwarden.rules.store import has_rules
from jobwarden.service.service import Service
from jobwarden.verdict import rounds
from jobwarden.verdict.apply import apply_answer
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.world import World
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.main import AgentSocket, _turn_to_a_live_one  # pyright: ignore[reportPrivateUsage] -- its one step
from jobwarden.watcher.presence import Presence, WatcherInfo, is_running, lock_path, ring
from jobwarden.watcher.watcher import Watcher
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import UnreadableError, UnwritableError
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import Index
from jobwarden_registry.leases import Lease
from jobwarden_registry.model import JobRecord
from jobwarden_registry.processes import ProcessId, this_process
from jobwarden_registry.session import Session
from support.household import Household, make_household
from support.paper import FAR, Paper, QuietDesk, paper_world

CLOCKS: Mapping[str, float | str] = {
    "poll_s": 0.3,
    "floor_s": 0.0,
    "scan_s": 0.2,
    "linger_s": 0.3,
    "backoff_first_s": 0.3,
    "lock_timeout_s": 0.3,
    "disk_timeout_s": 0.2,
    "quick_s": "[]",
}


_STEP_S = 0.02


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def home(clean_environment: Path) -> Household:
    return configured(clean_environment)


def configured(root: Path, **clocks: float | str) -> Household:
    return make_household(root, {**CLOCKS, **clocks}, FAR)


@asynccontextmanager
async def watching(home: Household, paper: Paper) -> AsyncGenerator[tuple[World, Watcher]]:
    """Run the watcher's loop beside the test, and stop it at the end."""
    async with paper_world(home, paper) as world, anyio.create_task_group() as tasks:
        info = WatcherInfo(pid=os.getpid(), version="0.1.0", started_at=utc_now())
        presence = Presence(home.places)
        assert presence.take(info)
        watcher = Watcher(world, presence, Leasing(world), info=info)
        tasks.start_soon(watcher.run)
        yield world, watcher
        watcher.stop("the test is over")


async def register(
    home: Household,
    paper: Paper,
    *ids: str,
    session: str = "session-1",
    host: str = "localhost",
    rules: Sequence[str] = (),
) -> None:
    """Register as another process does, before the watcher has looked."""
    async with paper_world(home, paper) as world, anyio.create_task_group() as tasks:
        service = Service(QuietDesk(world, tasks, version="0.1.0"))
        paper.states |= dict.fromkeys(ids, "RUNNING")
        await service.register(home.caller(session), type="paper", ids=ids, host=host, rules=rules)
        tasks.cancel_scope.cancel()
    ring(home.places, "wake")


async def until(condition: Callable[[], object], what: str, within_s: float = 8.0) -> None:
    for _ in range(int(within_s / _STEP_S)):
        if condition():
            return
        await anyio.sleep(_STEP_S)
    pytest.fail(f"not within {within_s} s: {what}")


def session_of(home: Household, session: str = "session-1") -> Session:
    entry = Index(home.places, clock=utc_now).get(session)
    assert entry is not None
    return Session(home.places, entry, clock=utc_now)


def ended(home: Household, session: str = "session-1") -> bool:
    return "finished" in home.kinds(session)


# -- one that is bad, and the others


async def test_a_fault_in_one_rules_action_is_told_and_stops_no_other_rule_and_no_verdict(
    clean_environment: Path, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = configured(clean_environment, rules_least_s=0.1, rules_settle_s=0.2)
    carry_out = Actor.carry_out

    async def broken(self: Actor, session: Session, record: JobRecord, firing: Firing, *rest: Any, **how: Any) -> Any:
        if firing.rule == "bad" and record.id == "1":
            raise KeyError("a bug of ours")
        return await carry_out(self, session, record, firing, *rest, **how)

    monkeypatch.setattr(Actor, "carry_out", broken)
    rules = [f'name={name} state=RUNNING action=log_event(message="{name}")' for name in ("bad", "good")]
    await register(home, paper, "1", "2", rules=[*rules, 'name=over state=end action=log_event(message="over")'])
    session = session_of(home)

    def texts() -> list[tuple[str | None, str]]:
        return [(event.job_id, event.text or "") for event in home.journal()]

    def logged(job: str, rule: str) -> bool:
        return any(one == job and text.startswith(f"rule {rule}: info: {rule}") for one, text in texts())

    async with watching(home, paper):
        running = [("1", "good"), ("2", "bad"), ("2", "good")]
        await until(lambda: all(logged(*one) for one in running), "the other rules have acted", 60.0)
        paper.states |= {"1": "FAILED", "2": "FAILED"}
        await until(lambda: home.kinds().count("finished") == 2, "both verdicts", 60.0)
        await until(lambda: all(logged(job, "over") for job in "12"), "the rules saw the end", 60.0)
        await until(lambda: not has_rules(session), "nothing is left to be done", 60.0)
    assert not logged("1", "bad")
    said = [text for _, text in texts() if "What the rule bad asks for failed: KeyError" in text]
    assert len(said) == 1


async def test_a_session_on_a_file_system_that_hangs_stops_no_other(
    home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(home, paper, "1", session="hangs")
    await register(home, paper, "2", session="whole")
    back = threading.Event()
    threads: set[int] = set()
    load = Session.load

    def hanging(session: Session) -> object:
        if session.entry.session_id == "hangs":
            threads.add(threading.get_ident())
            back.wait(20)
        return load(session)

    monkeypatch.setattr(Session, "load", hanging)
    try:
        async with watching(home, paper):
            paper.states |= {"1": "COMPLETED", "2": "COMPLETED"}
            await until(lambda: ended(home, "whole"), "the whole session goes on")
            await anyio.sleep(0.5)
            assert len(threads) == 1  # no thread after thread is lost to it
            assert not ended(home, "hangs")
            back.set()
            await until(lambda: ended(home, "hangs"), "it is taken up again when its disk is back")
    finally:
        back.set()


async def test_a_fault_of_ours_in_one_session_stops_no_other_and_is_told_there_once(
    home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(home, paper, "1", session="bad")
    await register(home, paper, "2", session="good")

    def faulty(session: Session, **rest: object) -> object:
        if session.entry.session_id == "bad":
            raise ZeroDivisionError("a fault of ours")
        return apply_answer(session, **rest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(rounds, "apply_answer", faulty)
    async with watching(home, paper):
        paper.states["2"] = "COMPLETED"
        await until(lambda: ended(home, "good"), "the good session goes on")
        await until(lambda: "note" in home.kinds("bad"), "the bad one is told")
        await anyio.sleep(1.0)
        notes = [event.text or "" for event in home.journal("bad") if event.event == "note"]
        assert len(notes) == 1
        assert "ZeroDivisionError" in notes[0]
        assert "note" not in home.kinds("good")


async def test_a_plug_in_that_crashes_is_asked_ever_more_rarely_and_stops_no_other(
    home: Household, paper: Paper
) -> None:
    await register(home, paper, "1")
    paper.raises = ValueError("boom")
    asked = len(paper.asked)
    async with watching(home, paper):
        await until(lambda: "unreachable" in home.kinds(), "its jobs are said to be stale")
        event = next(event for event in home.journal() if event.event == "unreachable")
        assert "ValueError: boom" in (event.text or "")
        assert len(paper.asked) - asked < 10
        paper.raises, paper.states["1"] = None, "COMPLETED"
        await until(lambda: ended(home), "it is taken up again")


async def test_a_host_that_hangs_for_ever_is_given_up_and_stops_no_other(clean_environment: Path, paper: Paper) -> None:
    home = configured(clean_environment, ask_timeout_s=0.2, connect_timeout_s=0.2)
    await register(home, paper, "1", host="far")
    await register(home, paper, "2")
    paper.hanging.add("far")
    async with watching(home, paper):
        paper.states["2"] = "COMPLETED"
        await until(lambda: ended(home), "the near one goes on")
        await until(lambda: "unreachable" in home.kinds(), "the far one is said to be stale")
        await until(lambda: len(home.active()) == 1, "the near one has left the file")


# -- when it ends, and when not


async def test_an_index_that_cannot_be_read_is_not_an_empty_one(
    home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(home, paper, "1")
    whole = Index.all

    def broken(_index: Index) -> object:
        raise UnreadableError("The disk did not answer.")

    monkeypatch.setattr(Index, "all", broken)
    async with watching(home, paper):
        await anyio.sleep(1.0)
        assert is_running(home.places)
        monkeypatch.setattr(Index, "all", whole)
        paper.states["1"] = "COMPLETED"
        await until(lambda: ended(home), "it goes on")
        await until(lambda: not is_running(home.places), "and then ends by itself")


async def test_a_look_at_the_lock_in_the_last_moment_does_not_make_it_leave_a_job_alone(
    home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(home, paper, "1")
    paper.states["1"] = "COMPLETED"
    async with watching(home, paper) as (world, watcher):
        (session,) = await world.sessions.known()
        presence = watcher._presence  # pyright: ignore[reportPrivateUsage] -- the moment between two steps
        let_go, moments = presence.let_go, list[threading.Timer]()

        def last_moment() -> None:
            if not moments:  # somebody registers who saw the lock held, and somebody else only looks
                paper.states["2"] = "RUNNING"
                with session.transaction() as transaction:
                    transaction.register(JobRecord(type="paper", id="2", site=f"local:{world.machine_id}"))
                let_go()
                look = os.open(lock_path(home.places), os.O_RDONLY)
                fcntl.flock(look, fcntl.LOCK_SH)
                moments.append(threading.Timer(0.15, os.close, [look]))
                moments[0].start()
            else:
                let_go()

        monkeypatch.setattr(presence, "let_go", last_moment)
        await until(lambda: moments, "it is about to end")
        await anyio.sleep(0.5)
        assert is_running(home.places)
        paper.states["2"] = "COMPLETED"
        await until(lambda: home.kinds().count("finished") == 2, "the job is watched")


async def test_leaving_after_letting_go_never_looks_like_a_watcher_that_stays(home: Household) -> None:
    info = WatcherInfo(pid=os.getpid(), version="0.1.0", started_at=utc_now())
    one, two = Presence(home.places), Presence(home.places)
    assert one.take(info)
    one.let_go()
    assert two.take(info.model_copy(update={"pid": 1}))
    one.leave()
    assert is_running(home.places)
    two.leave()
    assert not is_running(home.places)


def test_its_process_says_nothing_on_stdout_and_ends_well(home: Household) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobwarden.watcher.main"], env=home.env, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    log = next(home.places.state.glob("watcher-*.log"))
    assert "nothing is left to watch" in log.read_text(encoding="utf-8")


# -- pace


async def test_quick_looks_come_after_a_registration_and_then_no_more(clean_environment: Path, paper: Paper) -> None:
    home = configured(clean_environment, quick_s="[0.3, 0.4, 0.5]", poll_s=60, floor_s=15)
    async with watching(home, paper):
        await register(home, paper, "1")
        registered = paper.asked[-1][0]
        await anyio.sleep(2.2)
    looks = [moment - registered for moment, _ in paper.asked[1:]]
    assert len(looks) == 3
    for look, expected in zip(looks, (0.3, 0.7, 1.2), strict=True):
        assert expected - 0.05 <= look < expected + 0.4


async def test_a_floor_above_the_poll_is_waited_for_and_not_fought(
    clean_environment: Path, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = configured(clean_environment, poll_s=0.1, floor_s=30)
    await register(home, paper, "1")
    asked = len(paper.asked)
    assert await checks_within(home, paper, monkeypatch, seconds=1.6) <= 3
    assert len(paper.asked) == asked


async def test_an_end_that_cannot_be_written_down_is_tried_again_without_haste(
    clean_environment: Path, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = configured(clean_environment, scan_s=0.5)
    await register(home, paper, "1")
    paper.states["1"] = "COMPLETED"

    def full(*_: object, **__: object) -> object:
        raise UnwritableError("The disk is full.")

    monkeypatch.setattr(rounds, "apply_answer", full)
    assert await checks_within(home, paper, monkeypatch, seconds=1.6) <= 6


async def checks_within(home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> int:
    check, count = Rounds.check, 0

    async def counted(*args: object, **rest: object) -> object:
        nonlocal count
        count += 1
        return await check(*args, **rest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- passed on

    monkeypatch.setattr(Rounds, "check", counted)
    async with watching(home, paper):
        await anyio.sleep(seconds)
    return count


@pytest.mark.parametrize("slow", ["host", "project"])
async def test_the_configured_pace_of_a_host_and_of_a_project_holds(
    clean_environment: Path, paper: Paper, slow: str
) -> None:
    home = configured(clean_environment)
    if slow == "project":
        (home.project / ".jobwarden.toml").write_text("poll_s = 60", encoding="utf-8")
    await register(home, paper, "1", host="slow" if slow == "host" else "localhost")
    asked = len(paper.asked)
    async with watching(home, paper):
        await anyio.sleep(1.2)
    assert len(paper.asked) == asked


# -- leases


async def test_a_lease_that_is_lost_during_a_question_writes_nothing(clean_environment: Path, paper: Paper) -> None:
    home = configured(clean_environment, lease_s=60)
    await register(home, paper, "1", host="far")
    async with paper_world(home, paper) as world:
        (session,) = await world.sessions.known()
        with session.transaction() as transaction:  # a job that any machine can ask about
            (record,) = transaction.jobs.values()
            transaction.change(record.uid, record.changed(site="alice@far:22"), EventKind.UPDATED)
    paper.hanging.add("far")
    asked = len(paper.asked)
    async with watching(home, paper):
        await until(lambda: len(paper.asked) > asked, "it asks")
        assert Lease().acquire(session, stranger(), machine_id="b" * 16, stale_s=0.0)
        before = home.kinds()
        paper.states["1"] = "COMPLETED"
        paper.hanging.clear()
        paper.back.set()
        await anyio.sleep(1.0)
        assert home.kinds() == before
        assert is_running(home.places)  # the other may die


def stranger() -> ProcessId:
    """A process of another machine, which nobody can judge from here."""
    return replace(this_process(), boot_id="another boot")


async def test_what_runs_here_is_watched_here_whoever_holds_the_session(clean_environment: Path, paper: Paper) -> None:
    """Another login node cannot ask about it, and would hold the lease for ever."""
    home = configured(clean_environment, lease_s=60)
    await register(home, paper, "1")
    async with paper_world(home, paper) as world:
        (session,) = await world.sessions.known()
        assert Lease().acquire(session, stranger(), machine_id="b" * 16, stale_s=60)
    async with watching(home, paper):
        paper.states["1"] = "COMPLETED"
        await until(lambda: ended(home), "its end is journaled")


# -- the ssh agent


async def test_the_ssh_agent_of_the_latest_registration_takes_the_place_of_one_that_is_gone(
    home: Household, paper: Paper
) -> None:
    first, second = home.root / "agent-1", home.root / "agent-2"
    listeners = [listen(path) for path in (first, second)]
    try:
        home.env["SSH_AUTH_SOCK"] = str(first)
        env = dict(home.env)
        agent = AgentSocket(home.places, env)
        home.env["SSH_AUTH_SOCK"] = str(second)
        await register(home, paper, "1")
        async with paper_world(home, paper) as world:
            _turn_to_a_live_one(world, agent)
            assert leads_to(env) == first
            first.unlink()
            _turn_to_a_live_one(world, agent)
            assert leads_to(env) == second
            assert agent.is_alive()
    finally:
        for listener in listeners:
            listener.close()


def leads_to(env: Mapping[str, str]) -> Path:
    return Path(env["SSH_AUTH_SOCK"]).readlink()


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    return listener
