"""Every way in which a host fails us, in words, with the command that mends it.

The kinds of transport translate what their library raises into these, each in one table of its own.
"""

from __future__ import annotations

import shlex
from typing import TypeVar

from jobwarden.transport.errors import (
    AuthRejectedError,
    ConnectError,
    HostKeyChangedError,
    HostKeyUnknownError,
    LocalSetupError,
    OutcomeUnknownError,
)
from jobwarden.transport.settings import SshSettings
from jobwarden_registry.errors import JobwardenError

_E = TypeVar("_E", bound=JobwardenError)


def copy_of(error: _E) -> _E:
    """Build the same error anew, for another task: one exception object must not be raised in two."""
    return type(error)(error.text, hint=error.hint, code=error.code, retryable=error.retryable)


def _ssh(settings: SshSettings, *options: str) -> str:
    return shlex.join(["ssh", *settings.place.words, *options, settings.alias])


def _at(settings: SshSettings) -> str:
    there = f"{settings.hostname}:{settings.port}"
    return settings.alias if settings.alias == there else f"{settings.alias} ({there})"


def master_command(settings: SshSettings) -> str:
    """Give the command by which a person opens a master connection that we then use."""
    return _ssh(
        settings,
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPath={settings.control_path}"),
        *("-o", "ControlPersist=8h"),
    )


def host_unknown(settings: SshSettings) -> HostKeyUnknownError:
    """The host is in no known_hosts file."""
    return HostKeyUnknownError(
        f"The key of {_at(settings)} is not in known_hosts.",
        hint=f"Log in once by hand and compare the fingerprint: {_ssh(settings)}",
    )


def host_key_changed(settings: SshSettings) -> HostKeyChangedError:
    """known_hosts has another key for the host."""
    files = [path for path in settings.known_hosts if path.is_file()]
    remove = " && ".join(shlex.join(["ssh-keygen", "-R", settings.key_name, "-f", str(path)]) for path in files[:2])
    return HostKeyChangedError(
        f"{_at(settings)} shows another key than known_hosts has: a new installation, or somebody in between.",
        hint=f"If the change is real: {remove} && {_ssh(settings)}",
    )


def auth_rejected(settings: SshSettings, why: str) -> AuthRejectedError:
    """The login was refused."""
    return AuthRejectedError(
        f"{_at(settings)} refused the login of {settings.user} ({why}). Nothing is tried again until a key, the agent "
        "or a ticket has changed, a master connection is open, or you ask for it.",
        hint=f"Log in by hand and leave the connection open: {master_command(settings)}",
    )


def refused(settings: SshSettings) -> ConnectError:
    """Nobody listens there."""
    return ConnectError(f"{_at(settings)} refuses connections.", code="ssh.refused")


def unresolved(settings: SshSettings) -> ConnectError:
    """The name has no address."""
    return ConnectError(
        f"The name {settings.hostname} has no address.",
        code="ssh.unresolved",
        hint=f"Check the name, the network and the VPN: {_ssh(settings, '-v')}",
    )


def unreachable(settings: SshSettings, why: str) -> ConnectError:
    """The network says no."""
    return ConnectError(f"{_at(settings)} cannot be reached: {why}.", code="ssh.unreachable")


def connect_timeout(settings: SshSettings) -> ConnectError:
    """No connection within the time."""
    return ConnectError(f"{_at(settings)} did not answer in time.", code="ssh.timeout")


def dropped_early(settings: SshSettings, why: str) -> ConnectError:
    """The connection ended before the command was sent."""
    return ConnectError(f"{_at(settings)} closed the connection before the login was done: {why}.", code="ssh.dropped")


def busy(settings: SshSettings) -> ConnectError:
    """No session to be had on an open connection."""
    return ConnectError(
        f"{_at(settings)} opens no more sessions on this connection.",
        code="ssh.busy",
        hint="Its MaxSessions may be small: lower limits.channels in the configuration.",
    )


def master_gone(settings: SshSettings) -> ConnectError:
    """The master connection that we went through is no more."""
    return ConnectError(
        f"The master connection to {_at(settings)} is gone.",
        code="ssh.dropped",
        hint=f"Open it again: {master_command(settings)}",
    )


def not_started(settings: SshSettings, said: str) -> ConnectError:
    """A session was opened, but its shell never came to the command."""
    return ConnectError(
        f"The login shell of {settings.user} on {_at(settings)} did not start the command: {said or 'no word'}.",
        code="ssh.no_shell",
        retryable=False,
        hint=f"Look what it does: {_ssh(settings, '-T')} true",
    )


def no_common_algorithm(settings: SshSettings, why: str) -> LocalSetupError:
    """Client and server have no cipher, key exchange or host key type in common."""
    return LocalSetupError(
        f"{_at(settings)} and this client have no algorithm in common: {why}.",
        code="ssh.no_common_algorithm",
        hint=f'Set transport = "openssh" for this host in the configuration, and try: {_ssh(settings, "-v")}',
    )


def local_setup(settings: SshSettings, why: str) -> LocalSetupError:
    """Something on this side is broken."""
    return LocalSetupError(f"ssh to {_at(settings)} cannot be set up: {why}.", hint=f"Try: {_ssh(settings, '-v')}")


def dropped(host: str) -> OutcomeUnknownError:
    """The connection ended between the command's start and its end."""
    return OutcomeUnknownError(
        f"The connection to {host} was lost while a command ran; it may have run, and may be running.",
        code="ssh.dropped",
    )


def out_of_time(host: str, timeout_s: float) -> OutcomeUnknownError:
    """The time was up before the command's end."""
    return OutcomeUnknownError(f"A command on {host} did not end within {timeout_s:g} s.", code="ssh.timeout")


def too_much_output(host: str) -> OutcomeUnknownError:
    """The command printed more than we take."""
    return OutcomeUnknownError(
        f"A command on {host} printed more than is taken, and was ended.", code="transport.too_much", retryable=False
    )
