"""What a resubmission may use of GPUs: counted, or refused where nobody can count it (`actions.gpu_budget`)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jobwarden.actions.call import ActionCall, check_call
from jobwarden.actions.errors import ActionError, InvalidRuleError
from jobwarden.actions.gpu_budget import gpu_hours
from jobwarden.sources.resubmitting import Original
from support.deeds import ALL, GRANTS, Stage, call


def job(*options: str, script: str = "", gpus: int = 0, nodes: int = 1, limit_s: float | None = 3600.0) -> Original:
    text = f"#!/bin/sh\n{script}\ntrain\n#SBATCH --gpus=1\n".encode()
    return Original("1", "train", "/home/a", options, (), text, gpus=gpus, nodes=nodes, time_limit_s=limit_s)


@pytest.mark.parametrize(
    ("original", "changes", "gpus"),
    [
        (job(), {"ntasks": 64, "nodes": 8}, 0),
        (job("--exclusive=user"), {}, 0),
        (job(gpus=8), {"mem": "1G"}, 8),
        (job("--gres=gpu:8", gpus=8), {}, 8),
        (job("--gres=gpu:a100:4,gpu:v100:2,lscratch:10"), {}, 6),
        (job("--gres=gpu"), {}, 1),
        (job("--gres=gpu=4"), {}, 4),
        (job("--gres=none"), {}, 0),
        (job("--gpus=a100:2,v100:1", gpus=3), {"nodes": 2}, 3),
        (job("-G8", gpus=8), {"gpus": 2}, 2),
        (job("-HQG", "8"), {}, 8),
        (job("--gres=gpu:8", "-N2", gpus=16, nodes=2), {"nodes": 4}, 32),
        (job("--gpus-per-node=8", "--nodes=2-2", nodes=2), {}, 16),
        (job("--gpus-per-task=1", "--ntasks=1", gpus=1), {"ntasks": 64}, 64),
        (job("--ntasks=64"), {"gpus_per_task": 8}, 512),
        (job("--ntasks=64", script="#SBATCH --gpus-per-task 2\n#SBATCH -N 4", gpus=128, nodes=4), {}, 128),
        (job("--nodes=2", "--gpus-per-task=1", nodes=2, gpus=2), {"ntasks_per_node": 8}, 16),
        (job(script="#SBATCH --gpus=4  # four\n# more\n#SBATCH --time=2:00:00", gpus=4), {"time": "60"}, 4),
        (job("--gpus=4", gpus=4, limit_s=None), {"time": "1:00:00"}, 4),
        (job("--time=0:30", "--gpus=60", limit_s=60), {}, 1),
        (job("--gres=gpu:8", gpus=8), {"gpus": 4}, 12),  # mixed: each counts
    ],
)  # fmt: skip
def test_gpus_are_counted_wherever_they_are_asked_for(original: Original, changes: dict[str, Any], gpus: int) -> None:
    assert math.isclose(gpu_hours(original, changes), gpus)


def test_the_longer_of_a_jobs_two_limits_counts() -> None:
    assert gpu_hours(job("--gpus=1", "--time=2:00:00", gpus=1, limit_s=60.0), {}) == 2
    assert gpu_hours(job("--gpus=1", "--time=60", gpus=1, limit_s=7200.0), {}) == 2


@pytest.mark.parametrize(
    ("original", "changes"),
    [
        (job(gpus=8), {"nodes": 2}),
        (job(gpus=1), {"ntasks": 64}),
        (job(gpus=8), {"exclusive": True}),
        (job(), {"exclusive": True}),
        (job("--exclusive"), {}),
        (job(script="#SBATCH --exclus"), {}),
        (job("--gres=gpu:8", "--nodes=1-8", gpus=8), {}),
        (job("--gres=gpu:8", gpus=8), {"nodes": "1-8"}),
        (job("--gres=gpu:8", "--ntasks=64", gpus=8), {}),
        (job("--gres=gpu:8", gpus=8), {"ntasks": 64}),
        (job("--gres=gpu:8", "-N1", gpus=8), {"nodelist": "node[1-4]"}),
        (job("--gres=gpu:8", gpus=16, nodes=2), {}),
        (job("--gpus-per-task=1", "--ntasks-per-core=1", gpus=1), {}),
        (job("--gpus-per-task=1", "-N1-4", gpus=1), {"ntasks_per_node": 8}),
        (job("--gpus-per-socket=4", gpus=4), {}),
        (job("--ntasks=8", "--ntasks-per-gpu=1"), {}),
        (job("--tres-per-node=gres:gpu:8"), {}),
        (job("--gres=shard:4"), {}),
        (job("--gres=gpu:1k"), {}),
        (job("--gpus=$N"), {}),
        (job("--gpus", "--time=5"), {}),
        (job("--gpu=4"), {}),
        (job(script="#PBS -l nodes=1:gpus=4"), {}),
        (job("--gpus=1", gpus=1, limit_s=None), {}),
        (job("--gpus=1", gpus=1, limit_s=0.0), {}),
        (job("--gpus=1", "--time=0", gpus=1), {}),
        (job("--gpus=1", "--time=UNLIMITED", gpus=1), {}),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused(original: Original, changes: dict[str, Any]) -> None:
    with pytest.raises(ActionError, match="no budget of GPU-hours holds it"):
        gpu_hours(original, changes)


@pytest.mark.parametrize("time", ["0", "00", "0:00", "0:0:0", "0-0", "0-00:00:00", 0, "UNLIMITED", "INFINITE", "-1"])
def test_a_time_that_is_no_limit_cannot_be_written(time: Any) -> None:
    with pytest.raises(InvalidRuleError):
        check_call(ActionCall("resubmit", {"modifications": {"time": time}}), ALL, [])


async def test_a_time_of_zero_out_of_a_log_is_refused(stage: Stage) -> None:
    stage.press.gpus = 8
    (done,) = await stage.do(call("resubmit", modifications={"time": "${t}"}), captures={"t": "0:00"})
    assert (done.outcome, stage.press.made()) == ("refused", [])


@pytest.mark.parametrize("granted", [GRANTS.replace("gpu_hours = 100", "gpu_hours = 0")])
async def test_without_gpu_hours_a_job_without_gpus_is_submitted(stage: Stage) -> None:
    (done,) = await stage.do(call("resubmit", modifications={"mem": "32G"}))
    assert (done.outcome, stage.press.made()) == ("done", ["900"])
