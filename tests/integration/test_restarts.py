"""Jobs of a real Slurm that are started again after a failure, as their scripts say: by the real watcher, each once."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from cluster.errors import ClusterError
from jobwarden.service.service import open_service
from jobwarden.service.views import StatusView
from jobwarden_registry.model import Attempt
from support.cluster import Cluster, require_slurm, temporary_cluster
from support.watched import Watched, beside, named

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

GRANTS = "\n[grants]\nresubmissions = 30\n"
FORCED_END = Path(__file__).parents[1] / "cluster" / "forced_end.py"
HOG = "python3 -c 'import time; a = [bytearray(10**7) for _ in range(20)]; time.sleep(2)'"
"""Uses 200 MB."""

MEMORY = """#!/bin/bash
#SBATCH --mem=100M
#WATCHER restart=[OUT_OF_MEMORY] times=2 changes={"mem": "x4 most 1G"}
echo run >> MARK
HOG
"""
TWICE = """#!/bin/bash
#WATCHER_BEGIN
# restart: [TIMEOUT, exit:75]
# times: 3
# wait: 4
#WATCHER_END
echo run >> MARK
[ $(wc -l < MARK) -gt 2 ] || exit 75
"""
EXHAUSTED = """#!/bin/bash
#WATCHER restart=[signal:KILL, exit:3] times=1
exit 3
"""
ANOTHER = """#!/bin/bash
#WATCHER restart=[NODE_FAIL, exit:75] times=3
exit 4
"""
NODE = """#!/bin/bash
#SBATCH --exclude=c1
#WATCHER restart=[pattern:"NCCL.*timeout"] times=2 changes={"exclude": "failed_node", "time": "+5m"} action=log_event
echo $SLURMD_NODENAME >> MARK
[ $(wc -l < MARK) -gt 1 ] || { echo "NCCL watchdog timeout" >&2; exit 1; }
"""
CAUSE = """#!/bin/bash
#WATCHER restart=[cause:disk_full] times=1
echo run >> MARK
[ $(wc -l < MARK) -gt 1 ] || { echo "OSError: [Errno 28] No space left on device: 'x.ckpt'"; exit 1; }
"""
CANCELLED = """#!/bin/bash
#WATCHER restart=[failed, exit:75] times=3
trap 'exit 75' TERM
echo run >> MARK
while true; do sleep 0.1; done
"""
SCRIPTS = {
    "memory": MEMORY, "twice": TWICE, "exhausted": EXHAUSTED, "another": ANOTHER, "node": NODE, "cause": CAUSE,
    "cancelled": CANCELLED,
}  # fmt: skip
GATED = """#!/bin/bash
#WATCHER restart=[exit:75] times=2
echo run >> MARK
until [ -e MARK.gate ]; do sleep 0.1; done
exit 75
"""


@pytest.fixture(scope="module")
def faulty_cluster() -> Iterator[Cluster]:
    """With cgroups, for a real OUT_OF_MEMORY, where the machine has them free."""
    require_slurm()
    with ExitStack() as stack:
        try:
            made = stack.enter_context(temporary_cluster(flavor="cgroup"))
        except ClusterError:
            made = stack.enter_context(temporary_cluster())
        yield made


def has_cgroups(cluster: Cluster) -> bool:
    return "proctrack/cgroup" in cluster.slurm_conf.read_text(encoding="utf-8")


def submitted(cluster: Cluster, name: str, text: str) -> str:
    """Submit a script that lies in alice's home, so that its twin has the same name and folder."""
    path = cluster.home() / f"{name}.sh"
    hog = HOG if has_cgroups(cluster) else "[ $(wc -l < MARK) -gt 1 ] || sleep 300"
    text = text.replace("HOG", hog).replace("MARK", str(cluster.home() / f"mark-{name}"))
    path.write_text(text, encoding="utf-8")
    return cluster.sbatch(f"--job-name={name}", "--time=10", str(path))


def told(watched: Watched, name: str) -> list[str]:
    return [event.text or "" for event in watched.home.journal("one") if event.name == name]


