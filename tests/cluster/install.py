"""Install what a test cluster needs from Debian's packages, without starting or stopping any service."""

import os
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.errors import ClusterError

# Where each package's proof of presence lies (Debian 12). Looking is 100 times faster than asking dpkg.
PROOFS = {
    "slurm-wlm": ("/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sacct"),
    "slurmdbd": ("/usr/sbin/slurmdbd",),
    "slurm-wlm-mysql-plugin": ("/usr/lib/*/slurm-wlm/accounting_storage_mysql.so",),
    "mariadb-server-core": ("/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db"),
    "mariadb-client-core": ("/usr/bin/mariadb",),
    "munge": ("/usr/sbin/munged",),
    "openssh-server": ("/usr/sbin/sshd",),
    "openssh-client": ("/usr/bin/ssh", "/usr/bin/ssh-keygen"),
}
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_KEPT = Path("/usr/sbin/policy-rc.d.before-test-cluster")
POLICY_MARK = "# written by the test cluster while it installs packages"
ATTEMPTS = 4
APT_OPTIONS = (
    "-q",
    "-y",
    "-o=DPkg::Lock::Timeout=120",
    "-o=Acquire::Retries=3",
    "-o=Dpkg::Use-Pty=0",
    "-o=Dpkg::Options::=--force-confold",
)


def missing_packages(wanted: Mapping[str, tuple[str, ...]] = PROOFS) -> tuple[str, ...]:
    """Return the packages of which some part is not on this machine."""
    return tuple(package for package, proofs in wanted.items() if not all(map(_present, proofs)))


def why_not_installable() -> str | None:
    """Return why this machine cannot be given a test cluster, or None when it can."""
    if os.geteuid() != 0:
        return "a test cluster needs root: it starts daemons that change user"
    if missing_packages() and shutil.which("apt-get") is None:
        return f"a test cluster needs Debian's packages: {' '.join(missing_packages())} missing, and no apt-get"
    return None


def install(wanted: Mapping[str, tuple[str, ...]] = PROOFS) -> tuple[str, ...]:
    """Install what is missing and return its names; nothing is done when all is there.

    `wanted` gives each package's proofs of presence.

    Raises:
        ClusterError: not root, no apt-get, or apt-get failed several times; the text ends with its last lines.
    """
    why = why_not_installable()
    if why is not None:
        raise ClusterError(why)
    missing = missing_packages(wanted)
    if missing:
        with no_service_starts():
            _apt_get_until_done(missing)
        still = missing_packages(wanted)
        if still:
            raise ClusterError(f"installed, but parts are still missing: {' '.join(still)}")
    return missing


def _present(pattern: str) -> bool:
    if "*" in pattern:
        return any(Path("/").glob(pattern.lstrip("/")))
    return Path(pattern).exists()


def _apt_get_until_done(packages: tuple[str, ...]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        _apt_get("update")
        done = _apt_get("install", "--no-install-recommends", "--no-upgrade", *packages)
        if done.returncode == 0:
            return
        if attempt == ATTEMPTS:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise ClusterError(f"apt-get install failed {ATTEMPTS} times:\n{tail}")
        time.sleep(2 * attempt)


def _apt_get(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        # needrestart would restart services that were here before us.
        "NEEDRESTART_SUSPEND": "1",
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        ["apt-get", *APT_OPTIONS, verb, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@contextmanager
def no_service_starts() -> Generator[None]:
    """Forbid package scripts to start services, and put the machine's own policy back at the end.

    invoke-rc.d(8) and deb-systemd-invoke ask /usr/sbin/policy-rc.d; 101 means "forbidden".
    """
    _restore_policy()
    if POLICY.exists():
        POLICY.rename(POLICY_KEPT)
    POLICY.write_text(f"#!/bin/sh\n{POLICY_MARK}\nexit 101\n", encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        _restore_policy()


def _restore_policy() -> None:
    """Take our policy away and the machine's own back; also what an installation killed half-way left."""
    with suppress(FileNotFoundError):
        if POLICY_MARK in POLICY.read_text(encoding="utf-8", errors="replace"):
            POLICY.unlink()
    if POLICY_KEPT.exists() and not POLICY.exists():
        POLICY_KEPT.rename(POLICY)
