"""Sites that are set up otherwise: another PATH, zone, locale, environment, user, cluster. Real Slurm, real SSH."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobwarden.service.finding import PROGRAMS, find_slurm
from jobwarden.service.service import open_service
from jobwarden.service.views import Check
from jobwarden.verdict.world import open_world
from jobwarden_registry.events import Event
from support.cluster import Cluster
from support.household import Household, household
from support.watched import HOST, OUTAGE_CLOCKS, Watched, submit, use_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]


@pytest.fixture
def lend(clean_environment: Path, faulty_cluster: Cluster) -> Iterator[Callable[..., Watched]]:
    with ExitStack() as stack:

        def make(extra: str = "", host: str = HOST, **clocks: float) -> Watched:
            home: Household = stack.enter_context(household(clean_environment, {**OUTAGE_CLOCKS, **clocks}, extra))
            use_cluster(home, faulty_cluster)
            return Watched(home, host)

        yield make
        faulty_cluster.mend()
        faulty_cluster.slurm("scancel", "--user", "alice")


# -- Slurm is not on the PATH of a non-interactive shell: doctor finds out, and what it says to write works


async def slurm_check(watched: Watched) -> Check:
    async with open_service(watched.home.env) as service:
        view = await service.doctor(watched.home.caller("one"), hosts=[HOST])
    (check,) = [one for one in view.checks if one.subject == f"slurm on {HOST}"]
    return check


def write_what_it_says(watched: Watched, check: Check) -> str:
    """Put the table and the key of the `mend` line into the configuration, as a person would."""
    found = re.fullmatch(r"in (?P<path>\S+): (?P<table>\[.*\]) (?P<line>prelude = .*)", check.mend)
    assert found, check
    path = Path(found["path"])
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{found['table']}\n{found['line']}\n", encoding="utf-8")
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["hosts"][HOST]["prelude"])


async def watched_to_its_end(watched: Watched, cluster: Cluster) -> Event:
    job = await submit(cluster)
    view = await watched.register(job.id)
    assert [row.phase for row in view.jobs] == ["running"], view
    job.open()
    await watched.until_every("finished")
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert end.record is not None
    assert (end.new_status, end.record["exit_code"]) == ("FAILED", 3)
    assert "unreachable" not in watched.kinds()
    return end


@pytest.mark.parametrize("where", ["opt/slurm/bin", "opt/my slurm's/bin"])
async def test_doctor_finds_what_only_a_login_shell_finds_and_with_its_line_the_job_is_watched(
    lend: Callable[..., Watched], faulty_cluster: Cluster, where: str
) -> None:
    watched = lend()
    job = await submit(faulty_cluster)  # sbatch is no program of ours, and stays
    folder = faulty_cluster.dir / where
    with faulty_cluster.moved(PROGRAMS, folder):
        for_login = f'PATH="{faulty_cluster.dir}/bin:{folder}"'
        (faulty_cluster.home() / ".bash_profile").write_text(f"echo Welcome\n{for_login}\n", encoding="utf-8")
        try:
            view = await watched.register(job.id)
            assert "slurm.not_installed" in str(view.jobs[0].stale_because)
            check = await slurm_check(watched)
            assert check.outcome == "warning"
            assert str(folder) in write_what_it_says(watched, check).replace("'\\''", "'")
            assert (await slurm_check(watched)).text == str(folder / "squeue")
            job.open()
            async with open_service(watched.home.env) as service:
                await service.stop_watcher()
            await watched.until(lambda: watched.home.watcher_pid() is None, "it ends")
            await watched.status(refresh=True)  # and the next one reads the configuration
            await watched.until_every("finished")
        finally:
            (faulty_cluster.home() / ".bash_profile").unlink()


async def test_doctor_finds_the_module_that_brings_slurm(lend: Callable[..., Watched], faulty_cluster: Cluster) -> None:
    """The module system is a fake of six lines, where a login shell says that one is; all else is real."""
    watched = lend()
    folder, modules = faulty_cluster.dir / "opt/hidden/bin", faulty_cluster.dir / "opt/modules"
    (modules / "init").mkdir(parents=True)
    text = f'module() {{ [ "$1 $2" = "load slurm" ] && PATH="$PATH:{folder}"; }}\n'
    (modules / "init/sh").write_text(text, encoding="utf-8")
    profile = faulty_cluster.home() / ".bash_profile"
    profile.write_text(f"PATH={faulty_cluster.dir}/bin\nexport MODULESHOME={modules}\n", encoding="utf-8")
    try:
        with faulty_cluster.moved(PROGRAMS, folder):
            prelude = write_what_it_says(watched, await slurm_check(watched))
            assert prelude == f". {modules}/init/sh && module load slurm"
            assert (await slurm_check(watched)).outcome == "ok"
    finally:
        profile.unlink()


async def test_doctor_looks_into_the_usual_folders_and_tries_what_it_says(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """The usual folders are given here: the real ones are of the whole machine."""
    watched = lend()
    usual, empty = faulty_cluster.dir / "opt/usual/bin", faulty_cluster.dir / "opt/broken/bin"
    empty.mkdir(parents=True)
    (empty / "squeue").write_text("#!/bin/sh\nexit 126\n", encoding="utf-8")
    (empty / "squeue").chmod(0o755)
    profile = faulty_cluster.home() / ".bash_profile"
    profile.write_text(f"PATH={faulty_cluster.dir}/bin\n", encoding="utf-8")
    try:
        with faulty_cluster.moved(PROGRAMS, usual):
            async with open_world(watched.home.env) as world, world.transports.lease(HOST) as transport:
                found = await find_slurm(transport, folders=["/nowhere", str(empty), str(usual)])
                none = await find_slurm(transport, folders=["/nowhere", str(empty)])
            assert (found.prelude, found.answers) == (f"export PATH={usual}:$PATH", True)
            assert none.prelude == ""
            with faulty_cluster.hung("slurmctld"):
                async with open_world(watched.home.env) as world, world.transports.lease(HOST) as transport:
                    down = await find_slurm(transport, folders=[str(usual)])
            assert (down.prelude, down.answers) == (f"export PATH={usual}:$PATH", False)
            check = await slurm_check(watched)
            assert check.outcome == "warning"
            assert "FOLDER" in check.mend
    finally:
        profile.unlink()
