"""The ssh configuration on a machine without an ssh program to ask."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from asyncssh.config import SSHClientConfig

from jobwarden.transport.errors import LocalSetupError


def config_without_ssh(config_file: Path, host: str, *, user: str, port: int) -> str:
    """Say what `ssh -G` would say of a host, by asyncssh's own reader of configurations. Blocks.

    Raises:
        LocalSetupError: The configuration cannot be read.
    """
    login, _, name = host.rpartition("@")
    paths = [str(config_file)] if config_file.is_file() else None
    given = (user or login or (), name, port or ())
    try:
        config = SSHClientConfig.load(None, paths, False, False, False, getpass.getuser(), *given)
    except (OSError, ValueError) as error:
        raise LocalSetupError(f"The ssh configuration cannot be read: {error}.", code="ssh.config") from error
    found: dict[str, Any] = {
        "Hostname": name,
        "User": getpass.getuser(),
        "Port": 22,
        "IdentityFile": ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"],
        "UserKnownHostsFile": ["~/.ssh/known_hosts"],
    }
    for keyword in (*found, "IdentitiesOnly", "IdentityAgent", "HostKeyAlias", "ProxyJump", "ProxyCommand"):
        found[keyword] = config.get(keyword, found.get(keyword))
    found["UserKnownHostsFile"] = " ".join(found["UserKnownHostsFile"])
    lines = [f"identityfile {path}" for path in found.pop("IdentityFile")]
    return "\n".join(lines + [f"{key.lower()} {'yes' if one is True else one}" for key, one in found.items() if one])
