"""A rule is tried: what its actions would do is told, and nothing is done or noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden.service.service import Service
from jobwarden_registry.model import LogPaths
from support.household import Household
from support.paper import Paper

GRANTED = """
[grants]
cancel = true
[commands.note]
argv = ["logger", "--", "{what}"]
"""
RULE = (
    'pattern="loss: ([0-9.]+)" captures=[loss] condition="float(loss) > 5"'
    ' actions=[cancel_job(reason="Loss ${loss}"), run_command(command="note", what="loss ${loss}"),'
    ' resubmit(modifications={"mem": "x2"}), store_metric(name="loss", value="${loss}")]'
)


@pytest.fixture
def log(paper: Paper, tmp_path: Path) -> Path:
    path = tmp_path / "out.log"
    path.write_text("loss: 1\nloss: 7\nloss: 9\n")
    paper.states["1"] = "RUNNING"
    paper.log = LogPaths(stdout=str(path))
    return path


@pytest.mark.usefixtures("log")
async def test_a_trial_says_what_each_action_would_do_and_does_none(
    service: Service, home: Household, paper: Paper
) -> None:
    config = home.root / "config.toml"
    config.write_text(config.read_text() + GRANTED)
    await service.register(home.caller(), type="paper", ids=["1"])
    before = [event.seq for event in home.journal()]
    tried = await service.watch_log(home.caller(), "1", action="test", rule=RULE)
    assert tried.tried is not None
    [one] = tried.tried
    assert (one.fired, [hit.line for hit in one.hits]) == (2, [2, 3])
    cancel, command, again, metric = one.would
    assert "cancel_job: Loss 7" in cancel
    assert "run_command" in command
    assert command.endswith("; with command=note, what=loss 7")
    assert "resubmit (on 'loss: 7'): refused" in again
    assert "resubmissions" in again
    assert "loss = 7" in metric
    assert [event.seq for event in home.journal()] == before
    assert paper.states == {"1": "RUNNING"}
    assert (await service.watch_log(home.caller(), "1")).rules == ()


@pytest.mark.usefixtures("log")
async def test_of_a_rule_that_would_not_have_fired_nothing_would_be_done(service: Service, home: Household) -> None:
    await service.register(home.caller(), type="paper", ids=["1"])
    tried = await service.watch_log(home.caller(), "1", action="test", rule="pattern=nowhere action=cancel_job")
    assert tried.tried is not None
    assert [(one.fired, one.would) for one in tried.tried] == [(0, ())]
