"""Plans on a real Slurm: each job submitted once whatever dies, adopted, retried, suspended, and taken up again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import pytest

from jobwarden.plans.errors import PlanError
from jobwarden.service.plan_views import PlannedView, PlanView
from jobwarden.service.service import open_service
from jobwarden.sources.resubmitting import NotAgainError
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.sources.submitting import Submission
from support.cluster import Cluster
from support.plan_killed import STEPS
from support.slurm_looks import host_of
from support.watched import Watched, beside

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

TESTS = Path(__file__).parents[1]
CLOCKS = {"ask_timeout_s": 10.0, "connect_timeout_s": 2.0}
"""A submission whose answer was lost is waited for 22 s."""
SCRIPT = "#!/bin/sh\necho run of $1\nexit ${2:-0}\n"
JOBS = 20
KILLS = 10


def write_plan(watched: Watched, name: str, jobs: str, head: str = "") -> Path:
    """Write a plan and the script of its jobs into the project."""
    (watched.home.project / "job.sh").write_text(SCRIPT, encoding="utf-8")
    file = watched.home.project / f"{name}.toml"
    file.write_text(f'name = "{name}"\nhost = "cluster-a"\n{head}\n{jobs}', encoding="utf-8")
    return file


def job(name: str, *words: str) -> str:
    return "\n".join(
        ["[[jobs]]", f'name = "{name}"', *([] if "script" in "".join(words) else ['script = "job.sh"']), *words, ""]
    )


def ids_of(cluster: Cluster, prefix: str) -> dict[str, set[str]]:
    """Give the ids of all jobs whose name begins so that accounting or the queue has, by name."""
    rows = cluster.sacct("-a", "-X", "-D", "-n", "-P", "-o", "JobName,JobIDRaw", "-S", "now-1hours").splitlines()
    rows += cluster.squeue("-a", "-h", "-t", "all", "-o", "%j|%A").splitlines()
    found: dict[str, set[str]] = {}
    for name, job_id in (row.split("|") for row in rows):
        if name.startswith(prefix):
            found.setdefault(name, set()).add(job_id)
    return found


def reason_of(cluster: Cluster, job_id: str) -> str:
    """Give why a job waits, in squeue's word."""
    return cluster.squeue("-h", "-j", job_id, "-o", "%r").strip()


def state(view: PlanView, name: str) -> PlannedView:
    return next(one for one in view.jobs if one.name == name)


async def killed(watched: Watched, file: Path, how: str, step: str, nth: int, delay_ms: int) -> str:
    """Bring the plan forward in a process that kills itself; answers what it said last."""
    argv = [sys.executable, "-m", "support.plan_killed", str(file), how, step, str(nth), str(delay_ms)]
    env = {**watched.home.env, "PYTHONPATH": str(TESTS), "CLAUDE_CODE_SESSION_ID": "one"}
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(argv, env=env, cwd=TESTS, check=False, timeout=200, capture_output=True, text=True)
    )
    assert done.returncode in (-9, 0), done.stderr
    return done.stdout.strip().splitlines()[-1]


