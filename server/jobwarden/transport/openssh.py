"""OpenSSH's own client, one child process a command: for hosts where a person must log in by hand.

Through a live master connection (`ssh -M`, ControlPersist) a command costs some milliseconds and no login. Without
one, each command is a login of its own, by keys, agent, GSSAPI or host: whatever ssh can do without asking.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import anyio

from jobwarden.config.clocks import Clocks
from jobwarden.config.model import Config
from jobwarden.transport import faults
from jobwarden.transport.base import Completed
from jobwarden.transport.children import ChildTimeoutError, OutputTooLongError, run_child
from jobwarden.transport.errors import AuthRejectedError, ConnectError, LocalSetupError, TransportError
from jobwarden.transport.framing import frame_for
from jobwarden.transport.logins import Logins
from jobwarden.transport.settings import SshSettings, has_own_home

_OWN_FAILURE = 255
_CHECK_S = 5.0
_BUSY_TRIES = 6


async def master_is_live(settings: SshSettings) -> bool:
    """Ask for a master connection; costs nothing where there is no socket for one."""
    if settings.place.ssh is None or not _may_exist(settings.control_path):
        return False
    words = [settings.place.ssh, *settings.place.words, "-S", settings.control_path, "-O", "check", "--"]
    try:
        answer = await run_child(_encoded([*words, settings.alias]), settings.place.child, timeout_s=_CHECK_S)
    except (OSError, ChildTimeoutError, OutputTooLongError):
        return False
    return answer.status == 0


class OpenSshLink:
    """A place behind `ssh`. See `Link`.

    Args:
        settings: What the configuration says.
        config: Clocks and limits.
        logins: The rejections to respect and to add to.
        through_master: Use the master connection and nothing else: if it is gone, nothing is tried.
    """

    def __init__(self, settings: SshSettings, config: Config, logins: Logins, *, through_master: bool) -> None:
        self._settings = settings
        self._logins = logins
        self._through_master = through_master
        self._options = _options(settings, config.clocks, through_master=through_master)
        self._channels = anyio.Semaphore(config.limits.channels)
        # Until one login went well they go one by one: many refused at once lock an account.
        self._first_login = anyio.Lock()
        self._proven = through_master

    async def execute(self, words: Sequence[bytes], *, prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        """See `Link.execute`."""
        deadline = anyio.current_time() + timeout_s
        for tried in range(1, _BUSY_TRIES + 1):
            try:
                return await self._take_turn(words, prelude, deadline - anyio.current_time(), stdin)
            except ConnectError as error:
                if error.code != "ssh.busy" or tried == _BUSY_TRIES or anyio.current_time() > deadline - 1:
                    raise
            await anyio.sleep(0.1 * 2**tried)
        raise AssertionError

    async def aclose(self) -> None:
        """See `Link.aclose`. There is nothing of ours to close: the master is the person's."""

    async def _take_turn(self, words: Sequence[bytes], prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        deadline = anyio.current_time() + timeout_s
        with anyio.move_on_after(timeout_s) as waiting:
            async with self._channels:
                if self._proven:
                    waiting.deadline = math.inf
                    return await self._run(words, prelude, deadline - anyio.current_time(), stdin)
                async with self._first_login:
                    waiting.deadline = math.inf
                    return await self._log_in_and_run(words, prelude, deadline - anyio.current_time(), stdin)
        raise faults.connect_timeout(self._settings)

    async def _log_in_and_run(self, words: Sequence[bytes], prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        credentials = await self._logins.check(self._settings)
        try:
            answer = await self._run(words, prelude, timeout_s, stdin)
        except AuthRejectedError as error:
            self._logins.remember(self._settings, credentials, error)
            raise
        self._proven = True
        return answer

    async def _run(self, words: Sequence[bytes], prelude: str, timeout_s: float, stdin: bytes) -> Completed:
        frame = frame_for(timeout_s)
        line = frame.line(words, prelude=prelude, report=True)
        alias = self._settings.alias
        command = [*_encoded([*self._options, "--", alias]), line]
        try:
            answer = await run_child(command, self._settings.place.child, timeout_s=timeout_s, stdin=stdin)
        except ChildTimeoutError as error:
            raise faults.out_of_time(alias, timeout_s) from error
        except OutputTooLongError as error:
            raise faults.too_much_output(alias) from error
        except OSError as error:
            raise LocalSetupError(f"ssh cannot be started: {error}.", code="ssh.missing") from error
        reported = frame.reported(answer.stdout, answer.stderr)
        if answer.status == 0 and reported is not None:
            return reported
        if frame.started(answer.stdout, answer.stderr):
            raise faults.dropped(alias)
        if answer.status != _OWN_FAILURE:
            said = (answer.stderr or answer.stdout)[-300:].decode("utf-8", "replace").strip()
            raise faults.not_started(self._settings, said)
        raise translate(answer.stderr.decode("utf-8", "replace"), self._settings, through_master=self._through_master)


def _may_exist(socket: str) -> bool:
    return "%" in socket or Path(socket).exists()


def _options(settings: SshSettings, clocks: Clocks, *, through_master: bool) -> list[str]:
    options = {
        "BatchMode": "yes",
        # As a master itself ssh would stay behind, holding our pipes.
        "ControlMaster": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "LogLevel": "ERROR",
        "ConnectTimeout": str(math.ceil(clocks.connect_timeout_s)),
        "ServerAliveInterval": str(math.ceil(clocks.keepalive_s)),
        "ServerAliveCountMax": "3",
    }
    if through_master:
        # Not used while the master answers; without it ssh would log in by itself, which is what must not be.
        options["ProxyCommand"] = "false"
    if has_own_home(settings.place):
        # ssh takes the home folder of the password database, whatever HOME says.
        options["UserKnownHostsFile"] = " ".join(f'"{path}"' for path in settings.known_hosts)
    words = [settings.place.ssh or "ssh", *settings.place.words, "-T", "-x", "-a", "-S", settings.control_path]
    for keyword, value in options.items():
        words += ["-o", f"{keyword}={value}"]
    if has_own_home(settings.place):
        for path in settings.identity_files:
            words += ["-i", str(path)] if path.is_file() else []
    return [*words, "-l", settings.user, "-p", str(settings.port)]


def _encoded(words: Sequence[str]) -> list[bytes]:
    return [os.fsencode(word) for word in words]


# -- what ssh says before it exits with 255, in our words -----------------------------------------------------------

_Say: TypeAlias = Callable[[SshSettings, str], TransportError]

# Texts of OpenSSH 7.4 to 9.9, most telling first: one failure often draws several lines. None of them is printed
# once a session is open.
_BY_TEXT: tuple[tuple[str, _Say], ...] = (
    (r"session request failed|administratively prohibited", lambda s, _: faults.busy(s)),
    (
        r"IDENTIFICATION HAS CHANGED|host key for .* has changed|REVOKED HOST KEY",
        lambda s, _: faults.host_key_changed(s),
    ),
    (r"Host key verification failed|host key is known", lambda s, _: faults.host_unknown(s)),
    (r"Permission denied \(|Permission denied, please|uthentication fail|No more authentication", faults.auth_rejected),
    (r"Could not resolve hostname", lambda s, _: faults.unresolved(s)),
    (r"Connection refused", lambda s, _: faults.refused(s)),
    (r"[Tt]imed out", lambda s, _: faults.connect_timeout(s)),
    (r"No route to host|unreachable", faults.unreachable),
    (r"Unable to negotiate|no matching", faults.no_common_algorithm),
    (r"onfiguration option|Bad owner|Can't open user config|too long for Unix domain socket", faults.local_setup),
    (r"kex_exchange_identification|banner exchange", faults.dropped_early),
)


def translate(said: str, settings: SshSettings, *, through_master: bool) -> TransportError:
    """Turn ssh's complaint into an error; what is not known for sure to come before the command is its loss."""
    why = " ".join(said.split())[-300:]
    for pattern, say in _BY_TEXT:
        if re.search(pattern, said):
            fault = say(settings, why)
            break
    else:
        return faults.dropped(settings.alias)
    return faults.master_gone(settings) if through_master and fault.code != "ssh.busy" else fault
