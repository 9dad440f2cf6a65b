"""Ending with the client: a stdio server must not outlive whoever speaks to it.

mcp 2.3.0 ends at end-of-file on its standard input and at nothing else. That is not enough: some grandchild of a
killed client may hold the pipe open, a client may close only our output, and a reader thread inside the SDK blocks
in `read` and cannot be cancelled. So the SDK reads from a socket of our own, which two threads feed and close; a signal
closes it, too. They run before the SDK is imported, and so import nothing that is slow.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobwarden.mcp_server.front import Front

LAUNCHERS = frozenset({"uv", "uvx", "sh", "bash", "dash", "zsh", "env", "npx", "npm", "timeout", "nice", "stdbuf"})
"""Programs that only start another and wait for it: their own parent is watched too."""
_PIECE = 65536
_DEPTH = 8
_NO_PIDFD_LOOK_MS = 2000


class Lifeline:
    """Feeds file descriptor 0 from the real standard input, and ends it when the client is gone.

    Args:
        front: Answers until its `hand_over`; None: the SDK is fed from the first byte on.
        exit_after_s: After the end, how long the program may take to finish before it is ended by force.

    Attributes:
        front: See above.
        why: The reason for the end; "" before it.
    """

    def __init__(self, front: Front | None = None, *, exit_after_s: float = 10.0) -> None:
        self.front = front
        self.why = ""
        self._exit_after_s = exit_after_s
        self._over = threading.Lock()
        self._ours, theirs = socket.socketpair()
        self._client, self._reader = os.dup(0), os.dup(1)  # the SDK moves 0 and 1 elsewhere while it serves
        os.dup2(theirs.fileno(), 0)
        theirs.close()
        self._ancestors = list(_ancestors())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self.end(f"signal {number}"))
        for job in (self._pump, self._watch):
            threading.Thread(target=job, daemon=True, name=f"jobwarden {job.__name__}").start()

    def end(self, why: str) -> None:
        """End the input; from any thread, any number of times. What the client had sent before is still read."""
        if not self._over.acquire(blocking=False):
            return
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self.why = why
        last = threading.Timer(self._exit_after_s, os._exit, (0,))
        last.daemon = True
        last.start()

    def _pump(self) -> None:
        try:
            for kept in self.front.pass_on(self._client) if self.front is not None else ():
                self._ours.sendall(kept)
            while piece := os.read(self._client, _PIECE):
                self._ours.sendall(piece)
        except OSError as error:
            self.end(f"standard input: {error}")
        finally:
            self.end("end of input")

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._reader, 0)  # an output that nobody reads any more reports itself unasked
        for _pid, handle in self._ancestors:
            if handle is not None:
                poll.register(handle, select.POLLIN)
        blind = any(handle is None for _pid, handle in self._ancestors)
        while not poll.poll(_NO_PIDFD_LOOK_MS if blind else None):
            if self._ancestors and os.getppid() != self._ancestors[0][0]:
                break
        self.end("the client closed our output, or is gone")


def _ancestors() -> Iterator[tuple[int, int | None]]:
    """Give our parent, and its parents as long as they are launchers, each with something that `poll` waits on."""
    pid = os.getppid()
    for _ in range(_DEPTH):
        if pid <= 1:
            return
        yield pid, _pidfd(pid)
        name, pid = _name_and_parent(pid)
        if name not in LAUNCHERS:
            return


def _pidfd(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # a kernel before 5.3, or a sandbox that forbids it
        return None


def _name_and_parent(pid: int) -> tuple[str, int]:
    """Read a process's name and parent from `/proc/PID/stat`; no name where that cannot be read."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        name, _, rest = line.partition("(")[2].rpartition(")")
        return name, int(rest.split()[1])
    except (OSError, ValueError, IndexError):
        return "", 0
