"""Plans whose file is not what it was: jobs taken out or moved, another file of the same name (`service.plans`)."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from jobwarden.actions.call import Firing
from jobwarden.actions.deeds import CLAIMED, DONE, After, Deed, intend, note_after
from jobwarden.plans.errors import PlanError
from jobwarden.service import plan_finding
from jobwarden.service.plan_finding import read_meant, write_plan
from jobwarden.service.plan_views import PlanView
from jobwarden.verdict.world import open_world
from jobwarden_registry.session import Session
from support.deeds import BEGIN
from support.household import Household
from support.paper import QuietDesk, paper_world
from support.plan_paper import Printer, printing


@pytest.fixture
def printer() -> Printer:
    return Printer()


def plan_file(home: Household, *jobs: str, at: str = "p.toml", more: str = "") -> Path:
    file = home.project / at
    file.parent.mkdir(exist_ok=True)
    (file.parent / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    text = "".join(f"[[jobs]]\nname = '{one}'\nscript = 'job.sh'\n{more}\n" for one in jobs)
    file.write_text(f"name = 'p'\ntype = 'paper'\n{text}", encoding="utf-8")
    return file


def with_slurm(desk: object) -> list[str]:
    del desk
    return ["slurm", "paper"]


def said(view: PlanView, name: str) -> tuple[str, str]:
    (job,) = (one for one in view.jobs if one.name == name)
    return job.state, job.text


async def test_a_job_that_its_file_has_no_more_is_watched_and_never_submitted_again(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        await service.plans.submit(caller, plan_file(home, "a", "b"))
        printer.states["100"] = "FAILED"
        file = plan_file(home, "b")
        view = await service.plans.resume(caller, file, retry=["failed"])
        assert printer.names() == ["a", "b"]
        assert said(view, "a") == ("failed", "The plan's file has it no more, so it is not submitted.")
        await service.plans.resume(caller, plan_file(home, "a", "b"), retry=["failed"])
        assert printer.names() == ["a", "b", "a"]


async def test_a_submission_without_an_answer_is_found_also_when_its_job_was_taken_out_of_the_file(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        printer.lose_answers = True
        await service.plans.submit(caller, plan_file(home, "a"), wait=False)
        printer.lose_answers = False
        printer.clock.later(seconds=1000)
        await service.plans.resume(caller, plan_file(home, "b"))
        assert sorted(str(row["name"]) for row in home.active()) == ["a", "b"]
        assert printer.names() == ["a", "b"]


async def test_one_that_never_arrived_is_not_repeated_when_its_job_was_taken_out_of_the_file(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        printer.lose_all = True
        await service.plans.submit(caller, plan_file(home, "a"), wait=False)
        printer.lose_all = False
        printer.clock.later(seconds=1000)
        await service.plans.resume(caller, plan_file(home, "b"))
        assert printer.names() == ["b"]


async def test_a_job_with_runs_cannot_move_to_another_host_where_its_id_is_another_job(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        await service.plans.submit(caller, plan_file(home, "a"))
        before = home.active()
        moved = plan_file(home, "a", more="host = 'elsewhere.example'")
        with pytest.raises(PlanError, match="a was submitted on localhost") as raised:
            await service.plans.submit(caller, moved)
        assert raised.value.code == "plan.another_place"
        assert home.active() == before
        (row,) = (await service.plans.status(caller, "p")).jobs
        assert row.host == "localhost"


async def test_another_file_does_not_take_over_a_plan_of_its_name(home: Household, printer: Printer) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        first = plan_file(home, "a")
        await service.plans.submit(caller, first)
        second = plan_file(home, "a", "b", at="other/p.toml")
        for work in (service.plans.submit, service.plans.watch, service.plans.resume):
            with pytest.raises(PlanError) as raised:
                await work(caller, second)
            assert raised.value.code == "plan.another_file"
        assert printer.names() == ["a"]
        first.unlink()  # it was moved
        await service.plans.submit(caller, second)
        assert printer.names() == ["a", "b"]


async def test_a_session_file_does_not_take_over_a_plan_of_its_name(
    home: Household, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_finding, "submitting_types", with_slurm)
    caller = home.caller()
    printer.states["999"] = "PENDING"
    async with printing(home, printer) as service:
        file = plan_file(home, "a")
        await service.plans.submit(caller, file)
        file.unlink()
        told = {
            "session_id": "p",
            "jobs": [{"job_id": "999", "name": "a", "script_path": str(home.project / "job.sh")}],
        }
        hostile = home.project / "s.json"
        hostile.write_text(json.dumps(told), encoding="utf-8")
        with pytest.raises(PlanError) as raised:
            await service.plans.watch(caller, hostile)
        assert raised.value.code == "plan.another_file"
        assert [one.id for one in (await service.plans.status(caller, "p")).jobs] == ["100"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"jobs": ' * 100_000], ids=["lists in lists", "tables in tables"])
async def test_a_session_file_that_nests_without_end_is_refused(home: Household, printer: Printer, text: str) -> None:
    file = home.project / "s.json"
    file.write_text(text, encoding="utf-8")
    async with printing(home, printer) as service:
        with pytest.raises(PlanError):
            await service.plans.watch(home.caller(), file)


async def test_a_session_file_keeps_the_host_that_was_said_once(
    home: Household, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`plan resume SESSION.json` says no host: on this machine its ids would be other jobs."""
    monkeypatch.setattr(plan_finding, "submitting_types", with_slurm)
    file = home.project / "s.json"
    file.write_text('{"jobs": [{"job_id": "7", "name": "a"}]}', encoding="utf-8")
    async with paper_world(home, printer, printer.clock) as world, anyio.create_task_group() as tasks:
        desk, caller = QuietDesk(world, tasks, version="0"), home.caller()
        session = await desk.session(caller, create=True)
        assert session is not None
        spec, runs = await read_meant(desk, caller, file, "cluster-a")
        await write_plan(desk, session, spec, runs, dry_run=False)
        spec, _ = await read_meant(desk, caller, file, "")
        assert [one.host for one in spec.jobs] == ["cluster-a"]


