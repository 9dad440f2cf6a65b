"""From what was written to a rule that makes sense: what cannot work is refused here, and not when it fires."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from jobwarden.actions.call import WAIT_MOST_S, ActionCall
from jobwarden.actions.errors import InvalidRuleError
from jobwarden.actions.substitution import Value
from jobwarden.logs.pattern import Pattern, PatternError
from jobwarden.rules.condition_reading import ConditionError
from jobwarden.rules.conditions import BUILT_IN, check_condition
from jobwarden.rules.model import ANY, END, OUTPUT_TYPES, Kind, OutputType, Rule
from jobwarden.rules.restarts import RESTART, check_ways, pattern_of, restart_call
from jobwarden.rules.syntax import Written, read_text
from jobwarden.sources.nel.words import NelState
from jobwarden.sources.slurm.vocabulary import Word
from jobwarden_registry.phases import Phase

Check = Callable[[ActionCall, Collection[str]], ActionCall]
"""Checks an action, given the names that it may fill in; raises InvalidRuleError."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CAPTURE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?)\s?(?P<unit>[smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 3e8
_MOST_FIRES = 1_000_000
_MOST_CAPTURES = 20
_PATH_CHARS = 1000
_KINDS = ("silence", "standstill", "state", "time", "missing_file", "check_failed", "restart")
_OTHER_WORDS = ("EXITED", "SIGNALED", "STOPPED", "GONE", "SUCCEEDED")
"""Of processes and launchers."""
_STATES = {word.lower(): str(word) for word in (*_OTHER_WORDS, *NelState, *Word, *Phase, END, ANY)}
_AFTER = "Write seconds, or 90s, 10m, 2h, 1d."


@dataclass(frozen=True, slots=True)
class RuleLimits:
    """What one job may have.

    Attributes:
        rules: So many rules.
        pattern_chars: So long a pattern.
        actions: So many actions in one rule.
    """

    rules: int = 10
    pattern_chars: int = 1000
    actions: int = 10


def unchecked(call: ActionCall, captures: Collection[str]) -> ActionCall:  # noqa: ARG001 -- as `Check`
    """Take an action as it is: it was checked when it was written."""
    return call


def read_rules(
    texts: Iterable[str], *, taken: Collection[str] = (), limits: RuleLimits | None = None, check: Check = unchecked
) -> list[Rule]:
    """Read rules that belong to one job.

    Args:
        texts: As `read_text` takes them.
        taken: Names of the rules that the job has already.
        limits: What it may have, those included.
        check: See `Check`.

    Raises:
        InvalidRuleError: One of them cannot be; none is to be taken.
    """
    return build_all([one for text in texts for one in read_text(text)], taken=taken, limits=limits, check=check)


def build_all(
    written: Sequence[Written],
    *,
    taken: Collection[str] = (),
    limits: RuleLimits | None = None,
    check: Check = unchecked,
) -> list[Rule]:
    """As `read_rules`, of what was read already."""
    limits = limits or RuleLimits()
    if len(taken) + len(written) > limits.rules:
        raise InvalidRuleError(
            f"A job has at most {limits.rules} rules, and this would be {len(taken) + len(written)}.",
            hint="Remove one first, or raise rules_per_job below [limits] in the configuration.",
        )
    names = {str(one.fields["name"]) for one in written if "name" in one.fields} | set(taken)
    rules: list[Rule] = []
    for one in written:
        try:
            rule = build(one, name=_free_name(names), limits=limits, check=check)
        except InvalidRuleError as error:
            where = f"The rule of {one.where}: " if one.where and not error.text.startswith("Line ") else ""
            raise InvalidRuleError(where + error.text, hint=error.hint) from error
        if rule.name in taken or rule.name in {other.name for other in rules}:
            raise InvalidRuleError(f"The job has a rule {rule.name!r} already.", hint="Give it another name.")
        names.add(rule.name)
        rules.append(rule)
    return rules


