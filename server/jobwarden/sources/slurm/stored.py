"""Where a job that Slurm has forgotten wrote, from what accounting keeps: submit line and batch script. Pure.

`man sbatch` 22.05: a word of the command line stands before a line of the script, and that before the default. Neither
`SBATCH_OUTPUT` nor the quoting of the submit line is kept (22.05.8), so a doubtful line gives nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from jobwarden.sources.slurm.log_paths import DEFAULT, DEFAULT_OF_ARRAY, LogNames, expand_log_pattern
from jobwarden_registry.model import LogPaths

_SHORT = {"o": "output", "e": "error", "J": "job-name", "D": "chdir"}
ALONE = frozenset("HhkOQsvVWI")
"""Short options without a value. -I and -k may have one, which is never a word of its own."""
LONG_ALONE = frozenset(
    {
        "contiguous", "disable-stdout-job-summary", "exclusive", "get-user-env", "help", "hold", "ignore-pbs",
        "immediate", "kill-on-invalid-dep", "no-kill", "no-requeue", "overcommit", "oversubscribe", "parsable",
        "propagate", "quiet", "reboot", "requeue", "share", "spread-job", "test-only", "usage", "use-min-nodes",
        "verbose", "version", "wait",
    }
)  # fmt: skip
_KEPT = frozenset(_SHORT.values())
_LOGS = re.compile(r"\s(?:-[oe]|--(?:output|error|outp|err|out)\b)")
_HEAD = re.compile(r"Batch Script for (?P<id>\S+)\n-{20,}\n")


def stored_log(submit_line: str, script: str, work_dir: str, names: LogNames) -> LogPaths | None:
    """Give where a job wrote.

    Args:
        submit_line: sacct's SubmitLine.
        script: The job's part of `sacct -B`; empty where that is not kept.
        work_dir: sacct's WorkDir.
        names: What the symbols stand for; the job's own name.

    Returns:
        None where it cannot be told for certain.
    """
    words = submit_line.split()
    program = PurePosixPath(words[0]).name if words else ""
    given = _options(words[1:])
    if program not in {"sbatch", "srun"} or given is None or not work_dir.startswith("/"):
        return None
    options = {**(_script_options(script) if program == "sbatch" else {}), **given}
    default = DEFAULT if names.array is None else DEFAULT_OF_ARRAY
    output = options.get("output", default if program == "sbatch" else "")
    stdout, stderr = (_path(pattern, work_dir, names) for pattern in (output, options.get("error", "") or output))
    return LogPaths(stdout=stdout, stderr=stderr) if stdout or stderr else None


def script_of(answer: str, job: str) -> str:
    """Give one job's script out of the answer of `sacct -B`; empty where it is not there."""
    heads = list(_HEAD.finditer(answer))
    for at, head in enumerate(heads):
        if head["id"] == job:
            end = heads[at + 1].start() if at + 1 < len(heads) else len(answer)
            return answer[head.end() : end]
    return ""


def _path(pattern: str, work_dir: str, names: LogNames) -> str | None:
    name = expand_log_pattern(pattern, names) if pattern else None
    return None if name is None or name == "none" else str(PurePosixPath(work_dir) / name)


def _script_options(script: str) -> dict[str, str]:
    """Read the `#SBATCH` lines before the first command."""
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            try:
                words = shlex.split(line.removeprefix("#SBATCH"), comments=True)
            except ValueError:
                continue
            found.update(_options(words) or {})
    return found


def _options(words: Sequence[str]) -> Mapping[str, str] | None:
    """Read the options up to the first word that is none, the script; None where that cannot be told."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word == "--" or not word.startswith("-") or word == "-":
            # A path with a blank, whose quotes are gone, looks like a script; but --wrap takes none.
            return None if any(one.startswith("--wrap") for one in rest) else found
        name, has_value, value = _option(word)
        if name == "wrap":
            # Its quotes are gone, so nobody knows where it ends and whose the words after it are.
            return None if _LOGS.search(" " + " ".join(rest)) else found
        if not has_value and not _stands_alone(word, name):
            value = next(rest, "")
        if name in _KEPT:
            found[name] = value
    return found


def _option(word: str) -> tuple[str, bool, str]:
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return next((kept for kept in _KEPT if len(name) > 2 and kept.startswith(name)), name), bool(equals), value
    letter, value = word[1], word[2:]
    return _SHORT.get(letter, letter), bool(value) and letter not in ALONE, value.removeprefix("=")


def _stands_alone(word: str, name: str) -> bool:
    return name in LONG_ALONE if word.startswith("--") else word[1] in ALONE
