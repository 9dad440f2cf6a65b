"""Other releases of Debian in folders of their own, so that their Slurm can be run beside the machine's.

A release is made once for the machine by debootstrap(8), from the mirror that apt uses, and is never written to again.
A cluster of that release sees it through mounts of its own, which `down` takes away: its daemons and ssh sessions are
chrooted there, with the cluster's folder at the same path as outside.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cluster import install
from cluster.errors import ClusterError
from cluster.layout import SYSTEMS_DIR, Layout, system_of

CACHE = Path("/var/cache/jobwarden-test-cluster")
TOOLS = {"debootstrap": ("/usr/sbin/debootstrap",)}
ATTEMPTS = 4
# The machine's own, so that numeric ids mean the same inside and outside; munge answers with the caller's.
SHARED_FILES = ("etc/group", "etc/shadow", "etc/hosts")
SHARED_FOLDERS = ("proc", "sys", "dev", "tmp")
# Where mirrors keep releases that are no longer supported, beside the folder of those that are.
ARCHIVES = ("debian-archive/debian", "archive/debian")


@dataclass(frozen=True)
class Release:
    """What is installed of a Debian release, and where its Slurm wants another configuration than 22.05.

    Attributes:
        slurm: Slurm's version in it.
        packages: Debian's packages.
        slurm_conf: Lines of slurm.conf to replace; an empty text leaves the line out.
        cgroup_conf: The same for cgroup.conf.
    """

    slurm: str
    packages: tuple[str, ...]
    slurm_conf: tuple[tuple[str, str], ...] = ()
    cgroup_conf: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """Name this choice of packages, for the folder that holds them."""
        return hashlib.sha256(" ".join(self.packages).encode()).hexdigest()[:8]


_COMMON = ("slurm-wlm", "slurmdbd", "munge", "openssh-server")
RELEASES = {
    "bullseye": Release(
        slurm="20.11",
        packages=(*_COMMON, "mariadb-server-core-10.5", "mariadb-client-core-10.5"),
        slurm_conf=(("AccountingStoreFlags=job_comment,job_script,job_env", "AccountingStoreJobComment=YES"),),
        cgroup_conf=(("CgroupPlugin=cgroup/v1", ""),),
    ),
    "trixie": Release(
        slurm="24.11",
        packages=(*_COMMON, "slurm-wlm-mysql-plugin", "mariadb-server-core", "mariadb-client-core"),
        cgroup_conf=(("CgroupAutomount=no", ""),),
    ),
}


def release_of(layout: Layout) -> Release | None:
    """Return the release that a cluster runs, or None for the machine's own programs."""
    return RELEASES[layout.release] if layout.release else None


def adapted(text: str, changes: Sequence[tuple[str, str]]) -> str:
    """Replace whole lines of a configuration.

    Raises:
        ClusterError: a line to replace is not there.
    """
    lines = text.splitlines()
    for old, new in changes:
        if old not in lines:
            raise ClusterError(f"no line {old!r} to adapt")
        lines[lines.index(old)] = new
    return "\n".join(lines) + "\n"


# --- the folder of a release


def folder_of(name: str) -> Path:
    """Return where a release lies once it is made; another choice of packages has another folder."""
    return CACHE / f"{name}-{RELEASES[name].digest}"


def make(name: str) -> bool:
    """Make the folder of a release, and say whether that was needed.

    Raises:
        ClusterError: not root, or no mirror gave the release; the text ends with debootstrap's last lines.
    """
    if folder_of(name).exists():
        return False
    install.install(TOOLS)
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (CACHE / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder_of(name).exists():
            return False
        for old in (*CACHE.glob(f"{name}-????????"), *CACHE.glob(f"new-{name}-*")):
            shutil.rmtree(old)
        _bootstrap_until_done(name)
    return True


def _bootstrap_until_done(name: str) -> None:
    mirrors = _mirrors()
    said: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):
        for mirror in mirrors:
            done = _bootstrap(name, mirror)
            if done.returncode == 0:
                return
            said.append("\n".join((done.stdout + done.stderr).splitlines()[-8:]))
        if attempt < ATTEMPTS:
            time.sleep(3 * attempt)
    raise ClusterError(f"debootstrap {name} failed {ATTEMPTS} times:\n" + "\n".join(said[-len(mirrors) :]))