def ends(watched: Watched, name: str) -> list[Mapping[str, Any]]:
    events = [event for event in watched.home.journal("one") if event.event == "finished" and event.name == name]
    return [{**(event.record or {}), "text": event.text or ""} for event in events]


def run_ids(record: Mapping[str, Any]) -> list[str]:
    return [str(one["id"]) for one in record["attempts"]]


async def test_jobs_are_started_again_as_their_scripts_say(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """One cluster, one watcher, seven jobs; what each of them came to stands below."""
    cluster = faulty_cluster
    watched = lend(GRANTS, rules_least_s=0.5, rules_settle_s=1.0)
    ids: dict[str, str] = {}

    def submit() -> None:
        for name, text in SCRIPTS.items():
            ids[name] = submitted(cluster, name, text)

    def end_two() -> None:
        if not has_cgroups(cluster):
            cluster.wait_for(ids["memory"], {"RUNNING"})
            cluster.slurm(sys.executable, str(FORCED_END), "OUT_OF_MEMORY", ids["memory"])
        cluster.wait_for(ids["cancelled"], {"RUNNING"})
        cluster.run(["scancel", ids["cancelled"]], user="alice")

    await beside(submit)
    await watched.register(*ids.values())
    waited: list[StatusView] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beside, end_two)
        # Who waits for the end of the first job is not told of one before it has succeeded, on its second run.
        async with open_service(watched.home.env) as service:
            caller = watched.home.caller("one")
            waited.append(await service.wait(caller, jobs=[ids["memory"]], until="terminal", timeout_s=180.0))
    (view,) = waited
    (job,) = view.jobs
    assert (view.met, job.phase, len(job.attempts)) == (True, "succeeded", 2), told(watched, "memory")
    await watched.until(lambda: all(ends(watched, name) for name in SCRIPTS), "all have ended", 180.0)
    last = {name: ends(watched, name) for name in SCRIPTS}
    assert {name: len(found) for name, found in last.items()} == dict.fromkeys(SCRIPTS, 1), "each has one end"
    over = {name: found[0] for name, found in last.items()}
    assert {name: one["phase"] for name, one in over.items()} == {
        "memory": "succeeded", "twice": "succeeded", "exhausted": "failed", "another": "failed", "node": "succeeded",
        "cause": "succeeded", "cancelled": "cancelled",
    }  # fmt: skip
    for name, runs in {"memory": 2, "twice": 3, "exhausted": 2, "another": 1, "node": 2, "cause": 2}.items():
        assert run_ids(over[name]) == named(cluster, name), name
        assert len(run_ids(over[name])) == runs, name
    assert named(cluster, "cancelled") == [ids["cancelled"]]
    new = {name: run_ids(one)[-1] for name, one in over.items()}
    said = f"failed (OUT_OF_MEMORY), restarted as {new['memory']} with mem=400M (restart 1 of 2)."
    assert any(said in text for text in told(watched, "memory")), told(watched, "memory")
    assert any("(restart 2 of 3)" in text and ", to begin at " in text for text in told(watched, "twice"))
    assert over["exhausted"]["text"] == "rule rule-1: restart: It was restarted 1 times by this rule, which allows 1."
    assert over["another"]["text"] == ""
    nodes = (cluster.home() / "mark-node").read_text(encoding="utf-8").split()
    assert len(set(nodes)) == 2
    assert any(f"with exclude=c1,{nodes[0]}, time=15" in text for text in told(watched, "node")), told(watched, "node")
    first, second, *_ = (Attempt.model_validate(one) for one in over["twice"]["attempts"])
    assert first.ended_at is not None
    assert second.started_at is not None
    assert (second.started_at - first.ended_at).total_seconds() >= 3  # Slurm counts whole seconds


MILESTONES = ("run_failed", '"deed"', "restart begins", "submitted as", "(restart 1 of 2).")
"""What stands in the journal one after the other."""


