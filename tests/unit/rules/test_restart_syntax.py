"""How a restart policy is written, and what is refused when it is: with what to write instead."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.grants import Grants
from jobwarden.rules.building import RuleLimits, build_all, read_rule, read_rules
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.restarts import check_job, check_ways, pattern_of, way_of
from jobwarden.rules.syntax import read_script
from jobwarden.rules.writing import write_rule
from jobwarden_registry.model import JobRecord
from jobwarden_registry.phases import Phase
from support.deeds import ALL

INLINE = (
    '#WATCHER restart=[TIMEOUT, NODE_FAIL, exit:75, cause:out_of_memory, pattern:"NCCL.*timeout"] times=3 wait=60s '
    'backoff=2 changes={"mem": "x2", "time": "+30m", "exclude": "failed_node"}'
)
BLOCK = """#!/bin/bash
#SBATCH --mem=4G
#WATCHER_BEGIN
## twice the memory, and not on that node again
# restart: [TIMEOUT, NODE_FAIL, exit:75, cause:out_of_memory, pattern:"NCCL.*timeout"]
# times: 3
# wait: 60s
# backoff: 2
# changes: {"mem": "x2", "time": "+30m", "exclude": "failed_node"}
#WATCHER_END
echo hello
"""


def read(text: str, grants: Grants = ALL) -> Rule:
    def check(call: ActionCall, captures: Any) -> ActionCall:
        return check_call(call, grants, captures)

    (rule,) = read_rules([text], check=check)
    return rule


def test_a_policy_reads_the_same_on_one_line_and_as_a_block_of_a_script() -> None:
    rule = read(INLINE)
    assert rule.kind is Kind.RESTART
    assert rule.ways == ("TIMEOUT", "NODE_FAIL", "exit:75", "cause:out_of_memory", "pattern:NCCL.*timeout")
    assert rule.reads == ("stdout", "stderr")
    (call,) = rule.actions
    assert call.name == "restart"
    assert call.arguments == {
        "times": 3,
        "wait_s": 60.0,
        "wait_most_s": 86400,
        "backoff": 2,
        "modifications": {"mem": "x2", "time": "+30m", "exclude": "failed_node"},
    }
    written, wrong = read_script(BLOCK)
    assert not wrong
    (other,) = build_all(written, limits=RuleLimits(), check=lambda call, captures: check_call(call, ALL, captures))
    assert other == rule


@pytest.mark.parametrize(
    "text",
    [
        INLINE,
        "restart=[failed]",
        "restart=failed times=2 wait=1m",
        "restart=[signal:KILL] wait=90 wait_most=1h output_type=stderr",
        'restart=[pattern:"a|b", pattern:\'say "no"\'] actions=[notify(message="x"), log_event]',
    ],
)
def test_a_policy_that_was_checked_is_kept_as_the_same(text: str) -> None:
    rule = read(text)
    assert read_rule(write_rule(rule)) == rule
    assert read(write_rule(rule)) == rule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("restart=[lost]", "may still run"),
        ("restart=[CANCELLED]", "wants its end"),
        ("restart=cancelled", "wants its end"),
        ("restart=[COMPLETED]", "has succeeded"),
        ("restart=[succeeded]", "has succeeded"),
        ("restart=[any]", "Only a failure"),
        ("restart=[RUNNING]", "no way in which a run can fail"),
        ("restart=[TIMOUT]", "no way in which a run can fail"),
        ("restart=[]", "1 to 20 ways"),
        ("restart=[exit:0]", "No failure has the exit code 0"),
        ("restart=[exit:256]", "No failure has the exit code 256"),
        ("restart=[exit:78-64]", "No failure has the exit code"),
        ("restart=[exit:x]", "no way in which a run can fail"),
        ("restart=[signal:NONSENSE]", "no way in which a run can fail"),
        ("restart=[signal:0]", "no way in which a run can fail"),
        ("restart=[cause:bad_luck]", "no cause to start a job again for"),
        ("restart=[cause:cancelled]", "no cause to start a job again for"),
        ("restart=[cause:unknown]", "no cause to start a job again for"),
        ('restart=[pattern:""]', "empty"),
        ('restart=[pattern:"(a"]', "pattern"),
        (r'restart=[pattern:"(a)\1"]', "pattern"),
        ("restart=[failed] times=0", "whole number from 1 on"),
        ("restart=[failed] times=101", "times is a number from 1 to 100"),
        ("restart=[failed] times=x", "whole number from 1 on"),
        ("restart=[failed] wait=soon", "no time for wait"),
        ("restart=[failed] backoff=2", "how a wait grows"),
        ("restart=[failed] wait=1m backoff=0.5", "backoff is a number from 1 to 10"),
        ("restart=[failed] wait=1m backoff=99", "backoff is a number from 1 to 10"),
        ("restart=[failed] wait=1m backoff=nan", "backoff is a number"),
        ("restart=[failed] wait=1m wait_most=2d", "No restart waits longer than a day"),
        ("restart=[failed] changes=mem", "changes is a table"),
        ('restart=[failed] changes={"output": "/etc/passwd"}', "no resource option"),
        ('restart=[failed] changes={"wrap": "rm -rf /"}', "no resource option"),
        ('restart=[failed] changes={"mem": "x"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x0"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x1"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x-2"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x1e9"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x999"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "+0"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x2 most"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x2 most --wrap=x"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x2; reboot"}', "mem cannot be"),
        ('restart=[failed] changes={"mem": "x2 --wrap=x"}', "mem cannot be"),
        ('restart=[failed] changes={"time": "+8G"}', "time cannot be"),
        ('restart=[failed] changes={"time": "x2 most 0m"}', "time cannot be"),
        ('restart=[failed] changes={"nodes": "x2"}', "nodes cannot be 'x2'"),
        ('restart=[failed] changes={"exclude": "failed_node;x"}', "exclude cannot be"),
        ('restart=[pattern:"on (?P<n>c.)"] changes={"partition": "${n}"}', "may not come from a log"),
        ("restart=[failed] max_triggers=3", "means nothing in a rule of the kind restart"),
        ("restart=[failed] cooldown=3", "means nothing in a rule of the kind restart"),
        ("restart=[failed] pattern=x", "means nothing in a rule of the kind restart"),
        ("restart=[failed] state=[TIMEOUT]", "A rule has one of"),
        ("pattern=x times=3", "means nothing in a rule of the kind pattern"),
        ('pattern=x changes={"mem": "x2"}', "means nothing in a rule of the kind pattern"),
        ("pattern=x action=restart", "restart is no action"),
        ("pattern=x action=restart(times=100)", "restart is no action"),
        ("restart=[failed] action=restart", "restart is no action"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_written(text: str, why: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        read(text)
    assert why in refused.value.text, refused.value.text


def test_without_a_grant_a_policy_is_refused_with_the_line_to_add() -> None:
    with pytest.raises(InvalidRuleError) as refused:
        read(INLINE, Grants())
    assert refused.value.text.endswith("No rule or agent may submit a job.")
    assert refused.value.hint.endswith("[grants]\nresubmissions = 5")
    read(INLINE, Grants(resubmissions=1))  # it cancels nothing, so that needs no grant


@pytest.mark.parametrize(
    ("job_type", "job_id", "why"),
    [
        ("nel", "ab12.0", "nel resumes its tasks itself"),
        ("launcher", "exp_1", "its launcher submits its tasks"),
        ("process", "p1", "nothing submits a process"),
        ("tinyq", "7", "tinyq jobs cannot be submitted again"),
        ("slurm", "12_3", "is a part of a job"),
    ],
)
def test_what_others_start_again_is_refused_with_the_reason(job_type: str, job_id: str, why: str) -> None:
    check_job("slurm", "12")
    with pytest.raises(InvalidRuleError, match=why):
        check_job(job_type, job_id)


def ended(status: str = "FAILED", **fields: Any) -> JobRecord:
    return JobRecord(type="slurm", id="1", phase=Phase.FAILED, last_status=status, **fields)


@pytest.mark.parametrize(
    ("way", "record", "holds"),
    [
        ("FAILED", ended(), True),
        ("FAILED", ended("TIMEOUT"), False),
        ("failed", ended("TIMEOUT"), True),
        ("failed", ended("COMPLETED", reason="COMPLETED, but expected output is missing: x"), True),
        ("NODE_FAIL", ended("NODE_FAIL"), True),
        ("exit:75", ended(exit_code=75), True),
        ("exit:75", ended(exit_code=7), False),
        ("exit:64-78", ended(exit_code=75), True),
        ("exit:137", ended(exit_code=9, reason="or exit 137: sacct subtracts 128"), True),
        ("signal:KILL", ended(signal=9), True),
        ("signal:SIGKILL", ended(exit_code=137), True),
        ("signal:9", ended(signal=15), False),
        ("failed", ended().changed(phase=Phase.CANCELLED), False),
        ("failed", ended().changed(phase=Phase.LOST), False),
        ("failed", ended().changed(phase=Phase.SUCCEEDED), False),
    ],
)
def test_a_way_to_fail_is_told_by_the_end(way: str, record: JobRecord, holds: bool) -> None:
    found = partial(way_of, check_ways([way]), record, cause=None)
    assert (found(matched=False) is not None) is holds


def test_causes_and_patterns_are_ways_too() -> None:
    ways = check_ways(["cause:network", "pattern:a|b", "pattern:(?i)c"])
    assert way_of(ways, ended(), cause="network", matched=False) == "cause:network"
    assert way_of(ways, ended(), cause="cuda", matched=False) is None
    assert way_of(ways, ended(), cause=None, matched=True) == "pattern:a|b"
    assert pattern_of(ways) == "(?:a|b)|(?:(?i)c)"
