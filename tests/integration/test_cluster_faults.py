"""Each fault of the test cluster does what it says; the answers are those of Slurm 22.05.8 and OpenSSH 9.2."""

import errno
import select
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from cluster.daemons import DAEMONS
from cluster.errors import ClusterError
from cluster.processes import wait_until
from support.cluster import Cluster

pytestmark = pytest.mark.slurm


def ssh(cluster: Cluster, host: str, command: str) -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(cluster.ssh_config), "-o", "ConnectTimeout=1", host, command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def talking(cluster: Cluster, command: str) -> Generator[subprocess.Popen[str]]:
    """Have a session that can be spoken to; it ends with the test at the latest, also when that fails."""
    argv = ["ssh", "-F", str(cluster.ssh_config), "cluster-a", command]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        try:
            yield session
        finally:
            session.kill()


def test_with_slurmdbd_stopped_sacct_fails_and_squeue_still_answers(faulty_cluster: Cluster) -> None:
    with faulty_cluster.stopped("slurmdbd"):
        done = faulty_cluster.run(["sacct"])
        assert done.returncode == 1
        assert "Connection refused" in done.stderr
        assert faulty_cluster.run(["squeue"]).returncode == 0
    assert faulty_cluster.run(["sacct"]).returncode == 0


def test_with_slurmdbd_hung_sacct_says_nothing_until_it_is_resumed(faulty_cluster: Cluster) -> None:
    with faulty_cluster.hung("slurmdbd"):
        assert faulty_cluster.run(["timeout", "1", "sacct"]).returncode == 124
    assert faulty_cluster.run(["timeout", "20", "sacct"]).returncode == 0


def test_with_slurmctld_hung_squeue_says_nothing_until_it_is_resumed(faulty_cluster: Cluster) -> None:
    with faulty_cluster.hung("slurmctld"):
        assert faulty_cluster.run(["timeout", "1", "squeue"]).returncode == 124
        assert faulty_cluster.run(["sacct"]).returncode == 0
    assert faulty_cluster.run(["timeout", "20", "squeue"]).returncode == 0


def test_a_job_outlives_a_stopped_slurmctld_and_is_known_after_its_start(faulty_cluster: Cluster) -> None:
    job = faulty_cluster.sbatch("--wrap", "sleep 600")
    faulty_cluster.wait_for(job, {"RUNNING"}, timeout_s=20)
    with faulty_cluster.stopped("slurmctld"), socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", faulty_cluster.ports["slurmctld"]))
    assert faulty_cluster.state(job) == "RUNNING"
    assert faulty_cluster.slurm("scancel", job).returncode == 0


