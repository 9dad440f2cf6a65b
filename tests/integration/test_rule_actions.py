"""What rules do to jobs of a real Slurm: cancelled and resubmitted with a changed option, once, whatever dies."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from jobwarden.actions.carrying import Actor, Done
from jobwarden.service.service import open_service
from jobwarden.verdict.world import open_world
from jobwarden_registry.model import JobRecord
from support.cluster import Cluster
from support.resubmitting import act
from support.watched import Watched, beside, named

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

GRANTS = "\n[grants]\ncancel = true\nresubmissions = 5\n"
SCRIPT = "#!/bin/bash\n#SBATCH --job-name=train\necho run $1\nuntil [ -e {gate} ]; do sleep 0.1; done\n"
DIVERGES = """#!/bin/bash
#SBATCH --job-name=diverges --time=5
#WATCHER_BEGIN
# name: diverged
# pattern: "loss: ([0-9.]+)"
# captures: [loss]
# condition: float(loss) > 10
# actions:
#   - store_metric(name="loss", value="${{loss}}")
#   - resubmit(modifications={{"time": "7"}})
#WATCHER_END
if [ -e {mark} ]; then echo loss: 0.5; exit 0; fi
touch {mark}; echo loss: 2; echo loss: 12.5; sleep 300
"""
TOO_SMALL = """#!/bin/bash
#SBATCH --job-name=too-small --mem=50M
#WATCHER pattern="out of memory|OOM" action=resubmit(modifications={{"mem": "100M"}})
if [ -e {mark} ]; then echo enough; exit 0; fi
touch {mark}; echo "oom-kill: out of memory: killed process 7"; exit 137
"""
"""The rules stand in the scripts, as in the system that this syntax is from."""
TESTS = Path(__file__).parents[1]


async def started(watched: Watched, cluster: Cluster, name: str) -> tuple[JobRecord, Path]:
    """Submit a job with an argument, options and a comment, and register it when it runs."""
    gate = cluster.home() / f"gate-{name}"
    script = cluster.home() / f"{name}.sh"
    script.write_text(SCRIPT.format(gate=gate).replace("=train", f"={name}"), encoding="utf-8")
    ids: list[str] = []

    def submit() -> None:
        ids.append(cluster.sbatch("--time=5", '--comment={"paid":"by x"}', str(script), "7"))
        cluster.wait_until_accounted(ids[0], {"RUNNING"})

    await beside(submit)
    await watched.register(ids[0])
    await quiet(watched)
    return record_of(watched, ids[0]), gate


async def quiet(watched: Watched) -> None:
    """End the watcher: what is looked at here is what one process does."""
    await watched.until(lambda: watched.home.watcher_pid() is not None, "the watcher has begun")
    await beside(watched.home.kill_watcher)


def record_of(watched: Watched, job: str) -> JobRecord:
    return JobRecord.model_validate(next(row for row in watched.home.active("one") if row["id"] == job))


async def take_up(watched: Watched) -> list[Done]:
    async with open_world(watched.home.env) as world:
        session = next(one for one in await world.sessions.known() if one.entry.session_id == "one")
        return await Actor(world.rounds, watched.home.env).take_up(session)


async def test_a_rule_replaces_a_job_by_one_with_a_changed_option_as_an_attempt_of_the_same(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """The new job waits for the end of the old one; script, argument, options, folder and comment are the old one's."""
    cluster, watched = faulty_cluster, lend(GRANTS)
    record, gate = await started(watched, cluster, "replaced")
    (done,) = await act(watched.home.env, "one", record.uid, f"{record.uid}/1")
    assert done.outcome == "done", done.text
    old, new = named(cluster, "replaced")
    assert old == record.id
    assert done.text == f"rule diverged: submitted again as {new} with --time=7 --nice=5; {old} cancelled"
    shown = cluster.scontrol("show", "job", new)
    assert re.search(r"TimeLimit=00:07:00", shown)
    assert re.search(r"Nice=5 ", shown)
    assert re.search(r'Comment=\{"paid":"by x","jobwarden":"jw[0-9a-f]{20}"\}', shown)
    assert f"WorkDir={cluster.home()}\n" in shown
    await beside(lambda: cluster.wait_for(new, {"RUNNING"}))
    assert cluster.state(old) == "CANCELLED"
    gate.touch()
    await beside(lambda: cluster.wait_until_accounted(new, {"COMPLETED"}))
    async with open_service(watched.home.env) as service:
        view = await service.status(watched.home.caller("one"), refresh=True)
    (job,) = view.jobs
    assert (job.id, job.resubmitted_as, job.phase) == (old, new, "succeeded")
    assert [one.id for one in job.attempts] == [old, new]
    assert (cluster.home() / f"slurm-{new}.out").read_text(encoding="utf-8") == "run 7\n"
    assert "attempt" in watched.kinds()