def read_rule(text: str) -> Rule:
    """Read what `write_rule` wrote.

    Raises:
        InvalidRuleError: Somebody else wrote it.
    """
    rules = read_rules([text], limits=RuleLimits(1, 1_000_000, 1000))
    return rules[0]


def build(written: Written, *, name: str, limits: RuleLimits, check: Check) -> Rule:
    """Make one rule.

    Raises:
        InvalidRuleError: It makes no sense, or is not allowed.
    """
    fields = _Fields(written.fields)
    kind = _kind(written.fields)
    ways = check_ways(fields.words("restart")) if kind is Kind.RESTART else ()
    pattern = fields.text("pattern") if kind in (Kind.PATTERN, Kind.STANDSTILL, Kind.SILENCE) else pattern_of(ways)
    groups = _groups(pattern, limits) if pattern else ()
    captures = _captures(fields.words("captures"), len(groups))
    condition = fields.text("condition")
    known = names_of(captures, groups)
    rule = Rule(
        name=_name(fields.text("name") or name),
        kind=kind,
        pattern=pattern,
        captures=captures,
        condition=condition,
        for_s=_time_of(kind, fields),
        counter=_counter(kind, fields, known),
        states=_states(kind, fields),
        ways=ways,
        path=_path(fields.text("missing_file")) if kind is Kind.MISSING_FILE else "",
        interval_s=max(1.0, fields.seconds("interval", 60.0)),
        max_triggers=fields.whole("max_triggers"),
        cooldown_s=fields.seconds("cooldown", 0.0),
        output_type=_output_type(fields.text("output_type") or ("both" if ways else "")),
        at_end=fields.flag("at_end") and kind is Kind.PATTERN,
    )
    _check_condition(condition, known)
    _check_fit(rule, written)
    if len(written.actions) > limits.actions:
        raise InvalidRuleError(f"{len(written.actions)} actions are too many.", hint=f"At most {limits.actions}.")
    if any(call.name == RESTART for call in written.actions):
        raise InvalidRuleError("restart is no action.", hint="Write restart=[TIMEOUT] times=3 in a rule of its own.")
    calls = [*([_restart(fields)] if ways else []), *written.actions]
    return replace(rule, actions=tuple(check(call, known) for call in calls))


def _restart(fields: _Fields) -> ActionCall:
    """Give what a rule of the kind `RESTART` does."""
    times = {"wait": "wait_s", "wait_most": "wait_most_s"}
    values: dict[str, Value] = {"times": fields.whole("times") or 1, "modifications": fields.table("changes")}
    values |= {name: fields.seconds(key, 0.0) for key, name in times.items() if fields.has(key)}
    values |= {"backoff": fields.number("backoff")} if fields.has("backoff") else {}
    if values.get("wait_s", 0) == 0 and ("backoff" in values or "wait_most_s" in values):
        raise InvalidRuleError("backoff and wait_most say how a wait grows.", hint="Write wait=60s backoff=2.")
    most = values.get("wait_most_s", WAIT_MOST_S)
    assert isinstance(most, int | float)  # `seconds` made it
    if most > WAIT_MOST_S:
        raise InvalidRuleError("No restart waits longer than a day.", hint="Write wait_most=24h.")
    return restart_call(values)


