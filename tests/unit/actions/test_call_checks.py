"""What is refused when a rule is written, and what is said then (`actions.call`)."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.grants import Grants
from jobwarden.actions.modifications import OPTIONS, words_of
from jobwarden.config.granting import NotifyConfig
from jobwarden.config.model import Config
from support.deeds import ALL, call

NOTHING = Grants()


@pytest.mark.parametrize(
    "one",
    [
        call("cancel_job", reason="Loss too high"),
        call("cancel_job"),
        call("resubmit", modifications={"mem": "16G", "time": "120"}, cancel_original=True),
        call("resubmit", modifications={"mem": "32G"}),
        call("notify_email", to="user@example.com", subject="Alert", message="Job ${JOB_ID} triggered"),
        call("notify_email"),
        call("notify_slack", channel="#alerts", message="Job failed: ${JOB_ID}"),
        call("notify_slack", message="Job ${JOB_ID} is ${progress}% complete"),
        call("store_metric", name="max_loss", value="${loss}"),
        call("log_event", message="Checkpoint saved", level="INFO"),
        call("log_event", level="WARNING"),
    ],
)
def test_the_actions_that_people_write_pass(one: ActionCall) -> None:
    assert check_call(one, ALL, ["loss", "progress"]).name == one.name


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (call("cancel_job"), "[grants]\ncancel = true"),
        (call("resubmit", modifications={}), "[grants]\nresubmissions = 5"),
        (call("notify_email"), '[notify.email]\nenv = "JOBWARDEN_URL"'),
        (call("notify_slack"), '[notify.slack]\nenv = "JOBWARDEN_URL"'),
        (call("notify", target="boss"), '[notify.boss]\nenv = "JOBWARDEN_URL"'),
        (call("run_command", command="sync_results"), '[commands.sync_results]\nargv = ["sync_results"'),
    ],
)
def test_what_is_not_granted_is_refused_with_the_lines_to_paste(one: ActionCall, line: str) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        check_call(one, NOTHING, [])
    pasted = "\n".join(f"  {each}" for each in caught.value.hint.split("\n")[1:])
    assert line in caught.value.hint
    assert Config.model_validate(tomllib.loads(pasted)) != Config()


@pytest.mark.parametrize(
    "one", [call("notify", message="x"), call("store_metric", name="x", value=1), call("log_event"), call("pause")]
)
def test_telling_the_agent_storing_logging_and_pausing_need_no_grant(one: ActionCall) -> None:
    assert check_call(one, NOTHING, []).name == one.name


def test_a_pipe_is_refused_with_the_line_that_allows_a_named_command() -> None:
    with pytest.raises(InvalidRuleError) as caught:
        check_call(call("run_command", command="echo 'Event triggered' | logger"), NOTHING, [])
    assert '[commands.logger]\nargv = ["logger", "--", "{message}"]' in caught.value.hint
    assert 'run_command(command="logger", message="...")' in caught.value.hint


def test_the_command_that_this_line_allows_passes() -> None:
    made = check_call(call("run_command", command="logger", message="Event triggered"), ALL, [])
    assert made.arguments == {"command": "logger", "message": "Event triggered"}


@pytest.mark.parametrize(
    ("option", "meant"),
    [("learning-rate", ""), ("tiem", "time"), ("memroy", "mem"), ("node", "nodes"), ("partitions", "partition")],
)
def test_an_option_that_sbatch_does_not_know_is_refused_with_the_nearest_one(option: str, meant: str) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        check_call(call("resubmit", modifications={option: "1"}), ALL, [])
    assert option in caught.value.text
    assert caught.value.hint.startswith(f"Did you mean {meant}?" if meant else ("A rule may", "Did you mean"))


def test_every_option_takes_its_own_example() -> None:
    for name, option in OPTIONS.items():
        value = True if not option.form else option.like
        made = check_call(call("resubmit", modifications={name: value}), ALL, [])
        words = words_of(made.arguments["modifications"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] -- a table
        assert words == ((option.flag,) if value is True else (f"{option.flag}={value}",))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (call("explode"), "no action"),
        (call("cancel_job", job="7"), "no argument 'job'"),
        (call("cancel_job", reason=3), "cannot be"),
        (call("cancel_job", reason="${gone}"), "captured as 'gone'"),
        (call("cancel_job", reason="${loss"), "not closed"),
        (call("log_event", level="LOUD"), "no level"),
        (call("resubmit", times=0), "times is"),
        (call("resubmit", times=True), "cannot be"),
        (call("resubmit", modifications="mem=1"), "cannot be"),
        (call("resubmit", modifications={"mem": "1", "memory": "2"}), "twice"),
        (call("run_command"), "needs the name"),
        (call("run_command", command="logger"), "takes message"),
        (call("run_command", command="logger", message="x", more="y"), "takes message"),
        (call("store_metric", name="x"), "no number"),
        (call("store_metric", name="x", value="many"), "no number"),
        (call("log_event", message="x" * 3000), "more than"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_written(one: ActionCall, said: str) -> None:
    with pytest.raises(InvalidRuleError, match=said):
        check_call(one, ALL, ["loss"])


def test_a_recipient_that_a_target_cannot_take_is_refused_when_the_rule_is_written() -> None:
    grants = replace(ALL, notify={"slack": NotifyConfig(url="slack://a/b/c", to=("#alerts",))})
    with pytest.raises(InvalidRuleError, match="stands in its url alone"):
        check_call(call("notify_slack", channel="#alerts"), grants, [])
    assert check_call(call("notify_slack", message="x"), grants, []).arguments["target"] == "slack"


@pytest.mark.parametrize("whom", ["to", "channel"])
def test_a_recipient_without_a_target_is_refused(whom: str) -> None:
    with pytest.raises(InvalidRuleError, match="tells the agent alone"):
        check_call(call("notify", **{whom: "user@example.com"}), ALL, [])
