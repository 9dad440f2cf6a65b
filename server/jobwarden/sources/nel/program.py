"""Which nel is asked, and how: argument lists, and the look for the program at the registration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread
from pydantic import JsonValue

from jobwarden.programs import on_path
from jobwarden.sources.base import Host
from jobwarden.sources.framing import framed_argv, new_nonce, read_parts
from jobwarden.sources.nel.answers import Noted, Status, no_status, not_installed, read_noted, read_runs
from jobwarden.transport.base import Completed

_NAMES = ("nel", "nemo-evaluator-launcher")
_OURS = re.compile(r"^nemo_evaluator_launcher: ", re.MULTILINE)
_VERSION_S = 30.0
_SETTING = ("COLUMNS=250", "NEMO_EVALUATOR_DISABLE_COLOR=1", "NEMO_EVALUATOR_TELEMETRY_LEVEL=0")
"""A wide terminal without colours is claimed, though no table is read; and who polls sends no telemetry."""
_DB = "NEMO_EVALUATOR_EXEC_DB_FILE"

# Constant text. A line's `config` is cut off where the file is, so that no secret of it ever comes here. json.dumps
# writes the keys in this order (0.2.6); a line that has them otherwise is read without its `config`, too.
_RUNS = r"""
part named printf %s "${1:-${NEMO_EVALUATOR_EXEC_DB_FILE:-}}"
part runs sh -c 'cut_off="s/, \"config\": .*\$/}/"; file=${1:-${NEMO_EVALUATOR_EXEC_DB_FILE:-}}
[ -n "$file" ] || file=$HOME/.nemo-evaluator/exec-db/exec.v1.jsonl
[ -f "$file" ] || exit 0
sed "$cut_off" "$file" | tail -n 20000' sh "$1"
jw_done
"""


@dataclass(frozen=True, slots=True)
class Nel:
    """One program with one list of runs.

    Attributes:
        words: The program, and what stands before its arguments.
        runs: Its list of runs, where the session named one; empty: nel's own default.
    """

    words: tuple[str, ...] = ("nel",)
    runs: str = ""

    def argv(self, *words: str) -> list[str]:
        """Build the argument list."""
        return ["env", *_SETTING, *([f"{_DB}={self.runs}"] if self.runs else []), *self.words, *words]

    @property
    def facts(self) -> dict[str, JsonValue]:
        """Write it for the record."""
        return {"nel": list(self.words), "runs": self.runs}


def recorded(facts: Mapping[str, JsonValue], host: Host) -> Nel:
    """Give the program that a job was registered with; where none was, the configured one, or what PATH has there."""
    words, runs = facts.get("nel"), facts.get("runs")
    known = tuple(str(word) for word in words) if isinstance(words, list) and words else configured(host)
    return Nel(known or ("nel",), runs if isinstance(runs, str) else "")


def configured(host: Host) -> tuple[str, ...]:
    """Give the program that the user's configuration names; empty when it names none."""
    value = host.settings.get("nel")
    return tuple(shlex.split(value)) if isinstance(value, str) else ()


async def find_program(host: Host, env: Mapping[str, str]) -> Nel:
    """Find the session's nel: the configuration's, `$NEL`, or the first on its PATH that is nemo-evaluator-launcher's.

    Raises:
        SourceUnavailableError: `nel.not_installed`; `nel.no_status` for the newer command of that name.
        TransportError: As `Transport.run`.
    """
    named = configured(host) or tuple(shlex.split(env.get("NEL", "")))
    runs = env.get(_DB, "")
    other = False
    said = ""
    for words in [named] if named else [(name,) for name in _NAMES]:
        nel = Nel(await _absolute(words, env), runs if runs.startswith("/") else "")
        done = await host.transport.run(nel.argv("--version"), timeout_s=max(_VERSION_S, host.timeout_s))
        if _is_launcher(done):
            return nel
        other = other or done.status not in {126, 127}
        said = said or done.stderr.decode("utf-8", "replace")
    raise no_status() if other else not_installed(said)


async def list_runs(host: Host, nel: Nel) -> Status:
    """Read nel's list of runs, without what is secret in it; empty when there is none.

    Raises:
        TransportError: As `Transport.run`.
        UnreadableAnswerError: The answer is torn.
    """
    _, lines = await _read_list(host, nel)
    return read_runs(lines)


async def list_noted(host: Host, nel: Nel) -> tuple[str, tuple[Noted, ...]]:
    """As `list_runs`, with when each task was noted; and first the list's file, where the environment there names one.

    Raises:
        As `list_runs`.
    """
    named, lines = await _read_list(host, nel)
    return named if named.startswith("/") and named.isprintable() else "", read_noted(lines)


async def _read_list(host: Host, nel: Nel) -> tuple[str, list[str]]:
    nonce = new_nonce()
    argv = framed_argv(_RUNS, nonce, nel.runs, limit_s=max(5.0, host.timeout_s / 2))
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = read_parts(done.stdout, nonce)
    named, runs = (parts[name].stdout.decode("utf-8", "replace") if name in parts else "" for name in ("named", "runs"))
    return named, runs.split("\n")


async def _absolute(words: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Resolve the program in the session's PATH, for whoever asks later may have another."""
    found = await anyio.to_thread.run_sync(lambda: on_path(words[0], {"PATH": env.get("PATH", "")}))
    return (found or words[0], *words[1:])


def _is_launcher(done: Completed) -> bool:
    return done.status == 0 and _OURS.search(done.stdout.decode("utf-8", "replace")) is not None
