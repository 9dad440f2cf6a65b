"""Several commands in one remote run, with an answer of which nothing can be missed or invented.

Every command's output, complaints and exit status stand between lines that hold a fresh nonce. What a login
file prints before or after is noise outside the frames; an answer cut anywhere lacks a frame's end and is refused.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from jobwarden.sources.errors import UnreadableAnswerError

SAMPLE_BYTES = 2048

SHELL = r"""
jw_nonce=$1; jw_limit=$2; shift 2
jw_limited() {
  if command -v timeout >/dev/null 2>&1; then exec timeout -k 5 "$jw_limit" "$@"; else "$@"; fi
}
part() {
  jw_part=$1; shift
  printf '\n%s begin %s\n' "$jw_nonce" "$jw_part"
  if command -v "$1" >/dev/null 2>&1; then
    { jw_err=$(jw_limited "$@" 2>&1 >&3 3>&-); jw_rc=$?; } 3>&1
  else
    jw_err="$1: not found in PATH=$PATH"; jw_rc=127
  fi
  printf '\n%s error %s\n%s\n%s end %s %s\n' "$jw_nonce" "$jw_part" "$jw_err" "$jw_nonce" "$jw_part" "$jw_rc"
}
plain_part() {
  printf '\n%s begin %s\n%s\n%s error %s\n\n%s end %s 0\n' "$jw_nonce" "$1" "$2" "$jw_nonce" "$1" "$jw_nonce" "$1"
}
jw_done() { printf '\n%s done\n' "$jw_nonce"; }
"""
"""POSIX shell: `part NAME COMMAND...` runs and frames one command, `plain_part NAME TEXT` frames what is known already
(a `part` costs five processes), `jw_done` ends the answer."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one framed command gave.

    Attributes:
        status: Its exit status; 127 when there is no such program, 124 or 137 when its time was up.
        stdout: What it printed, byte for byte.
        stderr: What it complained.
    """

    status: int
    stdout: bytes
    stderr: str


def new_nonce() -> str:
    """Give a word that no output can hold by chance or by intent."""
    return "jw" + secrets.token_hex(8)


def framed_argv(body: str, nonce: str, *words: str, limit_s: float) -> list[str]:
    """Build the argument list that runs `body` with `SHELL` before it.

    Args:
        body: Constant shell text that calls `part` and, last, `jw_done`.
        nonce: From `new_nonce`.
        words: The body's `$1`, `$2`, ...
        limit_s: Seconds for each command; it is ended by `timeout` there, so that nothing is left behind.
    """
    return ["sh", "-c", SHELL + body, "sh", nonce, str(max(1, int(limit_s))), *words]


def read_parts(answer: bytes, nonce: str) -> Mapping[str, Part]:
    """Find the framed commands in what a run printed.

    Raises:
        UnreadableAnswerError: A frame is torn, or the answer's end is missing; nothing of it may be used.
    """
    mark = re.escape(nonce.encode())
    if not re.search(rb"\n%b done\n" % mark, answer):
        raise UnreadableAnswerError(f"The answer is torn: its end is missing. It was: {sample(answer)!r}")
    parts: dict[str, Part] = {}
    for begun in re.finditer(rb"\n%b begin (?P<name>[^\n]*)\n" % mark, answer):
        part = _read_part(answer, nonce.encode(), begun["name"], begun.end())
        if part is None or begun["name"].decode("utf-8", "replace") in parts:
            raise UnreadableAnswerError(f"A part of the answer is torn. It was: {sample(answer)!r}")
        parts[begun["name"].decode("utf-8", "replace")] = part
    return parts


def _read_part(answer: bytes, nonce: bytes, name: bytes, start: int) -> Part | None:
    """Read one frame by plain searches: an expression that spans megabytes takes a hundred times longer."""
    error, end = b"\n%b error %b\n" % (nonce, name), b"\n%b end %b " % (nonce, name)
    error_at = answer.find(error, start)
    end_at = answer.find(end, error_at)
    if error_at < 0 or end_at < 0:
        return None
    status = re.compile(rb"(\d+)\n").match(answer, end_at + len(end))
    said = answer[error_at + len(error) : end_at].decode("utf-8", "replace").strip()
    return Part(int(status[1]), answer[start:error_at], said) if status else None


def sample(answer: bytes) -> str:
    """Give the end of an answer that could not be read, short enough for an error's text."""
    return answer[-SAMPLE_BYTES:].decode("utf-8", "replace")
