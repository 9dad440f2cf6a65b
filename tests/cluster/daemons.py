"""The daemons of a test cluster: how each is started, and when it is ready."""

import os
import socket
import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from cluster.errors import ClusterError
from cluster.layout import NODES, SSHDS, Layout
from cluster.processes import Process, alive, end, recorded, spawn, wait_until
from cluster.texts import MARK

SLURMDS = tuple(f"slurmd-{node}" for node in NODES)
SSHD_NAMES = tuple(f"sshd-{name}" for name in SSHDS)
# In the order in which each needs the ones before it.
DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", *SLURMDS, *SSHD_NAMES)
# Far more than any needs: a loaded machine is no failure.
READY_S = 60.0
TAIL_LINES = 15
PORT_OF = {
    **{name: name for name in ("mariadbd", "slurmdbd", "slurmctld")},
    **dict(zip((*SLURMDS, *SSHD_NAMES), (*NODES, *SSHDS), strict=True)),
}


def environment(layout: Layout) -> dict[str, str]:
    """Return the whole environment of the cluster's daemons, and of root's Slurm commands."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "SLURM_CONF": str(layout.slurm_conf),
        MARK: str(layout.root),
    }


def command(layout: Layout, *argv: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a Slurm command as root on this cluster; its exit status is data.

    Raises:
        ClusterError: it did not end in time.
    """
    try:
        return subprocess.run(
            layout.inside(*argv),
            env=environment(layout),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(argv)} took more than {timeout_s:g} s") from error


def running(layout: Layout, daemon: str) -> Process | None:
    """Return the daemon's process, also when it is stopped by a signal; None when it does not run."""
    return recorded(layout.pid_file(known(daemon)))


def known(daemon: str) -> str:
    """Return the name if it is a daemon's.

    Raises:
        ClusterError: it is not; the text lists the names.
    """
    if daemon not in DAEMONS:
        raise ClusterError(f"no daemon is called {daemon}; there are {' '.join(DAEMONS)}")
    return daemon


def start(layout: Layout, *names: str) -> None:
    """Start the daemons that do not run, all at once, without waiting for them to be ready."""
    for daemon in names:
        if running(layout, daemon) is None:
            spawn(
                layout.inside(*_argv(layout, daemon)),
                pid_file=layout.pid_file(daemon),
                log=layout.log(daemon).with_suffix(".out"),
                environment=environment(layout),
                cwd=layout.root,
            )


def await_ready(layout: Layout, *names: str, timeout_s: float = READY_S) -> None:
    """Wait until the daemons answer.

    Raises:
        ClusterError: one ended, or does not answer in time; the text ends with its last log lines.
    """
    for daemon in names:
        process = running(layout, daemon)
        came = wait_until(partial(_answers_or_ended, layout, daemon, process), timeout_s=timeout_s)
        if not came or not alive(process):
            why = f"does not answer after {timeout_s:g} s" if alive(process) else "ended"
            raise ClusterError(f"{daemon} {why}:\n{tail(layout, daemon)}")


def stop(layout: Layout, *names: str, patience_s: float = 10) -> None:
    """End daemons together: SIGTERM, SIGKILL after `patience_s`."""
    end(_running(layout, names), patience_s=patience_s)


def tail(layout: Layout, daemon: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines that a daemon logged or, if it has no log or has ended, printed."""
    log = layout.log(daemon)
    texts = [_last_lines(log, lines)]
    if not texts[0] or running(layout, daemon) is None:
        texts.append(_last_lines(log.with_suffix(".out"), lines))
    return "\n".join(filter(None, texts)) or "(nothing logged)"


def _running(layout: Layout, names: Iterable[str]) -> list[Process]:
    return [process for process in (running(layout, name) for name in names) if process]


def _argv(layout: Layout, daemon: str) -> list[str]:
    """Return the words that start a daemon in the foreground, so that its pid is the one that was started."""
    root = layout.root
    kind, _, which = daemon.partition("-")
    munge = root / "munge"
    words = {
        "munged": [
            *("setpriv", "--reuid=munge", "--regid=munge", "--init-groups", "/usr/sbin/munged", "--foreground"),
            # Its folder may lie in a checkout that belongs to a developer, which munged refuses by itself.
            "--force",
            f"--socket={layout.munge_socket}",
            f"--key-file={munge}/munge.key",
            f"--seed-file={munge}/munged.seed",
            f"--pid-file={munge}/munged.pid",
        ],
        "mariadbd": ["/usr/sbin/mariadbd", f"--defaults-file={root}/etc/my.cnf"],
        "slurmdbd": ["/usr/sbin/slurmdbd", "-D"],
        "slurmctld": ["/usr/sbin/slurmctld", "-D", "-f", str(layout.slurm_conf)],
        "slurmd": ["/usr/sbin/slurmd", "-D", "-N", which, "-f", str(layout.slurm_conf)],
        "sshd": ["/usr/sbin/sshd", "-D", "-f", f"{root}/ssh/sshd_config_{which}", "-E", str(layout.log(daemon))],
    }
    return words[kind]


def _answers(layout: Layout, daemon: str) -> bool:
    if daemon == "munged":
        return _connects(socket.AF_UNIX, os.fspath(layout.munge_socket))
    if not _connects(socket.AF_INET, ("127.0.0.1", layout.ports[PORT_OF[daemon]])):
        return False
    if daemon == "slurmctld":
        return command(layout, "scontrol", "ping").returncode == 0
    if daemon in SLURMDS:
        state = command(layout, "sinfo", "-h", "-N", "-n", PORT_OF[daemon], "-o", "%T").stdout.split()
        return bool(state) and not state[0].startswith(("down", "unknown")) and not state[0].endswith("*")
    return True


def _answers_or_ended(layout: Layout, daemon: str, process: Process | None) -> bool:
    return not alive(process) or _answers(layout, daemon)


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


def _last_lines(path: Path, lines: int) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
