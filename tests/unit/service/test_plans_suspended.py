"""Suspensions of plans that are cut off midway: nothing stays paused or held for ever (`service.plans`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from jobwarden.plans.errors import PlanBusyError
from jobwarden.service import plan_book
from jobwarden.service import plans as plans_module
from jobwarden.service.plan_pausing import pause_rules
from jobwarden.service.service import Service
from support.deeds import CrashError
from support.household import Household
from support.plan_paper import Printer, printing


@pytest.fixture
def printer() -> Printer:
    return Printer()


@pytest.fixture
def file(home: Household) -> Path:
    (home.project / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    path = home.project / "p.toml"
    rule = 'pattern="x" action=notify'
    path.write_text(f"type = 'paper'\n[[jobs]]\nname = 'a'\nscript = 'job.sh'\nrules = ['{rule}']\n", encoding="utf-8")
    return path


async def paused(service: Service, home: Household) -> list[bool]:
    return [rule.paused for rule in (await service.watch_log(home.caller(), "a")).rules]


@pytest.mark.parametrize("after", [False, True], ids=["before they are paused", "after they are paused"])
async def test_rules_go_on_after_a_suspension_that_was_killed(
    home: Household, printer: Printer, file: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    async def killed(*args: Any) -> None:
        if after:
            await pause_rules(*args)
        raise CrashError

    async with printing(home, printer) as service:
        await service.plans.submit(home.caller(), file)
        with monkeypatch.context() as patch:
            patch.setattr(plan_book, "pause_rules", killed)
            with pytest.raises(CrashError):
                await service.plans.suspend(home.caller(), "p", reason="wrong")
        assert await paused(service, home) == [after]
        await service.plans.resume(home.caller(), "p")
        assert await paused(service, home) == [False]


async def test_a_job_that_is_found_while_its_plan_is_suspended_has_its_rules_paused_too(
    home: Household, printer: Printer, file: Path
) -> None:
    async with printing(home, printer) as service:
        printer.lose_answers = True
        await service.plans.submit(home.caller(), file, wait=False)
        await service.plans.suspend(home.caller(), "p", reason="wrong")
        await service.plans.watch(home.caller(), "p")
        assert await paused(service, home) == [True]
        await service.plans.resume(home.caller(), "p")
        assert await paused(service, home) == [False]


class Hand:
    """Holds and releases, and fails or dies where it is told to."""

    held: ClassVar[set[str]] = set()
    fails = ""
    dies = ""

    def __init__(self, desk: object) -> None:
        del desk

    async def control(self, caller: object, *, jobs: Sequence[str], action: str, reason: str) -> SimpleNamespace:
        del caller, reason
        if action == self.dies:
            raise CrashError
        if action != self.fails:
            Hand.held = set(jobs) if action == "hold" else set()
        outcome = "failed" if action == self.fails else "done"
        job = SimpleNamespace(id="100", name="a")
        return SimpleNamespace(rows=[SimpleNamespace(job=job, outcome=outcome)])


@pytest.mark.parametrize("how", ["dies", "fails"])
@pytest.mark.parametrize("action", ["hold", "release"])
async def test_what_a_suspension_may_hold_is_released_by_the_resume_after_it(
    home: Household, printer: Printer, file: Path, monkeypatch: pytest.MonkeyPatch, how: str, action: str
) -> None:
    monkeypatch.setattr(plans_module, "Controlling", Hand)
    async with printing(home, printer) as service:
        await service.plans.submit(home.caller(), file)
        for name in ("hold", "release"):
            with monkeypatch.context() as patch:
                if name == action:
                    patch.setattr(Hand, how, action)
                try:
                    if name == "hold":
                        await service.plans.suspend(home.caller(), "p", reason="wrong", hold=True)
                    else:
                        await service.plans.resume(home.caller(), "p")
                except CrashError:
                    assert (how, name) == ("dies", action)
            if name == "hold":  # also where nothing was heard of it
                (uid,) = (f"uid:{row['uid']}" for row in home.active())
                Hand.held = {uid}
        if action == "release":
            assert Hand.held
            await service.plans.resume(home.caller(), "p")
        assert Hand.held == set()


async def test_a_plan_is_forgotten_only_when_nothing_is_on_its_way_and_what_it_holds_is_released(
    home: Household, printer: Printer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans_module, "Controlling", Hand)
    caller = home.caller()
    async with printing(home, printer) as service:
        printer.lose_answers = True
        await service.plans.submit(caller, file, wait=False)
        with pytest.raises(PlanBusyError, match="on its way"):
            await service.plans.forget(caller, "p")
        await service.plans.resume(caller, "p")
        await service.plans.suspend(caller, "p", reason="wrong", hold=True)
        assert Hand.held
        with monkeypatch.context() as patch:
            patch.setattr(Hand, "fails", "release")
            with pytest.raises(PlanBusyError, match="failed"):
                await service.plans.forget(caller, "p")
        await service.plans.forget(caller, "p")
        assert (Hand.held, (await service.plans.listed(caller)).plans) == (set(), ())
