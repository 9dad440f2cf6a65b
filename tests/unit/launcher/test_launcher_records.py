"""What nemo-run 0.11.1 keeps on disk."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.launcher.ids import launched_at, parse_experiment_id
from jobwarden.sources.launcher.records import (
    SlurmJob,
    Task,
    read_local_jobs,
    read_results,
    read_slurm_jobs,
    read_tasks,
)
from jobwarden_registry.errors import InvalidIdError

DATA = Path(__file__).parents[2] / "data" / "nemo-run" / "0.11.1"
TWO = ("Qwen3-8B_NVFP4_0", "Qwen3-8B_NVFP4_1")
LOCAL = "cicd_1795265891828595358"


@pytest.mark.parametrize("kind", ["slurm", "local"])
def test_the_list_of_tasks_names_each_and_its_executor(kind: str) -> None:
    tasks = read_tasks((DATA / f"tasks_{kind}.json").read_bytes())
    assert tasks == [Task(name, kind) for name in TWO]


def test_the_slurm_jobs_of_one_experiment_are_told_from_those_of_others() -> None:
    jobs = read_slurm_jobs((DATA / "dot_slurm_jobs.txt").read_bytes(), "cicd_1795170275173434547")
    folder = "/home/alice/experiments/cicd/cicd_1795170275173434547"
    assert jobs == [
        SlurmJob("26", TWO[0], f"{folder}/{TWO[0]}/log*", "alice@cluster-a", 3222),
        SlurmJob("27", TWO[1], f"{folder}/{TWO[1]}/log*", "alice@cluster-a", 3222),
    ]
    assert "id_alice" not in repr(jobs)


def test_a_line_without_a_log_of_a_local_tunnel_and_of_another_cluster_is_read() -> None:
    line = '7;west = /h/experiments/t/t_1795170275173434547/a,LocalTunnel,{"job_dir": "/h", "host": "localhost"}\n'
    assert read_slurm_jobs(line.encode(), "t_1795170275173434547") == [SlurmJob("7", "a")]


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "", "a\\nb"])
def test_a_host_that_cannot_be_one_is_not_asked(host: str) -> None:
    line = f'7 = /l*,/h/t_1795170275173434547/a,SSHTunnel,{{"host": "{host}", "user": "u"}}'
    assert read_slurm_jobs(line.encode(), "t_1795170275173434547") == []


def test_local_apps_and_how_they_ended_are_read() -> None:
    apps = read_local_jobs((DATA / "local_jobs.json").read_bytes(), LOCAL)
    assert [(app.task, app.state) for app in apps] == [(TWO[0], "SUCCEEDED"), (TWO[1], "FAILED")]
    assert read_local_jobs((DATA / "local_jobs.json").read_bytes(), "cicd_1795265891828595359") == []
    results = read_results((DATA / "success.json").read_bytes())
    assert {app.task: results[app.id].exit_codes for app in apps} == {TWO[0]: (0,), TWO[1]: (3,)}


@given(st.data())
def test_a_record_that_is_being_written_is_refused_or_has_less(data: st.DataObject) -> None:
    for name in ("tasks_slurm.json", "local_jobs.json", "success.json", "dot_slurm_jobs.txt"):
        whole = (DATA / name).read_bytes()
        cut = whole[: data.draw(st.integers(0, len(whole) - 1), label=name)]
        try:
            if name.startswith("tasks"):
                assert read_tasks(cut) == read_tasks(whole)
            elif name.startswith("local"):
                assert read_local_jobs(cut, LOCAL) in ([], read_local_jobs(whole, LOCAL))
            elif name.startswith("success"):
                assert read_results(cut).items() <= read_results(whole).items()
            else:
                found = read_slurm_jobs(cut, "cicd_1795170275173434547")
                assert set(found) <= set(read_slurm_jobs(whole, "cicd_1795170275173434547"))
        except UnreadableAnswerError as error:
            assert error.code == "launcher.records_behind"  # noqa: PT017 -- it may also be readable


@given(st.binary(max_size=400))
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    read_slurm_jobs(data, LOCAL)
    for read in (read_tasks, read_results, partial(read_local_jobs, experiment=LOCAL)):
        with suppress(UnreadableAnswerError):
            read(data)


def test_an_experiments_id_holds_its_launch() -> None:
    assert parse_experiment_id(f" {LOCAL}\n") == LOCAL
    assert launched_at(LOCAL).isoformat() == "2026-11-21T12:58:11+00:00"
    assert launched_at("x_1795265891") == launched_at(LOCAL)


@pytest.mark.parametrize("text", ["24", "cicd", "/lab/out.log", "cicd_12", "../cicd_1795265891828595358"])
def test_what_is_no_experiment_is_refused_with_where_to_find_one(text: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_experiment_id(text)
    assert "Entering Experiment" in caught.value.hint
