"""How a host can fail us, each with what it means for the caller.

`shared` says whether it is a fact about the far side (told to every process through the ledger), or
only about this process's own credentials and files.
"""

from __future__ import annotations

from jobwarden_registry.errors import JobwardenError


class TransportError(JobwardenError):
    """Nothing is known about what the command would have said."""

    code: str = "transport.error"
    shared: bool = True


class ConnectError(TransportError):
    """No connection: nothing was sent. Codes `ssh.refused`, `ssh.timeout`, `ssh.unresolved`, `ssh.dropped`."""

    code: str = "ssh.connect_failed"
    retryable: bool = True


class HostKeyUnknownError(TransportError):
    """The host is not in known_hosts. The hint is the command that adds it."""

    code: str = "ssh.host_unknown"
    shared: bool = False


class HostKeyChangedError(TransportError):
    """The host shows another key than known_hosts has. The hint is the command that mends it."""

    code: str = "ssh.host_key_changed"
    shared: bool = False


class AuthRejectedError(TransportError):
    """The login was refused. Nothing is tried again until credentials change or a person asks.

    The hint is the exact `ssh` command that opens a master connection, for hosts that want a person.
    """

    code: str = "ssh.auth_rejected"
    shared: bool = False


class LocalSetupError(TransportError):
    """Something here is missing or broken: no ssh program, an unreadable key, a bad ssh configuration."""

    code: str = "ssh.local_setup"
    shared: bool = False


class OutcomeUnknownError(TransportError):
    """Sent, and the end was not seen: dropped in the middle (`ssh.dropped`) or out of time (`ssh.timeout`).

    The command may have run, may be running still. Look again before asking again for anything that changes things.
    """

    code: str = "ssh.outcome_unknown"
    retryable: bool = True
