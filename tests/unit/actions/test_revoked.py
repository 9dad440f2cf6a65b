"""What the user's file grants at that moment is what a process that lives for days goes by (`actions.grants`)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from jobwarden.actions.carrying import Actor
from jobwarden.transport.errors import ConnectError, OutcomeUnknownError
from support.deeds import GRANTS, Stage, call

NOTE = '[commands.note]\nargv = ["true", "--", "{message}"]\n'
BOSS = '[notify.boss]\nenv = "NONE"\nto = ["a@b.c"]\n'


@pytest.fixture
def granted() -> str:
    return f"{GRANTS}\n{NOTE}{BOSS}"


def grant(stage: Stage, edit: Callable[[str], str]) -> None:
    """Change the user's file under a process that runs."""
    path = stage.home.root / "config.toml"
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")


def no_cancel(text: str) -> str:
    return text.replace("cancel = true", "cancel = false")


async def outcome_of(actor: Actor, stage: Stage, number: int, name: str, **arguments: object) -> str:
    firing = stage.firing(number)
    (done,) = await actor.carry_out(stage.session, stage.current(), firing, [call(name, **arguments)])
    return done.outcome


async def test_a_grant_that_is_taken_back_holds_no_more_and_a_new_one_at_once(stage: Stage) -> None:
    actor = stage.actor()
    grant(stage, lambda text: no_cancel(text).replace("resubmissions = 5", "resubmissions = 0").replace(NOTE, ""))
    for number, name in enumerate(("cancel_job", "resubmit", "run_command"), 1):
        more: dict[str, dict[str, object]] = {
            "resubmit": {"modifications": {}},
            "run_command": {"command": "note", "message": "x"},
        }
        assert await outcome_of(actor, stage, number, name, **more.get(name, {})) == "refused"
    assert (stage.press.killed, stage.press.made()) == ({}, [])
    grant(stage, lambda text: text.replace("cancel = false", "cancel = true"))
    assert await outcome_of(actor, stage, 9, "cancel_job") == "done"


async def test_what_is_open_is_not_gone_on_with_when_its_grant_is_taken_back(stage: Stage) -> None:
    stage.press.cancel_raises = ConnectError("No connection.", code="ssh.refused")
    actor = stage.actor()
    assert await outcome_of(actor, stage, 1, "cancel_job") == "open"
    stage.press.cancel_raises = None
    grant(stage, no_cancel)
    stage.clock.later(minutes=2)
    assert [one.outcome for one in await actor.take_up(stage.session)] == ["failed"]
    assert stage.press.killed == {}


async def test_a_replacement_that_was_begun_cancels_nothing_when_that_grant_is_taken_back(stage: Stage) -> None:
    """The new job, whose answer was lost, waits for the end of the old one, which goes on."""
    stage.press.lose_answers = True
    actor = stage.actor()
    assert await outcome_of(actor, stage, 1, "resubmit", modifications={}) == "open"
    grant(stage, no_cancel)
    stage.clock.later(minutes=2)
    assert [one.outcome for one in await actor.take_up(stage.session)] == ["done"]
    assert (stage.press.killed, stage.press.waits_for) == ({}, {"900": "100"})


async def test_a_command_that_takes_something_else_now_is_not_begun(stage: Stage) -> None:
    with pytest.MonkeyPatch.context() as patch:

        async def never(*_: object, **__: object) -> None:
            raise OutcomeUnknownError("dropped", code="ssh.dropped")

        patch.setattr("jobwarden.actions.book.Book.claim", never)
        actor = stage.actor()
        assert await outcome_of(actor, stage, 1, "run_command", command="note", message="x") == "open"
    grant(stage, lambda text: text.replace("{message}", "{text}"))
    stage.clock.later(minutes=2)
    assert [one.outcome for one in await actor.take_up(stage.session)] == ["failed"]
    assert "note ended" not in stage.texts()


async def test_a_file_that_cannot_be_read_grants_nothing_and_is_said_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    actor = stage.actor()
    grant(stage, lambda text: text + "\n[")
    with caplog.at_level(logging.WARNING):
        for number in (1, 2):
            assert await outcome_of(actor, stage, number, "cancel_job") == "refused"
    assert sum("nothing is granted" in one.getMessage() for one in caplog.records) == 1
    grant(stage, lambda text: text.removesuffix("\n["))
    assert await outcome_of(actor, stage, 3, "cancel_job") == "done"
