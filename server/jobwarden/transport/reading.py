"""A byte range of a file: by system calls here, by one constant script over ssh."""

from __future__ import annotations

import os
import stat
from pathlib import PurePosixPath

from jobwarden.transport.base import Chunk, Completed
from jobwarden.transport.errors import TransportError

# Whether the file is there is decided by stat's own words in the C locale, ENOENT or ENOTDIR: `test -e` is false
# for a folder that may not be entered, too. The file is opened once, as standard input, so that its size, its
# identity and its bytes belong together; GNU `tail -c +N` seeks on a regular file (coreutils 9.1).
# No newline in it: csh cannot quote one.
_SCRIPT = (
    "LC_ALL=C; export LC_ALL; p=$1; s=$2; n=$3; r=; "
    'if [ -f "$p" ]; then { r=opened; '
    "i=$(stat -L -c '%d:%i %s' /dev/fd/0 2>/dev/null) || i=$(stat -L -f '%d:%i %z' \"$p\") || exit 1; "
    "z=${i#* }; "
    '[ "$s" -ge 0 ] || s=$((z + s)); [ "$s" -ge 0 ] || s=0; [ "$s" -le "$z" ] || s=$z; '
    '[ "$n" -le $((z - s)) ] || n=$((z - s)); '
    'echo "ok $i $s $n"; '
    '[ "$n" -eq 0 ] || tail -c +$((s + 1)) 2>/dev/null | head -c "$n"; '
    '} <"$p"; [ -z "$r" ] || exit 0; echo denied; exit 0; fi; '
    'e=$(stat -L "$p" 2>&1 >/dev/null) && { echo kind; exit 0; }; '
    'case $e in *": No such file or directory"|*": Not a directory") echo absent;; '
    '*) echo denied; printf "%s\\n" "$e";; esac'
)


def check_path(path: PurePosixPath) -> None:
    """Refuse a path that a reader would misunderstand.

    Raises:
        TransportError: `file.unreadable`: not absolute, or a NUL or half a surrogate pair in it.
    """
    try:
        name = str(path).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise unreadable(path, "its name is no text") from error
    if not name.startswith(b"/") or b"\0" in name:
        raise unreadable(path, "it is no absolute path")


def unreadable(path: PurePosixPath, why: str, *, retryable: bool = False) -> TransportError:
    """Build the error for a file that is there and cannot be read."""
    return TransportError(
        f"{str(path)!r} cannot be read: {why}.",
        code="file.unreadable",
        retryable=retryable,
        hint="Check the path and its permissions." if not retryable else "Ask again.",
    )


def read_argv(path: PurePosixPath, *, start: int, max_bytes: int) -> list[str]:
    """Build the remote command."""
    return ["/bin/sh", "-c", _SCRIPT, "sh", str(path), str(start), str(max(0, max_bytes))]


def read_answer(path: PurePosixPath, answer: Completed) -> Chunk | None:
    """Read the remote command's answer; None when there is no such file.

    Raises:
        TransportError: `file.unreadable`. Retryable when the file shrank while it was read, or the answer is torn.
    """
    head, newline, data = answer.stdout.partition(b"\n")
    # A status other than 0, or a first line that does not end, is an answer that was cut off.
    match head.split(b" ") if newline and answer.status == 0 else []:
        case [b"absent"] if not data:
            return None
        case [b"kind"] if not data:
            raise unreadable(path, "it is not a regular file")
        case [b"denied"]:
            detail = data.decode("utf-8", "replace").strip() or answer.stderr.decode("utf-8", "replace").strip()
            raise unreadable(path, detail[-200:] or "permission denied")
        case [b"ok", file_id, size, start, length] if all(word.isdigit() for word in (size, start, length)):
            if len(data) == int(length):
                return Chunk(data, int(start), int(size), file_id.decode("ascii", "replace"))
            raise unreadable(path, "it changed while it was read", retryable=True)
        case _:
            said = (answer.stderr or answer.stdout)[-200:].decode("utf-8", "replace").strip()
            raise unreadable(path, f"the host's answer makes no sense ({said})", retryable=True)


def read_here(path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
    """Read a range of a file of this machine. Blocks: call it in a thread. See `Transport.read`.

    Raises:
        TransportError: `file.unreadable`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer.
        handle = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__) from error
    try:
        return _read_open(path, handle, start=start, max_bytes=max_bytes)
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__, retryable=True) from error
    finally:
        os.close(handle)


def _read_open(path: PurePosixPath, handle: int, *, start: int, max_bytes: int) -> Chunk:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise unreadable(path, "it is not a regular file")
    size = facts.st_size
    begin = min(max(0, size + start if start < 0 else start), size)
    wanted = min(max(0, max_bytes), size - begin)
    data = b""
    while len(data) < wanted:
        more = os.pread(handle, wanted - len(data), begin + len(data))
        if not more:
            raise unreadable(path, "it changed while it was read", retryable=True)
        data += more
    return Chunk(data, begin, size, f"{facts.st_dev}:{facts.st_ino}")
