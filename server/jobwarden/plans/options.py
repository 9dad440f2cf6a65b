"""What a plan may give sbatch: the resource options of rules, and few that only a plan's author may say."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.modifications import OPTIONS, check_modifications, words_of
from jobwarden.actions.substitution import Value
from jobwarden.plans.errors import PlanError

_PATH = r"[^\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,1023}"


@dataclass(frozen=True, slots=True)
class _More:
    flag: str
    form: str
    like: str


_MORE: Mapping[str, _More] = {
    "job_name": _More("--job-name", r"[A-Za-z0-9_][A-Za-z0-9_.+=,@-]{0,127}", "train-1"),
    "output": _More("--output", _PATH, "logs/%x-%j.out"),
    "error": _More("--error", _PATH, "logs/%x-%j.err"),
    "open_mode": _More("--open-mode", "append|truncate", "append"),
    "array": _More("--array", r"[0-9][0-9,:%-]{0,499}", "0-9%2"),
    "licenses": _More("--licenses", r"[A-Za-z0-9][A-Za-z0-9_.,:@-]{0,199}", "matlab:1"),
    "signal": _More("--signal", r"(?:[RB]{1,2}:)?[A-Z0-9]{1,12}(?:@\d{1,5})?", "B:USR1@120"),
    "begin": _More("--begin", r"[0-9A-Za-z][0-9A-Za-z:+.-]{0,39}", "now+1hour"),
}
NAMES = (*OPTIONS, *_MORE)
_ELSEWHERE = {
    "chdir": "work_dir", "dependency": "after", "comment": "description", "wrap": "script", "workdir": "work_dir",
    "export": "arguments", "d": "after", "j": "job_name",
}  # fmt: skip
_SHORT = {"o": "output", "e": "error", "a": "array", "t": "time", "p": "partition", "n": "ntasks", "c": "cpus_per_task"}


def sbatch_words(given: Mapping[str, object]) -> tuple[tuple[str, ...], str, list[PlanError]]:
    """Check a table of options.

    Returns:
        The words of sbatch, one each; the name in the scheduler, where one is given; and what is wrong with the rest.
    """
    words: list[str] = []
    name = ""
    wrong: list[PlanError] = []
    for written, value in given.items():
        plain = written.strip().lstrip("-").replace("-", "_").lower()
        plain = _SHORT.get(plain, plain)
        try:
            if plain in _MORE:
                text = _checked(plain, value)
                name = text if plain == "job_name" else name
                words += [] if plain == "job_name" else [f"{_MORE[plain].flag}={text}"]
            else:
                words += _resource(written, plain, value)
        except PlanError as error:
            wrong.append(error)
    return tuple(words), name, wrong


def flags_of(words: Sequence[str]) -> frozenset[str]:
    """Give the flags of words."""
    return frozenset(word.partition("=")[0] for word in words)


def _checked(name: str, value: object) -> str:
    more = _MORE[name]
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(more.form, text, re.ASCII if more.form != _PATH else 0) is None:
        raise PlanError(f"{name} cannot be {str(value)[:60]!r}.", hint=f'Write {name} = "{more.like}".')
    return text


def _resource(written: str, plain: str, value: object) -> tuple[str, ...]:
    if plain in _ELSEWHERE:
        raise PlanError(
            f"{written[:60]!r} is no option here.", hint=f"Write {_ELSEWHERE[plain]} = ... of the job itself."
        )
    if "${" in str(value):
        raise PlanError(f"{written[:60]} = {str(value)[:60]!r}: nothing is filled in here.")
    kind: Value = value if isinstance(value, str | int | bool) else str(value)
    try:
        return words_of(check_modifications({written: kind}))
    except InvalidRuleError as error:
        if "is no resource option" not in error.text:
            raise PlanError(error.text, hint=error.hint) from error
        near = difflib.get_close_matches(plain, NAMES, n=1, cutoff=0.5)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise PlanError(
            f"{written[:60]!r} is no option of sbatch that a plan may give.",
            hint=f"{meant}There is: {', '.join(NAMES)}.",
        ) from error
