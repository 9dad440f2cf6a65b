"""A plan in a session that is halted: nothing is submitted, and what was on its way is ended when it is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobwarden.actions.halting import halt, lift
from jobwarden.service.service import Service
from jobwarden.verdict.world import open_world
from jobwarden_registry.session import Session
from support.household import Household
from support.plan_paper import Printer, printing


@pytest.fixture
def printer() -> Printer:
    return Printer()


def plan_file(home: Household) -> Path:
    (home.project / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    file = home.project / "p.toml"
    jobs = "".join(f"[[jobs]]\nname = '{name}'\nscript = 'job.sh'\n" for name in ("a", "b"))
    file.write_text(f"name = 'p'\ntype = 'paper'\n{jobs}", encoding="utf-8")
    return file


async def the_session(home: Household) -> Session:
    async with open_world(home.env) as world:
        (session,) = await world.sessions.known()
        return session


def living(printer: Printer) -> list[str]:
    return [job for job, word in printer.states.items() if word in ("RUNNING", "PENDING")]


async def registered(service: Service, home: Household, printer: Printer) -> None:
    printer.states["77"] = "COMPLETED"
    await service.register(home.caller(), type="paper", ids=["77"])


async def test_a_halted_session_submits_nothing_of_a_plan_until_that_is_lifted(
    home: Household, printer: Printer
) -> None:
    async with printing(home, printer) as service:
        await registered(service, home, printer)
        session = await the_session(home)
        halt(session, at=printer.clock(), by="person", reason="wrong data")
        view = await service.plans.submit(home.caller(), plan_file(home))
        assert printer.taken == {}
        assert any("halted by person: wrong data" in one for one in view.troubles)
        lift(session, at=printer.clock(), by="person")
        await service.plans.submit(home.caller(), plan_file(home))
        assert len(printer.taken) == 2
        assert len(living(printer)) == 2


async def test_what_was_on_its_way_when_all_was_stopped_is_ended_when_it_is_seen(
    home: Household, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = printer.submit_script

    async def submit(*args: Any) -> Any:
        made = await work(*args)
        halt(await the_session(home), at=printer.clock(), by="person", reason="wrong data")
        return made

    monkeypatch.setattr(printer, "submit_script", submit)
    async with printing(home, printer) as service:
        await registered(service, home, printer)
        view = await service.plans.submit(home.caller(), plan_file(home))
        assert len(printer.taken) == 1, "the second was not begun any more"
        assert living(printer) == []
        assert any("was on its way when all was stopped; cancel accepted" in note for note in view.notes)
