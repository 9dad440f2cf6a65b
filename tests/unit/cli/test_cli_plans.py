"""The command plan: what it prints, and its exit codes (`jobwarden.cli.planning`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobwarden.cli.exit_codes import ExitCode, of_plan
from jobwarden.service.plan_views import PlannedView, PlanView
from jobwarden.service.views import Counts
from support.household import Household, cli, household


def view(*states: str, troubles: tuple[str, ...] = ()) -> PlanView:
    jobs = tuple(PlannedView(name=f"j{at}", state=word, host="h", type="slurm") for at, word in enumerate(states))
    return PlanView(name="p", source="", session="s", counts=Counts(), jobs=jobs, troubles=troubles)


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (view("running", "succeeded", "planned"), ExitCode.OK),
        (view("failed", "refused"), ExitCode.JOB_FAILED),
        (view("lost"), ExitCode.JOB_FAILED),
        (view("refused", "on its way"), ExitCode.REFUSED),
        (view("on its way"), ExitCode.COULD_NOT_ASK),
        (view("unsure"), ExitCode.COULD_NOT_ASK),
        (view("planned", troubles=("a host is silent",)), ExitCode.COULD_NOT_ASK),
    ],
)
def test_a_plans_exit_code_says_the_worst_first(shown: PlanView, code: ExitCode) -> None:
    assert of_plan(shown) is code


@pytest.fixture
def home(clean_environment: Path) -> Household:
    with household(clean_environment) as made:
        return made


def test_a_person_is_told_all_that_is_wrong_with_a_plan_and_a_program_gets_json(home: Household) -> None:
    (home.project / "p.toml").write_text("[[jobs]]\nname = 'a'\nscrpt = 'x'\n", encoding="utf-8")
    told = cli(home, "plan", "check", "p.toml", "--offline")
    assert told.returncode == ExitCode.USAGE
    assert "Did you mean script?" in told.stdout
    raw = cli(home, "plan", "check", "p.toml", "--offline", "--json")
    assert [one["where"] for one in json.loads(raw.stdout)["problems"]] == ["job a", "job a"]
    refused = cli(home, "plan", "submit", "p.toml")
    assert refused.returncode == ExitCode.USAGE
    assert "'scrpt'" in refused.stderr
    assert cli(home, "plan", "status", "nonesuch").returncode == ExitCode.NOT_FOUND
    assert cli(home, "plan", "resume", "p", "--set", "rules").returncode == ExitCode.USAGE
    assert "no plans" in cli(home, "plan", "list").stdout
