"""From the text of a condition to its tree, which nobody has judged yet."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import Final

from jobwarden_registry.errors import JobwardenError

Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...]

CHARS: Final = 500
_NODES = 100
_TEXT_CHARS = 2000
_BIGGEST = 10**30


class ConditionError(JobwardenError):
    """The condition cannot be used, or has no value for these captures."""

    code: str = "rule.condition"


_DOLLAR = re.compile(r"\$(?:\{(?P<name>\w+)\}|(?P<number>[0-9]{1,2}))")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
HINT = 'Write as: float(loss) > 5.0 and int(epoch) % 10 == 0 and "nan" not in line'


def name_of(capture: str) -> str:
    """Give the Python name of a capture: `1` is none."""
    return f"_group_{capture}" if capture.isdigit() else capture


@lru_cache(maxsize=256)
def read(text: str) -> ast.expr:
    """Read an expression of Python; what is in it is not looked at.

    Raises:
        ConditionError: It is none, or too long.
    """
    if not text.strip() or len(text) > CHARS:
        raise ConditionError(f"A condition has 1 to {CHARS} characters.", hint=HINT)
    if any("$" in one for one in _QUOTED.findall(text)):
        raise ConditionError("In a condition a capture stands without quotes.", hint="Write loss, not '${loss}'.")
    plain = _DOLLAR.sub(lambda found: name_of(found["name"] or found["number"]), text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stranger's odd escape is no concern of our stderr
            tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConditionError("It is no expression.", hint=HINT) from error
    nodes = list(ast.walk(tree))
    if len(nodes) > _NODES:
        raise ConditionError("It is too long.", hint="Write two rules.")
    return tree


def bounded(value: Value) -> Value:
    """Refuse what is too big to be of use."""
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        raise ConditionError(f"A text of more than {_TEXT_CHARS} characters.")
    if isinstance(value, int) and abs(value) > _BIGGEST:
        raise ConditionError("A number that is too big.")
    return value
