"""Changes that rest on what the run before had asked for, in whatever way it had asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jobwarden.actions.errors import ActionError, InvalidRuleError
from jobwarden.actions.modifications import check_modifications, words_of
from jobwarden.actions.relative import resolve
from jobwarden.sources.resubmitting import Original
from support.deeds import Stage, call


def original(*options: str, script: str = "", **fields: Any) -> Original:
    given: dict[str, Any] = {"time_limit_s": 3600.0, "memory_mib": 2048.0, **fields}
    return Original("1", "train", "/home/a", options, (), f"#!/bin/sh\n{script}".encode(), **given)


def resolved(changes: Mapping[str, Any], run: Original, node: str | None = "c1") -> tuple[str, ...]:
    return words_of(resolve(check_modifications(dict(changes)), run, node).changes)


@pytest.mark.parametrize(
    ("changes", "run", "words"),
    [
        ({"mem": "x2"}, original("--mem=4G"), ("--mem=8G",)),
        ({"mem": "x1.5"}, original("--mem", "1000"), ("--mem=1500M",)),
        ({"mem": "+512M"}, original("--mem=1G"), ("--mem=1536M",)),
        ({"mem": "x2"}, original("--mem=1T"), ("--mem=2048G",)),
        ({"mem": "x2"}, original("--mem=4G", "--mem=6G"), ("--mem=12G",)),
        ({"mem": "x2"}, original(script="#SBATCH --mem=300M\n"), ("--mem=600M",)),
        ({"mem": "x2"}, original("--mem=1G", script="#SBATCH --mem=300M\n"), ("--mem=2G",)),
        ({"mem": "x2"}, original("--mem-per-cpu=2G"), ("--mem-per-cpu=4G",)),
        ({"mem": "x2"}, original("--mem-per-gpu=60G"), ("--mem-per-gpu=120G",)),
        ({"mem": "x2"}, original(), ("--mem=4G",)),
        ({"mem": "x2"}, original(nodes=2), ("--mem=2G",)),
        ({"mem": "x4 most 10G"}, original("--mem=4G"), ("--mem=10G",)),
        ({"memory": "x2"}, original("--mem=4G"), ("--mem=8G",)),
        ({"tmp": "x2"}, original("--tmp=10G"), ("--tmp=20G",)),
        ({"time": "+30m"}, original(), ("--time=90",)),
        ({"time": "x2"}, original(), ("--time=120",)),
        ({"time": "x1.5 most 75m"}, original(), ("--time=75",)),
        ({"time": "+45s"}, original(), ("--time=61",)),
        ({"exclude": "failed_node"}, original(), ("--exclude=c1",)),
        ({"exclude": "failed_node"}, original("--exclude=c7,c[2-3]"), ("--exclude=c7,c[2-3],c1",)),
        ({"exclude": "failed_node"}, original("-x", "c1"), ("--exclude=c1",)),
        ({"mem": "x2", "nice": 5}, original("--mem=4G"), ("--mem=8G", "--nice=5")),
    ],
)
def test_the_next_run_asks_for_more_than_the_one_before(
    changes: Mapping[str, Any], run: Original, words: tuple[str, ...]
) -> None:
    assert resolved(changes, run) == words


@pytest.mark.parametrize(
    ("changes", "run", "why"),
    [
        ({"mem": "x2 most 4G"}, original("--mem=4G"), "at its most already"),
        ({"mem": "x2 most 2G"}, original("--mem=4G"), "at its most already"),
        ({"mem": "x2"}, original("--mem=0"), "all that there is"),
        ({"mem": "x2"}, original("--mem=lots"), "is not known"),
        ({"mem": "x2"}, original(memory_mib=0.0), "is not known"),
        ({"mem": "x2"}, original("--mem-per=2G"), "cannot be read for certain"),
        ({"mem_per_cpu": "x2"}, original("--mem=4G"), "is not known"),
        ({"time": "x2"}, original(time_limit_s=None), "no time limit"),
        ({"exclude": "failed_node"}, original("--exclude=./bad-nodes"), "stand in a file"),
    ],
)
def test_what_cannot_be_worked_out_is_not_guessed(changes: Mapping[str, Any], run: Original, why: str) -> None:
    with pytest.raises(ActionError, match=why):
        resolved(changes, run)


@pytest.mark.parametrize("node", [None, "", "c[1-2]", "c1,c2", "c1 --wrap=x", "-x", "$(id)", "c1\n--output=x"])
def test_a_node_that_is_none_for_certain_is_not_excluded_and_that_is_said(node: str | None) -> None:
    made = resolve({"exclude": "failed_node"}, original(), node)
    assert made.changes == {}
    assert "no node excluded" in made.said


@pytest.mark.parametrize("value", ["x2", "+8G", "x99 most 1T", "failed_node", "x2 --wrap=reboot"])
@pytest.mark.parametrize("name", ["mem", "exclude"])
async def test_what_a_log_says_rests_on_nothing_else(stage: Stage, name: str, value: str) -> None:
    """A captured value is a value: it neither multiplies nor names the failed node."""
    done = await stage.do(
        call("resubmit", modifications={name: "${said}"}, cancel_original=True), captures={"said": value}
    )
    plain = name == "exclude" and value == "x2"  # a node may be called so
    assert done[0].outcome == ("done" if plain else "refused")
    assert len(stage.press.made()) == plain


def test_an_error_says_what_may_be_written() -> None:
    with pytest.raises(InvalidRuleError) as refused:
        check_modifications({"mem": "twice"})
    assert "x2, x1.5, +30m" in refused.value.hint
