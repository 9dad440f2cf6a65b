"""Logging in: with which keys, and whom to believe."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh

from jobwarden.config.clocks import Clocks
from jobwarden.transport.settings import SshSettings


@dataclass(frozen=True, slots=True)
class Keyring:
    """What there is to log in with.

    Attributes:
        pairs: Private keys.
        agent_only: Public halves to which the agent's keys are restricted; None for no restriction.
        notes: Why keys that are there cannot be used.
    """

    pairs: list[asyncssh.SSHKeyPair]
    agent_only: list[bytes] | None
    notes: list[str]


async def log_in(
    settings: SshSettings,
    tunnel: asyncssh.SSHClientConnection | None,
    trusted: asyncssh.SSHKnownHosts,
    keyring: Keyring,
    clocks: Clocks,
) -> asyncssh.SSHClientConnection:
    """Open a connection and log in, by keys alone: nobody is asked for anything.

    Args:
        settings: Where, and as whom.
        tunnel: The connection to the host before; None for a direct one.
        trusted: What known_hosts says.
        keyring: What to log in with, beside the agent.
        clocks: Times.

    Raises:
        asyncssh.Error, OSError, ValueError: Whatever asyncssh raises; `translate` knows what it means.
    """

    def trusted_keys(_host: str, _address: str, _port: int | None) -> Any:  # noqa: ANN401 -- asyncssh says list[str]
        return _match(trusted, settings)

    async with contextlib.AsyncExitStack() as stack:
        keys: list[Any] = list(keyring.pairs)
        agent = settings.agent if keyring.agent_only != [] else ""
        if agent and not keys:
            # Given no keys, asyncssh would look for its own defaults; so the agent's are given by name.
            with contextlib.suppress(OSError, asyncssh.Error, ValueError):
                client = await stack.enter_async_context(await asyncssh.connect_agent(agent))
                keys = list(await client.get_keys(keyring.agent_only))
        return await asyncssh.connect(
            settings.hostname,
            settings.port,
            config=None,
            tunnel=tunnel or (),
            proxy_command=["/bin/sh", "-c", f"exec {settings.proxy_command}"] if settings.proxy_command else (),
            username=settings.user,
            client_keys=keys or None,
            agent_path=agent or None,
            agent_identities=keyring.agent_only,
            known_hosts=trusted_keys if settings.strict or is_known(trusted, settings) else None,
            # Known kinds of key first, but the others too: a server that has none of the known says so by hanging up.
            server_host_key_algs="+ssh-ed25519,ecdsa-sha2-nistp*,rsa-sha2-*",
            x509_trusted_certs=None,
            preferred_auth=["publickey"],
            keepalive_interval=clocks.keepalive_s,
            keepalive_count_max=3,
            login_timeout=clocks.connect_timeout_s,
        )


def load_keyring(settings: SshSettings) -> Keyring:
    """Read the private keys that can be read. Blocks.

    A missing one is normal, and one with a passphrase is the agent's to use.
    """
    pairs: list[asyncssh.SSHKeyPair] = []
    public: list[bytes] = []
    notes: list[str] = []
    certificates = [str(path) for path in settings.certificate_files if path.is_file()]
    for path in settings.identity_files:
        with contextlib.suppress(OSError, ValueError):
            public.append(asyncssh.read_public_key(f"{path}.pub").public_data)
        try:
            pairs += asyncssh.load_keypairs(str(path), certlist=certificates)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            notes.append(f"{path}: {error}")
    return Keyring(pairs, public if settings.identities_only else None, notes)


def load_trusted(settings: SshSettings) -> asyncssh.SSHKnownHosts:
    """Read the known_hosts files that can be read. Blocks."""
    texts: list[str] = []
    for path in settings.known_hosts:
        with contextlib.suppress(OSError):
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    text = "\n".join(texts)
    try:
        return asyncssh.import_known_hosts(text)
    except ValueError:
        # One line that asyncssh cannot read spoils the file for it; OpenSSH passes over such a line.
        return asyncssh.import_known_hosts("\n".join(line for line in text.splitlines() if _is_readable(line)))


def _is_readable(line: str) -> bool:
    try:
        asyncssh.import_known_hosts(line)
    except ValueError:
        return False
    return True


def _match(trusted: asyncssh.SSHKnownHosts, settings: SshSettings) -> Sequence[Sequence[object]]:
    # By name alone, as OpenSSH since 8.5: an address in the file says nothing about who answers to the name.
    port = None if settings.port == 22 or settings.host_key_alias else settings.port
    return trusted.match(settings.host_key_alias or settings.hostname, "", port)


def is_known(trusted: asyncssh.SSHKnownHosts, settings: SshSettings) -> bool:
    """Say whether known_hosts has anything about the host."""
    return any(_match(trusted, settings))


# -- what asyncssh and the system raise, in our words ---------------------------------------------------------------
