"""A rule on one line, as it is kept with its job and shown to people."""

from __future__ import annotations

from collections.abc import Iterator

from jobwarden.rules.lexing import quote, quote_raw, write_call, write_value
from jobwarden.rules.model import Kind, Rule
from jobwarden.rules.restarts import PATTERN, RESTART


def write_rule(rule: Rule) -> str:
    """Write a rule on one line, so that `read_rule` gives the same."""
    what = _restart(rule) if rule.kind is Kind.RESTART else _what(rule)
    parts = [f"name={rule.name}", *what, *_how(rule)]
    actions = [call for call in rule.actions if call.name != RESTART]
    if actions:
        parts.append("actions=[" + ", ".join(write_call(call) for call in actions) + "]")
    return " ".join(parts)


def _what(rule: Rule) -> Iterator[str]:
    match rule.kind:
        case Kind.SILENCE | Kind.STANDSTILL | Kind.TIME:
            yield f"{rule.kind.value}={_seconds(rule.for_s)}"
        case Kind.MISSING_FILE:
            yield f"missing_file={quote(rule.path)}"
            if rule.for_s:
                yield f"within={_seconds(rule.for_s)}"
        case Kind.STATE:
            yield f"state=[{', '.join(rule.states)}]"
        case Kind.CHECK_FAILED:
            yield "check_failed=true"
        case Kind.PATTERN | Kind.RESTART:
            pass
    if rule.pattern:
        yield f"pattern={quote_raw(rule.pattern)}"
    if rule.captures:
        yield f"captures=[{', '.join(rule.captures)}]"
    if rule.counter:
        yield f"counter={quote(rule.counter)}"


def _restart(rule: Rule) -> Iterator[str]:
    ways = (PATTERN + quote_raw(one.removeprefix(PATTERN)) if one.startswith(PATTERN) else one for one in rule.ways)
    yield f"restart=[{', '.join(ways)}]"
    done = next(call.arguments for call in rule.actions if call.name == RESTART)
    yield f"times={done['times']}"
    for key, argument in (("wait", "wait_s"), ("wait_most", "wait_most_s"), ("backoff", "backoff")):
        if argument in done:
            yield f"{key}={write_value(done[argument])}"
    if done.get("modifications"):
        yield f"changes={write_value(done['modifications'])}"


def _how(rule: Rule) -> Iterator[str]:
    if rule.condition:
        yield f"condition={quote(rule.condition)}"
    if rule.interval_s != 60.0:
        yield f"interval={_seconds(rule.interval_s)}"
    if rule.max_triggers is not None:
        yield f"max_triggers={rule.max_triggers}"
    if rule.cooldown_s:
        yield f"cooldown={_seconds(rule.cooldown_s)}"
    if rule.output_type != ("both" if rule.kind is Kind.RESTART else "stdout"):
        yield f"output_type={rule.output_type}"
    if rule.at_end:
        yield "at_end=true"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
