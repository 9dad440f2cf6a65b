"""An argument list as one command line for a remote login shell: the only place that quotes.

OpenSSH's server hands the whole command to the user's login shell as one string (`$SHELL -c STRING`). The words
arrive as they are under sh, bash, dash, zsh, ksh, fish; under csh and tcsh too, except for a word that holds a
newline, which those shells cannot quote (they complain and run nothing).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobwarden.transport.errors import LocalSetupError

COMMAND_MOST_BYTES = 120_000
"""Linux takes 131,072 bytes as one argument (MAX_ARG_STRLEN), and a remote command is one argument of a shell."""

_PLAIN = re.compile(rb"[A-Za-z0-9_./:,@+-][A-Za-z0-9_./:,@+=-]*")
# Inside single quotes fish reads a backslash and csh an exclamation mark; outside, `\X` is X in every shell.
_SPECIAL = re.compile(rb"['\\!]")


def encode_words(argv: Sequence[str]) -> list[bytes]:
    """Turn words into bytes, undecodable ones (surrogate escapes) into what they were.

    Raises:
        LocalSetupError: `transport.bad_words`: no word at all, or one that no process can be given (a NUL, half a
            surrogate pair); `transport.too_long`: more than a shell takes.
    """
    try:
        words = [word.encode("utf-8", "surrogateescape") for word in argv]
    except UnicodeEncodeError as error:
        raise LocalSetupError("A word of the command is no text.", code="transport.bad_words") from error
    if not words or any(b"\0" in word for word in words):
        raise LocalSetupError("A command needs a program, and no word may hold a NUL.", code="transport.bad_words")
    if sum(len(word) + 1 for word in words) > COMMAND_MOST_BYTES:
        raise _too_long()
    return words


def quote(word: bytes) -> bytes:
    """Quote one word so that a shell gives it back as it was."""
    if _PLAIN.fullmatch(word):
        return word
    return b"'" + _SPECIAL.sub(rb"'\\\g<0>'", word) + b"'"


def command_line(words: Sequence[bytes]) -> bytes:
    """Join words to one command line.

    Raises:
        LocalSetupError: `transport.too_long`.
    """
    line = b" ".join(quote(word) for word in words)
    if len(line) > COMMAND_MOST_BYTES:
        raise _too_long()
    return line


def _too_long() -> LocalSetupError:
    return LocalSetupError(
        f"The command is longer than {COMMAND_MOST_BYTES} bytes, more than a shell takes.", code="transport.too_long"
    )