async def test_what_a_rule_has_begun_to_submit_again_is_not_retried_beside_it(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        file = plan_file(home, "a")
        await service.plans.submit(caller, file)
        (row,) = home.active()
        printer.states["100"] = "FAILED"
        await service.plans.resume(caller, file)
        async with open_world(home.env) as world:
            (session,) = await world.sessions.known()
            for step, names in ((CLAIMED, ["a"]), (DONE, ["a", "a"])):
                _note_resubmission(session, str(row["uid"]), step)
                view = await service.plans.resume(caller, file, retry=["failed"])
                assert (step, printer.names()) == (step, names)
                assert ("submitting it again" in said(view, "a")[1]) is (step == CLAIMED)


def _note_resubmission(session: Session, uid: str, step: str) -> None:
    firing = Firing(id=f"{uid}:r:1", rule="r", job_uid=uid, at=BEGIN, captures={}, line="", stream="stdout")
    deed = Deed(
        id=f"{firing.id}#0", action="resubmit", rule="r", firing=firing.id, uid=uid, run="100", lineage="x", at=BEGIN
    )
    with session.transaction(own=True) as transaction:
        if step == CLAIMED:
            intend(transaction, deed, firing, "begins")
        note_after(transaction, deed, After(id=deed.id, step=step, at=BEGIN), "goes on", told=False)


async def test_a_script_is_not_read_whole_to_be_checked(home: Household, printer: Printer) -> None:
    """A repository may hold one of many GiB that takes no room."""
    file = plan_file(home, "a", "b")
    with (home.project / "job.sh").open("r+b") as script:
        script.truncate(1 << 40)
    async with printing(home, printer) as service:
        assert (await service.plans.check(home.caller(), file)).good
        view = await service.plans.submit(home.caller(), file)
        assert "has at most 4 MiB" in said(view, "a")[1]
    assert printer.names() == []
