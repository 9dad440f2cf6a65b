"""A halt: what rules may do while it holds; nothing comes back, whenever it comes and whatever dies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from jobwarden.actions import carrying
from jobwarden.actions.deeds import Deeds
from jobwarden.actions.halting import HALT, Halt, halt, halt_of, lift
from jobwarden.actions.lineage import runs_of
from jobwarden.service.halting import Halting
from jobwarden_registry.disk import Folder
from jobwarden_registry.model import JobRecord
from support.deeds import ALL, BEGIN, GRANTS, CrashError, Crashes, Stage, call, staged
from support.household import Household
from support.paper import QuietDesk

RESUBMIT = call("resubmit", modifications={"mem": "32G"})
ALIVE = ("RUNNING", "PENDING")


@pytest.fixture
def granted() -> str:
    return f'{GRANTS}\n[notify.boss]\nurl = "smtp://nowhere"\n[commands.note]\nargv = ["true"]\n'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwarden.service.halting._LOOKS_S", (0.0, 0.01))
    monkeypatch.setattr("jobwarden.actions.resubmit._LOOKS_S", (0.0,))


def stop_here(stage: Stage) -> None:
    halt(stage.session, at=BEGIN, by="person", reason="wrong data")


def unhalt(stage: Stage) -> Halt | None:
    return lift(stage.session, at=stage.clock(), by="person")


async def stopped(stage: Stage, patience_s: float = 0.2) -> tuple[str, ...]:
    """Stop everything as a process of its own does; answers what is not settled."""
    async with anyio.create_task_group() as tasks:
        desk = QuietDesk(stage.world, tasks, version="0")
        view = await Halting(desk).stop(stage.home.caller(), [stage.session], reason="x", patience_s=patience_s)
        tasks.cancel_scope.cancel()
        return view.unsettled
    raise AssertionError


def living(stage: Stage) -> list[str]:
    return sorted(job for job, word in stage.press.states.items() if word in ALIVE)


def around_everything(stage: Stage, crashes: Crashes, patch: pytest.MonkeyPatch) -> None:
    for name in ("original", "submit", "submitted", "cancel", "observe"):
        patch.setattr(stage.press, name, crashes.around(getattr(stage.press, name)))
    patch.setattr(stage.world.sessions, "call", crashes.around(stage.world.sessions.call))


def forget(home: Household) -> None:
    for path in [*(home.places.state / "sessions").glob("*/*"), *home.places.runtime.glob("ledger/*")]:
        path.unlink()
    for path in home.project.glob(".claude/agents/*/*"):
        path.unlink()


async def test_a_stop_after_a_kill_anywhere_in_a_resubmission_leaves_nothing_alive_and_nothing_comes_back(
    home: Household,
) -> None:
    """Every step of the resubmission is a moment at which its process dies."""
    at, died, found = 1, True, 0
    while died:
        async with staged(home) as stage:
            crashes = Crashes(at)
            with pytest.MonkeyPatch.context() as patch:
                around_everything(stage, crashes, patch)
                with suppress(CrashError), anyio.CancelScope():
                    await stage.do(RESUBMIT)
            died = crashes.steps >= at
            unsettled = await stopped(stage)
            stage.clock.later(minutes=11)
            assert unsettled == () or await stopped(stage, patience_s=20.0) == (), stage.texts()
            where = f"killed at step {at}:\n{stage.texts()}"
            assert living(stage) == [], where
            made = stage.press.made()
            found += bool(made)
            unhalt(stage)
            for _ in range(2):
                await stage.actor().carry_out(stage.session, stage.current(), stage.firing(), [RESUBMIT])
                await stage.actor().take_up(stage.session)
                stage.clock.later(minutes=11)
            assert stage.press.made() == made, where
            assert living(stage) == [], where
            assert Deeds().of(stage.session).open() == [], where
        forget(home)
        at += 1
    assert at > 8
    assert found > 2, "some died after they had submitted"


async def test_a_halt_at_any_moment_of_a_resubmission_lets_no_new_job_live(home: Household) -> None:
    """The process lives on: it must see the halt by itself."""
    at, came, found = 1, True, 0
    while came:
        async with staged(home) as stage:
            steps = Halts(at, stage=stage)
            with pytest.MonkeyPatch.context() as patch:
                around_everything(stage, steps, patch)
                await stage.do(RESUBMIT)
            came = steps.steps >= at
            if came:
                stage.clock.later(minutes=11)
                await stage.actor().take_up(stage.session)
                where = f"halted at step {at}:\n{stage.texts()}"
                left = [job for job in stage.press.made() if job in living(stage) and job not in steps.known]
                assert left == [], where
                assert Deeds().of(stage.session).open() == [], where
                found += bool(stage.press.made())
        forget(home)
        at += 1
    assert at > 8
    assert found > 2


class Halts(Crashes):
    """Halts the session at the n-th step, instead of a kill."""

    def __init__(self, at: int, *, stage: Stage) -> None:
        super().__init__(at)
        self._stage = stage
        self.known: frozenset[str] = frozenset()
        """The runs that whoever halts finds in the record, and ends."""

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            stop_here(self._stage)
            self.known = runs_of(self._stage.current())


async def test_while_it_holds_rules_tell_and_note_and_do_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(*_: object) -> None:
        stage.sent.append(_)

    monkeypatch.setattr(carrying, "send", send)
    stop_here(stage)
    calls = [
        call("notify", message="it diverged"),
        call("store_metric", name="loss", value=1),
        call("notify", target="boss", message="it diverged"),
        call("run_command", command="note"),
        call("cancel_job"),
        RESUBMIT,
        call("pause"),
    ]
    done = await stage.do(*calls)
    assert [one.outcome for one in done] == ["done", "done", "refused", "refused", "refused", "refused", "done"]
    assert (stage.sent, living(stage), stage.press.made()) == ([], ["100"], [])
    assert "halted by person: wrong data" in done[-2].text
    unhalt(stage)
    assert [one.outcome for one in await stage.do(*calls)] == [one.outcome for one in done], "what is refused stays so"
    (same,) = await stage.do(RESUBMIT, number=2)
    assert same.outcome == "refused", "it had fired while the halt held"
    later = replace(stage.firing(3), at=stage.clock() + timedelta(seconds=1))
    (after,) = await stage.actor().carry_out(stage.session, stage.current(), later, [RESUBMIT])
    assert after.outcome == "done"
    assert stage.press.made() == ["900"]


async def test_what_was_noted_before_the_halt_and_not_begun_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = Crashes(-1)

    async def dies(*_: object, **__: object) -> None:
        raise CrashError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "resubmit", dies)
        with suppress(CrashError):
            await stage.do(RESUBMIT)
    assert crashes.steps == 0
    stop_here(stage)
    (done,) = await stage.actor().take_up(stage.session)
    assert (done.outcome, stage.press.made()) == ("refused", [])


async def test_a_halt_is_journaled_once_and_lifted_by_its_own_name(stage: Stage) -> None:
    stop_here(stage)
    stop_here(stage)
    held = halt_of(stage.session)
    assert held is not None
    assert (held.by, held.reason) == ("person", "wrong data")
    assert lift(stage.session, at=stage.clock(), by="codex session x") == held
    assert (halt_of(stage.session), unhalt(stage)) == (None, None)
    assert stage.texts().count("are halted by person: wrong data.") == 1
    assert "go on, by codex session x; they were halted by person" in stage.texts()


@pytest.mark.parametrize("step", ["append", "replace"])
async def test_a_crash_between_the_file_and_the_journal_leaves_the_halt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Nothing comes back by accident; the same call again makes it good."""

    def dies(*_: object, **__: object) -> bool:
        raise CrashError

    if step == "replace":
        stop_here(stage)
    real = getattr(Folder, step)

    def only_ours(folder: Folder, name: str, *args: object, **how: object) -> object:
        return dies() if name in (HALT, "events.jsonl") else real(folder, name, *args, **how)

    with monkeypatch.context() as patch, suppress(CrashError):
        patch.setattr(Folder, step, only_ours)
        if step == "append":
            stop_here(stage)
        else:
            unhalt(stage)
    assert halt_of(stage.session) is not None
    unhalt(stage)
    assert halt_of(stage.session) is None


