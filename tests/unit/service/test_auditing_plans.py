"""What the audit says of plans (`service.auditing`)."""

from __future__ import annotations

from pathlib import Path

from jobwarden.service.auditing import Wanted, who_of
from jobwarden.service.service import Service
from support.household import Household
from support.plan_paper import Printer, printing


def plan_file(home: Household) -> Path:
    (home.project / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    file = home.project / "p.toml"
    file.write_text("name = 'p'\ntype = 'paper'\n[[jobs]]\nname = 'a'\nscript = 'job.sh'\n", encoding="utf-8")
    return file


async def said(service: Service) -> list[tuple[str, str, str, str]]:
    deeds = await service.audit.deeds(Wanted())
    return [(one.action, one.by, one.result, one.name or "-") for one in deeds if one.action != "register"]


async def test_a_submission_that_was_refused_is_told_as_refused_and_each_with_who_asked_for_it(home: Household) -> None:
    file, me = plan_file(home), "claude-code/session-1"
    printer = Printer()
    async with printing(home, printer) as service:
        printer.refuse = "no such partition"
        await service.plans.submit(home.caller(), file)
        assert await said(service) == [("submit", me, "refused", "a")]
        printer.refuse = ""
        await service.plans.suspend(home.caller(), "p", reason="the disk is full")
        await service.plans.resume(home.caller(), "p")
        assert await said(service) == [
            ("submit", me, "refused", "a"),
            ("plan", me, "done", "-"),
            ("plan", me, "done", "-"),
            ("submit", me, "done", "a"),
        ]


async def test_a_submission_whose_answer_was_lost_has_only_begun(home: Household) -> None:
    printer = Printer(lose_all=True)
    async with printing(home, printer) as service:
        await service.plans.submit(home.caller(), plan_file(home), wait=False)
        assert await said(service) == [("submit", "claude-code/session-1", "begun", "a")]


def test_who_acts_in_a_session_that_is_not_its_own_is_named_itself() -> None:
    assert who_of("codex session borrowed-1 (named by session mine-2), sub-agent x") == "codex/mine-2/x"
    assert who_of("codex session mine-2 (claimed)") == "codex/mine-2"