async def test_a_plan_whose_submitter_is_killed_ten_times_has_each_job_submitted_once_and_told_as_ended(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """The moments are drawn from a seed: around each line of the journal, during sbatch and after its answer."""
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    names = [f"kill-{number:02}" for number in range(JOBS)]
    after = {names[at]: names[at - 3] for at in range(5, JOBS, 4)}
    jobs = "".join(
        job(name, f'arguments = ["{name}"]', *([f'after = ["{after[name]}"]'] if name in after else []))
        for name in names
    )
    file = write_plan(watched, "kills", jobs)
    draw = random.Random(20261121)
    steps = [*STEPS, *STEPS, "during", "during"]
    draw.shuffle(steps)
    told: Counter[str] = Counter()
    for number, step in enumerate(steps):
        how, delay_ms = "resume" if number else "submit", draw.choice([5, 20, 50, 90])
        told[await killed(watched, file, how, step, draw.randint(1, 2), delay_ms)] += 1
        assert all(len(ids) == 1 for ids in ids_of(cluster, "kill-").values())
    assert sum(told[f"died {step}"] for step in STEPS) >= KILLS - 2, told
    async with open_service(watched.home.env) as service:
        caller = watched.home.caller("one")
        view = await service.plans.resume(caller, "kills")
        assert not view.troubles, view
        assert view.planned == 0, view.jobs
    found = ids_of(cluster, "kill-")
    assert sorted(found) == names
    assert all(len(ids) == 1 for ids in found.values()), found
    await watched.until(lambda: len(finished(watched)) >= JOBS, "all have ended and are told", 120.0)
    assert sorted(finished(watched)) == names  # each once
    assert {state(view, name).id for name in names} == {one for ids in found.values() for one in ids}
    assert cluster.squeue("-h", "-a", "-t", "PD,R", "-o", "%j") == ""


def finished(watched: Watched, session: str = "one") -> list[str]:
    """Give the names of the jobs whose end was journaled."""
    return [str(event.name) for event in watched.home.journal(session) if event.event == "finished"]


async def test_a_plan_adopts_retries_suspends_and_renews_dependencies(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """One life of a plan: a job submitted by hand, two that fail, one that waits for one of them, a suspension."""
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    fails = cluster.home() / "fails"
    fails.touch()
    flaky = watched.home.project / "flaky.sh"
    flaky.write_text("#!/bin/sh\n[ ! -e $HOME/fails ]\n", encoding="utf-8")
    (cluster.home() / "there.sh").write_text("#!/bin/sh\n#WATCHER pattern=x action=notify\necho x\n", encoding="utf-8")
    by_hand = await anyio.to_thread.run_sync(lambda: cluster.sbatch("-J", "life-hand", "--wrap", "sleep 300"))
    jobs = [
        job("life-hand", "tags = { subject = '01' }"),
        job("life-fails", 'script = "flaky.sh"', "tags = { subject = '02' }"),
        job("life-other", 'script = "flaky.sh"', "tags = { subject = '03' }"),
        job("life-waits", 'after = ["life-fails"]', 'rules = ["pattern=run action=notify"]'),
        job("life-late", "options = { begin = 'now+1hour' }", "tags = { subject = '04' }"),
        job("life-there", f'script_on_host = "{cluster.home()}/there.sh"', 'expect = ["slurm-%j.out"]'),
    ]
    file = write_plan(watched, "life", "".join(jobs))
    caller = watched.home.caller("one")
    async with open_service(watched.home.env) as service:
        checked = await service.plans.check(caller, file)
        assert checked.problems == ()
        dry = await service.plans.submit(caller, file, dry_run=True)
        assert len(dry.done) == 6
        assert set(ids_of(cluster, "life-")) == {"life-hand"}
        first = await service.plans.submit(caller, file)
        assert state(first, "life-hand").id == by_hand
        assert state(first, "life-hand").runs[0].how == "adopted"
        await watched.until(lambda: finished(watched).count("life-fails"), "it has failed and that is told")
        await watched.until(lambda: finished(watched).count("life-other"), "the other, too")
        failed = await service.plans.status(caller, "life", by=["subject"])
        assert (state(failed, "life-fails").state, state(failed, "life-other").state) == ("failed", "failed")
        assert {one.tags: dict(one.states) for one in failed.groups}["subject=02",] == {"failed": 1}
        assert state(failed, "life-waits").state == "pending"
        waiting = state(failed, "life-waits").id
        late = state(failed, "life-late").id
        await watched.until(lambda: "NeverSatisfied" in reason_of(cluster, waiting), "Slurm has seen it fail")
        # Suspended: nothing is submitted, also by another process; its rules are paused, and what waits is held.
        await service.plans.suspend(caller, "life", reason="the data is wrong", hold=True)
        assert "HeldUser" in reason_of(cluster, late)
        # What cannot begin is not: Slurm would call that an operator's hold, and release it for no other.
        assert "NeverSatisfied" in reason_of(cluster, waiting)
    async with open_service(watched.home.env) as service:
        held = await service.plans.submit(caller, file)
        assert held.suspended == "the data is wrong"
        rules = await service.watch_log(caller, waiting)
        assert [rule.paused for rule in rules.rules] == [True]
        fails.unlink()
        again = await service.plans.resume(caller, "life", retry=["failed"], tags=["subject=02"])
        assert again.suspended is None
        assert "Held" not in reason_of(cluster, late)
        assert [run.how for run in state(again, "life-fails").runs] == ["submitted", "retried"]
        assert state(again, "life-other").state == "failed"  # it was not meant
        rules = await service.watch_log(caller, waiting)
        assert [rule.paused for rule in rules.rules] == [False]
        await watched.until(lambda: "life-waits" in finished(watched), "what waited for the new attempt has run")
        last = await service.plans.status(caller, "life")
        assert state(last, "life-waits").state == "succeeded", last
        assert state(last, "life-waits").id == waiting  # the same job, with another dependency
        assert [run.phase for run in state(last, "life-fails").runs] == ["failed", "succeeded"]
        assert len(ids_of(cluster, "life-")["life-waits"]) == 1
        assert len(ids_of(cluster, "life-")["life-fails"]) == 2


async def test_a_session_file_is_watched_and_what_was_resubmitted_under_another_id_is_found_by_name(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """Of four jobs one runs, one has failed and was submitted again, one has succeeded, one is known to nobody."""
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    ids: dict[str, str] = {}

    def submit() -> None:
        ids["runs"] = cluster.sbatch("-J", "demo_0", "--wrap", "sleep 300")
        ids["failed"] = cluster.sbatch("-J", "demo_1", "--wrap", "exit 3")
        ids["done"] = cluster.sbatch("-J", "demo_2", "--wrap", "true")
        cluster.wait_until_accounted(ids["failed"], {"FAILED"})
        cluster.wait_until_accounted(ids["done"], {"COMPLETED"})
        for name in ("failed", "done"):
            cluster.wait_until_forgotten(ids[name])
        ids["again"] = cluster.sbatch("-J", "demo_1", "--wrap", "sleep 300")

    await beside(submit)
    jobs = [
        {"job_id": ids["runs"], "name": "demo_0", "log_path": f"{cluster.home()}/slurm-%j.out", "attempts": 2},
        {"job_id": ids["failed"], "name": "demo_1", "script_path": "/nowhere.sbatch", "metadata": {"x": 1}},
        {"job_id": ids["done"], "name": "demo_2", "log_path": f"{cluster.home()}/%A_%a.log"},
        {"job_id": "999999", "name": "demo_3"},
    ]
    file = watched.home.project / "1f3a.json"
    told: dict[str, object] = {"session_id": "1f3a", "project_name": "demo", "config": {"x": 1}, "jobs": jobs}
    file.write_text(json.dumps(told), encoding="utf-8")
    caller = watched.home.caller("one")
    async with open_service(watched.home.env) as service:
        view = await service.plans.watch(caller, file, host="cluster-a")
        found = {name: state(view, name) for name in ("demo_0", "demo_1", "demo_2", "demo_3")}
        assert (found["demo_0"].state, found["demo_0"].id) == ("running", ids["runs"])
        assert (found["demo_1"].state, found["demo_1"].id) == ("running", ids["again"])
        assert [run.id for run in found["demo_1"].runs] == [ids["failed"], ids["again"]]
        assert found["demo_2"].state == "succeeded"
        assert found["demo_3"].state in ("unknown", "lost")  # nowhere is no end
        assert sorted(finished(watched)) == ["demo_1", "demo_2"]
        job_view = await service.job(caller, ids["again"])
        assert [run.id for run in job_view.attempts] == [ids["failed"], ids["again"]]
        assert (await service.job(caller, ids["runs"])).log_path == f"{cluster.home()}/slurm-{ids['runs']}.out"
        # Again: nothing is doubled, and nothing submitted.
        again = await service.plans.watch(caller, file, host="cluster-a")
        assert again.done == ()
    assert {name: len(all_ids) for name, all_ids in ids_of(cluster, "demo_").items()} == {
        "demo_0": 1, "demo_1": 2, "demo_2": 1,
    }  # fmt: skip


async def test_two_that_submit_one_plan_at_once_submit_each_job_once(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """Two real processes; and another session is told whose plan it is."""
    cluster, watched = faulty_cluster, lend(**CLOCKS)
    file = write_plan(watched, "both", "".join(job(f"both-{number}") for number in range(6)))
    argv = [sys.executable, "-m", "jobwarden.cli.main", "plan", "submit", str(file), "--json"]
    env = {**watched.home.env, "CLAUDE_CODE_SESSION_ID": "one"}

    def race() -> list[subprocess.CompletedProcess[str]]:
        begun = [
            subprocess.Popen(
                argv, env=env, cwd=watched.home.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        ended = [(one, *one.communicate(timeout=200)) for one in begun]
        return [subprocess.CompletedProcess(argv, one.returncode, out, err) for one, out, err in ended]

    done = await anyio.to_thread.run_sync(race)
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert sum(len(json.loads(one.stdout)["done"]) for one in done) == 6
    assert all(len(ids) == 1 for ids in ids_of(cluster, "both-").values())
    async with open_service(watched.home.env) as service:
        with pytest.raises(PlanError) as raised:
            await service.plans.submit(watched.home.caller("two"), file)
    assert "--session one" in raised.value.hint


async def test_what_was_cancelled_before_it_could_begin_is_found_by_its_token_and_nothing_waits_for_it(
    cluster: Cluster,
) -> None:
    """When slurmctld has forgotten it; else it would be taken for never submitted, and submitted again."""
    source, host, folder = SlurmSource(), host_of(cluster), str(cluster.home())
    held = await anyio.to_thread.run_sync(lambda: cluster.sbatch("-H", "--wrap", "true"))
    made = {
        "jw00waits": Submission("never", folder, (), (), b"#!/bin/sh\n", after=(f"afterok:{held}",)),
        "jw00later": Submission("never", folder, ("--begin=now+1hour",), (), b"#!/bin/sh\n"),
        "jw00array": Submission("never", folder, ("--begin=now+1hour", "--array=0-2"), (), b"#!/bin/sh\n"),
    }
    ids = {token: await source.submit_script(host, one, token) or "" for token, one in made.items()}

    def cancel() -> None:
        cluster.run(["scancel", held, *ids.values()])
        for one in ids.values():
            cluster.wait_until_forgotten(one)

    await beside(cancel)
    listing = await source.listing(host, within_s=60.0)
    assert {token: found.id for token in ids if (found := listing.of_token(token))} == ids
    waits = Submission("never", folder, (), (), b"#!/bin/sh\n", after=(f"afterok:{ids['jw00later']}",))
    with pytest.raises(NotAgainError, match="forgotten"):
        await source.submit_script(host, waits, "jw00after")
    assert (await source.listing(host, within_s=60.0)).of_token("jw00after") is None
