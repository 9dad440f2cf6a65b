"""Which element of an array is meant, and where it writes when slurmctld has forgotten it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.errors import SourceUnavailableError
from jobwarden.sources.log_files import JobLogs, LogFile
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths
from support.slurm_fake import NOW, T0, FakeSlurm, Rows, Trouble, account_row, queue_row
from support.slurm_fake import host as host_of

LINE = "sbatch -a 0-9 -o logs/%A_%a_%j.out run.sh"


def forgetful(*, queue: Rows = (), account: Rows = (), line: str = LINE) -> FakeSlurm:
    return FakeSlurm(queue=queue, account=account, line=line)


async def logs(
    slurm: FakeSlurm,
    job: str,
    task: str | None = None,
    known: LogPaths | None = None,
    submitted_at: datetime | None = None,
) -> JobLogs:
    @asynccontextmanager
    async def hosts(name: str) -> AsyncGenerator[Host]:
        assert not name
        yield host_of(slurm)

    return await SlurmSource().logs(hosts, Wanted(id=job, submitted_at=submitted_at), known=known, task=task)


def array(*states: str) -> FakeSlurm:
    return forgetful(account=[account_row(f"7_{key}", state, raw=100 + key) for key, state in enumerate(states)])


async def test_what_is_known_of_an_ordinary_job_needs_no_question() -> None:
    slurm = forgetful()
    told = await logs(slurm, "5", known=LogPaths(stdout="/a/out", stderr="/a/err"))
    assert told.files == (LogFile("stdout", "/a/out"), LogFile("stderr", "/a/err"))
    assert slurm.asked == []


@pytest.mark.parametrize(
    ("states", "task", "why"),
    [
        (("COMPLETED", "TIMEOUT", "FAILED"), "1", "the first that failed"),
        (("COMPLETED", "COMPLETED", "CANCELLED"), "0", "the first that succeeded"),
        (("CANCELLED", "RUNNING", "COMPLETED"), "1", "the first that runs"),
    ],
)
async def test_the_element_that_tells_most_is_shown(states: tuple[str, ...], task: str, why: str) -> None:
    told = await logs(array(*states), "7")
    assert (told.task, told.why) == (task, why)
    assert set(told.tasks) == {"0", "1", "2"}
    assert told.tasks[0] == ("1" if "failed" in why else "0")
    assert told.files[0].path == f"/home/alice/logs/7_{task}_10{task}.out"
    assert "submit line" in told.note


async def test_an_element_is_named_by_its_index_or_its_id() -> None:
    for name in ("2", "7_2", " 2 "):
        told = await logs(array("COMPLETED", "FAILED", "COMPLETED"), "7", name)
        assert (told.task, told.why) == ("2", "")
    for name in ("3", "x", "7_", "-1"):
        with pytest.raises(InvalidIdError):
            await logs(array("COMPLETED", "FAILED", "COMPLETED"), "7", name)


async def test_what_squeue_says_of_an_element_counts_more_than_an_earlier_run() -> None:
    slurm = array("COMPLETED", "NODE_FAIL", "FAILED")
    slurm.queue = [queue_row("7_1", "RUNNING", raw=101)]
    assert (await logs(slurm, "7")).task == "2"


async def test_another_job_that_had_the_id_earlier_has_no_say() -> None:
    long_ago = T0 - 900 * 86400
    theirs = account_row("7_0", "FAILED", submit=long_ago, start=long_ago, end=long_ago + 60, name="theirs")
    slurm = forgetful(account=[theirs, account_row("7_0", "COMPLETED"), account_row("7_1", "TIMEOUT")])
    told = await logs(slurm, "7", submitted_at=NOW - timedelta(seconds=600))
    assert told.task == "1"
    alone = forgetful(account=[theirs])
    assert "does not know this job" in (await logs(alone, "7", submitted_at=NOW - timedelta(seconds=600))).note


async def test_an_element_that_waits_has_no_path_yet() -> None:
    slurm = forgetful(queue=[queue_row("7_[0-3]", "PENDING")])
    told = await logs(slurm, "7")
    assert (told.files, told.task, told.why) == ((), "0", "none has started")
    assert told.note == "It has not started yet."


async def test_a_job_that_nobody_knows_any_more_has_what_was_known_of_it() -> None:
    assert (await logs(forgetful(), "5")).note == "Slurm does not know this job any more."
    with pytest.raises(InvalidIdError):
        await logs(forgetful(account=[account_row("5", "COMPLETED")]), "5", "1")


async def test_a_job_whose_submit_line_does_not_tell_has_no_path_rather_than_a_wrong_one() -> None:
    slurm = forgetful(account=[account_row("5", "COMPLETED")], line="sbatch --wrap python x.py -o y")
    told = await logs(slurm, "5")
    assert told.files == ()
    assert "does not tell it" in told.note


@pytest.mark.parametrize("down", ["queue", "account"])
async def test_a_job_that_could_not_be_asked_about_is_not_called_forgotten(down: str) -> None:
    slurm = forgetful()
    setattr(slurm, down, Trouble(1, "slurm_load_jobs error: Unable to contact slurm controller"))
    note = (await logs(slurm, "7")).note
    assert "Unable to contact" in note
    assert "does not know" not in note
    with pytest.raises(SourceUnavailableError, match="Unable to contact"):
        await logs(slurm, "7", "1")
