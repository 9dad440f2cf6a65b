"""stop-all on a hundred real jobs whose rules would bring each of them back: none left, none back."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from jobwarden.service.service import open_service
from jobwarden.service.views import RegisterView
from support.cluster import Cluster
from support.household import cli
from support.watched import Watched, beside

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

JOBS = 100
CAUGHT = 3
GRANTS = "\n[grants]\ncancel = true\nresubmissions = 500\ngpu_hours = 100\n"
RULES = (
    'state=[CANCELLED, FAILED] action=resubmit(modifications={"time": "6"}, times=9) name=again',
    'pattern="diverged" action=resubmit(modifications={"time": "7"}, times=9) name=diverged',
)
"""Any end but a good one brings a job back; and three of them say a word that brings them back at once."""
SUBMIT = """
for number in $(seq 1 {jobs}); do
  if [ $number -le {caught} ]; then word=diverged; else word=fine; fi
  sbatch --parsable --job-name=swept --time=5 --wrap "echo $word; sleep 600"
done
"""
SLOW_SBATCH = """
said=$(/usr/bin/sbatch "$@"); status=$?
echo "$said" >> {marks}
until [ -e {gate} ]; do sleep 0.1; done
echo "$said"; exit $status
"""
"""The job is submitted, and whoever submitted it is not told so yet."""


@contextmanager
def counted(cluster: Cluster) -> Generator[Path]:
    """Count what goes over ssh, a line for each command, and the scancels among it."""
    lines = cluster.home() / "counted"
    with ExitStack() as stack:
        stack.enter_context(cluster.login(f"echo command >> {lines}"))
        stack.enter_context(cluster.replaced("scancel", f'echo scancel >> {lines}; exec /usr/bin/scancel "$@"'))
        yield lines


def submitted(cluster: Cluster, jobs: int, caught: int = 0) -> list[str]:
    done = cluster.run(["bash", "-c", SUBMIT.format(jobs=jobs, caught=caught)], timeout_s=120)
    ids = done.stdout.split()
    assert len(ids) == jobs, done.stderr
    return ids


async def register(watched: Watched, ids: list[str]) -> RegisterView:
    async with open_service(watched.home.env) as service:
        caller = watched.home.caller("one")
        return await service.register(caller, type="slurm", ids=ids, host=watched.host, rules=RULES)


async def armed(watched: Watched, ids: list[str], marks: Path) -> None:
    """Register them, and wait until three are in the middle of being submitted again."""
    await register(watched, ids)

    def caught() -> bool:
        return marks.exists() and len(marks.read_text(encoding="utf-8").split()) == CAUGHT

    await watched.until(caught, "three are being submitted again", 240.0)


def alive(cluster: Cluster) -> list[str]:
    return cluster.squeue("-h", "-a", "-u", "alice", "-t", "PD,R,S,CF", "-o", "%A").split()


def ends(cluster: Cluster) -> Counter[str]:
    """Give how all jobs of that name ended, as accounting has it, by the first word."""
    rows = cluster.sacct("-X", "-n", "-P", "--name=swept", "-o", "JobIDRaw,State", "-S", "now-1hours").splitlines()
    return Counter(row.partition("|")[2].split()[0] for row in rows)


def refused(watched: Watched, job: str = "") -> int:
    """Count the firings whose resubmission was refused because of the halt."""
    events = [event for event in watched.home.journal("one") if event.event == "action" and job in ("", event.job_id)]
    return sum("resubmit: refused: halted by" in (event.text or "") for event in events)


@pytest.mark.parametrize("killed", [False, True], ids=["beside the watcher", "with the watcher killed"])
async def test_a_hundred_jobs_with_rules_that_bring_them_back_are_ended_and_stay_so(
    lend: Callable[..., Watched], faulty_cluster: Cluster, killed: bool
) -> None:
    """Three were just being submitted again: their new jobs are in the queue, and nobody was told of them yet."""
    cluster = faulty_cluster
    watched = lend(GRANTS, rules_least_s=0.3, rules_settle_s=1.0)
    marks, gate = cluster.home() / f"marks-{killed}", cluster.home() / f"gate-{killed}"
    before = ends(cluster)
    ids = await to_thread.run_sync(lambda: submitted(cluster, JOBS, CAUGHT))
    with cluster.replaced("sbatch", SLOW_SBATCH.format(marks=marks, gate=gate)):
        await armed(watched, ids, marks)
        if killed:
            await beside(watched.home.kill_watcher)
        with counted(cluster) as lines:
            done = await to_thread.run_sync(lambda: stop_all(watched))
            commands = Counter(lines.read_text(encoding="utf-8").split())
        gate.touch()
    view = json.loads(done.stdout)
    assert done.returncode == 0, (view["unsettled"], done.stderr)
    made = marks.read_text(encoding="utf-8").split()
    rows = {row["job"]["id"]: row for row in view["rows"]}
    assert set(rows) == set(ids)
    assert all(row["ended"] for row in rows.values())
    again = [run["id"] for row in rows.values() for run in row["job"]["attempts"][1:]]
    assert sorted(again) == sorted(made), "each new job is told as an attempt of its old one"
    if killed:
        print(f"{dict(commands)}, {view['seconds']:.1f} s")  # for the record in docs/decisions/0032
        assert commands["scancel"] < JOBS // 4, "one for all of a host, and some for what was found after"
        assert commands["command"] < 3 * JOBS  # a busy machine needs more looks at what was being submitted
    (late,) = await to_thread.run_sync(lambda: submitted(cluster, 1))
    view = await register(watched, [late])
    assert any("halted by" in note for note in view.notes), "it can be registered, and its rules do not act"
    # What the rules see of all this is refused: the watcher, which is there again, looks at each.
    await watched.until(lambda: refused(watched) >= JOBS - CAUGHT, "all have fired for nothing", 240.0)
    assert alive(cluster) == [late]
    before_late = refused(watched, late)
    cluster.slurm("scancel", late)
    await watched.until(lambda: refused(watched, late) > before_late, "the late one, too", 120.0)
    await beside(lambda: cluster.wait_until_accounted(late, {"CANCELLED"}))
    assert alive(cluster) == []
    after = ends(cluster) - before
    assert (sum(after.values()), set(after)) == (JOBS + CAUGHT + 1, {"CANCELLED"})


def stop_all(watched: Watched) -> subprocess.CompletedProcess[str]:
    return cli(watched.home, "stop-all", "--yes", "--json", "--reason", "wrong data", timeout_s=240)
