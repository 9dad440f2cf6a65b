"""`${NAME}` in the arguments of an action: filled in once, as data, and never read again.

The values come from logs that strangers write. So a value is a string and stays one: what it holds is not looked
through for further names, and no argument's kind, name or number changes by it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from jobwarden.actions.errors import ActionError, InvalidRuleError
from jobwarden.logs.clean import readable

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]

BUILT_IN = ("JOB_ID", "HOSTNAME")
VALUE_CHARS = 500
"""Of a captured value; the rest is cut off."""

_FORM = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63}|[0-9]{1,2})(?::(?P<how>[-+])(?P<other>[^${}]*))?\}|(?P<bad>\$\{)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_HINT = "Write ${name}, ${name:-instead} or ${name:+instead}; $${ for ${ itself."


def check_names(value: Value, captures: Collection[str]) -> None:
    """Refuse a form that cannot be read, and a name that the rule does not capture.

    Raises:
        InvalidRuleError: The text names it.
    """
    known = (*BUILT_IN, *captures)
    for found in (one for text in texts(value) for one in _FORM.finditer(text)):
        if found["bad"] is not None:
            raise InvalidRuleError(f"{found.string[found.start() :][:40]!r} is not closed or no name.", hint=_HINT)
        if found["name"] is not None and found["name"] not in known:
            raise InvalidRuleError(
                f"Nothing is captured as {found['name']!r}.", hint=f"There is: {', '.join(sorted(known))}."
            )


def names_in(value: Value) -> set[str]:
    """Give the names that are to be filled in."""
    return {found["name"] for text in texts(value) for found in _FORM.finditer(text) if found["name"] is not None}


def substituted(value: Value, known: Mapping[str, str]) -> Value:
    """Fill in the names, in texts alone: keys, numbers and the shape stay.

    Args:
        value: As written in the rule.
        known: What each name stands for; a name that is missing has no value.

    Raises:
        ActionError: A name without a value, and nothing is written to stand for it.
    """
    if isinstance(value, str):
        return _FORM.sub(lambda found: _filled(found, known), value)
    if isinstance(value, list):
        return [substituted(one, known) for one in value]
    if isinstance(value, dict):
        return {key: substituted(one, known) for key, one in value.items()}
    return value


def harmless(text: str) -> str:
    """Give a captured text on one line, of a bounded length, without what no reader sees."""
    return readable(_CONTROL.sub(" ", text)).strip()[:VALUE_CHARS]


def texts(value: Value) -> Iterator[str]:
    """Give every text in a value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)


def _filled(found: re.Match[str], known: Mapping[str, str]) -> str:
    name, how, other = found["name"], found["how"], found["other"] or ""
    if found["bad"] is not None:
        raise ActionError(f"{found.string[:40]!r} cannot be filled in.")
    if name is None:
        return "${"
    value = known.get(name, "")
    if how == "+":
        return other if value else ""
    if value:
        return value
    if how == "-":
        return other
    if name in known:
        return ""
    raise ActionError(f"There is no value for ${{{name}}}, so nothing was done.", code="action.no_value")
