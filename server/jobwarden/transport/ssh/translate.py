"""What asyncssh and the system raise, in our words."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

import asyncssh

from jobwarden.transport import faults
from jobwarden.transport.errors import TransportError
from jobwarden.transport.settings import SshSettings

_Say: TypeAlias = Callable[[SshSettings, str], TransportError]

# Most specific first. What asyncssh 2.24.1 raises was recorded against OpenSSH 9.2; several of its errors are no
# asyncssh.Error.
_BY_TYPE: tuple[tuple[type[Exception], _Say], ...] = (
    (asyncssh.PermissionDenied, faults.auth_rejected),
    (asyncssh.KeyExchangeFailed, faults.no_common_algorithm),
    (asyncssh.DisconnectError, faults.dropped_early),
    (asyncssh.Error, faults.dropped_early),
    (socket.gaierror, lambda settings, _: faults.unresolved(settings)),
    (TimeoutError, lambda settings, _: faults.connect_timeout(settings)),
    (ConnectionRefusedError, lambda settings, _: faults.refused(settings)),
    (ConnectionError, faults.dropped_early),
    (FileNotFoundError, faults.local_setup),
    (OSError, faults.unreachable),
    (ValueError, faults.local_setup),
)
_BY_TEXT: tuple[tuple[re.Pattern[str], _Say], ...] = (
    (re.compile("authentication failures", re.IGNORECASE), faults.auth_rejected),
    (re.compile("Login timeout"), lambda settings, _: faults.connect_timeout(settings)),
    # Several addresses, all of which refuse, come as one OSError; a jump host says it in words.
    (re.compile(rf"Connection refused|Errno {errno.ECONNREFUSED}\b"), lambda settings, _: faults.refused(settings)),
    (re.compile("resolve|not known|resolution"), lambda settings, _: faults.unresolved(settings)),
)


def translate(error: Exception, settings: SshSettings, *, known: bool, notes: Sequence[str]) -> TransportError:
    """Turn what went wrong while connecting into an error of ours.

    Args:
        error: As caught.
        settings: The host.
        known: Whether known_hosts has anything about it.
        notes: Why keys that are there could not be used, for a rejected login.
    """
    text = str(error) or type(error).__name__
    wrong_key = isinstance(error, asyncssh.KeyExchangeFailed) and "host key" in text
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or (wrong_key and known):
        return faults.host_key_changed(settings) if known else faults.host_unknown(settings)
    why = "; ".join([text, *notes]) if isinstance(error, asyncssh.PermissionDenied) else text
    for pattern, say in _BY_TEXT:
        if isinstance(error, asyncssh.Error | OSError) and pattern.search(text):
            return say(settings, why)
    return next(say for kind, say in _BY_TYPE if isinstance(error, kind))(settings, why)
