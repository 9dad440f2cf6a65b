"""Plans over a scheduler of paper: crashes at every step, lost answers, refusals, suspensions (`service.plans`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobwarden.plans.errors import PlanError
from jobwarden.plans.state import change_plan, load_plans
from jobwarden.service import plan_book
from jobwarden.service.auditing import Wanted
from jobwarden.service.plan_views import PlannedView, PlanView
from jobwarden.service.service import open_service
from jobwarden.verdict.world import open_world
from jobwarden_registry.errors import JobNotFoundError
from support.deeds import CrashError
from support.household import Household
from support.plan_paper import Printer, printing

RULE = 'pattern="x" action=notify'


@pytest.fixture
def printer() -> Printer:
    return Printer()


def plan_file(home: Household, *jobs: str, head: str = "") -> Path:
    (home.project / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    file = home.project / "p.toml"
    text = "".join(f"[[jobs]]\nname = '{one.split('|')[0]}'\nscript = 'job.sh'\n{_rest(one)}\n" for one in jobs)
    file.write_text(f"name = 'p'\ntype = 'paper'\n{head}\n{text}", encoding="utf-8")
    return file


def _rest(job: str) -> str:
    return "\n".join(job.split("|")[1:])


def grant(home: Household) -> None:
    config = Path(home.env["JOBWARDEN_CONFIG"])
    config.write_text(config.read_text(encoding="utf-8") + "\n[grants]\nresubmissions = 5\n", encoding="utf-8")


def four(home: Household) -> Path:
    return plan_file(home, "a", "b|after = ['a']", "c", "d|after = ['b', 'afterany:c']")


def states(view: PlanView) -> dict[str, str]:
    return {one.name: one.state for one in view.jobs}


def one(view: PlanView, name: str) -> PlannedView:
    return next(each for each in view.jobs if each.name == name)


class Killed:
    """Lets a submitter crash before or after the n-th thing that it writes or sends."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise CrashError

    def writing(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = work(*args, **kwargs)
            self.step()
            return result

        return wrapped


async def crashed(home: Household, printer: Printer, file: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Bring a plan forward and crash at a step; answers whether it came so far."""
    killed = Killed(at)
    work = printer.submit_script

    async def submit(*args: Any) -> Any:
        killed.step()
        result = await work(*args)
        killed.step()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(plan_book, "change_plan", killed.writing(change_plan))
        patch.setattr(printer, "submit_script", submit)
        try:
            async with printing(home, printer) as service:
                await service.plans.submit(home.caller(), file)
        except (CrashError, BaseExceptionGroup):
            return True
    return False


@pytest.mark.parametrize("forgotten", [False, True], ids=["in the queue", "ended and forgotten by the queue"])
@pytest.mark.parametrize("at", range(1, 13))
async def test_after_a_crash_at_any_step_each_job_is_submitted_once_and_watched(
    home: Household, printer: Printer, monkeypatch: pytest.MonkeyPatch, at: int, *, forgotten: bool
) -> None:
    """Before and after each line of the journal and each submission of the first two jobs."""
    file = four(home)
    assert await crashed(home, printer, file, at, monkeypatch)
    if forgotten:  # then nothing but its token tells of what nobody has noted
        printer.states = dict.fromkeys(printer.taken, "COMPLETED")
        printer.forgets = set(printer.taken)
    printer.clock.later(seconds=1000)
    async with printing(home, printer) as service:
        view = await service.plans.resume(home.caller(), file)
        assert sorted(printer.names()) == ["a", "b", "c", "d"]
        ended = {job.name for job_id, job in printer.taken.items() if job_id in printer.forgets}
        assert states(view) == {name: "succeeded" if name in ended else "pending" for name in "abcd"}
        assert sorted(str(row["name"]) for row in home.active()) == sorted(set("abcd") - ended)
        ids = {each.name: each.id for each in view.jobs}
        waits = [f"{how}:{ids[name]}" for how, name in (("afterok", "b"), ("afterany", "c")) if name not in ended]
        assert printer.waits[ids["d"]] == tuple(waits)
        assert (await service.plans.submit(home.caller(), file)).done == ()


async def test_a_crash_again_and_again_at_the_same_step_still_doubles_nothing(
    home: Household, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = four(home)
    for at in (4, 2, 3, 4, 5, 6, 1, 4):
        await crashed(home, printer, file, at, monkeypatch)
        assert len(set(printer.names())) == len(printer.names())
        printer.clock.later(seconds=1000)
    async with printing(home, printer) as service:
        await service.plans.resume(home.caller(), "p")
    assert sorted(printer.names()) == ["a", "b", "c", "d"]


async def test_a_lost_answer_is_waited_for_and_found_and_one_that_never_came_is_repeated(
    home: Household, printer: Printer
) -> None:
    file, caller = plan_file(home, "a", "b|after = ['a']"), home.caller()
    async with printing(home, printer) as service:
        printer.lose_all = True
        view = await service.plans.submit(caller, file, wait=False)
        assert states(view) == {"a": "on its way", "b": "planned"}
        assert view.troubles
        printer.lose_all = False
        assert states(await service.plans.resume(caller, "p", wait=False))["a"] == "on its way"
        assert printer.names() == []
        printer.clock.later(seconds=1000)
        printer.lose_answers = True
        await service.plans.resume(caller, "p", wait=False)  # it finds a, and loses the answer about b
        assert printer.names() == ["a", "b"]
        printer.lose_answers = False
        view = await service.plans.resume(caller, "p", wait=False)
        assert printer.names() == ["a", "b"]
        assert states(view) == {"a": "pending", "b": "pending"}


async def test_without_accounting_what_is_nowhere_is_left_to_the_person(home: Household, printer: Printer) -> None:
    file, caller = plan_file(home, "a"), home.caller()
    async with printing(home, printer) as service:
        printer.lose_answers, printer.accounted = True, False
        await service.plans.submit(caller, file, wait=False)
        printer.forgets = set(printer.taken)  # it ran, and the queue has forgotten it
        printer.lose_answers = False
        printer.clock.later(seconds=1000)
        await service.plans.resume(caller, "p", wait=False)
        view = await service.plans.resume(caller, "p", wait=False)
        assert states(view) == {"a": "unsure"}
        assert "--retry unsure" in one(view, "a").text
        await service.plans.resume(caller, "p", retry=["unsure"], wait=False)
        assert printer.names() == ["a", "a"]  # the person said so


async def test_what_the_scheduler_refuses_is_told_holds_up_what_waits_for_it_and_is_tried_again(
    home: Household, printer: Printer
) -> None:
    file, caller = plan_file(home, "a", "b|after = ['a']"), home.caller()
    async with printing(home, printer) as service:
        printer.refuse = "sbatch refused it: invalid partition"
        view = await service.plans.submit(caller, file)
        assert states(view) == {"a": "refused", "b": "planned"}
        assert "invalid partition" in one(view, "a").text
        assert "a, which is not submitted" in one(view, "b").text
        printer.refuse = ""
        assert states(await service.plans.submit(caller, file)) == {"a": "pending", "b": "pending"}


async def test_a_plan_is_submitted_in_parts_and_a_changed_file_adds_its_new_jobs(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    async with printing(home, printer) as service:
        first = await service.plans.submit(caller, plan_file(home, "a", "b", "c"), at_most=1)
        assert (len(first.done), first.planned) == (1, 2)
        await service.plans.submit(caller, plan_file(home, "a", "b", "new"))
        assert printer.names() == ["a", "b", "new"]
        await service.plans.submit(caller, plan_file(home, "b"))
        view = await service.plans.status(caller, "p")
        assert set(states(view)) == {"a", "b", "new"}  # what was submitted is not forgotten


async def test_a_suspension_outlives_the_process_and_watch_submits_nothing(home: Household, printer: Printer) -> None:
    caller = home.caller()
    file = plan_file(home, "a", "b", head=f"[defaults]\nrules = ['{RULE}']")
    async with printing(home, printer) as service:
        await service.plans.submit(caller, file, at_most=1)
        view = await service.plans.suspend(caller, "p", reason="the data\nis wrong")
        assert view.suspended == "the data is wrong"
    async with printing(home, printer) as service:
        for work in (service.plans.submit(caller, file), service.plans.watch(caller, "p")):
            view = await work
            assert (view.suspended, printer.names()) == ("the data is wrong", ["a"])
        assert [rule.paused for rule in (await service.watch_log(caller, "a")).rules] == [True]
        assert (await service.plans.resume(caller, "p", dry_run=True)).done
        assert printer.names() == ["a"]
        await service.plans.resume(caller, "p")
        assert printer.names() == ["a", "b"]
        assert [rule.paused for rule in (await service.watch_log(caller, "a")).rules] == [False]


async def test_a_resume_may_have_jobs_watched_otherwise_and_take_ended_ones_in(
    home: Household, printer: Printer
) -> None:
    caller = home.caller()
    file = plan_file(home, "a", "b", head=f"[defaults]\nrules = ['{RULE}']")
    async with printing(home, printer) as service:
        await service.plans.submit(caller, file)
        printer.states["101"] = "COMPLETED"
        await service.plans.resume(caller, "p", overrides={"rules": ["none"], "expect": ["out.txt"]})
        (row,) = home.active()
        assert (row["name"], row["rules"], row["expect"]) == (
            "a",
            [],
            [{"path": "out.txt", "min_bytes": 0, "pattern": None}],
        )
        assert home.kinds().count("finished") == 1
        await service.plans.resume(caller, "p")
        assert home.kinds().count("finished") == 1
        await service.plans.resume(caller, "p", include_ended=True)
        assert home.kinds().count("registered") == 3
        with pytest.raises(PlanError):
            await service.plans.resume(caller, "p", overrides={"nice": ["1"]})


async def test_a_plan_of_another_session_and_one_that_is_not_there_are_told(home: Household, printer: Printer) -> None:
    file = plan_file(home, "a")
    async with printing(home, printer) as service:
        await service.plans.submit(home.caller("one"), file)
        with pytest.raises(PlanError) as raised:
            await service.plans.submit(home.caller("two"), file)
        assert raised.value.code == "plan.elsewhere"
        with pytest.raises(JobNotFoundError) as missing:
            await service.plans.status(home.caller("one"), "nonesuch")
        assert "p" in missing.value.hint
        assert [row.name for row in (await service.plans.listed(home.caller("two"))).plans] == ["p"]
        await service.plans.forget(home.caller("one"), "p")
        assert (await service.plans.listed(home.caller("one"))).plans == ()
        assert len(home.active("one")) == 1
    assert printer.names() == ["a"]


async def test_a_plan_that_is_wrong_is_refused_whole_and_leaves_no_file(home: Household, printer: Printer) -> None:
    file = plan_file(home, "a", "b|after = ['c']", "d|rules = ['pattern=\"x\" action=cancel_job']")
    async with printing(home, printer) as service:
        checked = await service.plans.check(home.caller(), file)
        said = "\n".join(each.text for each in checked.problems)
        assert "'c'" in said
        assert "No rule may cancel" in said
        with pytest.raises(PlanError) as raised:
            await service.plans.submit(home.caller(), file)
        assert "no job 'c'" in raised.value.text.lower()
    assert printer.names() == []
    assert home.journal() == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"jobs": 3}',
        '{"jobs": [{"job_id": "1; rm", "name": "a"}]}',
        '{"jobs": [{"job_id": "1"}]}',
        "[" * 100_000,
    ],
    ids=["a list", "torn", "jobs that are none", "an id that is none", "no name", "brackets"],
)
async def test_a_session_file_that_is_none_is_refused(home: Household, text: str) -> None:
    file = home.project / "s.json"
    file.write_text(text, encoding="utf-8")
    async with open_service(home.env) as service:
        with pytest.raises(PlanError):
            await service.plans.watch(home.caller(), file)
    assert home.active() == []


async def test_what_the_journal_says_counts_where_the_plans_own_file_is_older(
    home: Household, printer: Printer
) -> None:
    """A crash between the two: the file as it was before."""
    file, caller = plan_file(home, "a", "b"), home.caller()
    async with printing(home, printer) as service:
        await service.plans.submit(caller, file, at_most=1)
        path = home.places.state / "sessions" / caller.session_id / "plans.json"
        before = path.read_bytes()
        await service.plans.submit(caller, file)
        path.write_bytes(before)
        assert json.loads(before)["plans"]["p"]["runs"].keys() == {"a"}
        assert (await service.plans.submit(caller, file)).done == ()
    assert printer.names() == ["a", "b"]
    async with open_world(home.env) as world:
        (session,) = await world.sessions.known()
        assert set(load_plans(session)["p"].runs) == {"a", "b"}


async def test_a_job_that_was_submitted_again_counts_once_with_its_latest_run(
    home: Household, printer: Printer
) -> None:
    file, caller = plan_file(home, "a", "b"), home.caller()
    async with printing(home, printer) as service:
        await service.plans.submit(caller, file)
        printer.states["100"] = "FAILED"
        assert (await service.status(caller)).counts.failed == 1
        view = await service.plans.resume(caller, "p", retry=["failed"], names=["a*"])
        assert [run.how for run in one(view, "a").runs] == ["submitted", "retried"]
        counts = (await service.status(caller)).counts
        assert (counts.total, counts.failed, counts.pending) == (2, 0, 2)
        printer.states["102"] = "COMPLETED"
        counts = (await service.status(caller)).counts
        assert (counts.total, counts.failed, counts.succeeded) == (2, 0, 1)


async def test_a_restart_policy_of_a_plan_holds_the_end_of_a_run_that_failed(home: Household, printer: Printer) -> None:
    """As one that `rules add` gave: before it is decided the job has not ended, and what waits for it waits on."""
    grant(home)
    file, caller = plan_file(home, "a|restart = 'restart=[failed]'", "b|after = ['a']"), home.caller()
    async with printing(home, printer) as service:
        await service.plans.submit(caller, file, at_most=1)
        assert home.active()[0]["restarts"] is True
        printer.states["100"] = "FAILED"
        view = await service.plans.resume(caller, "p", retry=["failed"], wait=False)
        assert states(view) == {"a": "pending", "b": "planned"}
        assert "being decided" in one(view, "b").text
        assert printer.names() == ["a"]
        assert "finished" not in home.kinds()


async def test_the_audit_tells_a_submission_once_with_what_came_of_it(home: Household, printer: Printer) -> None:
    """`a is about to be submitted` stood there as done, also where it was refused."""
    file, caller = plan_file(home, "a"), home.caller()
    async with printing(home, printer) as service:
        printer.refuse = "sbatch refused it: invalid partition"
        await service.plans.submit(caller, file)
        refused = await service.audit.deeds(Wanted(action="submit"))
        assert [(one.name, one.result) for one in refused] == [("a", "refused")]
        printer.refuse = ""
        await service.plans.submit(caller, file)
        told = await service.audit.deeds(Wanted(action="submit"))
        assert [(one.name, one.result) for one in told] == [("a", "refused"), ("a", "done")]
        await service.plans.suspend(caller, "p", reason="maintenance")
        assert [one.result for one in await service.audit.deeds(Wanted(action="plan"))] == ["done"]
