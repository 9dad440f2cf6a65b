from __future__ import annotations

import pytest
from pydantic import JsonValue

from jobwarden.sources.base import Wanted
from jobwarden.sources.launcher.logs import logs_of
from jobwarden.sources.log_files import LogFile, SlurmLogs
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths

OWN = LogPaths(stdout="/home/a/launcher.log")
GLOB = "/cluster/cicd/e/q_1/log-a-a.q_1_12_*.out"
TASKS: list[JsonValue] = [["11", "q_0", "", "alice@c", None], ["12", "q_1", GLOB, "alice@c", None]]


def wanted(*failed: str) -> Wanted:
    return Wanted(id="cicd_1", facts={"slurm": TASKS, "failed": list(failed)})


def test_while_none_has_failed_the_launchers_own_output_is_shown() -> None:
    told = logs_of(wanted(), known=OWN, task=None)
    assert (told.task, told.slurm, told.tasks) == (None, None, ("q_0", "q_1"))
    assert LogFile("stdout", "/home/a/launcher.log") in told.files


def test_of_one_that_failed_its_slurm_jobs_log_is_and_the_launchers_is_beside_it() -> None:
    told = logs_of(wanted("12"), known=OWN, task=None)
    assert (told.task, told.why) == ("q_1", "the first that failed")
    assert told.slurm == SlurmLogs("12", "alice@c", GLOB)
    assert told.files == (LogFile("launcher", "/home/a/launcher.log"),)


@pytest.mark.parametrize("name", ["q_0", "11", "0"])
def test_a_task_is_named_by_its_name_its_slurm_id_or_its_number(name: str) -> None:
    told = logs_of(wanted("12"), known=None, task=name)
    assert (told.task, told.why, told.files) == ("q_0", "", ())


def test_a_task_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidIdError) as caught:
        logs_of(wanted(), known=OWN, task="q_7")
    assert "q_0, q_1" in (caught.value.hint or "")
