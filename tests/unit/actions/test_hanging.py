"""A Slurm job that another job hangs on, on a host that does not answer (`actions.hanging`)."""

from __future__ import annotations

from typing import Any, cast

from jobwarden.actions.hanging import done_in_slurm
from jobwarden.sources.base import CancelOutcome, DependsOn
from jobwarden.transport.errors import ConnectError
from jobwarden_registry.model import Evidence
from support.deeds import BEGIN, Stage, call


class Unreachable:
    def there(self, *_: object) -> None:
        raise ConnectError("no route", code="ssh.unreachable")


async def test_a_host_that_does_not_answer_has_refused_nothing() -> None:
    evidence = Evidence(asked_at=BEGIN, question=("nel status",))
    depends = DependsOn(slurm_ids=("7",), host="far", evidence=evidence)
    outcomes = {"a": CancelOutcome(accepted=False, text="It runs on Slurm.", depends=depends)}
    nothing = cast("Any", None)  # not looked at before the host is
    done = await done_in_slurm(cast("Any", Unreachable()), nothing, nothing, outcomes, nothing)
    assert (done["a"].accepted, done["a"].failed) == (False, True)
    assert "no route" in done["a"].text


async def test_a_cancel_that_could_not_be_asked_is_asked_again(stage: Stage) -> None:
    cancel = stage.press.cancel
    text = "scancel: Unable to contact slurm controller (connect failure)"

    async def nobody(*_: object) -> dict[str, CancelOutcome]:
        return {"100": CancelOutcome(accepted=False, text=text, failed=True)}

    stage.press.cancel = nobody  # type: ignore[method-assign, assignment]  # pyright: ignore[reportAttributeAccessIssue] -- its controller is away
    actor = stage.actor()
    (done,) = await actor.carry_out(stage.session, stage.current(), stage.firing(), [call("cancel_job")])
    assert done.outcome == "open"
    stage.press.cancel = cancel  # type: ignore[method-assign]  # it is back
    stage.clock.later(minutes=1)
    (done,) = await actor.take_up(stage.session)
    assert (done.outcome, stage.press.killed) == ("done", {"100": 1})
