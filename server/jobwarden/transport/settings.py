"""What the ssh configuration says about a host: asked of `ssh -G`, which knows every rule of it."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobwarden.config.clocks import Clocks
from jobwarden.programs import on_path
from jobwarden.transport.children import ChildSetting, ChildTimeoutError, OutputTooLongError, run_child
from jobwarden.transport.errors import LocalSetupError
from jobwarden_registry.errors import InvalidIdError

# OpenSSH before 9.6 put any host name into ProxyCommand and `Match exec` unchanged (CVE-2023-51385).
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_\[:][A-Za-z0-9_.:%+\]\[-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class SshPlace:
    """Where this process finds ssh and its files.

    Attributes:
        ssh: The ssh program; None when there is none.
        home: `HOME`, which ssh itself does not look at: it takes the one of the password database.
        config_file: To be read in place of the usual ones; None for those.
        child: What child processes get.
    """

    ssh: str | None
    home: Path
    config_file: Path | None
    child: ChildSetting

    @property
    def words(self) -> tuple[str, ...]:
        """The option that names the configuration file, as typed after `ssh`."""
        return ("-F", str(self.config_file)) if self.config_file is not None else ()


@dataclass(frozen=True, slots=True)
class SshSettings:
    """One host's part of the ssh configuration, expanded.

    Attributes:
        alias: The name that was looked up.
        hostname: Where it leads; a name or an address.
        user: The remote login.
        port: The server's port.
        identity_files: Private keys to try, whether or not they exist.
        certificate_files: Certificates for them.
        identities_only: Only these keys, not everything that the agent has.
        agent: The agent's socket; empty for none.
        known_hosts: Files of host keys, whether or not they exist.
        host_key_alias: The name under which the host's key is filed; empty for its own.
        strict: False where the configuration says that unknown host keys are fine.
        proxy_jump: Hops as the configuration has them; empty for none.
        proxy_command: Shell text in place of a connection; empty for none.
        control_path: The socket of a master connection, real or possible.
        place: Where this was read.
    """

    alias: str
    hostname: str
    user: str
    port: int
    identity_files: tuple[Path, ...]
    certificate_files: tuple[Path, ...]
    identities_only: bool
    agent: str
    known_hosts: tuple[Path, ...]
    host_key_alias: str
    strict: bool
    proxy_jump: str
    proxy_command: str
    control_path: str
    place: SshPlace = field(repr=False)

    @property
    def key(self) -> str:
        """Names the place: equal for two names of one."""
        return f"{self.user}@{self.hostname}:{self.port}"

    @property
    def key_name(self) -> str:
        """How known_hosts names the host."""
        name = self.host_key_alias or self.hostname
        return name if self.port == 22 or self.host_key_alias else f"[{name}]:{self.port}"


def check_host(host: str) -> None:
    """Refuse what cannot be a host's name.

    Raises:
        InvalidIdError: A leading dash, white space, a character that no host has.
    """
    if not _HOST.fullmatch(host):
        raise InvalidIdError(f"{host!r} cannot be a host name.", hint="Give a name of ~/.ssh/config or user@host.")


def find_place(env: Mapping[str, str], clocks: Clocks) -> SshPlace:
    """Look where ssh and its configuration are.

    `JOBWARDEN_SSH_CONFIG` names a configuration file for jobwarden alone. A `HOME` that is not the password
    database's is honoured, too.
    """
    real_home = _real_home()
    home = Path(env.get("HOME") or real_home)
    config_file: Path | None = None
    if named := env.get("JOBWARDEN_SSH_CONFIG"):
        config_file = Path(named)
    elif home != real_home:
        own = home / ".ssh" / "config"
        config_file = own if own.exists() else Path(os.devnull)
    cwd = home if home.is_dir() else Path("/")
    return SshPlace(
        ssh=on_path("ssh", env),
        home=home,
        config_file=config_file,
        child=ChildSetting(env=dict(env), cwd=cwd, grace_s=clocks.cancel_grace_s),
    )


async def ask_ssh(place: SshPlace, host: str, *, user: str, port: int = 0, timeout_s: float) -> SshSettings:
    """Ask `ssh -G` about a host; opens no connection, but runs what `Match exec` names.

    Raises:
        LocalSetupError: ssh is missing, or refuses its configuration.
    """
    if place.ssh is None:
        raise LocalSetupError("There is no ssh program.", hint="Install OpenSSH's client.", code="ssh.missing")
    words = [place.ssh, *place.words, "-G"]
    words += ["-l", user] if user else []
    words += ["-p", str(port)] if port else []
    words += ["--", host]
    try:
        answer = await run_child([os.fsencode(word) for word in words], place.child, timeout_s=timeout_s)
    except (OSError, ChildTimeoutError, OutputTooLongError) as error:
        raise LocalSetupError(f"`ssh -G {host}` did not answer: {type(error).__name__} {error}.") from error
    if answer.status != 0:
        said = answer.stderr.decode("utf-8", "replace").strip()[-500:]
        raise LocalSetupError(f"ssh refuses its configuration: {said}", hint=f"Try: ssh -G {host}", code="ssh.config")
    return read_settings(answer.stdout.decode("utf-8", "surrogateescape"), alias=host, place=place)


def read_settings(text: str, *, alias: str, place: SshPlace) -> SshSettings:
    """Read what `ssh -G` printed: lower-case keyword, space, value; one line each (OpenSSH 9.2).

    Raises:
        LocalSetupError: It lacks what every answer has.
    """
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        lines.setdefault(keyword, []).append(value)

    def one(keyword: str) -> str:
        value = lines.get(keyword, [""])[0]
        return "" if value.lower() == "none" else value

    if not (one("hostname") and one("user") and one("port").isdigit()):
        raise LocalSetupError(f"`ssh -G {alias}` gave no host, user and port.", code="ssh.config")
    expand = _Expansion(place.home, host=one("hostname"), port=one("port"), user=one("user"), alias=alias)
    known = [*_paths(one("userknownhostsfile"), expand), *_paths(one("globalknownhostsfile"), expand)]
    settings = SshSettings(
        alias=alias,
        hostname=one("hostname"),
        user=one("user"),
        port=int(one("port")),
        identity_files=tuple(expand.path(value) for value in lines.get("identityfile", []) if value != "none"),
        certificate_files=tuple(expand.path(value) for value in lines.get("certificatefile", []) if value != "none"),
        identities_only=one("identitiesonly") == "yes",
        agent=_agent(lines.get("identityagent", ["SSH_AUTH_SOCK"])[0], place, expand),
        known_hosts=tuple(known),
        host_key_alias=one("hostkeyalias"),
        strict=one("stricthostkeychecking") not in {"no", "off", "false"},
        proxy_jump=one("proxyjump"),
        proxy_command=expand.text(one("proxycommand")),
        control_path=one("controlpath"),
        place=place,
    )
    return settings if settings.control_path else replace(settings, control_path=_own_control_path(settings))


def _own_control_path(settings: SshSettings) -> str:
    # Short: a socket's path may have 107 bytes, and ssh appends 17 while it opens it.
    name = hashlib.sha256(settings.key.encode()).hexdigest()[:12]
    folder = settings.place.home / ".ssh"
    return str(folder / f"jw-{name}" if folder.is_dir() else settings.place.home / f".jw-{name}")


@dataclass(frozen=True, slots=True)
class _Expansion:
    """The tokens that `ssh -G` leaves as they are in some values (man ssh_config, TOKENS)."""

    home: Path
    host: str
    port: str
    user: str
    alias: str

    def text(self, value: str) -> str:
        table = {
            "%": "%",
            "d": str(self.home),
            "h": self.host,
            "n": self.alias.rpartition("@")[2],
            "p": self.port,
            "r": self.user,
            "u": local_user(),
            "i": str(os.getuid()),
        }
        return re.sub(r"%(.)", lambda found: table.get(found[1], found[0]), value)

    def path(self, value: str) -> Path:
        text = self.text(value)
        if text.startswith("~/"):
            return self.home / text[2:]
        real = f"{_real_home()}/.ssh/"
        return self.home / ".ssh" / text[len(real) :] if text.startswith(real) else Path(text)


def _paths(value: str, expand: _Expansion) -> list[Path]:
    # `ssh -G` prints a list of files without quotes; one name with a space in it is more likely if it exists.
    whole = expand.path(value)
    return [whole] if whole.is_file() else [expand.path(part) for part in value.split()]


def _agent(value: str, place: SshPlace, expand: _Expansion) -> str:
    if value.lower() == "none":
        return ""
    if value == "SSH_AUTH_SOCK":
        return place.child.env.get("SSH_AUTH_SOCK", "")
    if value.startswith("$"):
        return place.child.env.get(value[1:].strip("{}"), "")
    return str(expand.path(value))


def has_own_home(place: SshPlace) -> bool:
    """Say whether `HOME` is another folder than the one that ssh takes for it."""
    return place.home != _real_home()


def local_user() -> str:
    """Name the user of this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _real_home() -> Path:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")
