"""Sites that are set up otherwise: another PATH, zone, locale, environment, user, cluster. Real Slurm, real SSH."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from jobwarden.service.finding import MODULE_INITS, PROGRAMS, find_slurm
from jobwarden.service.service import Service, open_service
from jobwarden.service.views import Check
from jobwarden.verdict.world import open_world
from jobwarden_registry.errors import InvalidIdError
from support.cluster import Cluster
from support.paper import QuietDesk
from support.shifted import ShiftedTransports
from support.watched import HOST, Watched, gated, submit

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]


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
                found = await find_slurm(transport, folders=["/nowhere", str(empty), str(usual)], inits=[])
                none = await find_slurm(transport, folders=["/nowhere", str(empty)], inits=[])
            assert (found.prelude, found.answers) == (f"export PATH={usual}:$PATH", True)
            assert none.prelude == ""
            with faulty_cluster.hung("slurmctld"):
                async with open_world(watched.home.env) as world, world.transports.lease(HOST) as transport:
                    down = await find_slurm(transport, folders=[str(usual)], inits=[])
            assert (down.prelude, down.answers) == (f"export PATH={usual}:$PATH", False)
            check = await slurm_check(watched)
            assert check.outcome == "warning"
            # Where this machine itself has environment modules, they find the packages' Slurm.
            assert "FOLDER" in check.mend or any(map(os.path.exists, MODULE_INITS))
    finally:
        profile.unlink()


# -- zones, locales, the user's own variables


HOSTILE = """
export TZ=America/Los_Angeles SLURM_TIME_FORMAT=relative LC_ALL=de_DE.UTF-8 LANG=ja_JP.eucJP LANGUAGE=de
export SQUEUE_FORMAT=%i SQUEUE_FORMAT2=JobID:2 SQUEUE_STATES=R SQUEUE_SORT=u SQUEUE_PARTITION=downp SQUEUE_USERS=bob
export SACCT_FORMAT=JobID%2 SLURM_BITSTR_LEN=5 SLURM_CLUSTERS=nosuch SLURM_DEBUG=5 SCONTROL_ALL=0
echo "Willkommen: 1 Job beendet, exit 0"; echo "slurm_load_jobs error: Invalid job id specified" >&2; set -- x; n=1
"""
"""What a user may have in .bashrc. No locale but C is on the machine: bash complains of it in each answer, too."""


async def test_zone_locale_and_variables_of_the_user_there_and_our_own_zone_change_no_verdict_and_no_time(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """The real watcher lives in Tokyo, the login in Los Angeles, the daemons in neither."""
    watched = lend()
    watched.home.env |= {"TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8"}
    plain, held = await submit(faulty_cluster), faulty_cluster.sbatch("-H", "--wrap", "true")
    with faulty_cluster.login(HOSTILE):
        await watched.register(plain.id, held)
        plain.open()
        await watched.until_every("finished")
        await watched.until(lambda: watched.rows()[held]["phase"] == "pending", "the held one waits")
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert end.record is not None
    faulty_cluster.wait_until_accounted(plain.id, {"FAILED"})
    assert (end.new_status, end.record["exit_code"]) == ("FAILED", 3)
    assert [int(_epoch(end.record[name])) for name in ("submitted_at", "started_at", "ended_at")] == times_of(
        faulty_cluster, plain.id
    )
    assert watched.told(held) == ["pending"]
    assert not {"lost", "unreachable"} & set(watched.kinds())


def _epoch(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def times_of(cluster: Cluster, job: str) -> list[int]:
    """Give submission, start and end as root's sacct has them."""
    words = ["env", "SLURM_TIME_FORMAT=%s", "sacct", "-X", "-n", "-P", "-j", job, "-o", "Submit,Start,End"]
    return [int(word) for word in cluster.run(words).stdout.strip().split("|")]


@pytest.mark.parametrize("by_s", [600, -600, 7200, -7200])
async def test_a_clock_there_that_is_wrong_ends_nothing_and_makes_nothing_late_or_absent(
    lend: Callable[..., Watched], faulty_cluster: Cluster, by_s: int
) -> None:
    """Real answers with shifted moments (support/shifted.py): the machine has one clock for us and the cluster."""
    watched = lend(poll_s=60.0, grace_s=120.0)
    job, gone = await submit(faulty_cluster), "66000000"
    phases: dict[str, str] = {}
    async with open_world(watched.home.env) as world, anyio.create_task_group() as tasks:
        world.rounds.transports = ShiftedTransports(world.transports, by_s)
        service = Service(QuietDesk(world, tasks, version="0.1.0"))
        caller = watched.home.caller("one")
        await service.register(caller, type="slurm", ids=[job.id, gone], host=HOST)
        job.open()
        await anyio.to_thread.run_sync(faulty_cluster.wait_for, job.id, {"FAILED"})
        with anyio.fail_after(30):
            while "finished" not in watched.kinds():
                await anyio.sleep(0.2)
                phases |= {row.id: row.phase for row in (await service.status(caller)).jobs}
        tasks.cancel_scope.cancel()
    assert phases == {job.id: "failed", gone: "unknown"}
    assert watched.rows()[gone].get("absence") is None  # in its grace, by our own clock
    assert watched.told(job.id) == ["running", "failed"]
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert end.record is not None
    assert not (end.model_extra or {}).get("observed_late")
    faulty_cluster.wait_until_accounted(job.id, {"FAILED"})
    moments = [int(_epoch(end.record[name])) - by_s for name in ("submitted_at", "started_at", "ended_at")]
    assert moments == times_of(faulty_cluster, job.id)
    assert len(end.record["attempts"]) == 1