def _bootstrap(name: str, mirror: str) -> subprocess.CompletedProcess[str]:
    workshop = Path(tempfile.mkdtemp(prefix=f"new-{name}-", dir=CACHE))
    workshop.chmod(0o755)
    packages = CACHE / "packages"
    packages.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            *("debootstrap", "--variant=minbase", f"--cache-dir={packages}"),
            *(f"--include={','.join(RELEASES[name].packages)}", name, str(workshop), mirror),
        ],
        env={**os.environ, **_proxies(), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        _make_mount_points(workshop)
        workshop.rename(folder_of(name))
        shutil.rmtree(packages)
    else:
        shutil.rmtree(workshop)
    return done


def _mirrors() -> list[str]:
    """Return where to look for a release: apt's own mirror, then where its host may keep old releases.

    Raises:
        ClusterError: apt names no mirror that debootstrap can read.
    """
    words = ("--format", "$(COMPONENT) $(BASE_URI)", "Created-By: Packages")
    text = _said("apt-get", "indextargets", *words)
    bases = [line.split()[1] for line in text.splitlines() if line.startswith("main ")]
    mine = [base for base in bases if base.rstrip("/").endswith(f"/dists/{_codename()}")]
    uris = [base.partition("/dists/")[0] for base in mine or bases if base.startswith(("http:", "https:", "file:"))]
    if not uris:
        raise ClusterError("apt names no mirror of Debian: is there an index of packages? (apt-get update)")
    site = urlsplit(uris[0])
    return [uris[0], *(f"{site.scheme}://{site.netloc}/{path}" for path in ARCHIVES if site.netloc)]


def _codename() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")


def _proxies() -> dict[str, str]:
    """Return for wget, which debootstrap calls, the proxies that apt is told to use."""
    found: dict[str, str] = {}
    for scheme in ("http", "https"):
        said = _said("apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy").strip()
        proxy = said.removeprefix("PROXY=").strip("'")
        if proxy and proxy != "DIRECT":
            found[f"{scheme}_proxy"] = proxy
    return found


def _said(*argv: str) -> str:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def _make_mount_points(folder: Path) -> None:
    for name in (*SHARED_FILES, "etc/passwd"):
        (folder / name).touch()
    for name in (*SHARED_FOLDERS, "run"):
        (folder / name).mkdir(exist_ok=True)


# --- what a cluster sees of it


def enter(layout: Layout) -> None:
    """Give the cluster its view of its release; nothing is done for one that has it, or runs the machine's programs.

    Raises:
        ClusterError: this machine does not let root mount.
    """
    if layout.release is None or _mounted(layout.system):
        return
    folder, system = folder_of(layout.release), layout.system
    inside = folder / layout.root.relative_to("/")
    if layout.root.parts[1] not in SHARED_FOLDERS:
        inside.mkdir(parents=True, exist_ok=True)
    system.mkdir(mode=0o755, parents=True, exist_ok=True)
    system.with_suffix(".of").write_text(str(layout.root), encoding="utf-8")
    try:
        _mount("--bind", folder, system)
        # What is mounted below must not show in the folder itself, nor be taken away where it came from.
        _mount("--make-private", system)
        for name in (*SHARED_FOLDERS, *SHARED_FILES):
            _mount("--bind", Path("/") / name, system / name)
        _mount("--bind", _passwd(layout), system / "etc/passwd")
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", system / "run")
        (system / "run/sshd").mkdir(mode=0o755)
        for group in _mounts_below(Path("/sys/fs/cgroup")):
            _mount("--bind", group, system / group.relative_to("/"))
        if layout.root.parts[1] not in SHARED_FOLDERS:
            _mount("--bind", layout.root, system / layout.root.relative_to("/"))
        _mount("-o", "remount,bind,ro", system)
    except ClusterError:
        _leave(system)
        raise


def _passwd(layout: Layout) -> Path:
    """Write the machine's passwd(5) with the homes that the users have on this cluster."""
    lines = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
    fields = [line.split(":") for line in lines]
    for person in fields:
        if person[0] in layout.users:
            person[5] = str(layout.home(person[0]))
    path = layout.root / "etc/passwd"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(":".join(person) + "\n" for person in fields), encoding="utf-8")
    return path


def leave(layout: Layout) -> None:
    """Take the cluster's view of its release away; its processes have ended before."""
    if layout.release is not None:
        _leave(layout.system)


def leave_forgotten() -> None:
    """Take away the views of clusters whose folders are gone. Call under the machine's lock."""
    for note in SYSTEMS_DIR.glob("*.of"):
        root = Path(note.read_text(encoding="utf-8"))
        if not root.exists():
            _leave(system_of(root))


def _leave(system: Path) -> None:
    if _mounted(system):
        for words in (["-R"], ["-R", "-l"]):  # lazily, where a process that is just ending still stands in it
            if subprocess.run(["umount", *words, str(system)], capture_output=True, check=False).returncode == 0:
                break
    if _mounted(system):
        raise ClusterError(f"{system} cannot be unmounted")
    if system.exists():
        system.rmdir()
    system.with_suffix(".of").unlink(missing_ok=True)


def _mounted(place: Path) -> bool:
    # Not Path.is_mount: a folder that is mounted elsewhere on the same disk has the same device there.
    return place in _mounts_below(place)


def _mounts_below(place: Path) -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        point = Path(line.split()[1])
        if point == place or place in point.parents:
            yield point


def _mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"mount {' '.join(map(str, words))}: {done.stderr.strip()}")
