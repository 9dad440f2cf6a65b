"""Controlling real Slurm jobs, and looking at each with scontrol and squeue; and watching that rests."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobwarden.service.control_views import ControlView
from jobwarden.service.service import Service, open_service
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import JobRecord
from support.cluster import Cluster
from support.watched import Watched, beside

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

TRAPS = "#!/bin/bash\ntrap 'echo caught' USR1\necho ready\nwhile :; do sleep 0.1; done\n"


@asynccontextmanager
async def served(watched: Watched) -> AsyncGenerator[Service]:
    async with open_service(watched.home.env) as service:
        yield service


async def do(watched: Watched, action: Any, *jobs: str, value: str | None = None, **how: Any) -> ControlView:
    async with served(watched) as service:
        caller = watched.home.caller(how.pop("session", "one"))
        return await service.control.control(caller, jobs=jobs, action=action, value=value, **how)


def said(view: ControlView) -> list[tuple[str, str]]:
    return [(row.outcome, row.text) for row in view.rows]


def shown(cluster: Cluster, job: str) -> dict[str, str]:
    """Give what scontrol shows, as root."""
    text = cluster.scontrol("-o", "show", "job", job).splitlines()[0]
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


async def submit(cluster: Cluster, *words: str, user: str = "alice", script: str | None = None) -> str:
    made: list[str] = []
    await beside(lambda: made.append(cluster.sbatch(*words, user=user, script=script)))
    return made[0]


async def running(cluster: Cluster, *words: str, script: str) -> str:
    job = await submit(cluster, *words, script=script)
    await beside(lambda: cluster.wait_for(job, {"RUNNING"}))
    return job


async def test_a_waiting_job_is_held_and_released_and_an_array_in_parts(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    job = await submit(cluster, "--begin=now+1hour", "--wrap", "true")
    array = await submit(cluster, "--begin=now+1hour", "--array=1-6", "--wrap", "true")
    await watched.register(job, array)

    view = await do(watched, "hold", job, f"{array}_[2-3,5]", reason="the data is not ready")
    assert [outcome for outcome, _ in said(view)] == ["done", "done"], said(view)
    assert shown(cluster, job)["Reason"] == "JobHeldUser"
    held = cluster.squeue("-h", "-r", "-j", array, "-o", "%K %r").splitlines()
    assert {line.split()[0] for line in held if "JobHeldUser" in line} == {"2", "3", "5"}
    assert view.rows[0].job.stuck is not None  # the record has followed

    view = await do(watched, "release", job, array)
    assert [outcome for outcome, _ in said(view)] == ["done", "done"], said(view)
    assert shown(cluster, job)["Reason"] != "JobHeldUser"
    assert "JobHeldUser" not in cluster.squeue("-h", "-r", "-j", array, "-o", "%r")
    requests = [event.text or "" for event in watched.home.journal("one") if event.event == "control"]
    assert re.fullmatch(r"hold by claude-code session one: the data is not ready", requests[0])
    assert len(requests) == 4


async def test_a_running_job_is_signalled_stopped_limited_and_requeued(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    job = await running(cluster, "--time=60", "--open-mode=append", script=TRAPS)
    log = cluster.home() / f"slurm-{job}.out"
    await watched.until(lambda: log.exists() and "ready" in log.read_text(encoding="utf-8"), "the trap is set")
    await watched.register(job)

    ((outcome, text),) = said(await do(watched, "hold", job))
    assert (outcome, "It runs already" in text) == ("refused", True)
    ((outcome, text),) = said(await do(watched, "signal", job, value="USR1"))
    assert (outcome, "B:USR1" in text) == ("refused", True)  # srun has begun nothing: it would be lost in silence
    ((outcome, text),) = said(await do(watched, "signal", job, value="B:SIGUSR1"))
    assert outcome == "accepted", text
    await watched.until(lambda: "caught" in log.read_text(encoding="utf-8"), "the trap has caught it")

    assert said(await do(watched, "signal", job, value="STOP"))[0][0] == "done"
    assert cluster.state(job) == "STOPPED"
    assert said(await do(watched, "signal", job, value="CONT"))[0][0] == "done"
    assert cluster.state(job) == "RUNNING"

    ((outcome, text),) = said(await do(watched, "time_limit", job, value="2:00:00"))
    assert (outcome, "operator" in text) == ("refused", True)
    ((outcome, text),) = said(await do(watched, "time_limit", job, value="1"))
    assert (outcome, "end it at once" in text) == ("refused", True)
    ((outcome, text),) = said(await do(watched, "time_limit", job, value="30"))
    assert (outcome, "30:00" in text) == ("done", True)
    assert shown(cluster, job)["TimeLimit"] == "00:30:00"

    for action in ("suspend", "top"):
        ((outcome, text),) = said(await do(watched, action, job))
        assert outcome == "refused", text
        assert re.search("operator|enable_user_top", text)

    view = await do(watched, "requeue", job, value="hold", reason="a node is slow")
    assert said(view)[0][0] == "done", said(view)
    assert (shown(cluster, job)["Restarts"], shown(cluster, job)["Priority"]) == ("1", "0")
    assert said(await do(watched, "release", job))[0][0] == "done"
    await watched.until(lambda: "requeued" in watched.kinds(), "the requeue was seen as a second attempt")
    assert JobRecord.model_validate(watched.rows()[job]).attempts[1:]
    ((outcome, text),) = said(await do(watched, "requeue", job))
    assert (outcome, "waits already" in text) == ("refused", True)


async def test_top_puts_a_job_first_where_the_cluster_lets_users(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    with cluster.configured(lambda text: text.replace("SchedulerParameters=", "SchedulerParameters=enable_user_top,")):
        jobs = [await submit(cluster, "--begin=now+1hour", "--wrap", "true") for _ in range(2)]
        await watched.register(*jobs)
        ((outcome, text),) = said(await do(watched, "top", jobs[1]))
        assert (outcome, "priority" in text) == ("accepted", True), text
        first, second = (int(shown(cluster, job)["Priority"]) for job in jobs)
        assert second > first


async def test_nobody_elses_job_and_no_other_sessions_is_touched(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    bobs = await submit(cluster, "--begin=now+1hour", "--wrap", "true", user="bob")
    mine = await submit(cluster, "--begin=now+1hour", "--wrap", "true")
    await watched.register(bobs, mine)
    ((outcome, text),) = said(await do(watched, "hold", bobs))
    assert (outcome, "belongs to bob" in text) == ("refused", True)
    ((outcome, text),) = said(await do(watched, "hold", mine, session="two"))
    assert (outcome, "force=true" in text) == ("refused", True)
    assert shown(cluster, mine)["Reason"] != "JobHeldUser"
    assert said(await do(watched, "hold", mine, session="two", force=True))[0][0] == "done"
    assert "control" in watched.kinds()
    async with served(watched) as service:
        with pytest.raises(InvalidIdError, match="no signal"):
            await service.control.control(watched.home.caller("one"), jobs=[mine], action="signal", value="SEGV")
    cluster.slurm("scancel", "--user", "bob")