async def test_an_end_that_nobody_saw_is_late_by_the_clock_there_and_not_by_ours(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """A clock that is 10 minutes behind makes no end late; one that is ahead hides no late one. As above."""
    watched = lend(poll_s=0.5)
    job = await submit(faulty_cluster)
    async with open_world(watched.home.env) as world, anyio.create_task_group() as tasks:
        world.rounds.transports = ShiftedTransports(world.transports, 600)
        service = Service(QuietDesk(world, tasks, version="0.1.0"))
        caller = watched.home.caller("one")
        await service.register(caller, type="slurm", ids=[job.id], host=HOST)
        job.open()
        await anyio.to_thread.run_sync(faulty_cluster.wait_until_accounted, job.id, {"FAILED"})
        await anyio.to_thread.run_sync(faulty_cluster.wait_until_forgotten, job.id)
        await service.status(caller)
        tasks.cancel_scope.cancel()
    (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
    assert (end.model_extra or {}).get("observed_late") is True


# -- several clusters, several users


async def test_two_clusters_with_the_same_ids_are_two_places_and_each_is_asked_about_its_own(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """A real second slurmctld in the same slurmdbd; the job of the same number on the first one goes on running."""
    with faulty_cluster.second() as second:
        here = await submit(faulty_cluster)
        number, printed = "", ""
        while number != here.id:  # both count from 1
            printed = faulty_cluster.run(
                ["sbatch", "-M", second, "--parsable", "--wrap", "sleep 2; exit 7"]
            ).stdout.strip()
            number = printed.partition(";")[0]
            assert int(number) <= int(here.id)
        assert printed == f"{here.id};{second}"
        watched = lend(f'[hosts."{HOST}"]\ncluster = "{second}"\n[hosts."{HOST}-alice"]\n')
        own = Watched(watched.home, f"{HOST}-alice")
        async with open_service(own.home.env) as service:
            with pytest.raises(InvalidIdError, match=second):  # it would be the other cluster's job of that number
                await service.register(own.home.caller("two"), type="slurm", ids=[printed], host=own.host)
        await own.register(here.id, session="two")
        await watched.register(printed, session="one")
        await watched.until_every("finished")
        (end,) = [event for event in watched.home.journal("one") if event.event == "finished"]
        assert end.record is not None
        assert (end.job_id, end.new_status, end.record["exit_code"]) == (here.id, "FAILED", 7)
        assert own.told(here.id, "two") == ["running"]
        # -M asks slurmdbd where the cluster is: without it nobody can say anything, and nobody does
        long = faulty_cluster.run(["sbatch", "-M", second, "--parsable", "--wrap", "sleep 600"]).stdout.strip()
        await watched.register(long, session="one")
        await watched.until(lambda: len(watched.rows()) == 1, "it is watched")
        with faulty_cluster.stopped("slurmdbd"):
            await watched.until_every("unreachable")
            assert "finished" not in watched.kinds()[watched.kinds().index("unreachable") :]
        await watched.until_every("reachable")
        assert "lost" not in watched.kinds()
        assert own.told(here.id, "two") == ["running"]


async def test_doctor_says_that_the_users_own_files_submit_to_another_cluster(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    watched = lend()
    with faulty_cluster.login("export SLURM_CLUSTERS=gpu"):
        async with open_service(watched.home.env) as service:
            view = await service.doctor(watched.home.caller("one"), hosts=[HOST])
    (check,) = [one for one in view.checks if one.subject == f"cluster on {HOST}"]
    assert (check.outcome, f'[hosts."{HOST}"] cluster = "gpu"' in check.mend) == ("warning", True)


async def test_a_login_of_another_name_than_ours_is_asked_as_itself(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    """We are `tester`; bob's login watches bob's job to its end, and sees alice's without being able to end it."""
    watched = Watched(lend().home, f"{HOST}-bob")
    job = await anyio.to_thread.run_sync(lambda: gated(faulty_cluster, user="bob"))
    other = await submit(faulty_cluster)
    await watched.register(job.id, other.id)
    assert {row["user"] for row in watched.rows().values()} <= {"bob", "alice"}
    async with open_service(watched.home.env) as service:
        refused = await service.cancel(watched.home.caller("one"), jobs=[other.id], reason="the test says so")
    assert refused.rows[0].outcome == "refused"
    assert faulty_cluster.state(other.id) == "RUNNING"
    job.open()
    await watched.until_every("finished")
    assert watched.told(job.id) == ["running", "failed"]
    assert watched.told(other.id) == ["running"]
