"""What the selftest's plan says, and what it removes (`service.selftest`); the rest is shown on a real Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwarden.identity import Caller
from jobwarden.plans.reading import read_plan_file
from jobwarden.plans.spec import Needs
from jobwarden.service import selftest
from support.fake_service import Answers, Terminal


def written(folder: Path, there: str = "/home/al ice/jobwarden-selftest-0a1b2c3d") -> selftest._Stage:  # pyright: ignore[reportPrivateUsage] -- its plan is what is tested
    caller = Caller(session_id="s", agent="manual", project=folder, client="c")
    stage = selftest._Stage("cluster-a", "jobwarden-selftest-0a1b2c3d", folder, caller, there)  # pyright: ignore[reportPrivateUsage] -- see above
    selftest._write_plan(stage, {"account": 'm"l', "time": "3"})  # pyright: ignore[reportPrivateUsage] -- see above
    return stage


def test_its_plan_can_be_read_and_says_what_is_meant(tmp_path: Path) -> None:
    stage = written(tmp_path)
    spec, problems = read_plan_file(stage.plan, checks={}, types=["slurm"])
    assert [one.where for one in problems] == [f"job {name}: options" for name in "abcde"]  # the account, as it must be
    assert {job.name: job.arguments for job in spec.jobs} == {
        "a": ("a",), "b": ("b",), "c": ("c", "3"), "d": ("d",), "e": ("e",),
    }  # fmt: skip
    assert {job.work_dir for job in spec.jobs} == {stage.there}
    waits = {job.name: [(each.job, each.needs) for each in job.after] for job in spec.jobs if job.after}
    assert waits == {"d": [("a", Needs.OK)], "e": [("c", Needs.NOT_OK)]}


@pytest.mark.parametrize(
    "folder",
    [
        "/",
        "/home/alice",
        "/home/jobwarden-selftest-0a1b2c3d/..",
        "jobwarden-selftest-0a1b2c3d",
        "/a\n/jobwarden-selftest-0a1b2c3d",
        "",
    ],
)
def test_no_other_folder_than_one_of_its_own_is_ever_taken(folder: str) -> None:
    assert selftest._FOLDER.fullmatch(folder) is None  # pyright: ignore[reportPrivateUsage] -- what stands before `rm`


@pytest.mark.parametrize("option", ["partition", "partition=", ""])
def test_an_option_without_a_value_is_refused_before_anything_is_asked(
    terminal: Terminal, answers: Answers, option: str
) -> None:
    ran = terminal("doctor", "--selftest", "cluster-a", "--option", option)
    assert (ran.code, answers.asked) == (2, [])
    assert "--option takes KEY=VALUE" in ran.err
