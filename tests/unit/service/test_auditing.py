"""Who did what, as the journals have it (`service.auditing`)."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from jobwarden.actions.call import ActionCall, Firing
from jobwarden.actions.carrying import Actor
from jobwarden.service.auditing import Wanted
from jobwarden.service.auditing_views import DeedView
from jobwarden.service.service import Service
from jobwarden_registry.clock import utc_now
from jobwarden_registry.errors import UnreadableError
from jobwarden_registry.journal import Journal
from support.household import Household, cli
from support.paper import Paper, QuietDesk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.service.halting._LOOKS_S", (0.01,))
    monkeypatch.setattr("jobwarden.service.stopping._LOOKS_S", (0.01, 0.05))


async def register(service: Service, home: Household, paper: Paper, *ids: str, session: str = "session-1") -> None:
    paper.states |= dict.fromkeys(ids, "RUNNING")
    await service.register(home.caller(session), type="paper", ids=ids)


def told(deeds: tuple[DeedView, ...]) -> list[tuple[str, str, str, str]]:
    return [(one.action, one.by, one.job, one.result) for one in deeds]


async def test_every_deed_is_one_line_with_who_did_what_to_which_job_and_what_came_of_it(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1", "2")
    await service.watch_log(home.caller(), "1", action="add", rule="pattern=x action=log_event name=x")
    await service.watch_log(home.caller(), "1", action="pause", rule="x")
    paper.refuses["2"] = "It belongs to bob."
    await service.cancel(replace(home.caller(), detail="child-2"), jobs=["1", "2"], reason="wrong data")
    await register(service, home, paper, "3", session="other")
    sessions = await service.halting.sessions(home.caller())
    await service.halting.stop(home.caller(), sessions, reason="enough", patience_s=0.2)
    await service.halting.lift(home.caller(), sessions)
    deeds = await service.audit.deeds(Wanted())
    me, other = "claude-code/session-1", "claude-code/other"
    found = told(deeds)
    for deed in (
        ("register", me, "paper:1@localhost", "done"),
        ("register", me, "paper:2@localhost", "done"),
        ("register", other, "paper:3@localhost", "done"),
        ("cancel", f"{me}/child-2", "paper:1@localhost", "accepted"),
        ("cancel", f"{me}/child-2", "paper:2@localhost", "refused"),
        ("cancel", me, "paper:3@localhost", "accepted"),
    ):
        assert found.count(deed) == 1, (deed, found)
    assert [one[0] for one in found].count("halt") == [one[0] for one in found].count("lift") == 2
    assert ("rule-pause", "session/session-1", "paper:1@localhost", "done") in found
    accepted = next(one for one in deeds if one.action == "cancel" and one.result == "accepted")
    assert accepted.text == "wrong data; taken"
    assert [one.at for one in deeds] == sorted(one.at for one in deeds)


async def test_a_rules_deed_is_told_once_with_its_end_and_what_it_only_noted_not_at_all(
    service: Service, desk: QuietDesk, home: Household, paper: Paper
) -> None:
    await register(service, home, paper, "1")
    (session,) = await desk.world.sessions.known()
    (record,) = session.load()
    firing = Firing("f1", "diverged", record.uid, utc_now(), {}, "loss: 12", "stdout")
    calls = [
        ActionCall("store_metric", {"name": "loss", "value": 1}),
        ActionCall("notify", {"message": "x"}),
        ActionCall("pause", {}),
        ActionCall("cancel_job", {}),
    ]
    await Actor(desk.world.rounds, home.env).carry_out(session, record, firing, calls)
    assert told(await service.audit.deeds(Wanted(by="rule/"))) == [
        ("pause", "rule/diverged", "paper:1@localhost", "done"),
        ("cancel_job", "rule/diverged", "paper:1@localhost", "refused"),
    ], "nothing is granted in this home"


async def test_deeds_are_chosen_by_time_job_doer_and_action(service: Service, home: Household, paper: Paper) -> None:
    await register(service, home, paper, "1", "2")
    await service.cancel(home.caller(), jobs=["1"])

    async def chosen(**how: object) -> list[str]:
        deeds = await service.audit.deeds(Wanted(**how))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- one of its fields
        return [f"{one.action} {one.job.partition(':')[2].partition('@')[0]}" for one in deeds]

    assert await chosen(job="1") == await chosen(job="paper:1@localhost") == ["register 1", "cancel 1"]
    assert await chosen(action="cancel") == ["cancel 1"]
    assert await chosen(by="codex") == await chosen(since=utc_now() + timedelta(seconds=1)) == []
    assert len(await chosen(since=utc_now() - timedelta(days=7), by="claude-code")) == 3


async def test_following_tells_what_begins_and_what_came_of_it(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwarden.service.auditing._LOOK_S", 0.01)
    await register(service, home, paper, "1")
    found: list[DeedView] = []

    async def follow(deeds: AsyncIterator[DeedView]) -> None:
        async for deed in deeds:
            found.append(deed)
            if deed.result == "accepted":
                tasks.cancel_scope.cancel()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, service.audit.follow(Wanted(since=utc_now())))
            await register(service, home, paper, "2", session="fresh")
            await service.cancel(home.caller("fresh"), jobs=["2"])
    assert [(one.action, one.result) for one in found] == [
        ("register", "done"),
        ("cancel", "begun"),
        ("cancel", "accepted"),
    ]


async def test_following_tells_nothing_old_of_a_session_that_could_not_be_read_at_first(
    service: Service, home: Household, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwarden.service.auditing._LOOK_S", 0.01)
    await register(service, home, paper, "1")
    read, failed, begun = Journal.last_seq, False, anyio.Event()

    def last_seq(self: Journal) -> int:
        nonlocal failed
        if not failed:
            failed = True
            raise UnreadableError("the disk did not answer")
        anyio.from_thread.run_sync(begun.set)
        return read(self)

    monkeypatch.setattr(Journal, "last_seq", last_seq)
    deeds = service.audit.follow(Wanted())
    found: list[str] = []

    async def follow() -> None:
        async for deed in deeds:
            found.append(deed.job)
            tasks.cancel_scope.cancel()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await begun.wait()
            await register(service, home, paper, "2")
    assert found == ["paper:2@localhost"]


async def test_lines_are_greppable_and_what_a_job_is_called_breaks_none(
    service: Service, home: Household, paper: Paper
) -> None:
    paper.states["1"] = "RUNNING"
    await service.register(home.caller(), type="paper", ids=["1"], name='=evil" cancel x')

    def run(*words: str) -> str:
        done = cli(home, "audit", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (line,) = (await anyio.to_thread.run_sync(run)).splitlines()
    assert line.split()[1:5] == ["register", "claude-code/session-1", "paper:1@localhost", "done"]
    assert line.endswith(' done =evil" cancel x'), "nothing was said, so no colon"
    (raw,) = [json.loads(one) for one in (await anyio.to_thread.run_sync(run, "--json")).splitlines()]
    assert raw["name"] == '=evil" cancel x'
    await anyio.to_thread.run_sync(run, "--csv", "-o", "deeds.csv")
    path = home.project / "deeds.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True))
    assert row["name"].startswith("'="), "no formula"
