"""Bring a test cluster up and take it down."""

import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cluster import database, install, people, releases, texts
from cluster import layout as places
from cluster.daemons import DAEMONS, SLURMDS, SSHD_NAMES, await_ready, command, running, start, stop
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.processes import Process, alive, end, holding, marked, name_of, send, wait_until, with_descendants

Say = Callable[[str], None]
USERS = ("alice", "bob")


def up(
    root: Path,
    *,
    say: Say,
    users: tuple[str, ...] | None = None,
    flavor: str | None = None,
    release: str | None = None,
    owner: Process | None = None,
) -> Layout:
    """Bring the cluster in this folder up, whatever of it runs already, and return it when every daemon answers.

    Users (else USERS), flavour (else plain) and release (else the machine's own programs) are those it was first
    brought up with.
    With an `owner` the cluster is taken down by the next `up` on the machine that finds that process gone.

    Raises:
        ClusterError: it cannot; the text ends with a daemon's last log lines. All is ended again, unless something
            of the cluster ran before.
    """
    root = root.resolve()
    with places.machine_lock():
        installed = install.install()
        if installed:
            say(f"installed {' '.join(installed)}")
        if release and releases.make(release):
            say(f"made {releases.folder_of(release)}, Debian's {release}")
        _sweep(say)
        layout = _decide(root, users, flavor, release, owner)
        people.make_users(layout.users)
    with _alone(root):
        ran_before = any(running(layout, name) for name in DAEMONS)
        try:
            releases.enter(layout)
            _write_files(layout)
            _start_all(layout, say)
        except BaseException:
            if not ran_before:
                _kill_all(layout)
                releases.leave(layout)
            raise
    return layout


def down(root: Path, *, say: Say, wipe: bool = False) -> None:
    """End every process of the cluster in this folder, jobs and ssh sessions too; `wipe` removes the folder."""
    root = root.resolve()
    if not root.exists():
        return
    layout = places.load(root)
    with _alone(root):
        if wipe:
            _kill_all(layout)
        else:
            _end_all(layout)
    left = processes_of(layout)
    if left:
        raise ClusterError(f"still there after SIGKILL: {' '.join(str(process.pid) for process in left)}")
    releases.leave(layout)
    say(f"down: {root}")
    if wipe:
        shutil.rmtree(root)


def processes_of(layout: Layout) -> set[Process]:
    """Return every process of a cluster: daemons, what they started, and what carries the cluster's mark."""
    daemons = [process for process in (running(layout, name) for name in DAEMONS) if process]
    # slurmd lets go of slurmstepd, and its title may stand where its environment was.
    steps = {step for step in marked(f"SLURM_CONF={layout.slurm_conf}") if name_of(step) == "slurmstepd"}
    steps |= holding(layout.root, "slurmstepd")
    return with_descendants([*daemons, *steps, *marked(f"{texts.MARK}={layout.root}")])


def _sweep(say: Say) -> None:
    """Take down what test runs left that could not: killed ones. Call under the machine's lock."""
    for root in places.known_roots():
        with suppress(ClusterError):
            layout = places.load(root)
            if layout.owner and not alive(Process(*layout.owner)):
                _kill_all(layout)
                releases.leave(layout)
                shutil.rmtree(root)
                say(f"swept: {root}, whose test run is gone")
    releases.leave_forgotten()


def _decide(
    root: Path, users: tuple[str, ...] | None, flavor: str | None, release: str | None, owner: Process | None
) -> Layout:
    """Return the cluster's decisions: the old ones where it exists, with new ports when others took its own."""
    why = places.why_unfit(root)
    if why is not None:
        raise ClusterError(why)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    if (root / "cluster.json").exists():
        old = places.load(root)
        if users not in {None, old.users} or flavor not in {None, old.flavor} or release not in {None, old.release}:
            made_for = f"{','.join(old.users)}, flavor {old.flavor}, release {old.release or 'of the machine'}"
            raise ClusterError(f"{root} was made for {made_for}: wipe it first")
        if any(running(old, name) for name in DAEMONS):
            return old
    else:
        test_run = (owner.pid, owner.started) if owner else None
        old = Layout(root, {}, users or USERS, flavor or "plain", release=release, owner=test_run)
    _refuse_second_cgroup(old)
    layout = replace(old, ports=places.choose_ports(root, old.ports))
    layout.save()
    return layout


