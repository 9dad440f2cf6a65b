"""Where everything of one test cluster lies, and which ports it has."""

import fcntl
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.errors import ClusterError

CHECKOUT = Path(__file__).resolve().parents[2]
# sun_path holds 108 bytes with its closing zero; slurmstepd's sockets in spool/ have the longest names of all.
LONGEST_ROOT = 60
NODES = ("c1", "c2", "c3", "c4")
SSHDS = ("a", "b")
PORT_NAMES: tuple[str, ...] = ("slurmctld", "slurmdbd", "mariadbd", *NODES, *SSHDS)
# Below the range from which Linux hands out ephemeral ports (32768), above the services' usual ones.
PORT_RANGE = range(21000, 32000, len(PORT_NAMES))
# Shared by all clusters of the machine: who has which ports, and the lock under which they are given.
MACHINE_DIR = Path("/run/jobwarden-test-clusters")
FLAVORS = ("plain", "cgroup", "patient")
# Where clusters of another Debian release see that release: outside their own folders, which are removed whole.
SYSTEMS_DIR = MACHINE_DIR / "systems"


def system_of(root: Path) -> Path:
    """Return where the cluster in this folder sees its release."""
    return SYSTEMS_DIR / hashlib.sha256(os.fsencode(root)).hexdigest()[:12]


@dataclass(frozen=True)
class Layout:
    """One cluster's folder and what was decided when it was first brought up."""

    root: Path
    ports: dict[str, int]
    users: tuple[str, ...]
    flavor: str
    release: str | None = None
    """The Debian release whose programs it runs; None for those of the machine."""
    owner: tuple[int, int] | None = None
    """Pid and start time of the test run that this cluster is for: without it, anybody may take the cluster down."""

    @property
    def slurm_conf(self) -> Path:
        """The cluster's slurm.conf; slurmdbd.conf and cgroup.conf lie beside it, as Slurm wants."""
        return self.root / "etc/slurm.conf"

    @property
    def system(self) -> Path:
        """What the cluster's daemons and ssh sessions have as their `/`."""
        return system_of(self.root) if self.release else Path("/")

    def inside(self, *argv: str) -> list[str]:
        """Return the words that run a program where the cluster's programs run."""
        return [*(("chroot", str(self.system)) if self.release else ()), *argv]

    @property
    def munge_socket(self) -> Path:
        """The socket of the cluster's own munged."""
        return self.root / "munge/munge.sock"

    @property
    def database_socket(self) -> Path:
        """MariaDB's socket, for its root; slurmdbd comes by TCP."""
        return self.root / "state/mariadbd.sock"

    @property
    def ssh_config(self) -> Path:
        """The OpenSSH client configuration that knows the hosts of this cluster."""
        return self.root / "ssh/config"

    @property
    def programs(self) -> Path:
        """The folder of links that is the whole PATH of ssh sessions, so that a fault can take one away."""
        return self.root / "bin"

    @property
    def accounting_ready(self) -> Path:
        """Exists once the database holds Slurm's tables, users and QOSes."""
        return self.root / "accounting-ready"

    def home(self, user: str) -> Path:
        """HOME of a user's ssh sessions on this cluster."""
        return self.root / "home" / user

    def log(self, daemon: str) -> Path:
        """The log a daemon writes; what it says on stdout and stderr goes to the same name with `.out`."""
        return self.root / "log" / f"{daemon}.log"

    def pid_file(self, daemon: str) -> Path:
        """The process that was started as this daemon."""
        return self.root / "run" / f"{daemon}.pid"

    def save(self) -> None:
        """Keep the decisions for later calls."""
        facts = asdict(self)
        facts.pop("root")
        path = self.root / "cluster.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        fresh.rename(path)


def load(root: Path) -> Layout:
    """Read the decisions of a cluster that was brought up in this folder before.

    Raises:
        ClusterError: there never was one.
    """
    try:
        facts = json.loads((root / "cluster.json").read_text(encoding="utf-8"))
        owner = facts["owner"] and (int(facts["owner"][0]), int(facts["owner"][1]))
        users = tuple(facts["users"])
        return Layout(root, facts["ports"], users, facts["flavor"], release=facts.get("release"), owner=owner)
    except FileNotFoundError as error:
        raise ClusterError(f"no test cluster was ever brought up in {root}") from error
    except (ValueError, KeyError) as error:
        raise ClusterError(f"{root}/cluster.json is not this version's: end its processes, remove it") from error


def default_root(name: str) -> Path:
    """Return `.cluster/<name>` of the checkout, or a folder in /tmp where that is too long or closed to others."""
    inside = CHECKOUT / ".cluster" / name
    if why_unfit(inside) is None:
        return inside
    return Path(tempfile.gettempdir()) / f"jobwarden-cluster-{name}"


def why_unfit(root: Path) -> str | None:
    """Return why no cluster can live in this folder, or None."""
    if len(os.fsencode(root)) > LONGEST_ROOT:
        return f"{root} is longer than {LONGEST_ROOT} bytes, too long for the Unix sockets below it"
    closed = [parent for parent in root.parents if parent.exists() and not parent.stat().st_mode & 0o001]
    if closed:
        return f"{closed[0]} is closed to other users, and the cluster's users must reach {root}"
    return None


@contextmanager
def machine_lock() -> Generator[None]:
    """Hold what only one cluster at a time may do on this machine: packages, users, choosing ports."""
    MACHINE_DIR.mkdir(mode=0o755, exist_ok=True)
    with (MACHINE_DIR / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def known_roots() -> tuple[Path, ...]:
    """Return the folders of the machine's clusters, running or not; call under `machine_lock`."""
    return tuple(Path(root) for root in _taken_blocks().values())


def choose_ports(root: Path, old: dict[str, int] | None = None) -> dict[str, int]:
    """Take a block of free ports for the cluster in this folder, `old` if it is; call under `machine_lock`.

    A block stays taken as long as the folder that took it exists, so two clusters coming up at once never meet.
    """
    taken = _taken_blocks()
    for start in ([old[PORT_NAMES[0]]] if old else []) + list(PORT_RANGE):
        block = dict(zip(PORT_NAMES, range(start, start + len(PORT_NAMES)), strict=True))
        if taken.get(start, str(root)) == str(root) and all_free(block.values()):
            (MACHINE_DIR / f"ports-{start}").write_text(str(root), encoding="utf-8")
            return block
    raise ClusterError(f"no {len(PORT_NAMES)} free ports in a row between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def all_free(ports: Iterable[int]) -> bool:
    """Say whether nothing listens on any of these ports."""
    return all(map(_free, ports))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the daemons do: leftovers in TIME_WAIT do not hinder, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _taken_blocks() -> dict[int, str]:
    """Return the first port of each block that is taken, with the folder that took it; forget folders that are gone."""
    taken: dict[int, str] = {}
    for note in MACHINE_DIR.glob("ports-*"):
        root = note.read_text(encoding="utf-8")
        if Path(root).exists():
            taken[int(note.name.removeprefix("ports-"))] = root
        else:
            note.unlink()
    return taken