async def test_a_watcher_that_is_killed_again_and_again_submits_once(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """By SIGKILL, wherever it is then, as soon as each step of the restart stands in the journal."""
    cluster, name = faulty_cluster, f"killed-{secrets.token_hex(3)}"
    # A submission whose answer may be on its way still is not looked for before two questions would have timed out.
    watched = lend(GRANTS, rules_least_s=0.5, rules_settle_s=1.0, ask_timeout_s=5.0)
    ids: list[str] = []
    await beside(lambda: ids.append(submitted(cluster, name, GATED.replace("exit 75", AT_FIRST))))
    await watched.register(*ids)
    await beside((cluster.home() / f"mark-{name}.gate").touch)
    for milestone in MILESTONES:
        await watched.until(lambda: milestone in journal(watched), milestone, 90.0)  # noqa: B023 -- awaited here
        await watched.until(lambda: watched.home.watcher_pid() is not None, "a watcher has begun")
        await beside(watched.home.kill_watcher)
        await watched.status()  # begins another one
    await beside((cluster.home() / f"mark-{name}.enough").touch)
    await watched.until(lambda: ends(watched, name), "it has ended", 120.0)
    (end,) = ends(watched, name)
    assert end["phase"] == "succeeded", told(watched, name)
    assert run_ids(end) == named(cluster, name)
    assert len(run_ids(end)) == 2
    assert sum("restarted as" in text for text in told(watched, name) if text.startswith("Run 2.")) == 1


AT_FIRST = "[ $(wc -l < MARK) -gt 1 ] || exit 75\nuntil [ -e MARK.enough ]; do sleep 0.1; done"


def journal(watched: Watched) -> str:
    return "\n".join(event.model_dump_json() for event in watched.home.journal("one"))


@pytest.mark.parametrize("registered", [False, True], ids=["unwatched", "registered by who submitted it"])
async def test_a_job_that_was_submitted_again_by_hand_is_not_doubled(
    lend: Callable[..., Watched], faulty_cluster: Cluster, registered: bool
) -> None:
    cluster, name = faulty_cluster, f"by-hand-{secrets.token_hex(3)}"
    watched = lend(GRANTS, rules_least_s=0.5, rules_settle_s=1.0)
    mark = cluster.home() / f"mark-{name}"
    ids: list[str] = []
    await beside(lambda: ids.append(submitted(cluster, name, GATED)))
    await watched.register(*ids)
    await watched.until(lambda: watched.home.watcher_pid() is not None, "the watcher has begun")
    await beside(watched.home.kill_watcher)

    def meanwhile() -> None:
        mark.with_name(f"{mark.name}.gate").touch()
        cluster.wait_until_accounted(ids[0], {"FAILED"})
        ids.append(submitted(cluster, name, "#!/bin/bash\necho hand >> MARK\nsleep 300\n"))
        cluster.wait_for(ids[1], {"RUNNING"})

    await beside(meanwhile)
    if registered:
        await watched.register(ids[1])
    await watched.status(refresh=True)

    def settled() -> bool:
        """Whether it has ended, or goes on as what was submitted by hand."""
        rows = watched.rows("one")
        return bool(ends(watched, name)) or rows.get(ids[0], {}).get("resubmitted_as") == ids[1]

    await watched.until(settled, "it is decided", 90.0)
    assert named(cluster, name) == ids
    if registered:
        assert re.search(rf"name and folder lives already: {ids[1]}", ends(watched, name)[0]["text"])
        assert watched.rows("one")[ids[1]]["last_status"] == "RUNNING"


async def test_what_the_wish_of_an_agent_has_ended_is_not_started_again(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, name = faulty_cluster, f"wish-{secrets.token_hex(3)}"
    watched = lend(GRANTS, rules_least_s=0.5, rules_settle_s=1.0)
    ids: list[str] = []
    await beside(lambda: ids.append(submitted(cluster, name, CANCELLED)))
    await watched.register(*ids)
    await beside(lambda: cluster.wait_for(ids[0], {"RUNNING"}))
    async with open_service(watched.home.env) as service:
        await service.cancel(watched.home.caller("one"), jobs=ids, reason="enough")
    await watched.until(lambda: ends(watched, name), "it has ended", 90.0)
    assert named(cluster, name) == ids
