"""Plan files: what they may say, and that all that is wrong with one is said (`jobwarden.plans.reading`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.actions.modifications import OPTIONS
from jobwarden.plans.errors import PlanError
from jobwarden.plans.options import sbatch_words
from jobwarden.plans.reading import Checks, Problem, read_plan, read_plan_file
from jobwarden.plans.spec import After, JobSpec, Needs, PlanSpec
from jobwarden.rules.building import read_rules
from jobwarden.service.expecting import read_expectation


def check_rule(text: str) -> object:
    return read_rules([text])


CHECKS: Checks = {"rules": check_rule, "expect": read_expectation}
TYPES = ("slurm",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "words.txt").write_text("no script\n", encoding="utf-8")
    return tmp_path


def read(folder: Path, text: str) -> tuple[PlanSpec, list[Problem]]:
    file = folder / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    return read_plan_file(file, checks=CHECKS, types=TYPES)


def test_a_plan_is_read_with_its_defaults_laid_below_each_job(folder: Path) -> None:
    spec, problems = read(
        folder,
        """
name = "sweep"
host = "cluster-a"
[defaults]
work_dir = "~/runs"
options = { time = "2:00:00", mem = "4G" }
tags = { procedure = "prep" }
rules = ['pattern="ERROR" action=notify']
[[jobs]]
name = "prep"
script = "job.sh"
arguments = ["a b", 3]
log = "logs/%x-%j.out"
[[jobs]]
name = "train-1"
script_on_host = "/home/alice/train.sh"
after = ["prep"]
restart = 'state=[TIMEOUT] action=notify'
options = { mem = "8G", gpus = 2, job_name = "t1" }
tags = { subject = "01" }
expect = ["out/*.pt >= 1M"]
rules = []
[[jobs]]
name = "report"
script = "job.sh"
after = { afterany = ["train-1"], afternotok = "prep" }
""",
    )
    assert problems == []
    prep, train, report = spec.jobs
    assert (spec.name, prep.host, prep.work_dir, prep.arguments) == ("sweep", "cluster-a", "~/runs", ("a b", "3"))
    assert prep.options == ("--time=2:00:00", "--mem=4G", "--output=logs/%x-%j.out")
    assert prep.rules == ('pattern="ERROR" action=notify',)
    assert train.options == ("--time=2:00:00", "--mem=8G", "--gpus=2")
    assert (train.known_as, train.script, train.script_on_host) == ("t1", "", "/home/alice/train.sh")
    assert train.tags == ("procedure=prep", "subject=01")
    assert train.rules == ("state=[TIMEOUT] action=notify",)
    assert train.after == (After(job="prep"),)
    assert report.after == (After(job="train-1", needs=Needs.ANY), After(job="prep", needs=Needs.NOT_OK))
    assert [one.name for one in spec.in_order()] == ["prep", "train-1", "report"]


BAD = {
    "no jobs": ("", "no jobs"),
    "an unknown key of the plan": ("hosts = 'x'", "'hosts'"),
    "an unknown key of a job, with the nearest": ("argument = [1]", "Did you mean arguments?"),
    "no script": ("script = ''", "no script"),
    "two scripts": ("script_on_host = '/a.sh'", "two scripts"),
    "a script that is missing": ("script = 'none.sh'", "is not there"),
    "a script without #!": ("script = 'words.txt'", "#!"),
    "a relative script on the host": ("script = ''\nscript_on_host = 'a.sh'", "not absolute"),
    "an unknown type": ("type = 'nel'", "cannot be submitted"),
    "a local program": ("type = 'process'", "jobwarden run"),
    "an option that sbatch lacks": ("options = { tme = '1' }", "Did you mean time?"),
    "an option that is a key here": ("options = { chdir = '/a' }", "work_dir"),
    "a wrap": ("options = { wrap = 'rm -r /' }", "script"),
    "a value that is another option": ("options = { mem = '1 --wrap=x' }", "mem cannot be"),
    "no time limit": ("options = { time = 0 }", "no limit"),
    "a name in a value": ("options = { mem = '${x}' }", "nothing is filled in"),
    "an array that is none": ("options = { array = 'all' }", "array cannot be"),
    "a job name with a blank": ("options = { job_name = 'a b' }", "job_name cannot be"),
    "log and output": ("log = 'a'\noptions = { output = 'b' }", "both say"),
    "a folder that is not absolute": ("work_dir = 'runs'", "not absolute"),
    "arguments that are no list": ("arguments = 'a'", "no list"),
    "arguments without end": (f"arguments = {['x' * 9999] * 7}", "more than 64 KiB"),
    "tags that are no tags": ("tags = 3", "cannot be tags"),
    "a rule that cannot be read": ("rules = ['patern=\"x\"']", "patern"),
    "a restart that cannot be": ("restart = 3", "no text"),
    "an expected file with ..": ("expect = '../x'", "not looked for"),
    "an unknown job to wait for": ("after = ['prpe']", "Did you mean prep?"),
    "an unknown kind of waiting": ("after = ['afterwards:prep']", "There is: afterok"),
    "itself": ("after = ['train']", "wait for each other"),
    "a description of two lines": ('description = "a\\nb"', "description"),
    "a job elsewhere": ("host = 'other'\nafter = ['prep']", "knows its own jobs only"),
}


@pytest.mark.parametrize(("line", "said"), BAD.values(), ids=list(BAD))
def test_what_cannot_be_is_said_with_what_to_write_instead(folder: Path, line: str, said: str) -> None:
    job = "" if said == "no jobs" else "[[jobs]]\nname = 'prep'\nscript = 'job.sh'\n[[jobs]]\nname = 'train'\n"
    script = "" if "script = " in line or said == "no jobs" else "script = 'job.sh'\n"
    text = f"{line}\n{job}{script}" if "hosts" in line or not job else f"{job}{script}{line}\n"
    _, problems = read(folder, text)
    assert problems
    assert said in "\n".join(one.line() for one in problems)
    assert all(one.hint or one.text for one in problems)


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    _, problems = read(
        folder,
        """
