"""Connections to hosts: one a place, lent to whoever has something to ask there, closed when nobody does."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Literal, TypeAlias

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from jobwarden.config.model import Config
from jobwarden.transport.base import Chunk, Completed, Site, Transport
from jobwarden.transport.faults import copy_of
from jobwarden.transport.local import LocalTransport
from jobwarden.transport.logins import Logins
from jobwarden.transport.openssh import OpenSshLink, master_is_live
from jobwarden.transport.remote import Link, RemoteTransport
from jobwarden.transport.settings import SshSettings, ask_ssh, check_host, find_place, local_user, read_settings
from jobwarden.transport.tally import CountedTransport, Tally
from jobwarden_registry.errors import JobwardenError

Kind: TypeAlias = Literal["asyncssh", "openssh", "master"]
_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?")


@dataclass(slots=True)
class _Slot:
    """A place in use, or lately in use."""

    kind: Kind
    link: Link
    users: int = 0
    idle: anyio.CancelScope | None = None


class TransportPool:
    """See `Transports`. Use it as an async context manager; leaving it closes everything.

    Args:
        config: Clocks, limits, hosts.
        env: The environment of this process, as child processes shall see it.
        machine_id: Names this machine, for `local:` keys.
        tally: Counts what is run and read.
    """

    def __init__(self, config: Config, *, env: Mapping[str, str], machine_id: str, tally: Tally | None = None) -> None:
        self._config = config
        self._tally = tally or Tally(None)
        self._env = env
        self._machine_id = machine_id
        self._place = find_place(env, config.clocks)
        self._logins = Logins()
        self._slots: dict[str, _Slot] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._settings: dict[tuple[str, str, int], tuple[float, SshSettings]] = {}
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> TransportPool:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        group, self._group = self._group, None
        slots, self._slots = self._slots, {}
        with anyio.CancelScope(shield=True):
            for slot in slots.values():
                await slot.link.aclose()
        group.cancel_scope.cancel()
        await group.__aexit__(None, None, None)

    async def resolve(self, host: str) -> Site:
        """See `Transports.resolve`. `localhost` and the empty name are this machine."""
        if self._is_local(host):
            return Site(host=host, key=f"local:{self._machine_id}", user=local_user())
        settings = await self._look_up(host)
        return Site(host=host, key=settings.key, user=settings.user)

    def lease(self, host: str) -> AbstractAsyncContextManager[Transport]:
        """See `Transports.lease`."""
        return self._lease_local(host) if self._is_local(host) else self._lease(host)

    async def retry_logins(self, host: str | None = None) -> None:
        """A person asks: allow the next login at a host, or everywhere, after one was refused."""
        self._logins.forget((await self.resolve(host)).key if host is not None else None)

    def _is_local(self, host: str) -> bool:
        kind = self._config.host(host).transport
        return kind == "local" or (kind == "auto" and host in {"", "localhost"})

    @contextlib.asynccontextmanager
    async def _lease_local(self, host: str) -> AsyncGenerator[Transport]:
        prelude = self._config.host(host).prelude
        local = LocalTransport(host or "localhost", env=self._env, clocks=self._config.clocks, prelude=prelude)
        yield CountedTransport(local, self._tally)

    @contextlib.asynccontextmanager
    async def _lease(self, host: str) -> AsyncGenerator[Transport]:
        try:
            settings = await self._look_up(host)
        except JobwardenError as error:
            # Borrowing never fails; using it does.
            yield _Nowhere(host, error)
            return
        slot = await self._borrow(settings, self._config.host(host).transport)
        try:
            prelude = self._config.host(host).prelude
            limit_s = self._config.clocks.ask_timeout_s
            remote = RemoteTransport(host, slot.link, prelude=prelude, read_timeout_s=limit_s)
            yield CountedTransport(remote, self._tally)
        finally:
            slot.users -= 1
            if slot.users == 0 and self._slots.get(settings.key) is slot:
                self._close_later(settings.key, slot)

    async def _borrow(self, settings: SshSettings, wanted: str) -> _Slot:
        async with self._locks.setdefault(settings.key, anyio.Lock()):
            slot = self._slots.get(settings.key)
            if slot is None or slot.users == 0:
                slot = await self._renew(settings, wanted, slot)
            slot.users += 1
            if slot.idle is not None:
                slot.idle.cancel()
            return slot

    async def _renew(self, settings: SshSettings, wanted: str, slot: _Slot | None) -> _Slot:
        """Keep the idle slot, or replace it where a master connection has come or gone."""
        kind = await self._pick(settings, wanted)
        current = self._slots.get(settings.key)
        if current is not None and current is slot and current.kind == kind:
            return current
        if current is not None:
            del self._slots[settings.key]
            await current.link.aclose()
        fresh = _Slot(kind, self._make(kind, settings))
        self._slots[settings.key] = fresh
        return fresh

    async def _pick(self, settings: SshSettings, wanted: str) -> Kind:
        if wanted == "asyncssh":
            return "asyncssh"
        if await master_is_live(settings):
            return "master"
        return "openssh" if wanted == "openssh" else "asyncssh"

    def _make(self, kind: Kind, settings: SshSettings) -> Link:
        if kind == "asyncssh":
            # asyncssh takes 0.2 s to import, which a host with a master connection need not pay.
            from jobwarden.transport.ssh.link import SshLink

            return SshLink(settings, self._config, self._logins, self._look_up_hop)
        return OpenSshLink(settings, self._config, self._logins, through_master=kind == "master")

    def _close_later(self, key: str, slot: _Slot) -> None:
        if self._group is not None:
            slot.idle = anyio.CancelScope()
            self._group.start_soon(self._close_when_idle, key, slot, slot.idle)

    async def _close_when_idle(self, key: str, slot: _Slot, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(self._config.clocks.idle_close_s)
            # First forgotten, then closed: nobody is lent a dying connection. The shield is against a new
            # borrower, who finds another slot.
            if slot.users == 0 and self._slots.get(key) is slot:
                del self._slots[key]
                with anyio.CancelScope(shield=True):
                    await slot.link.aclose()

    async def _look_up_hop(self, hop: str) -> SshSettings:
        found = _HOP.fullmatch(hop)
        host = found["host"].strip("[]") if found else hop
        user, port = (found["user"] or "", int(found["port"] or 0)) if found else ("", 0)
        return await self._settings_of(host, user, port)

    async def _look_up(self, host: str) -> SshSettings:
        return await self._settings_of(host, self._config.host(host).user, 0)

    async def _settings_of(self, host: str, user: str, port: int) -> SshSettings:
        """Look a host up; the answer is good for as long as an unused connection stays open."""
        check_host(host)
        now = anyio.current_time()
        known = self._settings.get((host, user, port))
        if known is not None and now - known[0] < self._config.clocks.idle_close_s:
            return known[1]
        place, limit_s = self._place, self._config.clocks.connect_timeout_s
        if place.ssh is not None:
            settings = await ask_ssh(place, host, user=user, port=port, timeout_s=limit_s)
        else:
            from jobwarden.transport.ssh.without_ssh import config_without_ssh

            config_file = place.config_file or place.home / ".ssh" / "config"
            text = await anyio.to_thread.run_sync(lambda: config_without_ssh(config_file, host, user=user, port=port))
            settings = read_settings(text, alias=host, place=place)
        self._settings[host, user, port] = (now, settings)
        return settings


class _Nowhere:
    """The transport of a host that could not even be looked up. See `Transport`."""

    def __init__(self, host: str, error: JobwardenError) -> None:
        self._host = host
        self._error = error

    @property
    def host(self) -> str:
        return self._host

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:  # noqa: ARG002 -- the contract's
        raise copy_of(self._error)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:  # noqa: ARG002 -- the contract's
        raise copy_of(self._error)