@pytest.mark.parametrize("left", [False, True], ids=["in the queue", "ended and forgotten by the queue"])
async def test_a_kill_between_the_submission_and_its_journal_line_does_not_double_it(
    lend: Callable[..., Watched],
    faulty_cluster: Cluster,
    left: bool,
) -> None:
    """A real process over a real Slurm, killed by SIGKILL right after sbatch has answered."""
    cluster, watched = faulty_cluster, lend(GRANTS)
    name = "forgotten" if left else "queued"
    record, gate = await started(watched, cluster, name)
    argv = [sys.executable, "-m", "support.resubmitting", "one", record.uid, f"{record.uid}/1", "die"]
    env = {**watched.home.env, "PYTHONPATH": str(TESTS)}
    killed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(argv, env=env, cwd=TESTS, check=False, timeout=60, capture_output=True)
    )
    assert killed.returncode == -9, killed.stderr
    assert killed.stdout.strip().isdigit(), killed
    old, new = named(cluster, name)
    assert record_of(watched, old).resubmitted_as is None
    if left:
        gate.touch()
        await beside(lambda: cluster.wait_until_accounted(new, {"COMPLETED"}))
        await beside(lambda: cluster.wait_until_forgotten(new))
    (done,) = await take_up(watched)
    assert done.outcome == "done", done.text
    assert named(cluster, name) == [old, new]
    attempts = [event.text or "" for event in watched.home.journal("one") if event.event == "attempt"]
    assert len(attempts) == 1, told(watched)
    assert f"Rule diverged submitted it again as {new} with --time=7 --nice=5." in attempts[0]


async def test_the_watcher_replaces_what_diverges_and_gives_more_memory_to_what_ran_out_of_it(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """Each job ends as one with two attempts, of which the second had the changed option and succeeded."""
    cluster = faulty_cluster
    watched = lend(GRANTS, rules_least_s=0.5, rules_settle_s=1.0)
    ids: dict[str, str] = {}

    def submit() -> None:
        for name, text in (("diverges", DIVERGES), ("too-small", TOO_SMALL)):
            ids[name] = cluster.sbatch(script=text.format(mark=cluster.home() / f"mark-{name}"))

    await beside(submit)
    await watched.register(*ids.values())
    await watched.until(
        lambda: all(ended(watched, name)[-1:] == ["succeeded"] for name in ids), "both have succeeded", 240.0
    )
    # What a rule has done is told when the end of the run that it replaced is known: the new one may be quicker.
    await watched.until(lambda: told(watched).count(": submitted again as ") == 2, "both rules have told it")
    for name, flag in (("diverges", "--time=7"), ("too-small", "--mem=100M")):
        old, new = named(cluster, name)
        assert old == ids[name]
        record = last_record(watched, name)
        assert [run["id"] for run in record["attempts"]] == [old, new]
        assert f"submitted again as {new} with {flag}" in told(watched)
    old, new = named(cluster, "diverges")
    words = ("-X", "-n", "-P", "-j", f"{old},{new}", "-o", "JobIDRaw,State,Timelimit")
    wanted = re.compile(rf"{old}\|CANCELLED by \d+\|00:05:00\n{new}\|COMPLETED\|00:07:00\s*")
    await watched.until(
        lambda: wanted.fullmatch(cluster.sacct(*words)), f"accounting, which lags, has {wanted.pattern}"
    )
    assert "loss = 12.5" in told(watched)
    assert "loss = 2" not in told(watched)


def ended(watched: Watched, name: str) -> list[str]:
    """Give the phases in which a job of that name ended, in order."""
    events = [event for event in watched.home.journal("one") if event.event == "finished"]
    return [str(event.phase) for event in events if event.name == name]


def last_record(watched: Watched, name: str) -> dict[str, Any]:
    events = [event for event in watched.home.journal("one") if event.event == "finished" and event.name == name]
    assert events[-1].record is not None
    return events[-1].record


def told(watched: Watched) -> str:
    return "\n".join(event.text or "" for event in watched.home.journal("one"))