def _refuse_second_cgroup(wanted: Layout) -> None:
    """Let no two clusters track jobs by cgroup: they would share the groups of their equally named nodes and jobs."""
    if wanted.flavor != "cgroup":
        return
    if not os.access("/sys/fs/cgroup/memory/cgroup.procs", os.W_OK):
        raise ClusterError("the cgroup flavour needs a writable cgroup v1 in /sys/fs/cgroup")
    for root in places.known_roots():
        with suppress(ClusterError):
            other = places.load(root)
            if other.root != wanted.root and other.flavor == "cgroup" and any(running(other, name) for name in SLURMDS):
                break
    else:
        return
    raise ClusterError(f"the cluster in {other.root} already uses cgroups, and only one may")


def _write_files(layout: Layout) -> None:
    root = layout.root
    for name, owner in {
        "etc": "root",
        "ssh": "root",
        "hooks": "root",
        "run": "root",
        "home": "root",
        "spool": "root",
        "state": texts.SLURM_USER,
        "log": texts.SLURM_USER,
        "munge": "munge",
    }.items():
        (root / name).mkdir(exist_ok=True)
        shutil.chown(root / name, owner)
    for name in SLURMDS:
        (root / "spool" / name.removeprefix("slurmd-")).mkdir(exist_ok=True)
    for hook in ("prolog.sh", "epilog.sh"):
        _write(root / "hooks" / hook, "#!/bin/sh\nexit 0\n", mode=0o755)
    release = releases.release_of(layout)
    _write(layout.slurm_conf, releases.adapted(texts.slurm_conf(layout), release.slurm_conf if release else ()))
    _write(root / "etc/slurmdbd.conf", texts.slurmdbd_conf(layout), owner=texts.SLURM_USER, mode=0o600)
    cgroup_conf = releases.adapted(texts.cgroup_conf(), release.cgroup_conf if release else ())
    _write(root / "etc/cgroup.conf", cgroup_conf)
    _write(root / "etc/my.cnf", texts.my_cnf(layout))
    if not (root / "munge/munge.key").exists():
        _write(root / "munge/munge.key", secrets.token_hex(64), owner="munge", mode=0o600)
    for name in places.SSHDS:
        _write(root / f"ssh/sshd_config_{name}", texts.sshd_config(layout, name))
    _write(layout.ssh_config, texts.ssh_config(layout))
    people.make_keys(layout)
    people.make_homes(layout)
    people.make_links(layout)


def _write(path: Path, text: str, *, owner: str = "root", mode: int = 0o644) -> None:
    path.write_text(text, encoding="utf-8")
    shutil.chown(path, owner)
    path.chmod(mode)


def _start_all(layout: Layout, say: Say) -> None:
    for name in DAEMONS:  # one that a fault left hanging
        process = running(layout, name)
        if process:
            send(process, signal.SIGCONT)
    # sshd(8) drops its privileges into this folder; Debian's service makes it.
    (layout.system / "run/sshd").mkdir(mode=0o755, exist_ok=True)
    start(layout, "munged", *SSHD_NAMES)
    filled = database.prepare(layout)
    start(layout, "mariadbd")
    await_ready(layout, "munged", "mariadbd")
    if not filled:
        say("making the accounting database, once for all clusters")
        database.fill(layout)
        start(layout, "mariadbd")
        await_ready(layout, "mariadbd")
    for step in (("slurmdbd",), ("slurmctld",), SLURMDS):
        start(layout, *step)
        await_ready(layout, *step)
        say(f"{', '.join(step)} ready")
    await_ready(layout, *SSHD_NAMES)


def _end_all(layout: Layout) -> None:
    """End jobs, all daemons in the reverse of their order, then whatever else is left of the cluster."""
    everything = processes_of(layout)
    for process in everything:
        send(process, signal.SIGCONT)
    _cancel_jobs(layout)
    for step in (SSHD_NAMES, SLURMDS, ("slurmctld",), ("slurmdbd",), ("mariadbd",), ("munged",)):
        stop(layout, *step)
    end(everything | processes_of(layout), patience_s=1)
    _forget_pids(layout)


def _kill_all(layout: Layout) -> None:
    """End a cluster whose state nobody will want: twice, for what was being started meanwhile."""
    for _ in range(2):
        end(processes_of(layout), patience_s=0)
    _forget_pids(layout)


def _forget_pids(layout: Layout) -> None:
    for name in DAEMONS:
        layout.pid_file(name).unlink(missing_ok=True)


def _cancel_jobs(layout: Layout) -> None:
    """Let jobs end as Slurm ends them, so that the next `up` does not find them lost; not when it cannot be asked."""
    if running(layout, "slurmctld") is None:
        return
    with suppress(ClusterError):
        for user in layout.users:
            command(layout, "scancel", "--user", user, timeout_s=4)
        wait_until(lambda: not command(layout, "squeue", "-h", timeout_s=4).stdout, timeout_s=4, pause_s=0.1)


@contextmanager
def _alone(root: Path) -> Generator[None]:
    """Let one command at a time change this cluster."""
    with (root / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
