"""What a resubmission may change: resource options from a typed list, and nothing that names a file or a command.

The words are those of sbatch (`man sbatch` 22.05); each value is checked here, so that nothing but such an option
reaches its command line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.relative import LIKE, RELATIVE, check_relative, is_relative
from jobwarden.actions.substitution import Value, names_in

_COUNT = r"[1-9]\d{0,6}"
_SIZE = r"[1-9]\d{0,8}[KMGTkmgt]?"
TIME = r"\d{1,6}|\d{1,6}:\d{1,2}|\d{1,5}:\d{1,2}:\d{1,2}|\d{1,4}-\d{1,2}(?::\d{1,2}){0,2}"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_WORDS = rf"{_WORD}(?:,{_WORD}){{0,15}}"
_HOSTS = r"[A-Za-z0-9][A-Za-z0-9_.,\[\]-]{0,499}"
_GPUS = rf"(?:{_WORD}:)?{_COUNT}"
_GRES = rf"gpu(?::{_WORD})?(?::{_COUNT})?"
_FEATURES = r"[A-Za-z0-9_\[(][A-Za-z0-9_.&|*()\[\],-]{0,199}"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of sbatch.

    Attributes:
        flag: As sbatch has it.
        form: What its value looks like; empty: it takes none.
        like: An example for people.
        fixed: Its value may not come from a log: it decides who pays, or where the job goes.
    """

    flag: str
    form: str
    like: str
    fixed: bool = False


OPTIONS: Mapping[str, Option] = {
    "time": Option("--time", TIME, "2:00:00"),
    "mem": Option("--mem", _SIZE, "32G"),
    "mem_per_cpu": Option("--mem-per-cpu", _SIZE, "4G"),
    "mem_per_gpu": Option("--mem-per-gpu", _SIZE, "60G"),
    "partition": Option("--partition", _WORDS, "long", fixed=True),
    "qos": Option("--qos", _WORD, "normal", fixed=True),
    "account": Option("--account", _WORD, "project1", fixed=True),
    "reservation": Option("--reservation", _WORDS, "maintenance", fixed=True),
    "nodes": Option("--nodes", rf"{_COUNT}(?:-{_COUNT})?", "2"),
    "ntasks": Option("--ntasks", _COUNT, "8"),
    "ntasks_per_node": Option("--ntasks-per-node", _COUNT, "8"),
    "cpus_per_task": Option("--cpus-per-task", _COUNT, "4"),
    "gpus": Option("--gpus", _GPUS, "8"),
    "gpus_per_node": Option("--gpus-per-node", _GPUS, "8"),
    "gpus_per_task": Option("--gpus-per-task", _GPUS, "1"),
    "cpus_per_gpu": Option("--cpus-per-gpu", _COUNT, "8"),
    "gres": Option("--gres", _GRES, "gpu:a100:8"),
    "tmp": Option("--tmp", _SIZE, "100G"),
    "exclude": Option("--exclude", _HOSTS, "node[3,7]"),
    "nodelist": Option("--nodelist", _HOSTS, "node[1-2]"),
    "constraint": Option("--constraint", _FEATURES, "a100&ib"),
    "nice": Option("--nice", r"\d{1,8}", "100"),
    "exclusive": Option("--exclusive", "", "true"),
    "requeue": Option("--requeue", "", "true"),
}
_OFF = {"requeue": "--no-requeue"}
_ALSO = {"memory": "mem", "timelimit": "time", "time_limit": "time", "cpus": "cpus_per_task", "gpu": "gpus"}


def check_modifications(given: Value) -> dict[str, Value]:
    """Check what a rule wants to be changed, as it is written; names that are filled in later pass.

    Returns:
        The same under the names of `OPTIONS`.

    Raises:
        InvalidRuleError: An option that is not in the list (the hint names the nearest), or a value that none can have.
    """
    if not isinstance(given, dict):
        raise InvalidRuleError("modifications are a table.", hint='Write modifications={"mem": "32G"}.')
    checked: dict[str, Value] = {}
    for written, value in given.items():
        name = _named(written)
        option = OPTIONS[name]
        filled = names_in(value)
        if filled and (option.fixed or not option.form):
            raise InvalidRuleError(f"{name} may not come from a log.", hint=f"Write a value as {option.like!r}.")
        if not filled and is_relative(name, value):
            check_relative(name, value)
        elif not filled:
            _word(name, value)
        if name in checked:
            raise InvalidRuleError(f"{name} is given twice.")
        checked[name] = value
    return checked


def words_of(modifications: Mapping[str, Value]) -> tuple[str, ...]:
    """Write checked and filled modifications as words of sbatch, each one word.

    Raises:
        InvalidRuleError: A value that was filled in is none that the option can have.
    """
    return tuple(_word(name, value) for name, value in modifications.items() if value is not False or name in _OFF)


def seconds_of(text: str) -> float:
    """Read sbatch's forms of a time: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s; 0 is no limit to it.

    Raises:
        ValueError: It is none of these.
    """
    days, dash, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        return int(days) * 86400.0 + hours * 3600 + minutes * 60 + seconds
    if len(parts) == 3:
        return parts[0] * 3600.0 + parts[1] * 60 + parts[2]
    return parts[0] * 60.0 + (parts[1] if len(parts) == 2 else 0)


def _word(name: str, value: Value) -> str:
    option = OPTIONS[name]
    if not option.form:
        if not isinstance(value, bool):
            raise InvalidRuleError(f"{name} is true or false.", hint=f"Write {name}=true.")
        return option.flag if value else _OFF.get(name, option.flag)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(option.form, text, re.ASCII) is None or is_relative(name, text):
        more = f"; or {LIKE}" if name in RELATIVE else ""
        hint = f"Write a value as {option.like!r}{more}."
        raise InvalidRuleError(f"{name} cannot be {str(value)[:60]!r}.", hint=hint)
    if name == "time" and not seconds_of(text):
        raise InvalidRuleError("time cannot be 0: that is no limit at all.", hint=f"Write a value as {option.like!r}.")
    return f"{option.flag}={text}"


def _named(written: str) -> str:
    plain = written.strip().lstrip("-").replace("-", "_").lower()
    name = _ALSO.get(plain, plain)
    if name in OPTIONS:
        return name
    near = difflib.get_close_matches(plain, [*OPTIONS, *_ALSO], n=1, cutoff=0.5)
    meant = f"Did you mean {_ALSO.get(near[0], near[0])}? " if near else ""
    raise InvalidRuleError(
        f"{written[:60]!r} is no resource option of sbatch that a rule may change.",
        hint=f"{meant}A rule may change: {', '.join(OPTIONS)}.",
    )
