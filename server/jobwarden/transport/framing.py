"""A remote command between marks, so that its own output is told from everything around it.

What `.bashrc`, banners and ssh itself print on either stream stands before the mark. A far side that never printed
the mark never started the command, whatever exit status it gave. The constant script runs under `/bin/sh`, whatever
the login shell is; it puts `timeout` before the command where there is one, for a client that goes away leaves its
command running (seen on OpenSSH 9.2).
"""

from __future__ import annotations

import math
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobwarden.transport.base import Completed
from jobwarden.transport.quoting import command_line

REMOTE_SLACK_S = 2
"""How much later than us the far side gives up, so that we are the ones to say so."""
REMOTE_GRACE_S = 5
"""Between SIGTERM and SIGKILL on the far side."""

_START = 'm=$1; t=$2; shift 2; echo "$m"; echo "$m $$" >&2; '
# dash has no `exec --` (0.5.12): a program whose name is an option of exec, or nothing, is refused before.
_BARE = 'case $1 in ""|-*) echo "$1: not found" >&2; exit 127;; esac; exec "$@"'
_EXEC = _START + f'if command -v timeout >/dev/null 2>&1; then exec timeout -k {REMOTE_GRACE_S} "$t" "$@"; fi; ' + _BARE
# The parentheses make a process of the command, so that `exit` or `exec` as its name cannot end the script.
_REPORT = (
    _START + f"if command -v timeout >/dev/null 2>&1; then timeout -k {REMOTE_GRACE_S} "
    f'"$t" "$@"; else ({_BARE}); fi; s=$?; '
    'printf "\\n%s %s\\n" "$m" "$s" >&2; exit 0'
)


def _new_mark() -> bytes:
    return b"jw-" + secrets.token_hex(8).encode()


@dataclass(frozen=True, slots=True)
class Frame:
    """The marks of one command.

    Attributes:
        limit_s: After this many seconds the far side ends the command itself, with status 124.
        mark: What stands before the output on both streams. Drawn anew for each command.
    """

    limit_s: int
    mark: bytes = field(default_factory=_new_mark)

    def line(self, words: Sequence[bytes], *, prelude: str, report: bool) -> bytes:
        """Build the command line for the login shell.

        Args:
            words: The command.
            prelude: Shell text that the login shell runs first; its own failure stops nothing.
            report: Whether the status is printed after the output, for a client that cannot tell its own exit
                status from the command's.

        Raises:
            LocalSetupError: `transport.too_long`.
        """
        script = _REPORT if report else _EXEC
        framed = [b"/bin/sh", b"-c", script.encode(), b"sh", self.mark, str(self.limit_s).encode(), *words]
        line = b"exec " + command_line(framed)
        return prelude.encode("utf-8", "surrogateescape") + b"\n" + line if prelude else line

    def started(self, stdout: bytes, stderr: bytes) -> bool:
        """Say whether the command's process was reached."""
        return self.mark in stdout or self.mark in stderr

    def inside(self, stream: bytes) -> bytes:
        """Cut away what stood before the mark."""
        _, mark, after = stream.partition(self.mark)
        return after.partition(b"\n")[2] if mark else b""

    def pid(self, stderr: bytes) -> int | None:
        """Say which process the command is on the far side, as far as it has started. It leads its group."""
        word, newline, _ = stderr.partition(self.mark)[2].partition(b"\n")
        return int(word) if newline and word.strip().isdigit() else None

    def reported(self, stdout: bytes, stderr: bytes) -> Completed | None:
        """Read the status that a `report` line printed; None if it never came.

        A shell says 128 + N for signal N, so 129 to 159 are read as signals: a program that exits with such a
        status by itself cannot be told from one that a signal ended.
        """
        body, mark, tail = self.inside(stderr).rpartition(b"\n" + self.mark + b" ")
        digits, newline, _ = tail.partition(b"\n")
        if not (mark and newline and digits.isdigit()):
            return None
        status = int(digits)
        return Completed(128 - status if 129 <= status <= 159 else status, self.inside(stdout), body)


def frame_for(timeout_s: float) -> Frame:
    """Frame a command that we wait for so long."""
    return Frame(limit_s=math.ceil(timeout_s) + REMOTE_SLACK_S)


def signal_status(name: str) -> int:
    """Give the status for a signal by the name that the SSH protocol has for it (RFC 4254, 6.10: without SIG).

    A name that is not among ours (OpenSSH says `SIG@openssh.com` for those the RFC lacks) becomes -128.
    """
    try:
        return -signal.Signals[f"SIG{name}"].value
    except KeyError:
        return -128
