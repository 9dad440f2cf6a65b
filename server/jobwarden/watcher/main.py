"""The watcher's process: `python -m jobwarden.watcher.main`. Started by `spawn`, never by hand."""

from __future__ import annotations

import contextlib
import gc
import logging
import logging.handlers
import os
import signal
import threading
import time
from importlib.metadata import version
from pathlib import Path

import anyio
import anyio.to_thread

# An upgrade must not pull files from under a process that lives for days: all that is imported late elsewhere
# is imported here at the start.
import jobwarden.transport.ssh
from jobwarden.verdict.world import World, open_world
from jobwarden.watcher.leasing import Leasing
from jobwarden.watcher.presence import Presence, WatcherInfo, is_older, log_path, read_info
from jobwarden.watcher.spawn import STARTING
from jobwarden.watcher.watcher import Watcher
from jobwarden_registry.errors import JobwardenError
from jobwarden_registry.paths import Places, user_places

log = logging.getLogger(__name__)

EAGER = (jobwarden.transport.ssh,)
_TAKE_S = 0.5
_HANDOVER_S = 60.0
"""How long an older watcher may take to finish what it is doing."""
_JOIN_S = 2.0
_LOG_BYTES = 1_000_000


async def serve(env: dict[str, str]) -> bool:
    """Be the watcher until nothing is left; answers False when there is one already."""
    places = user_places(env)
    _log_to(places)
    agent = AgentSocket(places, env)
    presence = Presence(places)
    async with open_world(env) as world:
        info = WatcherInfo(pid=os.getpid(), version=version("jobwarden"), started_at=world.clock())
        if not await _take(presence, info, places):
            return False
        _end_start(env)
        watcher = Watcher(world, presence, Leasing(world), info=info)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, watcher)
            tasks.start_soon(_keep_agent_socket, world, agent)
            await watcher.run()
            tasks.cancel_scope.cancel()
    return True


async def _take(presence: Presence, info: WatcherInfo, places: Places) -> bool:
    """Take the lock; who only looks whether there is a watcher holds it for an instant, hence the tries.

    An older watcher has been told to hand over, and is waited for.
    """
    began = anyio.current_time()
    while not presence.take(info):
        patience_s = _HANDOVER_S if is_older(read_info(places), info.version) else _TAKE_S
        if anyio.current_time() - began > patience_s:
            return False
        await anyio.sleep(0.05)
    return True


def _end_start(env: dict[str, str]) -> None:
    """Free the lock of the start (see `spawn`): from here on the watcher's own lock speaks."""
    descriptor = env.pop(STARTING, "")
    if descriptor.isdigit():
        with contextlib.suppress(OSError):
            os.close(int(descriptor))


async def _end_on_signal(watcher: Watcher) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            watcher.stop(f"signal {received.name}")


class AgentSocket:
    """The way to an ssh agent: a link of our own, which leads to whichever agent lives.

    The agent of the login that we were started in goes away with it, and the path is in every copy of the environment
    by then. A link can be turned to another socket under the same name.
    """

    def __init__(self, places: Places, env: dict[str, str]) -> None:
        self._link = places.runtime / "ssh-agent"
        given = env.get("SSH_AUTH_SOCK")
        if given and given != str(self._link) and not self.is_alive():
            self.turn(given)
        env["SSH_AUTH_SOCK"] = str(self._link)

    def is_alive(self) -> bool:
        """Say whether there is a socket at its end."""
        return self._link.is_socket()

    def turn(self, socket: str) -> None:
        """Lead to this socket from now on."""
        fresh = self._link.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(socket)
        fresh.replace(self._link)


async def _keep_agent_socket(world: World, agent: AgentSocket) -> None:
    """Use the ssh agent of whichever session registered last when the one that we began with is gone."""
    while True:
        await anyio.sleep(world.config.clocks.scan_s)
        try:
            await anyio.to_thread.run_sync(_turn_to_a_live_one, world, agent)
        except (JobwardenError, OSError) as error:
            log.warning("no ssh agent is looked for: %s", error)


def _turn_to_a_live_one(world: World, agent: AgentSocket) -> None:
    if agent.is_alive():
        return
    for entry in sorted(world.sessions.index.all(), key=lambda entry: entry.last_seen_at, reverse=True):
        socket = entry.client.get("ssh_auth_sock")
        if isinstance(socket, str) and Path(socket).is_socket():
            log.info("the ssh agent is now that of session %s", entry.session_id)
            agent.turn(socket)
            return


def _log_to(places: Places) -> None:
    handler = logging.handlers.RotatingFileHandler(
        log_path(places), maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    formatter = logging.Formatter("%(asctime)sZ %(process)d %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("asyncssh").setLevel(logging.WARNING)


def main() -> None:
    """Run until nothing is left to watch."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    keep_what_is_loaded()
    anyio.run(serve, dict(os.environ))
    _leave_hung_threads()


def keep_what_is_loaded() -> None:
    """Keep the garbage collector from walking through all that was imported, 30 ms at a time, in every other round."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _leave_hung_threads() -> None:
    """End even when a thread hangs on a file system that does not answer: the interpreter would wait for it."""
    deadline = time.monotonic() + _JOIN_S
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("a thread hangs; ending without it")
                logging.shutdown()
                os._exit(0)


if __name__ == "__main__":
    main()
