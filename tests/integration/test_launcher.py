"""Real nemo-run experiments on a real Slurm, as an agent sees them through the tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from support.agent import Agent, agent
from support.cluster import Cluster
from support.household import Household, household
from support.nemo import FAILS, Launched, Nemo, nemo_in

pytestmark = [pytest.mark.slurm, pytest.mark.nemo]


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


@pytest.fixture
def nemo(home: Household, cluster: Cluster) -> Iterator[Nemo]:
    with nemo_in(home, cluster) as made:
        yield made


async def register(reader: Agent, one: Launched) -> None:
    assert one.id in await reader.call("register_job", type="launcher", id=one.id, log_path=str(one.output))


async def row(reader: Agent, one: Launched) -> dict[str, object]:
    await reader.call("check_status")
    found: dict[str, object] = json.loads(await reader.read(f"jobs://{one.id}"))
    return found


async def until(reader: Agent, one: Launched, phase: str, reason: str = "") -> dict[str, object]:
    """Look until the job is in that phase, for a reason that holds these words; gives it."""
    found: dict[str, object] = {}
    with anyio.move_on_after(90):
        while found.get("phase") != phase or reason not in str(found.get("reason")):
            await anyio.sleep(0.3)
            found = await row(reader, one)
    if found["phase"] != phase or reason not in str(found["reason"]):
        pytest.fail(f"it never was {phase} for {reason!r}: {json.dumps(found)}; its launcher: {one.text()[-4000:]}")
    return found


async def exits(one: Launched) -> int:
    return await anyio.to_thread.run_sync(one.process.wait, 90)


async def test_an_experiment_of_two_tasks_of_which_the_second_fails_has_failed_when_both_have_ended(
    nemo: Nemo,
) -> None:
    one = nemo.launch(nemo.waits, FAILS)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        # Now the output holds `RuntimeError` and `Job N finished: FAILED`, and the first task is at work.
        await anyio.to_thread.run_sync(one.wait_for_text, "finished: FAILED")
        seen = await until(reader, one, "running", "1 of 2 tasks have ended")
        assert seen["name"] == "Qwen3-8B_NVFP4"
        # nemo-run 0.11.1 at times streams nothing of a task beside another: "some logs may be missing".
        streamed = "calibration step 3/8" in one.text()
        if streamed:
            await until(reader, one, "running", "calibration 3 of 8")
        nemo.gate.touch()
        end = await until(reader, one, "failed")
        assert (end["status"], end["exit_code"]) == ("FAILED", 3)
        assert "Qwen3-8B_NVFP4_1" in str(end["reason"])
        assert await exits(one) == 0  # whatever happened
        failed = await reader.call("tail_log", job=one.id)
        assert "Task Qwen3-8B_NVFP4_1 (the first that failed)" in failed
        assert "RuntimeError" in failed
        why = await reader.call("diagnose_job", job=one.id)
        assert "of Qwen3-8B_NVFP4_1 (Slurm " in why
        assert "out_of_memory" in why
        assert "RuntimeError" in why
        assert "steps: " in why
        first = await reader.call("tail_log", job=one.id, task="Qwen3-8B_NVFP4_0")
        assert "calibration step 3/8" in first
        assert "RuntimeError" not in first
        own = await reader.call("tail_log", job=one.id, stream="launcher")
        assert str(one.output) in own
        assert "finished: FAILED" in own
    kinds = nemo.home.kinds()
    assert kinds.count("finished") == 1
    assert not {"requeued", "attempt", "lost"} & set(kinds)
    text = (nemo.home.places.state / "sessions" / "session-1" / "events.jsonl").read_text(encoding="utf-8")
    assert "id_alice" not in text  # `.slurm_jobs` names keys


async def test_a_detached_experiment_runs_although_its_launcher_is_done(nemo: Nemo) -> None:
    one = nemo.launch(nemo.waits, detach=True)
    assert await exits(one) == 0
    assert (one.folder / "_DONE").exists()
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await until(reader, one, "running")
        nemo.gate.touch()
        assert (await until(reader, one, "succeeded"))["status"] == "COMPLETED"
    assert "1 of 1 completed" in await _summary(nemo)


async def _summary(nemo: Nemo) -> str:
    async with agent(nemo.home) as reader:
        return await reader.call("check_status")


async def test_an_experiment_runs_on_when_its_launcher_was_killed(nemo: Nemo) -> None:
    one = nemo.launch(nemo.waits)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await anyio.to_thread.run_sync(one.wait_for_text, "calibration step 3/8")
        one.kill()
        await until(reader, one, "running", "calibration 3 of 8")
        nemo.gate.touch()
        assert (await until(reader, one, "succeeded"))["status"] == "COMPLETED"
    assert nemo.home.kinds().count("finished") == 1


async def test_a_task_whose_dependency_failed_is_stuck_and_its_launcher_would_wait_for_ever(nemo: Nemo) -> None:
    one = nemo.launch(FAILS, nemo.waits, sequential=True)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        seen = await until(reader, one, "pending", "DependencyNeverSatisfied")
        assert "Qwen3-8B_NVFP4_1" in str(seen["stuck"])
        assert one.process.poll() is None
        assert "accepted" in await reader.call("cancel_job", jobs=[one.id], reason="it can never start")
        end = await until(reader, one, "failed")
        assert "Qwen3-8B_NVFP4_0" in str(end["reason"])


async def test_cancel_ends_every_task(nemo: Nemo, cluster: Cluster) -> None:
    one = nemo.launch(nemo.waits, nemo.waits)
    jobs = one.wait_until_submitted(2)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        await until(reader, one, "running")
        said = await reader.call("cancel_job", jobs=[one.id], reason="the test says so")
        assert all(job in said for job in jobs)
        assert str((await until(reader, one, "cancelled"))["status"]).startswith("CANCELLED")
    for job in jobs:
        cluster.wait_until_accounted(job, {"CANCELLED"})


async def test_an_experiment_that_was_never_submitted_has_not_ended(nemo: Nemo) -> None:
    """Its launcher is gone, and prints a Traceback; nothing runs, and nothing ended."""
    one = nemo.launch(nemo.waits, job_dir="/proc/nowhere")
    await exits(one)
    async with agent(nemo.home) as reader:
        await register(reader, one)
        seen = await until(reader, one, "pending")
    assert seen["status"] == "NOT SUBMITTED"


async def test_a_launcher_that_gave_up_in_an_outage_ends_nothing(faulty_cluster: Cluster, home: Household) -> None:
    """nemo-run gives up after 30 questions to sacct that failed, some seconds, and exits 0."""
    with nemo_in(home, faulty_cluster) as nemo:
        one = nemo.launch(nemo.waits)
        (job,) = one.wait_until_submitted(1)
        async with agent(home) as reader:
            await register(reader, one)
            await until(reader, one, "running")
            await anyio.to_thread.run_sync(one.wait_for_text, "calibration step 3/8")
            with faulty_cluster.stopped("slurmdbd"):
                assert await exits(one) == 0
                assert "Traceback" in one.text()
                assert (await row(reader, one))["phase"] == "running"
            assert faulty_cluster.state(job) == "RUNNING"
            nemo.gate.touch()
            assert (await until(reader, one, "succeeded"))["status"] == "COMPLETED"
    assert home.kinds().count("finished") == 1
