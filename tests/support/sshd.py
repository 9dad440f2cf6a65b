"""A real sshd of one's own on loopback, and a client's folder to reach it from. Nothing outside its folder is used."""

from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.require import require

SSHD = Path("/usr/sbin/sshd")

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
LogLevel VERBOSE
{more}
"""


def require_sshd() -> None:
    """Skip, or fail, where OpenSSH's server is not installed."""
    require("sshd", SSHD.exists(), f"{SSHD} is not installed (Debian: openssh-server)")


def free_port() -> int:
    """Find a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_key(path: Path, *, passphrase: str = "") -> Path:
    """Make a key pair."""
    path.unlink(missing_ok=True)
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd:
    """One sshd, run by the user of the tests, for that user."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        make_key(folder / "host_key")
        (folder / "authorized_keys").touch()

    @property
    def host_key(self) -> str:
        """The public key as a known_hosts line."""
        kind, key, *_ = (self.folder / "host_key.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def authorize(self, public_key: Path, *options: str) -> None:
        """Let a key in."""
        line = " ".join([",".join(options), public_key.read_text()]) if options else public_key.read_text()
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(line)

    def start(self) -> None:
        """Start it and wait until it listens."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists, run as root
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder, more="\n".join(self._more)))
        self._process = subprocess.Popen(
            [str(SSHD), "-D", "-f", str(config), "-E", str(self.log)], stdin=subprocess.DEVNULL
        )
        wait_until(self._listens, lambda: f"sshd does not listen: {self.log.read_text()}")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it and every session of it."""
        if self._process is None:
            return
        sessions = self.sessions()
        self._process.kill()
        self._process.wait()
        self._process = None
        for pid in sessions:
            for number in (signal.SIGKILL, signal.SIGCONT):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def sessions(self) -> list[int]:
        """Give the processes that serve connections (not the commands in them), in no order."""
        if self._process is None:
            return []
        found = [self._process.pid]
        for pid in found:
            found += [child for child, name in _children(pid) if name.startswith("sshd")]
        return found[1:]

    def signal_sessions(self, number: signal.Signals) -> None:
        """Do to the open connections what a network or an administrator does."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def count(self, pattern: str) -> int:
        """Count lines of the log."""
        return len(re.findall(pattern, self.log.read_text()))

    @property
    def logins(self) -> int:
        """How many logins it has accepted."""
        return self.count("Accepted publickey for ")

    @property
    def refusals(self) -> int:
        """How many connections went away without a login; a probe of the port is none.

        The log is behind: wait until the sessions are gone.
        """
        wait_until(lambda: not self.sessions(), lambda: f"sessions: {self.sessions()}")
        return self.count(r"(?:closed|reset|Disconnected|Disconnecting|disconnect).* \[preauth\]")


@contextmanager
def running_sshd(folder: Path, *more: str) -> Generator[Sshd]:
    """Run an sshd in a new folder, with further lines for its configuration."""
    require_sshd()
    folder.mkdir(parents=True)
    sshd = Sshd(folder, *more)
    try:
        sshd.start()
        yield sshd
    finally:
        sshd.stop()


class SshHome:
    """A client's `~/.ssh`: configuration, known_hosts and one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = make_key(folder / "id_test")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.touch()
        self.config = folder / "config"
        self.config.write_text("")

    def env(self, **more: str) -> dict[str, str]:
        """Give the environment for a pool."""
        return {**os.environ, "JOBWARDEN_SSH_CONFIG": str(self.config), **more}

    def add(self, alias: str, sshd: Sshd, *, trust: bool = True, authorize: bool = True, **options: str) -> None:
        """Write a host down; options replace the usual ones, an empty one leaves it out."""
        if trust:
            self.trust(sshd)
        if authorize:
            sshd.authorize(self.key.with_name(f"{self.key.name}.pub"))
        self.write(
            alias,
            **{
                "HostName": "127.0.0.1",
                "Port": str(sshd.port),
                "User": getpass.getuser(),
                "IdentityFile": str(self.key),
                "IdentitiesOnly": "yes",
                "UserKnownHostsFile": str(self.known_hosts),
                "GlobalKnownHostsFile": os.devnull,
                **options,
            },
        )

    def write(self, alias: str, **options: str) -> None:
        """Append a block to the configuration."""
        lines = [f"  {keyword} {value}\n" for keyword, value in options.items() if value]
        with self.config.open("a") as file:
            file.write(f"Host {alias}\n{''.join(lines)}")

    def trust(self, sshd: Sshd) -> None:
        """File the server's key."""
        with self.known_hosts.open("a") as file:
            file.write(sshd.host_key)

    @contextmanager
    def master(self, alias: str, *, path: Path | None = None) -> Generator[Path]:
        """Hold a master connection open, as a person would; at `cm-ALIAS` unless told otherwise."""
        path = path or self.folder / f"cm-{alias}"
        words = ["ssh", "-F", str(self.config), "-o", f"ControlPath={path}", "-o", "ControlMaster=yes"]
        process = subprocess.Popen([*words, "-N", alias], stdin=subprocess.DEVNULL)
        try:
            wait_until(path.exists, lambda: f"no master connection to {alias}: {process.poll()}")
            yield path
        finally:
            process.terminate()
            process.wait()


def wait_until(condition: Callable[[], bool], why: Callable[[], str], *, limit_s: float = 10) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)


def _children(parent: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            head, _, tail = (entry / "stat").read_text().rpartition(")")
            if int(tail.split()[1]) == parent:
                found.append((pid, head.partition("(")[2]))
    return found
