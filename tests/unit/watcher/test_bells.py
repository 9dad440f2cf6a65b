"""When an idle Codex is woken, and when not: `jobwarden.watcher.bells`.

The real Codex is in tests/integration/test_codex_waking.py; here a script of ours stands for it and notes each call.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from jobwarden.delivery import codex, news
from jobwarden.delivery.codex import FILE, Thread, WakingError
from jobwarden.verdict.world import World
from jobwarden.watcher.bells import Bells
from jobwarden_registry.clock import utc_now
from jobwarden_registry.events import EventKind
from jobwarden_registry.index import SessionEntry
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from jobwarden_registry.processes import ProcessId, this_process
from jobwarden_registry.session import Session
from support.household import Household, make_household
from support.paper import Paper, paper_world

SESSION = "thread-1"


class Resting:
    """One thread that rests, in a home of its own."""

    def __init__(self, home: Household, world: World) -> None:
        self.world, self.program = world, home.root / "codex"
        self.home, self.calls = home, home.root / "calls"
        self.behave('case "$2" in --help) echo "--thread --message";; *) echo "$@" >>"$CODEX_HOME/../calls";; esac')
        now = utc_now()
        entry = SessionEntry(session_id=SESSION, project=home.project, agent="codex", created_at=now, last_seen_at=now)
        world.sessions.index.add(entry)
        self.session: Session = world.sessions.of(entry)
        (home.root / "codex-home").mkdir(mode=0o700)
        with self.session.transaction() as transaction:
            record, _ = transaction.register(JobRecord(type="slurm", id="7", host="h", name="secret words"))
        self.uid = record.uid
        self.stops(3600.0)

    def behave(self, script: str) -> None:
        self.program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        self.program.chmod(0o755)

    def stops(self, ago_s: float | None, process: ProcessId | None = None, program: Path | None = None) -> None:
        """Write what the hook writes at a stop; None: a turn goes on."""
        told = {
            "process": asdict(process or this_process()),
            "program": str(program or self.program),
            "home": str(self.home.root / "codex-home"),
            "idle_since": None if ago_s is None else time.time() - ago_s,
        }
        with self.session.locked() as folder:
            folder.replace(FILE, json.dumps({"v": 1, **told}).encode())

    def happens(self, kind: EventKind, status: str, phase: Phase) -> None:
        with self.session.transaction() as transaction:
            record = transaction.jobs[self.uid].changed(last_status=status, phase=phase)
            transaction.change(self.uid, record, kind)

    def is_stuck(self, status: str = "HELD") -> None:
        self.happens(EventKind.STUCK, status, Phase.PENDING)

    @property
    def rung(self) -> list[str]:
        return self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []


@pytest.fixture
async def resting(clean_environment: Path) -> AsyncIterator[Resting]:
    home = make_household(clean_environment)
    async with paper_world(home, Paper()) as world:
        yield Resting(home, world)


async def test_a_resting_thread_is_rung_for_once_until_it_has_had_another_turn(resting: Resting) -> None:
    bells = Bells(resting.world)
    assert not await bells.look()
    assert resting.rung == []  # there is nothing that it was not told
    resting.is_stuck()
    assert not await bells.look()
    (once,) = resting.rung
    assert once.startswith(f"queue --thread {SESSION} --message jobwarden: 1 thing(s)")
    assert "secret words" not in once
    resting.is_stuck("HELD AGAIN")
    await bells.look()
    await Bells(resting.world).look()  # another watcher
    assert resting.rung == [once]
    resting.stops(1800.0)
    await bells.look()
    assert len(resting.rung) == 2


async def test_it_is_not_rung_for_what_it_was_told_or_would_not_act_on(resting: Resting) -> None:
    resting.happens(EventKind.STATUS_CHANGE, "RUNNING", Phase.RUNNING)
    await Bells(resting.world).look()
    resting.is_stuck()
    news.take(resting.session, consumer=news.ROOT, client="hook-1")
    await Bells(resting.world).look()
    assert resting.rung == []


async def test_a_thread_that_works_or_has_just_stopped_or_whose_codex_is_gone_is_left_alone(resting: Resting) -> None:
    resting.is_stuck()
    bells = Bells(resting.world)
    for stop in (None, 1.0):
        resting.stops(stop)
        assert await bells.look() is (stop is not None)  # its time comes: the watcher stays for it
    here = this_process()
    resting.stops(3600.0, ProcessId(here.boot_id, here.pid_namespace, here.pid, "1"))
    assert not await bells.look()
    resting.stops(3600.0)
    await resting.world.sessions.call(resting.session, codex.turn_goes_on)
    assert not await bells.look()
    assert resting.rung == []


@pytest.mark.parametrize("why", ["others may write it", "others may write its folder", "project", "home", "gone"])
async def test_a_program_that_is_not_certainly_the_user_s_own_is_not_run(resting: Resting, why: str) -> None:
    program, root = resting.program, resting.home.root
    match why:
        case "others may write it":
            program.chmod(0o757)
        case "others may write its folder":
            (root / "open").mkdir()
            program = program.rename(root / "open" / "codex")
            (root / "open").chmod(0o777)
        case "project":
            program = program.rename(resting.home.project / "codex")
        case "home":
            (root / "codex-home").chmod(0o777)
        case _:
            program = root / "nothing"
    resting.stops(3600.0, program=program)
    resting.is_stuck()
    assert not await Bells(resting.world).look()
    assert resting.rung == []


async def test_a_codex_without_the_command_and_one_that_fails_cost_no_more_than_a_line_in_the_log(
    resting: Resting, caplog: pytest.LogCaptureFixture
) -> None:
    resting.is_stuck()
    resting.behave('echo "$@" >>"$CODEX_HOME/../calls"; exit 2')
    await Bells(resting.world).look()
    assert resting.rung == ["queue --help"]
    resting.calls.unlink()
    resting.behave('case "$2" in --help) echo "--thread --message";; *) echo no such thread >&2; exit 1;; esac')
    bells = Bells(resting.world)
    for _ in range(3):
        assert not await bells.look()
    assert caplog.text.count("codex queue ended with 1: no such thread") == 1


async def test_a_codex_that_cannot_be_run_is_tried_again_after_a_while_and_not_at_each_look(
    resting: Resting, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def hangs(thread: Thread, env: Mapping[str, str]) -> bool:
        tried.append(f"{thread.program} {len(env)}")
        raise WakingError("It hung.")

    monkeypatch.setattr(codex, "can_queue", hangs)
    resting.is_stuck()
    bells = Bells(resting.world)
    for _ in range(3):
        assert not await bells.look()
    assert len(tried) == 1
    os.utime(resting.program, (1, 1))  # another program by that name
    await bells.look()
    assert len(tried) == 2
    monkeypatch.setattr("jobwarden.watcher.bells._AGAIN_S", 0.0)
    another = Bells(resting.world)
    await another.look()
    await another.look()
    assert len(tried) == 4


async def test_nothing_is_rung_where_the_user_wants_none(clean_environment: Path) -> None:
    home = make_household(clean_environment, extra="[waking]\ncodex = false\n")
    async with paper_world(home, Paper()) as world:
        resting = Resting(home, world)
        resting.is_stuck()
        assert not await Bells(world).look()
        assert resting.rung == []
