"""Whatever nel, its files or a run folder hold: read, or refused with an error of ours."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from jobwarden.sources.errors import SourceError
from jobwarden.sources.framing import Part
from jobwarden.sources.nel.answers import Task, kept, read_kept, read_kill, read_runs, read_status
from jobwarden.sources.nel.ids import completed, parse_id
from jobwarden.sources.nel.look import Found, read_found
from jobwarden.sources.nel.scores import read_scores, say
from jobwarden.sources.nel.words import TROUBLE
from jobwarden.transport.base import Completed
from jobwarden_registry.errors import InvalidIdError
from support.nel_paper import DATA

JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["invocation", "job_id", "status", "progress", "data", "slurm_job_id", "hostname", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.binary(max_size=400), st.integers(-15, 255), st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_an_error_of_ours(out: bytes, status: int, err: bytes) -> None:
    done = Completed(status, out, err)
    with contextlib.suppress(SourceError):
        read_status(done, TROUBLE)
    with contextlib.suppress(SourceError):
        read_kill(done)


@given(st.lists(JSON, max_size=4), st.booleans())
def test_any_json_is_an_answer_or_an_error_of_ours(rows: list[object], noisy: bool) -> None:
    text = ("[I 2026-11-20] noise\n" if noisy else "") + json.dumps(rows)
    try:
        status = read_status(Completed(0, text.encode(), b""), TROUBLE)
    except SourceError:
        return
    for task in status.tasks:
        assert parse_id(task.id).whole
        assert task.slurm is None or task.slurm.isdigit()


@given(st.lists(JSON.map(json.dumps) | st.text(max_size=50), max_size=6))
def test_any_lines_are_a_list_of_runs(lines: list[str]) -> None:
    for task in read_runs(lines).tasks:
        assert task.status == ""


@given(JSON)
def test_what_was_kept_is_read_or_left(value: JsonValue) -> None:
    for task in read_kept(value):
        assert isinstance(task, Task)


def test_tasks_are_kept_and_read_again() -> None:
    tasks = read_runs((DATA / "exec.v1.jsonl").read_text(encoding="utf-8").splitlines()).tasks
    assert read_kept(json.loads(json.dumps(kept(tasks)))) == tasks
    assert {one.on_slurm for one in tasks} == {True, False}
    assert next(one.name for one in tasks) == "ifeval"


@given(st.lists(st.text(max_size=60), max_size=20))
def test_any_lines_are_scores_or_none(lines: list[str]) -> None:
    say(read_scores(lines))


@given(
    st.lists(
        st.sampled_from(["folder", "chain 1", "chain x", "next 2", "log a/b", "log client-1.log", "ended 9", "exit -"]),
        max_size=8,
    )
)
def test_a_look_that_did_not_come_to_its_end_is_none(lines: list[str]) -> None:
    part = Part(0, "\n".join(lines).encode(), "")
    assert read_found(part) == Found()
    whole = read_found(Part(0, "\n".join(["folder", *lines, "whole"]).encode(), ""))
    assert whole.there is True
    assert all(job.isdigit() for job in whole.chain)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mmlu_pro acc micro 0.423", "MMLU-Pro 42.3 % (acc)"),
        ("gsm8k gsm8k gsm8k 0.671", "GSM8K 67.1 %"),
        ("mt_bench score score 7.25", "mt_bench 7.25"),
    ],
)
def test_scores_are_said_in_one_line(text: str, said: str) -> None:
    task, metric, score, value = text.split()
    lines = ["results:", "  tasks:", f"    {task}:", "      metrics:", f"        {metric}:", "          scores:"]
    lines += [
        f"            {score}:",
        "              stats:",
        "                stderr: 0.01",
        f"              value: {value}",
    ]
    assert say(read_scores(lines)) == said


def test_a_beginning_is_completed_where_only_one_run_begins_so() -> None:
    assert str(completed(parse_id("AB.3"), ["ab00000000000000", "ac00000000000000"])) == "ab00000000000000.3"
    assert completed(parse_id("b"), ["ab00000000000000"]) is None
    with pytest.raises(InvalidIdError):
        completed(parse_id("a"), ["ab00000000000000", "ac00000000000000"])
