"""The test cluster itself: comes up, answers as two users, and leaves nothing behind."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from cluster import install, layout, lifecycle
from cluster.daemons import DAEMONS, running
from cluster.errors import ClusterError
from cluster.processes import Process, alive, identify, name_of, recorded, wait_until
from support.cluster import Cluster, require_slurm

pytestmark = pytest.mark.slurm
PROGRAM = layout.CHECKOUT / "tests/cluster/cluster.py"
# slurmctld, slurmd, slurmdbd, MariaDB and sshd, where a machine's own services listen.
USUAL_PORTS = (6817, 6818, 6819, 3306, 22)


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder for a cluster of the test's own."""
    require_slurm()
    made = Path(tempfile.mkdtemp(prefix="jw-", dir="/tmp"))
    yield made
    with suppress(ClusterError):
        lifecycle.down(made, say=print, wipe=True)
    shutil.rmtree(made, ignore_errors=True)


def program(*words: str) -> str:
    done = subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def listening(*ports: int) -> Generator[None]:
    """Listen on these ports, where nobody does."""
    with ExitStack() as stack:
        for port in ports:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # a real service of this machine does as well
                listener.bind(("127.0.0.1", port))
                listener.listen()
        yield


@contextmanager
def child(*argv: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a program beside the test; it ends with the test at the latest, also when that fails."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def pids(folder: Path) -> dict[str, Process | None]:
    return {daemon: running(layout.load(folder), daemon) for daemon in DAEMONS}


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_a_user_submits_over_ssh_and_the_job_writes_into_the_users_home(cluster: Cluster, user: str) -> None:
    job = cluster.sbatch("--wrap", "id -un; echo $SLURM_CONF", user=user)
    cluster.wait_for(job, {"COMPLETED"}, timeout_s=20)
    output = cluster.home(user) / f"slurm-{job}.out"
    assert output.read_text(encoding="utf-8").split() == [user, str(cluster.slurm_conf)]
    assert output.owner() == user


def test_every_host_of_the_ssh_config_lets_its_user_in(cluster: Cluster) -> None:
    for host in cluster.hosts:
        argv = ["ssh", "-F", str(cluster.ssh_config), host, "id -un"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == ("bob" if host.endswith("-bob") else "alice"), (host, done.stderr)


def test_a_job_ends_in_sacct_and_leaves_slurmctld_soon_after(cluster: Cluster) -> None:
    job = cluster.sbatch("--wrap", "exit 3")
    assert cluster.wait_until_accounted(job, {"COMPLETED", "FAILED"}, timeout_s=20) == "FAILED"
    assert cluster.sacct("-X", "-n", "-P", "-j", job, "-o", "ExitCode").split() == ["3:0"]
    cluster.wait_until_forgotten(job, timeout_s=30)
    assert cluster.state(job) == "FAILED"


def test_the_one_minute_partition_limits_a_job_to_one_minute(cluster: Cluster) -> None:
    job = cluster.sbatch("-p", "short", "--wrap", "true")
    assert "TimeLimit=00:01:00" in cluster.scontrol("show", "job", job)


@pytest.mark.long
def test_a_job_in_the_one_minute_partition_times_out(cluster: Cluster) -> None:
    job = cluster.sbatch("-p", "short", "--wrap", "sleep 600")
    cluster.wait_until_accounted(job, {"TIMEOUT"}, timeout_s=120)


def test_two_clusters_run_side_by_side_and_know_nothing_of_each_other(
    cluster: Cluster, faulty_cluster: Cluster
) -> None:
    assert not set(cluster.ports.values()) & set(faulty_cluster.ports.values())
    here = cluster.sbatch("--wrap", "sleep 60", "-J", "here")
    there = faulty_cluster.sbatch("--wrap", "sleep 60", "-J", "there")
    cluster.wait_for(here, {"RUNNING"}, timeout_s=20)
    faulty_cluster.wait_for(there, {"RUNNING"}, timeout_s=20)
    assert "there" not in cluster.squeue("-h", "-o", "%j").split()
    assert "here" not in faulty_cluster.squeue("-h", "-o", "%j").split()
    cluster.scontrol("show", "job", here)
    assert cluster.slurm("scancel", here).returncode == 0
    assert faulty_cluster.state(there) == "RUNNING"
    assert faulty_cluster.slurm("scancel", there).returncode == 0


def test_two_clusters_that_come_up_at_the_same_moment_do_not_meet(folder: Path) -> None:
    folder.chmod(0o755)
    roots = [folder / "a", folder / "b"]
    with ExitStack() as stack:
        ups = [stack.enter_context(child(sys.executable, str(PROGRAM), "up", "--dir", str(root))) for root in roots]
        assert [up.wait(60) for up in ups] == [0, 0]
    ports = [set(layout.load(root).ports.values()) for root in roots]
    for root in roots:
        program("down", "--wipe", "--dir", str(root))
    assert not ports[0] & ports[1]


def test_an_up_that_was_killed_half_way_is_completed_by_the_next(folder: Path) -> None:
    with child(sys.executable, str(PROGRAM), "up", "--dir", str(folder)):
        assert wait_until((folder / "run/mariadbd.pid").exists, timeout_s=20)
    program("up", "--dir", str(folder))
    assert all(pids(folder).values())
    # slurmscriptd is slurmctld's own child; sshd has another one for a moment, for who asked whether it answers.
    once = ["mariadbd", "munged", "slurmctld", *(["slurmd"] * 4), "slurmdbd", "slurmscriptd", "sshd", "sshd"]
    made = layout.load(folder)
    assert wait_until(lambda: sorted(name_of(each) for each in lifecycle.processes_of(made)) == once, timeout_s=20)


def test_it_comes_up_beside_services_on_the_usual_ports_and_a_second_up_changes_nothing(folder: Path) -> None:
    with listening(*USUAL_PORTS):
        program("up", "--dir", str(folder))
        before = pids(folder)
        assert all(before.values())
        program("up", "--dir", str(folder))
        assert pids(folder) == before
        assert program("status", "--dir", str(folder)).count(" up    pid ") == len(DAEMONS)


def test_down_and_up_again_keeps_the_jobs_and_avoids_a_port_that_was_taken_meanwhile(folder: Path) -> None:
    made = Cluster.bring_up(folder)
    job = made.sbatch("--wrap", "true")
    made.wait_until_accounted(job, {"COMPLETED"}, timeout_s=20)
    program("down", "--dir", str(folder))
    with listening(made.ports["c2"]):
        program("up", "--dir", str(folder))
    again = Cluster.attach(folder)
    assert made.ports["c2"] not in again.ports.values()
    assert again.state(job) == "COMPLETED"
    assert int(again.sbatch("--wrap", "true")) > int(job)


@pytest.mark.parametrize("wipe", [False, True], ids=["down", "down --wipe"])
def test_down_leaves_no_process_not_even_of_a_running_job_an_ssh_session_and_a_hung_daemon(
    folder: Path, *, wipe: bool
) -> None:
    made = Cluster.bring_up(folder)
    job = made.sbatch("--wrap", "setsid sleep 600 & srun sleep 600")
    made.wait_for(job, {"RUNNING"}, timeout_s=20)
    with child("ssh", "-F", str(made.ssh_config), "cluster-a", "sleep 600") as ssh:
        layout_of = layout.load(folder)
        assert wait_until(
            lambda: [name_of(each) for each in lifecycle.processes_of(layout_of)].count("sleep") >= 3, timeout_s=20
        )
        before = lifecycle.processes_of(layout_of)
        assert "slurmstepd" in {name_of(each) for each in before}
        made.hang("slurmd-c1")
        program("down", *(["--wipe"] if wipe else []), "--dir", str(folder))
        assert ssh.wait(10) == 255
    assert not [each for each in before if alive(each)]
    assert not lifecycle.processes_of(layout_of)
    assert folder.exists() is not wipe


def test_down_spares_a_stranger_whose_pid_stands_in_a_stale_pid_file(folder: Path) -> None:
    layout.Layout(root=folder, ports={}, users=(), flavor="plain").save()
    (folder / "run").mkdir()
    with child("sleep", "600") as stranger:
        (folder / "run/munged.pid").write_text(f"{stranger.pid} 1\n", encoding="utf-8")
        (folder / "run/mariadbd.pid").write_text("", encoding="utf-8")
        lifecycle.down(folder, say=print)
        assert stranger.poll() is None


def test_an_up_that_fails_shows_the_daemons_last_words_and_leaves_no_process(folder: Path) -> None:
    (folder / "accounting-ready").touch()  # so that no database is made: MariaDB finds none
    with pytest.raises(ClusterError, match=r"(?s)mariadbd ended:.*No such file or directory"):
        lifecycle.up(folder, say=print)
    assert not lifecycle.processes_of(layout.load(folder))


def test_the_cluster_of_a_killed_test_run_is_swept_by_the_next_up(folder: Path, cluster: Cluster) -> None:
    with child("sleep", "600") as run:
        left = lifecycle.up(folder, say=print, owner=identify(run.pid))
        cluster.mend()
        assert running(left, "slurmctld"), "its test run still lives"
    cluster.mend()
    assert not folder.exists()
    assert not lifecycle.processes_of(left)


def test_a_folder_that_cannot_hold_a_cluster_is_refused_with_the_reason(folder: Path) -> None:
    folder.chmod(0o755)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    assert "closed to other users" in str(layout.why_unfit(closed / "c"))
    assert "too long" in str(layout.why_unfit(Path("/tmp") / ("x" * 80)))
    assert layout.why_unfit(Path("/tmp/jw-x")) is None


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n"], ids=["none", "the machine's own"])
def test_no_service_may_start_during_an_installation_and_the_policy_before_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(install, "POLICY", policy)
    monkeypatch.setattr(install, "POLICY_KEPT", tmp_path / "kept")
    if before:
        policy.write_text(before, encoding="utf-8")
    killed = install.no_service_starts()
    killed.__enter__()  # and never left, as when the installer is killed
    with install.no_service_starts():
        assert subprocess.run([str(policy)], check=False).returncode == 101
    assert (policy.read_text(encoding="utf-8") if policy.exists() else None) == before
    assert not (tmp_path / "kept").exists()


def test_a_pid_file_names_its_process_only_while_that_one_runs(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    me = identify(os.getpid())
    assert me is not None
    note.write_text(f"{me.pid} {me.started}\n", encoding="utf-8")
    assert recorded(note) == me
    note.write_text(f"{me.pid} {me.started + 1}\n", encoding="utf-8")
    assert recorded(note) is None
