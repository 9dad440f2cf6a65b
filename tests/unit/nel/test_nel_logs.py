from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from pydantic import JsonValue

from jobwarden.sources.base import Host, Wanted
from jobwarden.sources.framing import Part
from jobwarden.sources.log_files import JobLogs
from jobwarden.sources.nel.logs import logs_of
from jobwarden.testing.paper import FramedTransport
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import LogPaths

RUN = "0b1d99ac8d04df09"


def task(number: int, **more: JsonValue) -> JsonValue:
    return {"id": f"{RUN}.{number}", "folder": f"/runs/x.task{number}.{number}", "host": "alice@c", **more}


async def logs(
    *tasks: JsonValue, names: str = "", name: str | None = None, failed: list[JsonValue] | None = None
) -> JobLogs:
    listed = "".join(f"log {one}\n" for one in names.split())
    paper = FramedTransport({"folder0": Part(0, f"folder\n{listed}whole\n".encode(), "")})

    @asynccontextmanager
    async def hosts(host: str) -> AsyncGenerator[Host]:
        assert host == ("alice@c" if tasks else "")
        yield Host(transport=paper, machine_id="m")

    facts: dict[str, JsonValue] = {"tasks": list(tasks), "failed": failed or []}
    return await logs_of(hosts, Wanted(id=RUN, facts=facts), known=LogPaths(stdout="/known"), task=name)


def paths(told: JobLogs) -> dict[str, str]:
    assert {file.host for file in told.files} <= {"alice@c"}
    return {file.stream: file.path for file in told.files}


async def test_of_a_run_on_slurm_client_server_and_slurm_are_streams_of_their_own() -> None:
    told = await logs(
        task(0, slurm="12", chain=["12"]),
        names="server-0-12-0.log server-1-12-0.log client-12.log slurm-12.log slurm-9.log",
    )
    folder = "/runs/x.task0.0/logs"
    assert paths(told) == {
        "stdout": f"{folder}/client-12.log",
        "stderr": f"{folder}/server-0-12-0.log",
        "client": f"{folder}/client-12.log",
        "server": f"{folder}/server-0-12-0.log",
        "slurm": f"{folder}/slurm-12.log",
    }
    assert (told.task, told.tasks, told.why) == (None, (), "")


async def test_what_is_not_there_yet_is_told_by_the_path_that_it_will_have() -> None:
    told = await logs(task(0, slurm="12"))
    assert paths(told) == {
        "stdout": "/runs/x.task0.0/logs/slurm-12.log",
        "client": "/runs/x.task0.0/logs/client-12.log",
        "slurm": "/runs/x.task0.0/logs/slurm-12.log",
    }


async def test_of_several_tasks_the_first_that_failed_is_shown_or_the_one_that_is_named() -> None:
    tasks = [task(number, slurm=str(10 + number)) for number in range(3)]
    assert (await logs(*tasks)).task == f"{RUN}.0"
    told = await logs(*tasks, failed=[f"{RUN}.2", f"{RUN}.1"])
    assert (told.task, told.why) == (f"{RUN}.1", "the first that failed")
    for name in (f"{RUN}.2", "2", "task2"):
        assert (await logs(*tasks, name=name)).task == f"{RUN}.2"
    with pytest.raises(InvalidIdError) as caught:
        await logs(*tasks, name="9")
    assert "task1" in (caught.value.hint or "")


async def test_of_a_run_without_slurm_the_evaluations_own_output_is_shown() -> None:
    told = await logs(task(0), names="stdout.log client_stdout.log")
    assert paths(told) == {
        "stdout": "/runs/x.task0.0/logs/client_stdout.log",
        "client": "/runs/x.task0.0/logs/client_stdout.log",
    }


async def test_while_nel_has_told_nothing_what_is_known_is_shown() -> None:
    told = await logs()
    assert [file.path for file in told.files] == ["/known"]
    assert told.note
