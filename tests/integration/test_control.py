"""Controlling real Slurm jobs, and looking at each with scontrol and squeue; and watching that rests."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobwarden.service.control_views import ControlView
from jobwarden.service.service import Service, open_service
from jobwarden_registry.errors import InvalidIdError
from jobwarden_registry.model import JobRecord
from support.cluster import Cluster
from support.household import cli
from support.watched import Watched, beside, end_of
from support.watched import submit as submitted

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


async def test_what_is_done_to_some_elements_of_an_array_and_refused_for_others_is_called_neither(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    array = await submit(cluster, "--array=1-3%1", "--wrap", "sleep 300")
    await watched.until(lambda: "RUNNING" in cluster.squeue("-h", "-j", array, "-o", "%T"), "an element runs")
    await watched.register(array)
    ((outcome, text),) = said(await do(watched, "signal", f"{array}_3", value="USR1"))
    assert (outcome, "waits" in text) == ("refused", True)
    ((outcome, text),) = said(await do(watched, "requeue", array))
    assert (outcome, "Not done to all of it" in text) == ("accepted", True), text
    ((outcome, text),) = said(await do(watched, "hold", f"{array}_7"))
    assert (outcome, "Nothing was sent" in text) == ("refused", True)


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


async def test_a_job_that_failed_is_submitted_again_and_one_that_is_killed_says_by_whom(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    script = cluster.home() / "again.sh"
    script.write_text("#!/bin/bash\n[ -e again.mark ] && exec sleep 300\ntouch again.mark; exit 3\n", encoding="utf-8")
    job = await submit(cluster, "--time=5", str(script))
    await beside(lambda: cluster.wait_until_accounted(job, {"FAILED"}))
    await watched.register(job)
    await watched.until_every("finished")
    ((outcome, text),) = said(await do(watched, "resubmit", job, value="time=7", reason="a hiccup"))
    assert (outcome, "[grants]" in text) == ("refused", True)
    view = await do(watched, "resubmit", job, value="time=7", reason="a hiccup", free=True)
    assert said(view)[0][0] == "done", said(view)
    (new,) = {run.id for run in (await watched.status()).jobs[-1].attempts} - {job}
    assert shown(cluster, new)["TimeLimit"] == "00:07:00"
    await beside(lambda: cluster.wait_for(new, {"RUNNING"}))
    ((outcome, text),) = said(await do(watched, "signal", new, value="KILL", reason="it stands still"))
    assert outcome == "done", text
    await watched.until(lambda: watched.kinds().count("finished") == 2, "its end was seen")
    end = watched.home.journal("one")[-1]
    assert (end.record or {})["cause"] == "cancelled by claude-code session one: it stands still", end


async def test_a_paused_host_is_left_alone_by_the_real_watcher_and_what_ended_meanwhile_is_told_late(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, watched = faulty_cluster, lend()
    jobs = [await submitted(cluster), await submitted(cluster)]
    await watched.register(*[job.id for job in jobs])
    await watched.until(lambda: watched.home.watcher_pid() is not None, "the watcher has begun")

    done = cli(watched.home, "pause", "--session", "one", "--host", watched.host, "--reason", "maintenance")
    assert done.returncode == 0, done.stderr
    await watched.until(lambda: watched.home.watcher_pid() is None, "a watcher with nothing but paused jobs has ended")
    jobs[0].open()
    ended = [0.0]

    def is_over() -> bool:
        told = end_of(cluster, jobs[0].id)
        ended[0] = float(told[2]) if len(told) == 3 and told[2].isdigit() else 0.0
        return told[0] == "FAILED" and time.time() > ended[0] + 3

    before = watched.ledger().tried_at
    await watched.until(is_over, "the job ended some seconds ago")
    view = await watched.status(refresh=True)
    assert [job.phase for job in view.jobs] == ["running", "running"]
    assert all("maintenance" in str(job.paused_because) for job in view.jobs)
    assert watched.ledger().tried_at == before
    assert watched.home.watcher_pid() is None
    assert "not watched" in cli(watched.home, "pause", "--list").stdout

    done = cli(watched.home, "unpause", "--session", "one", "--host", watched.host)
    assert done.returncode == 0, done.stderr
    await watched.until_every("finished")
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert (end.job_id, (end.model_extra or {}).get("observed_late")) == (jobs[0].id, True)
    assert not {"lost", "unreachable"} & set(watched.kinds())
    await watched.until(lambda: watched.home.watcher_pid() is not None, "the watcher runs again")
    jobs[1].open()
    await watched.until(lambda: watched.kinds().count("finished") == 2, "it watches as before")
