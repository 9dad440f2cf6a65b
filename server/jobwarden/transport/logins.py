"""Rejected logins, remembered: retrying them locks accounts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobwarden.transport.children import ChildTimeoutError, OutputTooLongError, run_child
from jobwarden.transport.errors import AuthRejectedError
from jobwarden.transport.faults import copy_of
from jobwarden.transport.settings import SshSettings

Credentials = tuple[str, ...]
"""A print of everything that could make the next login go otherwise."""

_AGENT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class _Rejection:
    credentials: Credentials
    error: AuthRejectedError


class Logins:
    """The rejected logins of this process, one a place at most."""

    def __init__(self) -> None:
        self._rejected: dict[str, _Rejection] = {}

    async def check(self, settings: SshSettings) -> Credentials:
        """Say with which credentials a login would be tried now.

        Raises:
            AuthRejectedError: The same were refused before; nothing was tried.
        """
        credentials = await take_credentials(settings)
        known = self._rejected.get(settings.key)
        if known is not None and known.credentials == credentials:
            raise copy_of(known.error)
        return credentials

    def remember(self, settings: SshSettings, credentials: Credentials, error: AuthRejectedError) -> None:
        """Keep a rejection; `credentials` are those from before the attempt."""
        self._rejected[settings.key] = _Rejection(credentials, copy_of(error))

    def forget(self, key: str | None = None) -> None:
        """Allow the next attempt: at one place (`SshSettings.key`), or everywhere."""
        if key is None:
            self._rejected.clear()
        else:
            self._rejected.pop(key, None)


async def take_credentials(settings: SshSettings) -> Credentials:
    """Take the print: key files, certificates, configuration, Kerberos tickets, the agent and the keys in it."""
    place = settings.place
    files = [*settings.identity_files, *settings.certificate_files]
    files += [place.config_file or place.home / ".ssh" / "config", *_tickets(place.child.env)]
    agent = (await _agent_keys(settings),) if settings.agent else ()
    return (*(_file_print(path) for path in files), *agent)


def _file_print(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError as error:
        return f"{path} {error.errno}"
    return f"{path} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"


def _tickets(env: Mapping[str, str]) -> list[Path]:
    # The default name of MIT Kerberos. Caches in the kernel or in a daemon leave no file to look at.
    name = env.get("KRB5CCNAME", f"FILE:/tmp/krb5cc_{os.getuid()}")
    kind, colon, path = name.partition(":")
    return [Path(path if colon else name)] if not colon or kind in {"FILE", "DIR"} else []


async def _agent_keys(settings: SshSettings) -> str:
    """Ask the agent what it holds: a key added to it changes no file."""
    socket = _file_print(Path(settings.agent))
    child = settings.place.child
    child = type(child)(env={**child.env, "SSH_AUTH_SOCK": settings.agent}, cwd=child.cwd, grace_s=child.grace_s)
    try:
        answer = await run_child([b"ssh-add", b"-L"], child, timeout_s=_AGENT_TIMEOUT_S)
    except (OSError, ChildTimeoutError, OutputTooLongError):
        return socket
    return f"{socket} {hashlib.sha256(answer.stdout).hexdigest()}"
