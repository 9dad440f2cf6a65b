"""The test cluster (tests/cluster) as tests use it."""

import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster import database, faults, install, layout, lifecycle, second
from cluster.daemons import DAEMONS, command, tail
from cluster.processes import identify, wait_until
from support.require import require

SSHD_HOSTS = ("cluster-a", "cluster-b")
_CGROUP_TURN = Path("/run/jobwarden-test-cgroup.lock")


class Cluster:
    """A running cluster: submit, look, and break it. Its files are all below `dir`."""

    def __init__(self, built: layout.Layout) -> None:
        self._layout = built

    @classmethod
    def attach(cls, folder: Path) -> "Cluster":
        """Use a cluster that somebody left up."""
        return cls(layout.load(folder))

    @classmethod
    def bring_up(cls, folder: Path, *, flavor: str | None = None, release: str | None = None) -> "Cluster":
        """Bring a cluster up in this folder; `bring_down` is for the caller to call, or the next run sweeps it."""
        me = identify(os.getpid())
        return cls(lifecycle.up(folder, say=_say_nothing, flavor=flavor, release=release, owner=me))

    def bring_down(self) -> None:
        """End every process of the cluster and remove its folder."""
        lifecycle.down(self.dir, say=_say_nothing, wipe=True)

    @property
    def dir(self) -> Path:
        """The cluster's folder."""
        return self._layout.root

    @property
    def ssh_config(self) -> Path:
        """The OpenSSH client configuration that knows `hosts`; its keys are readable by root."""
        return self._layout.ssh_config

    @property
    def slurm_conf(self) -> Path:
        """What SLURM_CONF must be for Slurm commands on this machine."""
        return self._layout.slurm_conf

    @property
    def users(self) -> tuple[str, ...]:
        """The ordinary users; alice and bob unless chosen otherwise."""
        return self._layout.users

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every alias in `ssh_config`: cluster-a, cluster-a-alice, ..., cluster-a-via-b."""
        people = [f"{host}-{user}" for host in SSHD_HOSTS for user in self.users]
        return (*SSHD_HOSTS, *people, "cluster-a-via-b")

    @property
    def ports(self) -> dict[str, int]:
        """The loopback port of each daemon: slurmctld, slurmdbd, mariadbd, c1 to c4, and a and b for the sshds."""
        return self._layout.ports

    def home(self, user: str = "alice") -> Path:
        """Where a user's ssh sessions start and, unless told otherwise, jobs run and write."""
        return self._layout.home(user)

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "alice",
        host: str = "cluster-a",
        stdin: str = "",
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the cluster as a user, through real ssh; the exit status is data."""
        return subprocess.run(
            ["ssh", "-F", str(self.ssh_config), f"{host}-{user}", "--", shlex.join(argv)],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )

    def sbatch(self, *words: str, script: str | None = None, user: str = "alice", host: str = "cluster-a") -> str:
        """Submit a job through real ssh and return its id: `sbatch("--wrap", "sleep 5")`, or with a script's text."""
        done = self.run(["sbatch", "--parsable", *words], user=user, host=host, stdin=script or "")
        assert done.returncode == 0, f"sbatch {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip().partition(";")[0]

    def slurm(self, *argv: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a Slurm command on this machine as the caller (root may all); the exit status is data."""
        return command(self._layout, *argv, timeout_s=timeout_s)

    def squeue(self, *words: str) -> str:
        """Return what squeue prints; it must succeed."""
        return self._answer("squeue", *words)

    def sacct(self, *words: str) -> str:
        """Return what sacct prints; it must succeed."""
        return self._answer("sacct", *words)

    def scontrol(self, *words: str) -> str:
        """Return what scontrol prints; it must succeed."""
        return self._answer("scontrol", *words)

    def state(self, job: str) -> str:
        """Return the one word of a job's state: slurmctld's while it knows the job, sacct's later; "" when neither."""
        shown = self.slurm("scontrol", "-o", "show", "job", job)
        if shown.returncode == 0:
            words = dict(word.split("=", 1) for word in shown.stdout.split() if "=" in word)
            return words.get("JobState", "")
        states = self.slurm("sacct", "-X", "-n", "-P", "-j", job, "-o", "State").stdout.split()
        return states[0] if states else ""

    def wait_for(self, job: str, states: Collection[str], *, timeout_s: float = 60) -> str:
        """Wait until a job has one of these states and return it."""
        if not wait_until(lambda: self.state(job) in states, timeout_s=timeout_s, pause_s=0.1):
            msg = f"job {job} is {self.state(job)!r}, not {sorted(states)}, after {timeout_s:g} s\n{self.logs()}"
            raise AssertionError(msg)
        return self.state(job)

    def wait_until_accounted(self, job: str, states: Collection[str], *, timeout_s: float = 60) -> str:
        """Wait until sacct shows one of these states; it comes some seconds after slurmctld's."""

        def shown() -> str:
            words = self.slurm("sacct", "-X", "-n", "-P", "-j", job, "-o", "State").stdout.split()
            return words[0] if words else ""

        assert wait_until(lambda: shown() in states, timeout_s=timeout_s, pause_s=0.1), f"sacct says {shown()!r}"
        return shown()

    def wait_until_forgotten(self, job: str, *, timeout_s: float = 60) -> None:
        """Wait until slurmctld has dropped an ended job (MinJobAge is 5 s), so that only sacct knows it."""

        def forgotten() -> bool:
            shown = self.slurm("scontrol", "show", "job", job)
            return shown.returncode != 0 and "Invalid job id" in shown.stderr

        assert wait_until(forgotten, timeout_s=timeout_s, pause_s=0.2), f"slurmctld still knows {job}"

    def stop(self, daemon: str) -> None:
        """End a daemon with SIGTERM: munged, mariadbd, slurmdbd, slurmctld, slurmd-c1..4, sshd-a, sshd-b."""
        faults.stop_daemon(self._layout, daemon)

    def kill(self, daemon: str) -> None:
        """End a daemon with SIGKILL."""
        faults.kill_daemon(self._layout, daemon)

    def start(self, daemon: str) -> None:
        """Start a daemon again and wait until it answers."""
        faults.start_daemon(self._layout, daemon)

    def hang(self, daemon: str) -> None:
        """Make a daemon accept and say nothing (SIGSTOP); an sshd's open sessions too."""
        faults.hang_daemon(self._layout, daemon)

    def resume(self, daemon: str) -> None:
        """Let a hanging daemon go on and wait until it answers."""
        faults.resume_daemon(self._layout, daemon)

    def drop_sessions(self, daemon: str = "sshd-a") -> int:
        """Break the open connections of an sshd, which goes on; return how many processes had them."""
        return faults.drop_sessions(self._layout, daemon)

    def noise(self, text: str, *, user: str = "alice") -> None:
        """Make the user's .bashrc print this before each command's answer; "" ends it."""
        faults.set_noise(self._layout, user, text)

    @contextmanager
    def stopped(self, daemon: str) -> Generator[None]:
        """Have a daemon stopped for a while."""
        self.stop(daemon)
        try:
            yield
        finally:
            self.start(daemon)

    @contextmanager
    def hung(self, daemon: str) -> Generator[None]:
        """Have a daemon hang for a while."""
        self.hang(daemon)
        try:
            yield
        finally:
            self.resume(daemon)

    def hide(self, program: str) -> None:
        """Have a program not installed until `mend`, on the far side of ssh."""
        faults.hide_program(self._layout, program)

    @contextmanager
    def hidden(self, program: str) -> Generator[None]:
        """Have a program not installed for a while, on the far side of ssh."""
        self.hide(program)
        try:
            yield
        finally:
            faults.show_programs(self._layout)

    def purge(self, job: str, *, gone: bool = True) -> None:
        """Take a job's records out of accounting, or put them back."""
        database.strike_out(self._layout, job, gone=gone)

    def lose_state(self) -> None:
        """Have slurmctld forget every job, as a cold start after a lost StateSaveLocation does; ids begin anew."""
        self.kill("slurmctld")
        for file in (self.dir / "state").glob("job_state*"):
            file.unlink()
        self.start("slurmctld")

    @contextmanager
    def replaced(self, program: str, script: str) -> Generator[None]:
        """Have a bash script in the place of a program for a while, on the far side of ssh."""
        faults.replace_program(self._layout, program, script)
        try:
            yield
        finally:
            faults.show_programs(self._layout)

    @contextmanager
    def moved(self, programs: Sequence[str], folder: Path) -> Generator[None]:
        """Have programs in a folder for a while to which the PATH of ssh sessions does not lead."""
        try:
            faults.move_programs(self._layout, programs, folder)
            yield
        finally:
            faults.show_programs(self._layout)
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def login(self, text: str, *, user: str = "alice") -> Generator[None]:
        """Have shell text in the user's .bashrc and .profile for a while."""
        faults.set_login(self._layout, user, text)
        try:
            yield
        finally:
            faults.set_login(self._layout, user, "")

    @contextmanager
    def configured(self, change: Callable[[str], str]) -> Generator[None]:
        """Have another slurm.conf for a while; slurmctld is started anew with it, and again at the end."""
        before = self.slurm_conf.read_text(encoding="utf-8")
        try:
            with self.stopped("slurmctld"):
                self.slurm_conf.write_text(change(before), encoding="utf-8")
            yield
        finally:
            with self.stopped("slurmctld"):
                self.slurm_conf.write_text(before, encoding="utf-8")

    @contextmanager
    def second(self) -> Generator[str]:
        """Have a second cluster beside this one for a while, reached with `-M NAME`; gives its name."""
        with second.second_cluster(self._layout) as name:
            yield name

    def mend(self) -> None:
        """Undo all faults: wake and start daemons, bring programs back, end the noise."""
        lifecycle.up(self.dir, say=_say_nothing)

    def logs(self, lines: int = 8) -> str:
        """Return the last lines of every daemon's log, for a test that failed."""
        return "\n".join(f"--- {daemon}\n{tail(self._layout, daemon, lines)}" for daemon in DAEMONS)

    def _answer(self, *argv: str) -> str:
        done = self.slurm(*argv)
        assert done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}: {done.stderr}"
        return done.stdout


def require_slurm() -> None:
    """Skip, aloud, where no cluster can be brought up: not root, or neither Slurm nor apt-get; see `require`."""
    why = install.why_not_installable()
    require("slurm", present=why is None, why=why or "")


@contextmanager
def temporary_cluster(*, flavor: str | None = None, release: str | None = None) -> Generator[Cluster]:
    """Have a cluster of one's own; its folder's path is short, as Unix sockets need.

    One with cgroups waits until no other test process has such a one: only one may be up.
    """
    with ExitStack() as stack:
        if flavor == "cgroup":
            turn = stack.enter_context(_CGROUP_TURN.open("w", encoding="utf-8"))
            fcntl.flock(turn, fcntl.LOCK_EX)
        folder = Path(tempfile.mkdtemp(prefix="jw-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Cluster.bring_up(folder, flavor=flavor, release=release)
        stack.callback(cluster.bring_down)
        yield cluster


def _say_nothing(text: str) -> None:
    """Take the progress of `up` and `down`; a test's output has no place for it."""
