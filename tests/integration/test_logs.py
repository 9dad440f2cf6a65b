"""Logs of a real Slurm over real SSH: of arrays, of requeued jobs, and of jobs that Slurm has forgotten."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from jobwarden.identity import Caller
from jobwarden.service.service import Service, open_service
from jobwarden.service.views import TailView
from jobwarden_registry.errors import InvalidIdError
from support.cluster import Cluster
from support.household import household

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

HOST = "cluster-a"
SCRIPT = """#!/bin/sh
#SBATCH -J forgotten
#SBATCH --output=kept/%x-%j.log --error=kept/%x.err
echo it wrote this
echo and complained >&2
"""
AGAIN = 'echo "run ${SLURM_RESTART_COUNT:-0} begins"; echo "its second line"; sleep 600'


class Reader:
    """One session that reads logs."""

    def __init__(self, service: Service, project: Path) -> None:
        self._service = service
        self._caller = Caller(session_id="logs", agent="manual", project=project, client="test")

    async def watch(self, job: str) -> None:
        await self._service.register(self._caller, type="slurm", ids=[job], host=HOST)

    async def tail(self, job: str, **more: str) -> TailView:
        asked: dict[str, str | None] = {"stream": None, "task": None, "cursor": None, "grep": None, **more}
        return await self._service.tail(
            self._caller,
            job,
            stream=asked["stream"],
            task=asked["task"],
            cursor=asked["cursor"],
            grep=asked["grep"],
        )

    async def until(self, job: str, good: Callable[[TailView], bool], **more: str) -> TailView:
        """Read again until it is so."""
        with anyio.fail_after(60):
            while not good(view := await self.tail(job, **more)):  # noqa: ASYNC110 -- a job of Slurm's writes it
                await anyio.sleep(0.3)
        return view


@pytest.fixture
async def reader(clean_environment: Path, cluster: Cluster) -> AsyncGenerator[Reader]:
    with household(clean_environment) as home:
        ssh = Path(home.env["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
        async with open_service(home.env, project=home.project) as service:
            yield Reader(service, home.project)


async def test_an_array_shows_the_element_that_failed_and_any_other_by_its_index(
    reader: Reader, cluster: Cluster
) -> None:
    script = 'echo "element $SLURM_ARRAY_TASK_ID speaks"; [ $SLURM_ARRAY_TASK_ID != 2 ]'
    job = await to_thread.run_sync(lambda: cluster.sbatch("-a", "0-3", "--wrap", script))
    await reader.watch(job)
    await to_thread.run_sync(lambda: cluster.wait_until_accounted(f"{job}_2", {"FAILED"}))
    view = await reader.until(job, lambda view: view.task == "2" and bool(view.text))
    assert view.text == "element 2 speaks"
    assert view.path == str(cluster.home() / f"slurm-{job}_2.out")
    assert "the first that failed" in (view.note or "")
    assert (await reader.until(job, lambda view: bool(view.text), task="0")).text == "element 0 speaks"
    with pytest.raises(InvalidIdError):
        await reader.tail(job, task="9")
    await to_thread.run_sync(cluster.wait_until_forgotten, job)
    assert (await reader.tail(job)).text == "element 2 speaks"


async def test_a_requeued_job_that_writes_its_log_anew_is_read_from_its_beginning_and_said_so(
    reader: Reader, cluster: Cluster
) -> None:
    job = await to_thread.run_sync(lambda: cluster.sbatch("--requeue", "--wrap", AGAIN))
    await reader.watch(job)
    first = await reader.until(job, lambda view: "second line" in view.text)
    assert first.text == "run 0 begins\nits second line"
    assert first.cursor is not None
    nothing = await reader.tail(job, cursor=first.cursor)
    assert (nothing.text, nothing.note) == ("", "Nothing new.")
    await to_thread.run_sync(lambda: cluster.scontrol("requeue", job))
    # Held back for two minutes unless told otherwise; accounting knows it when it is really waiting again.
    await to_thread.run_sync(lambda: cluster.wait_until_accounted(job, {"PENDING"}))
    await to_thread.run_sync(lambda: cluster.scontrol("update", f"JobId={job}", "StartTime=now+2seconds"))
    again = await reader.until(job, lambda view: "run 1" in view.text, cursor=first.cursor)
    assert again.text.startswith("run 1 begins")
    assert "written anew" in (again.note or "")
    await to_thread.run_sync(lambda: cluster.run(["scancel", job]))


async def test_the_log_of_a_job_that_slurm_has_forgotten_is_found_by_what_accounting_keeps(
    reader: Reader, cluster: Cluster
) -> None:
    await to_thread.run_sync(lambda: cluster.run(["mkdir", "-p", "kept"]))
    by_script = await to_thread.run_sync(lambda: cluster.sbatch(script=SCRIPT))
    by_line = await to_thread.run_sync(
        lambda: cluster.sbatch("-J", "line", "-o", "kept/%x_%5j.txt", "--wrap", "echo by the submit line")
    )
    for job in (by_script, by_line):
        await to_thread.run_sync(lambda job=job: cluster.wait_until_accounted(job, {"COMPLETED"}))
        await to_thread.run_sync(cluster.wait_until_forgotten, job)
        await reader.watch(job)
    view = await reader.tail(by_script)
    assert (view.text, view.path) == ("it wrote this", str(cluster.home() / f"kept/forgotten-{by_script}.log"))
    assert (await reader.tail(by_script, stream="stderr")).text == "and complained"
    assert (await reader.tail(by_script, stream="both")).text == "out| it wrote this\nerr| and complained"
    assert (await reader.tail(by_line)).text == "by the submit line"
    assert (await reader.tail(by_line, stream="both", grep="SUBMIT|line")).text == "1: by the submit line"
