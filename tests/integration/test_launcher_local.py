"""Real nemo-run experiments whose tasks run on the launcher's own machine, without a scheduler."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from integration.test_launcher import exits, register, until
from support.agent import agent
from support.household import eventually, household
from support.nemo import FAILS, Nemo, nemo_in

pytestmark = pytest.mark.nemo

QUICK = {"lost_after_s": 2.0, "grace_s": 0.0, "cancel_grace_s": 3.0}


@pytest.fixture
def nemo(clean_environment: Path) -> Iterator[Nemo]:
    with household(clean_environment, QUICK) as home, nemo_in(home) as made:
        yield made


async def test_two_local_tasks_of_which_one_fails_have_failed_when_both_have_ended(nemo: Nemo) -> None:
    one = nemo.launch(nemo.waits, FAILS)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await anyio.to_thread.run_sync(one.wait_for_text, "finished:")  # wrapped there, before FAILED
        await until(reader, one, "running", "Qwen3-8B_NVFP4_1 FAILED")
        nemo.gate.touch()
        end = await until(reader, one, "failed")
        assert end["status"] == "FAILED"
        assert await exits(one) == 0
    assert nemo.home.kinds().count("finished") == 1


async def test_two_local_tasks_in_sequence_have_succeeded_when_both_have(nemo: Nemo) -> None:
    one = nemo.launch("echo first", nemo.waits, sequential=True)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await until(reader, one, "running", "1 of 2 tasks have ended")
        nemo.gate.touch()
        await until(reader, one, "succeeded")
    assert not {"requeued", "attempt", "lost"} & set(nemo.home.kinds())


async def test_a_local_task_runs_on_when_its_launcher_was_killed_and_is_lost_when_it_ends_untold(nemo: Nemo) -> None:
    one = nemo.launch(nemo.waits)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await until(reader, one, "running", "calibration 3 of 8")
        one.kill()
        # Who merely reads its log is not taken for its launcher.
        log = next(one.folder.rglob("combined.log"))
        async with reading(log):
            for _ in range(3):
                await until(reader, one, "running")
            nemo.gate.touch()
            await until(reader, one, "lost")
    assert "finished" not in nemo.home.kinds()


async def test_cancel_ends_a_launcher_and_its_local_tasks_and_nobody_who_reads_their_logs(nemo: Nemo) -> None:
    one = nemo.launch(nemo.waits, nemo.waits, sequential=True)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await until(reader, one, "running", "calibration 3 of 8")
        log = next(one.folder.rglob("combined.log"))
        async with reading(log) as process:
            assert "accepted" in await reader.call("cancel_job", jobs=[one.id], reason="the test says so")
            await until(reader, one, "cancelled")
            assert process.returncode is None
        assert await exits(one) != 0
    eventually(lambda: not _at_work(one.id), "no process of it is left")


@asynccontextmanager
async def reading(log: Path) -> AsyncGenerator[Process]:
    """Have somebody read a log as it grows."""
    async with await anyio.open_process(["tail", "-f", str(log)], stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def _at_work(experiment: str) -> list[str]:
    found: list[str] = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if f"/{experiment}/" in os.readlink(link):  # noqa: PTH115 -- a Path would be made of each of thousands
                found.append(str(link))
        except OSError:
            continue
    return found