def _refused(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == errno.ECONNREFUSED


def test_a_killed_munged_leaves_its_socket_where_nobody_listens(faulty_cluster: Cluster) -> None:
    faulty_cluster.kill("munged")
    assert wait_until(lambda: _refused(str(faulty_cluster.dir / "munge/munge.sock")), timeout_s=20, pause_s=0.1)
    faulty_cluster.start("munged")
    assert faulty_cluster.run(["squeue"]).returncode == 0


def test_with_munged_stopped_no_slurm_command_is_believed(faulty_cluster: Cluster) -> None:
    with faulty_cluster.stopped("munged"):
        assert faulty_cluster.run(["sacct"]).returncode == 1
    assert faulty_cluster.run(["squeue"]).returncode == 0


def test_a_stopped_slurmd_does_not_listen_and_its_node_comes_back_with_it(faulty_cluster: Cluster) -> None:
    with faulty_cluster.stopped("slurmd-c4"), socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", faulty_cluster.ports["c4"]))
    job = faulty_cluster.sbatch("-p", "frail", "--wrap", "true")
    faulty_cluster.wait_for(job, {"COMPLETED"}, timeout_s=30)


def test_with_one_sshd_stopped_only_its_host_refuses(faulty_cluster: Cluster) -> None:
    with faulty_cluster.stopped("sshd-b"):
        refused = ssh(faulty_cluster, "cluster-b", "true")
        assert refused.returncode == 255
        assert "Connection refused" in refused.stderr
        assert ssh(faulty_cluster, "cluster-a", "true").returncode == 0
    assert ssh(faulty_cluster, "cluster-b", "true").returncode == 0


def test_a_hung_sshd_lets_nobody_in_and_freezes_the_sessions_it_has(faulty_cluster: Cluster) -> None:
    with talking(faulty_cluster, "echo here; cat") as session:
        assert session.stdin
        assert session.stdout
        assert session.stdout.readline() == "here\n"
        with faulty_cluster.hung("sshd-a"):
            assert "timed out" in ssh(faulty_cluster, "cluster-a", "true").stderr
            session.stdin.write("word\n")
            session.stdin.flush()
            assert not select.select([session.stdout], [], [], 0.5)[0]
        assert session.stdout.readline() == "word\n"
        session.stdin.close()
        assert session.wait(10) == 0


def test_dropped_sessions_end_and_new_ones_are_let_in(faulty_cluster: Cluster) -> None:
    with talking(faulty_cluster, "echo here; sleep 600") as session:
        assert session.stdout
        assert session.stdout.readline() == "here\n"
        assert faulty_cluster.drop_sessions("sshd-a") >= 1
        assert session.wait(10) == 255
    assert ssh(faulty_cluster, "cluster-a", "true").returncode == 0


def test_a_hidden_program_is_not_found_over_ssh(faulty_cluster: Cluster) -> None:
    with faulty_cluster.hidden("sacct"):
        done = faulty_cluster.run(["sacct"])
        assert done.returncode == 127
        assert "sacct: command not found" in done.stderr
    assert faulty_cluster.run(["sacct"]).returncode == 0


def test_noise_stands_in_front_of_every_answer(faulty_cluster: Cluster) -> None:
    faulty_cluster.noise("Welcome")
    assert faulty_cluster.run(["echo", "word"]).stdout == "Welcome\nword\n"
    faulty_cluster.noise("")
    assert faulty_cluster.run(["echo", "word"]).stdout == "word\n"


def test_a_job_of_the_preemptible_partition_is_requeued_when_another_wants_its_nodes(faulty_cluster: Cluster) -> None:
    weak = faulty_cluster.sbatch("-p", "preempt", "-N3", "--exclusive", "--wrap", "sleep 600")
    faulty_cluster.wait_for(weak, {"RUNNING"}, timeout_s=20)
    strong = faulty_cluster.sbatch("-N3", "--exclusive", "--wrap", "sleep 600")
    faulty_cluster.wait_for(strong, {"RUNNING"}, timeout_s=30)
    faulty_cluster.wait_for(weak, {"PENDING"}, timeout_s=20)
    assert "Restarts=1" in faulty_cluster.scontrol("show", "job", weak)
    assert faulty_cluster.slurm("scancel", weak, strong).returncode == 0


def test_mend_undoes_all_faults_at_once(faulty_cluster: Cluster) -> None:
    faulty_cluster.kill("munged")
    faulty_cluster.kill("slurmd-c2")
    faulty_cluster.hang("slurmctld")
    faulty_cluster.stop("mariadbd")
    faulty_cluster.stop("sshd-a")
    faulty_cluster.noise("Welcome")
    faulty_cluster.mend()
    job = faulty_cluster.sbatch("--wrap", "true")
    faulty_cluster.wait_for(job, {"COMPLETED"}, timeout_s=30)
    faulty_cluster.wait_until_accounted(job, {"COMPLETED"}, timeout_s=60)


def test_a_fault_of_an_unknown_daemon_names_the_daemons(faulty_cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match=" ".join(DAEMONS)):
        faulty_cluster.stop("slurmd")
    with pytest.raises(ClusterError, match="does not run"), faulty_cluster.stopped("sshd-b"):
        faulty_cluster.hang("sshd-b")
    assert wait_until(lambda: ssh(faulty_cluster, "cluster-b", "true").returncode == 0, timeout_s=5)
