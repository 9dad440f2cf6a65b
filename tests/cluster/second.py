"""A second cluster beside the first: its own slurmctld and one node, the same slurmdbd, users and sshd."""

import re
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cluster.daemons import command, environment
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.processes import Process, end, holding, spawn, wait_until
from cluster.texts import SLURM_USER, slurm_conf

NAME = "second"
"""What `-M` calls it."""


@contextmanager
def second_cluster(layout: Layout) -> Generator[str]:
    """Have it for a while. Its ids begin at 1, as the first one's did: the same number means two jobs.

    Raises:
        ClusterError: it does not answer.
    """
    root = layout.root / NAME
    for folder in (root, root / "state", root / "spool"):
        folder.mkdir()
        shutil.chown(folder, SLURM_USER)
    conf = root / "slurm.conf"
    conf.write_text(_conf(layout, root), encoding="utf-8")
    command(layout, "sacctmgr", "-i", "add", "cluster", NAME)
    processes: list[Process] = []
    try:
        for name, argv in {"slurmctld": ("slurmctld",), "slurmd": ("slurmd", "-N", "d1")}.items():
            processes.append(
                spawn(
                    [f"/usr/sbin/{argv[0]}", *argv[1:], "-D", "-f", str(conf)],
                    pid_file=root / f"{name}.pid",
                    log=root / f"{name}.out",
                    environment={**environment(layout), "SLURM_CONF": str(conf)},
                    cwd=root,
                )
            )
        if not wait_until(lambda: _answers(layout), timeout_s=60, pause_s=0.2):
            raise ClusterError(f"{NAME} does not answer: {(root / 'slurmctld.out').read_text(encoding='utf-8')[-500:]}")
        yield NAME
    finally:
        end([*processes, *holding(root, "slurmstepd")], patience_s=5)
        shutil.rmtree(root)


def _answers(layout: Layout) -> bool:
    done = command(layout, "sinfo", "-M", NAME, "-h", "-o", "%T")
    return done.returncode == 0 and "idle" in done.stdout


def _conf(layout: Layout, root: Path) -> str:
    kept = [
        line
        for line in slurm_conf(layout).splitlines()
        if not line.startswith(("PartitionName", "NodeName", "AccountingStorageEnforce", "Prolog", "Epilog"))
    ]
    control, node = _free_port(), _free_port()
    changes = {
        "ClusterName": NAME,
        "SlurmctldPort": str(control),
        "StateSaveLocation": f"{root}/state",
        "SlurmctldPidFile": f"{root}/state/slurmctld.pid",
        "SlurmctldLogFile": f"{root}/slurmctld.log",
        "SlurmdLogFile": f"{root}/slurmd.log",
        "SlurmdPidFile": f"{root}/slurmd.d1.pid",
        "SlurmdSpoolDir": f"{root}/spool",
    }
    text = "\n".join(kept)
    for key, value in changes.items():
        text = re.sub(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
    here = socket.gethostname().partition(".")[0]
    text += f"\nNodeName=d1 NodeHostname={here} NodeAddr=127.0.0.1 Port={node} CPUs=4 RealMemory=2000 State=UNKNOWN\n"
    return text + "PartitionName=normal Nodes=d1 Default=YES MaxTime=INFINITE DefaultTime=60\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
