"""What jobs use, on a real Slurm and of real processes: while they run, and when they have ended.

There is no GPU in the test cluster: the step is a real one of srun's, and what it runs is a script in nvidia-smi's
place that prints lines of its form.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from jobwarden.cli.main import main
from jobwarden.service.service import Service
from jobwarden.service.use_views import UseRow, UseView
from jobwarden.sources.framing import Part, new_nonce, read_parts
from jobwarden.sources.slurm.ids import parse_row_id
from jobwarden.sources.slurm.using import Running, gpu_argv, read_gpus
from jobwarden.verdict.world import open_world
from support.cluster import Cluster
from support.household import Household, household
from support.paper import QuietDesk
from support.watched import HOST, Watched, use_cluster

HOLD = "python3 -c 'x = bytearray(60 * 2**20); import time; time.sleep(5)'"
BURN = "timeout 300 sh -c 'until [ -e {gate} ]; do :; done'; " + HOLD
NVIDIA_SMI = """#!/bin/sh
case "$*" in *--query-gpu=index,name,utilization.gpu,memory.used,memory.total*--format=csv,noheader,nounits*) ;;
*) echo "not asked so: $*"; exit 2;; esac
echo "0, NVIDIA H100 80GB HBM3, 0, 4, 81559"
echo "1, NVIDIA H100 80GB HBM3, 97, 70210, 81559"
"""


@asynccontextmanager
async def service(home: Household) -> AsyncGenerator[Service]:
    """The real service, and no watcher beside it: what is seen is what was asked for."""
    async with open_world(home.env) as world, anyio.create_task_group() as tasks:
        yield Service(QuietDesk(world, tasks, version="0.1.0"))
        tasks.cancel_scope.cancel()


@pytest.fixture
def home(clean_environment: Path) -> Iterator[Household]:
    with household(clean_environment) as made:
        yield made


async def until(ask: Callable[[], AsyncGenerator[UseView]], holds: Callable[[Mapping[str, UseRow]], bool]) -> UseView:
    """Ask again until that holds; slurmstepd takes its samples every two seconds."""
    with anyio.fail_after(90):
        async for view in ask():
            if holds({row.job.id: row for row in view.rows}):
                return view
    raise AssertionError


@pytest.mark.slurm
@pytest.mark.sshd
async def test_a_burner_a_sleeper_and_an_array_are_measured_and_the_end_tells_what_was_used(
    cluster: Cluster, home: Household
) -> None:
    use_cluster(home, cluster)
    gate = cluster.home() / "burned"
    submit = cluster.sbatch
    burner = await to_thread.run_sync(lambda: submit("-c", "2", "--mem=100M", "--wrap", BURN.format(gate=gate)))
    sleeper = await to_thread.run_sync(lambda: submit("--mem=200M", "--wrap", "srun sleep 300"))
    array = await to_thread.run_sync(lambda: submit("--array=0-1", "--wrap", "sleep 300"))
    other = await to_thread.run_sync(lambda: submit("--wrap", "sleep 300", user="bob"))
    try:
        async with service(home) as one:
            caller = home.caller("one")
            await one.register(caller, type="slurm", ids=[burner, sleeper, array], host=HOST)
            await one.register(caller, type="slurm", ids=[other], host=HOST)

            async def ask() -> AsyncGenerator[UseView]:
                while True:
                    yield await one.using.use(caller)
                    await anyio.sleep(0.5)

            view = await until(ask, lambda rows: _measured(rows, burner, sleeper, array))
            rows = {row.job.id: row for row in view.rows}
            assert rows[burner].cpus == 2
            assert 0 < (rows[burner].cores or 0.0) <= 2
            assert (rows[sleeper].cpu_s or 0.0) < 2
            assert rows[sleeper].memory_limit_bytes == 200 * 2**20
            assert rows[array].memory_limit_bytes == 2 * 100 * 2**20
            if other in rows:  # another user's job is in nobody else's figures
                assert rows[other].cpu_s is None
            assert not any(row.gpu for row in view.rows)
            told = await one.diagnose(caller, burner)
            assert "CPU " in told.using
            assert "of 2 cores" in told.using
            gate.touch()
            await to_thread.run_sync(lambda: cluster.wait_until_accounted(burner, {"COMPLETED"}, timeout_s=120))
            await one.status(caller)
            ended = await one.job(caller, burner)
            assert ended.phase == "succeeded"
            assert ended.efficiency is not None
            assert " of 2.0 cores, memory " in ended.efficiency
            assert " of 100M" in ended.efficiency
            after = await one.diagnose(caller, burner)
            assert after.resources.efficiency == ended.efficiency
    finally:
        cluster.slurm("scancel", burner, sleeper, array, other)


def _measured(rows: Mapping[str, UseRow], *jobs: str) -> bool:
    return all(job in rows and rows[job].cpu_s is not None for job in jobs) and (rows[jobs[0]].cpu_s or 0) >= 2


@pytest.mark.slurm
@pytest.mark.sshd
async def test_the_watcher_tells_of_a_job_that_may_hang_and_when_it_goes_on(
    cluster: Cluster, clean_environment: Path
) -> None:
    clocks = {"use_s": 4.0, "use_after_s": 1.0, "stalled_after_s": 8.0, "stalled_looks": 3}
    fifo = cluster.home() / "goes-on"
    cluster.run(["mkfifo", str(fifo)])
    script = f"#!/bin/bash\necho waiting for a lock\nread -r line <{fifo}\nwhile :; do :; done\n"
    job = cluster.sbatch(script=script)
    try:
        with household(clean_environment, clocks) as lent:
            use_cluster(lent, cluster)
            watched = Watched(lent)
            await watched.register(job)
            await watched.until(lambda: "stalled" in watched.kinds(), "a suspicion", within_s=120)
            [told] = [event for event in lent.journal("one") if event.event == "stalled"]
            assert "its CPU time has stood at 0 s" in (told.text or "")
            assert (told.new_status, told.phase) == ("RUNNING", "running")
            shown = (await watched.status()).jobs[0]
            assert shown.phase == "running"
            assert shown.stalled is not None
            await to_thread.run_sync(lambda: cluster.run(["sh", "-c", f"echo go >{fifo}"]))

            def goes_on() -> bool:
                return any("it goes on" in (event.text or "") for event in lent.journal("one"))

            await watched.until(goes_on, "its end", within_s=120)
    finally:
        cluster.slurm("scancel", job)


@pytest.mark.slurm
@pytest.mark.sshd
def test_a_step_on_every_node_of_a_job_looks_at_its_gpus(cluster: Cluster) -> None:
    program = cluster.dir / "bin" / "nvidia-smi"
    program.write_text(NVIDIA_SMI, encoding="utf-8")
    program.chmod(0o755)
    job = cluster.sbatch("-N", "2", "-n", "2", "--wrap", "srun sleep 300")
    try:
        cluster.wait_for(job, {"RUNNING"})
        parts = looked_at(cluster, job, nodes=2)
        gpus, note = read_gpus(parts[f"gpu.{job}"], nodes=2)
        assert note == ""
        assert sorted((one.label, one.percent) for one in gpus) == [("0:0", 0), ("0:1", 97), ("1:0", 0), ("1:1", 97)]
        program.unlink()
        gpus, note = read_gpus(looked_at(cluster, job, nodes=2)[f"gpu.{job}"], nodes=2)
        assert gpus == ()
        assert "nvidia-smi" in note
        assert cluster.state(job) == "RUNNING"
    finally:
        program.unlink(missing_ok=True)
        cluster.slurm("scancel", job)


def looked_at(cluster: Cluster, job: str, *, nodes: int) -> Mapping[str, Part]:
    nonce = new_nonce()
    running = Running(int(job), parse_row_id(job), 1.0, 2, 1, nodes, 1)
    done = cluster.run(gpu_argv(nonce, [running], limit_s=20))
    return read_parts(done.stdout.encode(), nonce)


async def test_a_local_process_is_measured_with_all_its_children(home: Household) -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    async with service(home) as one:
        caller = home.caller("one")
        begun = await one.run_process(caller, [sys.executable, "-c", burn], cwd=home.project, name="burner")
        await one.run_process(caller, ["sleep", "300"], cwd=home.project, name="sleeper")

        async def ask() -> AsyncGenerator[UseView]:
            while True:
                yield await one.using.use(caller)
                await anyio.sleep(0.2)

        try:
            burner = begun.jobs[0].id
            view = await until(ask, lambda rows: burner in rows and (rows[burner].cpu_s or 0) >= 1)
            rows = {row.job.name: row for row in view.rows}
            assert (rows["sleeper"].cpu_s or 0.0) < 0.5
            assert (rows["burner"].memory_bytes or 0) > 2**20
            assert "CPU " in (await one.diagnose(caller, "burner")).using
        finally:
            await one.cancel(caller, all_jobs=True, reason="the test is over")


def test_the_command_prints_a_row_for_each_running_job(home: Household, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["use", "--session", "nobody"], env=home.env) == 0
    assert capsys.readouterr().out == "Nothing runs here.\n"
