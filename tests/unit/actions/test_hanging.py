"""A Slurm job that another job hangs on, on a host that does not answer (`actions.hanging`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from jobwarden.actions.hanging import done_in_slurm
from jobwarden.sources.base import CancelOutcome, DependsOn, Wanted
from jobwarden.sources.plugins import Sources
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


class Queue:
    """A Slurm that has said this of each job."""

    def __init__(self, said: dict[str, CancelOutcome]) -> None:
        self.said = said

    async def ask(self, _source: object, _host: object, wanted: Sequence[Wanted]) -> dict[str, CancelOutcome]:
        return {one.id: self.said[one.id] for one in wanted}


@pytest.mark.parametrize(
    ("said", "accepted", "seen"),
    [
        ({"7": CancelOutcome(False, "ended"), "8": CancelOutcome(True, "held", seen=True)}, True, True),
        ({"7": CancelOutcome(True, "held", seen=True), "8": CancelOutcome(True, "took it", seen=False)}, True, False),
        ({"7": CancelOutcome(False, "ended"), "8": CancelOutcome(False, "It runs.")}, False, None),
    ],
)
async def test_what_was_done_to_one_job_of_a_chain_counts_and_all_that_was_taken_must_show(
    stage: Stage, said: dict[str, CancelOutcome], accepted: bool, seen: bool | None
) -> None:
    evidence = Evidence(asked_at=BEGIN, question=("nel status",))
    depends = DependsOn(slurm_ids=("7", "8"), host="localhost", evidence=evidence)
    outcomes = {"a": CancelOutcome(accepted=False, text="It runs on Slurm.", depends=depends)}
    rounds = stage.world.rounds
    rounds.sources = Sources({**rounds.sources.usable, "slurm": stage.press}, {})
    source = rounds.source(stage.record)
    done = await done_in_slurm(rounds, await rounds.target(stage.record), source, outcomes, Queue(said).ask)
    assert (done["a"].accepted, done["a"].seen) == (accepted, seen)