async def test_a_halt_that_cannot_be_read_holds(stage: Stage) -> None:
    with stage.session.locked() as folder:
        folder.replace(HALT, b"{")
    assert halt_of(stage.session) is not None
    (done,) = await stage.do(RESUBMIT)
    assert done.outcome == "refused"
    unhalt(stage)
    assert halt_of(stage.session) is None


async def test_what_a_rule_sees_of_a_stopped_job_after_the_lifting_brings_it_not_back(stage: Stage) -> None:
    """As a watcher does that was dead meanwhile: the rule fires long after, for a job that had ended before."""
    assert await stopped(stage, patience_s=20.0) == ()
    unhalt(stage)
    stage.clock.later(minutes=1)
    (over,) = [event.record for event in stage.session.journal.read() if event.event == "finished"]
    record = JobRecord.model_validate(over)
    firing = replace(stage.firing(7), at=stage.clock())
    (done,) = await stage.actor().carry_out(stage.session, record, firing, [RESUBMIT])
    assert (done.outcome, stage.press.made()) == ("refused", [])


async def test_a_restart_is_refused_like_any_other_submission(stage: Stage) -> None:
    stop_here(stage)
    (done,) = await stage.do(call("restart"))
    assert (done.outcome, stage.press.made()) == ("refused", [])
    assert "halted by person" in done.text


@pytest.mark.parametrize("asks", ["original", "submit"])
async def test_what_a_person_was_submitting_again_when_its_process_died_is_settled_by_a_stop(
    stage: Stage, asks: str
) -> None:
    ask = getattr(stage.press, asks)

    async def dies(*args: object) -> object:
        await ask(*args)
        raise CrashError

    stage.press.states["100"] = "FAILED"
    firing = replace(stage.firing(), by="person", free=True)
    with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
        patch.setattr(stage.press, asks, dies)
        await stage.actor().carry_out(stage.session, stage.current(), firing, [RESUBMIT], grants=ALL)
    stage.clock.later(minutes=11)
    assert await stage.actor().take_up(stage.session) == [], "a watcher submits no person's job"
    assert await stopped(stage, patience_s=20.0) == (), stage.texts()
    assert (living(stage), stage.press.made()) == ([], [] if asks == "original" else ["900"])
    assert Deeds().of(stage.session).open() == []
