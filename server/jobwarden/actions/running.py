"""Running a command that the user's configuration names: an argument list, never a shell, with limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobwarden.actions.errors import ActionError
from jobwarden.config.granting import FILL, CommandConfig
from jobwarden.logs.clean import clean
from jobwarden.logs.secrets import mask_lines
from jobwarden.transport.children import ChildSetting, ChildTimeoutError, OutputTooLongError, run_child
from jobwarden.transport.quoting import encode_words
from jobwarden_registry.errors import JobwardenError

_OUTPUT_BYTES = 4096
_OUTPUT_CHARS = 1000
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
"""Of our environment: a command gets no token that ours may hold."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to.

    Attributes:
        ok: It ended by itself with status 0.
        text: Its status and the end of its output, cleaned.
    """

    ok: bool
    text: str


def filled(command: CommandConfig, values: Mapping[str, str]) -> list[str]:
    """Fill a command's words; each stays one word.

    Raises:
        ActionError: A value would be taken for an option, or cannot be a word.
    """
    words: list[str] = []
    for word in command.argv:
        made = FILL.sub(lambda found: values[found[1]], word)
        if made != word and made.startswith("-") and not word.startswith("-") and "--" not in words:
            raise ActionError(f"{made[:40]!r} would be taken for an option of {command.argv[0]}: nothing was run.")
        words.append(made)
    return words


async def run_named(
    name: str, command: CommandConfig, values: Mapping[str, str], env: Mapping[str, str], *, grace_s: float
) -> Ran:
    """Run it in the home folder, in a session of its own; its whole group is killed when its time is up.

    Raises:
        ActionError: It was not begun.
    """
    kept = {key: value for key, value in env.items() if key in _KEPT}
    setting = ChildSetting(env=kept, cwd=Path(env.get("HOME") or "/"), grace_s=grace_s)
    try:
        words = encode_words(filled(command, values))
        done = await run_child(words, setting, timeout_s=command.timeout_s)
    except ChildTimeoutError:
        return Ran(False, f"{name} was ended after {command.timeout_s:g} s.")
    except OutputTooLongError:
        return Ran(False, f"{name} printed too much and was ended.")
    except (JobwardenError, OSError, ValueError) as error:
        raise ActionError(f"{name} was not run: {error}") from error
    said = _said(done.stdout, done.stderr)
    return Ran(done.status == 0, f"{name} ended with status {done.status}{': ' + said if said else '.'}")


def _said(stdout: bytes, stderr: bytes) -> str:
    lines = clean(stdout[-_OUTPUT_BYTES:] + b"\n" + stderr[-_OUTPUT_BYTES:]).splitlines()
    return "\n".join(mask_lines([line for line in lines if line.strip()]))[-_OUTPUT_CHARS:]
