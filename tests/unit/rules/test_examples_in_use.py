"""Every example of the syntax that scripts are written in already, registered with a job: what is taken, and what not.

All of them are read unchanged. Two ask for what nobody grants: a shell, and an option that sbatch does not know.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.config.model import Config
from jobwarden.rules.building import read_rules
from jobwarden.service.service import Service
from support.household import Household, household
from support.paper import Paper, paper_service

GRANTED = """
[grants]
cancel = true
resubmissions = 5
[notify.email]
url = "smtp://localhost/?from=a@b.c&to=a@b.c"
to = ["user@example.com"]
[notify.slack]
env = "JOBWARDEN_SLACK"
to = ["#alerts"]
"""
PIPE = '#WATCHER pattern="x" action=run_command(command="echo \'Event triggered\' | logger")'
LEARNING_RATE = r"""#WATCHER_BEGIN
# pattern: "loss: ([\d.]+)"
# captures: [loss]
# condition: float(loss) > 10.0
# actions:
#   - cancel_job(reason="Loss diverged")
#   - resubmit(modifications={"learning-rate": "0.0001"})
#WATCHER_END"""
LOSS_MONITOR = r"""#WATCHER_BEGIN
# name: loss_monitor
# pattern: "epoch (\d+).*loss: ([\d.]+)"
# interval: 60
# captures: [epoch, loss]
# condition: float(loss) > 5.0
# actions:
#   - cancel_job(reason="Loss too high")
#   - notify_email(subject="Training diverged")
#WATCHER_END"""
PROGRESS = r"""#WATCHER_BEGIN
# pattern: "Progress: (\d+)%"
# captures: [progress]
# condition: int(progress) % 25 == 0
# action: notify_slack(message="Job ${JOB_ID} is ${progress}% complete")
#WATCHER_END"""
TAKEN = [
    '#WATCHER pattern="ERROR|FAIL" action=notify_email',
    '#WATCHER pattern="loss: ([0-9.]+)" captures=[loss] condition="float(loss) > 5" action=cancel_job',
    LOSS_MONITOR,
    '#WATCHER pattern="x" action=cancel_job(reason="Job failed")',
    '#WATCHER pattern="x" action=resubmit(modifications={"mem": "16G", "time": "120"}, cancel_original=true)',
    '#WATCHER pattern="x" action=notify_email'
    '(to="user@example.com", subject="Alert", message="Job ${JOB_ID} triggered")',
    '#WATCHER pattern="x" action=notify_slack(channel="#alerts", message="Job failed: ${JOB_ID}")',
    '#WATCHER pattern="(?P<loss>[0-9.]+)" action=store_metric(name="max_loss", value="${loss}")',
    '#WATCHER pattern="x" action=log_event(message="Checkpoint saved", level="INFO")',
    '#WATCHER pattern="e([0-9]+) l([0-9.]+)" captures=[epoch, loss]'
    ' action=notify_email(message="Loss is ${loss} at epoch ${epoch}")',
    '#WATCHER pattern="out of memory|OOM" action=resubmit(modifications={"mem": "32G"})',
    PROGRESS,
    '#WATCHER pattern="WARNING" action=log_event(level="WARNING")',
    '#WATCHER pattern="ERROR" action=notify_email',
    '#WATCHER pattern="CRITICAL|FATAL" action=cancel_job',
]
ALL = [*TAKEN, PIPE, LEARNING_RATE]


@pytest.fixture(params=[GRANTED])
async def desk(clean_environment: Path, request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Service, Household]]:
    with household(clean_environment, {"floor_s": 0.0}, request.param) as home:
        paper = Paper(states={"1": "RUNNING"})
        async with paper_service(home, paper) as (service, _):
            yield service, home


async def register(desk: tuple[Service, Household], text: str) -> None:
    service, home = desk
    await service.register(home.caller(), type="paper", ids=["1"], rules=[text])


@pytest.mark.parametrize("text", ALL, ids=range(len(ALL)))
def test_each_is_read_unchanged(text: str) -> None:
    assert len(read_rules([text])) == 1


@pytest.mark.parametrize("text", TAKEN, ids=range(len(TAKEN)))
async def test_each_is_taken_where_all_that_it_asks_for_is_granted(desk: tuple[Service, Household], text: str) -> None:
    await register(desk, text)
    service, home = desk
    assert len((await service.watch_log(home.caller(), "1")).rules) == 1


async def test_a_pipe_is_refused_with_the_lines_that_would_allow_a_named_command(
    desk: tuple[Service, Household],
) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        await register(desk, PIPE)
    assert "A rule runs no shell" in caught.value.text
    assert 'Write run_command(command="logger", message="...").' in caught.value.hint
    pasted = "\n".join(caught.value.hint.split("\n")[1:])
    config = Config.model_validate(tomllib.loads(GRANTED + pasted))
    assert config.commands["logger"].argv == ("logger", "--", "{message}")
    assert desk[1].active() == []


@pytest.mark.parametrize("desk", [GRANTED + '[commands.logger]\nargv = ["logger", "--", "{message}"]\n'], indirect=True)
async def test_what_these_lines_allow_is_taken(desk: tuple[Service, Household]) -> None:
    await register(desk, '#WATCHER pattern="x" action=run_command(command="logger", message="Event triggered")')
    with pytest.raises(InvalidRuleError):
        await register(desk, PIPE)


async def test_an_option_that_sbatch_does_not_know_is_refused_at_the_registration(
    desk: tuple[Service, Household],
) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        await register(desk, LEARNING_RATE)
    assert "learning-rate" in caught.value.text
    assert "time" in caught.value.hint
    assert desk[1].active() == []


@pytest.mark.parametrize("desk", [""], indirect=True)
@pytest.mark.parametrize("text", ALL, ids=range(len(ALL)))
async def test_without_a_grant_what_does_more_than_tell_is_refused_with_what_to_write(
    desk: tuple[Service, Household], text: str
) -> None:
    harmless = not any(word in text for word in ("cancel_job", "resubmit", "notify_", "run_command"))
    if harmless:
        await register(desk, text)
        return
    with pytest.raises(InvalidRuleError) as caught:
        await register(desk, text)
    assert caught.value.hint
    assert desk[1].active() == []