nme = "x"
[[jobs]]
name = "a"
script = "none.sh"
after = ["b"]
[[jobs]]
name = "b"
script = "job.sh"
after = ["a"]
options = { tme = 1, mem = "lots" }
[[jobs]]
name = "b"
script = "job.sh"
[[jobs]]
name = "c/d"
""",
    )
    said = "\n".join(one.line() for one in problems)
    for part in ("'nme'", "none.sh", "a -> b -> a", "'tme'", "mem cannot", "2 jobs have this name", "'c/d'"):
        assert part in said


def test_two_jobs_that_the_scheduler_could_not_tell_apart_are_refused(folder: Path) -> None:
    jobs = "".join(
        f"[[jobs]]\nname = '{name}'\nscript = 'job.sh'\noptions = {{ job_name = 'x' }}\n" for name in ("a", "b")
    )
    _, problems = read(folder, jobs)
    assert [one.text for one in problems] == ["2 jobs are called x in the home folder on localhost."]


@pytest.mark.parametrize(
    "text",
    ["= x", "[[jobs]", "\0", f"x = {'1' * 5000}", f"x = {'[' * 100_000}"],
    ids=["no key", "no table", "a NUL", "a number without end", "lists in lists"],
)
def test_a_file_that_is_no_toml_is_refused_whole(folder: Path, text: str) -> None:
    with pytest.raises(PlanError) as raised:
        read(folder, text)
    assert raised.value.code == "plan.invalid"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    [
        "name",
        "host",
        "type",
        "defaults",
        "jobs",
        "script",
        "script_on_host",
        "arguments",
        "after",
        "options",
        "work_dir",
        "log",
        "tags",
        "rules",
        "restart",
        "expect",
        "ready",
        "description",
        "x",
    ]
)
_NAMES = [*OPTIONS, "output", "error", "array", "job_name", "signal", "begin", "licenses", "open_mode"]


@given(raw=st.dictionaries(_KEYS, _VALUES | st.lists(st.dictionaries(_KEYS, _VALUES), max_size=3)))
def test_whatever_stands_in_a_plan_gives_problems_and_no_crash(raw: dict[str, object]) -> None:
    spec, problems = read_plan(raw, file=Path("/nowhere/x.toml"), checks=CHECKS, types=TYPES)
    assert problems or spec.jobs


@given(
    name=st.sampled_from(
        [*OPTIONS, "output", "error", "array", "job_name", "signal", "begin", "licenses", "open_mode"]
    ),
    value=st.text() | st.integers() | st.booleans(),
)
def test_no_value_becomes_more_than_one_option(name: str, value: object) -> None:
    words, known_as, wrong = sbatch_words({name: value})
    assert len(words) + len(wrong) + bool(known_as) <= 1
    for word in words:
        assert word.startswith("--")
        assert not any(ord(sign) < 32 for sign in word)


@given(edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_jobs_stand_in_order_after_what_they_wait_for_and_a_circle_is_found(edges: list[tuple[int, int]]) -> None:
    waits: dict[int, list[int]] = {number: [] for number in range(8)}
    for one, other in edges:
        waits[one].append(other)
    after = {one: tuple(After(job=str(each)) for each in others) for one, others in waits.items()}
    spec = PlanSpec(name="x", jobs=tuple(JobSpec(name=str(one), after=others) for one, others in after.items()))
    jobs = [
        {"name": one.name, "script_on_host": "/a.sh", "after": [each.job for each in one.after]} for one in spec.jobs
    ]
    _, problems = read_plan({"jobs": jobs}, file=Path("/x.toml"), checks=CHECKS, types=TYPES)
    order = [one.name for one in spec.in_order()]
    in_order = all(order.index(each.job) < order.index(one.name) for one in spec.jobs for each in one.after)
    assert in_order is (not problems)
    assert all("wait for each other" in one.text for one in problems)