def names_of(captures: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Give the names under which a rule's captures are known: their own, and 0, 1, 2, ..."""
    numbers = [str(number) for number in range(len(groups) + 1)] if groups or captures else ["0"]
    return tuple(dict.fromkeys([*captures, *(group for group in groups if group), *numbers]))


class _Fields:
    """What was written, by key, in the types that it must have."""

    def __init__(self, fields: Mapping[str, Value]) -> None:
        self._fields = fields

    def text(self, key: str) -> str:
        value = self._fields.get(key, "")
        return value if isinstance(value, str) else str(value)

    def words(self, key: str) -> tuple[str, ...]:
        value = self._fields.get(key, [])
        return tuple(str(one) for one in value) if isinstance(value, list) else ()

    def flag(self, key: str) -> bool:
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise InvalidRuleError(f"{key} is true or false, and not {value!r}.")
        return value

    def whole(self, key: str) -> int | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_FIRES:
            raise InvalidRuleError(f"{key} is a whole number from 1 on, and not {value!r}.")
        return value

    def has(self, key: str) -> bool:
        return key in self._fields

    def table(self, key: str) -> Value:
        value = self._fields.get(key, {})
        if not isinstance(value, dict):
            raise InvalidRuleError(f"{key} is a table, and not {value!r}.", hint='Write changes={"mem": "x2"}.')
        return value

    def number(self, key: str) -> Value:
        value = self._fields[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRuleError(f"{key} is a number, and not {value!r}.")
        return value

    def seconds(self, key: str, default: float) -> float:
        if key not in self._fields:
            return default
        value = self._fields[key]
        found = None if isinstance(value, bool) else _DURATION.fullmatch(str(value))
        seconds = float(found["number"]) * _UNITS[found["unit"]] if found is not None else -1.0
        if not 0 <= seconds <= _LONGEST_S:
            raise InvalidRuleError(f"{value!r} is no time for {key}.", hint=_AFTER)
        return seconds


def _kind(fields: Mapping[str, Value]) -> Kind:
    found = [key for key in _KINDS if key in fields and fields[key] is not False]
    if len(found) > 1:
        raise InvalidRuleError(f"A rule has one of {' and '.join(found)}.", hint="Write two rules.")
    if found:
        return Kind(found[0])
    if "pattern" in fields:
        return Kind.PATTERN
    if fields.get("at_end") is True:
        return Kind.STATE
    raise InvalidRuleError(
        "It does not say what to look for.", hint=f'Write pattern="...", or one of {", ".join(_KINDS)}.'
    )


def _groups(pattern: str, limits: RuleLimits) -> tuple[str, ...]:
    """Give the names of a pattern's groups, empty for those without one."""
    if len(pattern) > limits.pattern_chars:
        raise InvalidRuleError(
            f"A pattern of {len(pattern)} characters is too long: at most {limits.pattern_chars}.",
            hint="Shorten it, or raise pattern_chars below [limits] in the configuration.",
        )
    try:
        return Pattern(pattern, most_chars=max(limits.pattern_chars, 1000)).groups
    except PatternError as error:
        raise InvalidRuleError(error.text, hint=error.hint) from error


def _captures(names: Sequence[str], groups: int) -> tuple[str, ...]:
    for name in names:
        if not _CAPTURE.fullmatch(name) or name in BUILT_IN:
            raise InvalidRuleError(
                f"{name[:40]!r} cannot name a capture.",
                hint=f"Letters, digits and _, and none of: {', '.join(sorted(BUILT_IN))}.",
            )
    if len(names) > groups:
        raise InvalidRuleError(
            f"There are {len(names)} captures, and the pattern has {groups} groups.",
            hint='Put parentheses around what is to be captured: "loss: ([0-9.]+)".',
        )
    if len(set(names)) < len(names) or len(names) > _MOST_CAPTURES:
        raise InvalidRuleError("A capture is named twice, or there are too many.", hint=f"At most {_MOST_CAPTURES}.")
    return tuple(names)


def _check_condition(condition: str, known: Sequence[str]) -> None:
    if not condition:
        return
    try:
        check_condition(condition, known)
    except ConditionError as error:
        raise InvalidRuleError(f"The condition {condition[:200]!r}: {error.text}", hint=error.hint) from error


def _time_of(kind: Kind, fields: _Fields) -> float:
    if kind is Kind.MISSING_FILE:
        return fields.seconds("within", 0.0)
    if kind not in (Kind.SILENCE, Kind.STANDSTILL, Kind.TIME):
        return 0.0
    seconds = fields.seconds(kind.value, 0.0)
    if seconds < 1:
        raise InvalidRuleError(f"{kind.value} needs a time.", hint=_AFTER)
    return seconds


def _counter(kind: Kind, fields: _Fields, known: Sequence[str]) -> str:
    if kind is not Kind.STANDSTILL:
        return ""
    counter = fields.text("counter") or (known[0] if known and known[0] != "0" else "1")
    if counter not in known:
        raise InvalidRuleError(
            f"Nothing is captured as {counter!r}, so nothing can stand still.",
            hint='Write: standstill=30m pattern="step ([0-9]+)" captures=[step]',
        )
    return counter


def _states(kind: Kind, fields: _Fields) -> tuple[str, ...]:
    if kind is not Kind.STATE:
        return ()
    states = fields.words("state") or (END,)
    for state in states:
        if state.lower() not in _STATES:
            near = [_STATES[name] for name in get_close_matches(state.lower()[:40], _STATES, n=1)]
            raise InvalidRuleError(
                f"{state[:40]!r} is no state, so no job would ever come into it.",
                hint=(f"Is it {near[0]}? " if near else "")
                + f"There is: a phase ({', '.join(Phase)}), Slurm's word (TIMEOUT), {END} and {ANY}.",
            )
    return tuple(dict.fromkeys(states))


def _path(text: str) -> str:
    if not text or len(text) > _PATH_CHARS or not text.isprintable() or ".." in text.split("/"):
        raise InvalidRuleError(
            f"{text[:80]!r} is no path to look for.", hint="An absolute one, or below the job's folder."
        )
    return text


def _output_type(text: str) -> OutputType:
    for one in OUTPUT_TYPES:
        if one == (text or "stdout"):
            return one
    raise InvalidRuleError(f"output_type is {', '.join(OUTPUT_TYPES)}, and not {text[:40]!r}.")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise InvalidRuleError(f"{text[:60]!r} cannot be a rule's name.", hint="Letters, digits, _ - and . alone.")
    return text


_FOREIGN: Mapping[str, Collection[Kind]] = {
    "pattern": (Kind.PATTERN, Kind.STANDSTILL, Kind.SILENCE),
    "captures": (Kind.PATTERN, Kind.STANDSTILL, Kind.SILENCE),
    "output_type": (Kind.PATTERN, Kind.STANDSTILL, Kind.SILENCE, Kind.RESTART),
    "max_triggers": [kind for kind in Kind if kind is not Kind.RESTART],
    "cooldown": [kind for kind in Kind if kind is not Kind.RESTART],
    "times": (Kind.RESTART,),
    "wait": (Kind.RESTART,),
    "wait_most": (Kind.RESTART,),
    "backoff": (Kind.RESTART,),
    "changes": (Kind.RESTART,),
    "counter": (Kind.STANDSTILL,),
    "within": (Kind.MISSING_FILE,),
    "at_end": (Kind.PATTERN, Kind.STATE),
}
"""By key, the kinds of rules that have it."""


def _check_fit(rule: Rule, written: Written) -> None:
    for key, kinds in _FOREIGN.items():
        if key in written.fields and rule.kind not in kinds:
            raise InvalidRuleError(
                f"{key} means nothing in a rule of the kind {rule.kind.value}.", hint="Leave it out."
            )
    if rule.kind is Kind.PATTERN and not rule.pattern:
        raise InvalidRuleError("The pattern is empty.", hint='Write: pattern="loss: ([0-9.]+)"')
    if rule.kind is Kind.STANDSTILL and not rule.pattern:
        raise InvalidRuleError(
            "A standstill needs the pattern of what must go on.",
            hint='Write: standstill=30m pattern="step ([0-9]+)" captures=[step]',
        )


def _free_name(names: Collection[str]) -> str:
    number = 1
    while f"rule-{number}" in names:
        number += 1
    return f"rule-{number}"
