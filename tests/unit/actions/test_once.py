"""Each deed once, whatever dies in between: the process is killed before and after everything that it asks or writes.

The kill is an exception that nothing catches; a new process goes on with what the journal has. The scheduler is of
paper, so that every step can be hit; `tests/integration/test_rule_actions.py` kills a real process over a real Slurm.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import anyio
import pytest

from jobwarden.actions import carrying
from jobwarden.actions.call import ActionCall
from jobwarden.actions.deeds import Deeds
from support.deeds import GRANTS, CrashError, Crashes, Stage, call, staged
from support.household import Household

RESUBMIT = call("resubmit", modifications={"mem": "32G"})
NOTIFY = call("notify", target="boss", message="it diverged")
RUN = call("run_command", command="note")
CASES = {
    "cancel": [call("cancel_job", reason="x")],
    "resubmit": [RESUBMIT],
    "everything": [call("store_metric", name="loss", value=1), RESUBMIT, NOTIFY, RUN, call("cancel_job")],
}


@pytest.fixture
def granted() -> str:
    return f'{GRANTS}\n[notify.boss]\nurl = "smtp://nowhere"\n[commands.note]\nargv = ["true"]\n'


def kill_at(stage: Stage, crashes: Crashes, patch: pytest.MonkeyPatch) -> None:
    """Put a step before and after everything that goes out of the process."""
    for name in ("original", "submit", "submitted", "cancel", "observe"):
        patch.setattr(stage.press, name, crashes.around(getattr(stage.press, name)))
    patch.setattr(stage.world.sessions, "call", crashes.around(stage.world.sessions.call))

    async def send(name: str, target: object, message: object, env: object) -> None:
        stage.sent.append(message)

    patch.setattr(carrying, "send", crashes.around(send))


async def go_on(stage: Stage, calls: Sequence[ActionCall]) -> None:
    """Do as a new watcher does: the rule may fire again with the same id, and what is open is taken up, for hours."""
    actor = stage.actor()
    for _ in range(3):
        await actor.carry_out(stage.session, stage.current(), stage.firing(), calls)
        await actor.take_up(stage.session)
        stage.clock.later(minutes=11)


@pytest.mark.parametrize("case", CASES)
async def test_a_kill_anywhere_neither_skips_nor_repeats_a_deed(home: Household, case: str) -> None:
    """Every step of every case is a moment at which the process dies."""
    at, died = 1, True
    while died:
        async with staged(home) as stage:
            died = await _killed_at(stage, case, at)
            await _check(stage, case, at)
        for path in (home.places.state / "sessions").glob("*/*"):
            path.unlink()
        for path in home.project.glob(".claude/agents/*/*"):
            path.unlink()
        at += 1
    assert at > 8


async def _killed_at(stage: Stage, case: str, at: int) -> bool:
    stage.press.purged = True
    crashes = Crashes(at)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(stage, crashes, patch)
        with suppress(CrashError), anyio.CancelScope():
            await stage.do(*CASES[case])
    with pytest.MonkeyPatch.context() as patch:
        kill_at(stage, Crashes(-1), patch)
        await go_on(stage, CASES[case])
    return crashes.steps >= at


async def _check(stage: Stage, case: str, at: int) -> None:
    where = f"{case}, killed at step {at}:\n{stage.texts()}"
    assert stage.press.killed == {"100": 1}, where
    assert len(stage.press.made()) == (case != "cancel"), where
    if case != "cancel":
        record = stage.current()
        assert [one.id for one in record.attempts] == ["100", "900"], where
        assert (record.resubmitted_as, stage.press.states["900"]) == ("900", "PENDING"), where
    if case == "everything":
        assert len(stage.sent) in (1, 2), where
        assert len({one.id for one in stage.sent}) == 1, where
        assert stage.texts().count("loss = 1") == 1, where
        assert stage.texts().count("run_command begins") == 1, where
    assert Deeds().of(stage.session).open() == [], where
