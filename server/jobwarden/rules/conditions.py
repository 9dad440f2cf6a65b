"""The conditions of rules: a few kinds of Python expressions over captured texts, and nothing else of Python.

`ast` reads them; only what is listed here is looked at, first for its type (when the rule is written) and then for its
value (when it fires). There is no attribute, no index, no name but the known, no call but of the listed functions;
numbers and texts stay small.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

from jobwarden.rules.condition_reading import HINT, ConditionError, Scalar, Value, bounded, name_of, read
from jobwarden.rules.condition_types import Checker

BUILT_IN: Final[Mapping[str, type]] = {
    "job_id": str,
    "job_name": str,
    "host": str,
    "status": str,
    "phase": str,
    "line": str,
    "stream": str,
    "count": int,
    "fired": int,
    "attempt": int,
    "elapsed_s": float,
}
"""What every condition may name: `count` is how many lines have matched, `fired` how often the rule has fired before,
`attempt` the number of the run, `elapsed_s` how long that runs."""


def check_condition(text: str, captures: Collection[str]) -> None:
    """Refuse a condition that is unsafe, compares what cannot be compared, or fails whatever is captured.

    Args:
        text: As written.
        captures: What the rule captures; all are texts.

    Raises:
        ConditionError: What is wrong, and what to write.
    """
    tree = read(text)
    types: dict[str, type] = {**{name_of(name): str for name in captures}, **BUILT_IN}
    if Checker(types).check(tree) is not float:
        raise ConditionError("It is neither true nor false.", hint=HINT)
    trials = [_trial(sample, captures) for sample in ("1", "0", "0.5", "2", "text", "nan", "")]
    failed: ConditionError | None = None
    for known in trials:
        try:
            _Evaluator(known).value(tree)
        except ConditionError as error:
            failed = error
        else:
            return
    if failed is not None:
        raise ConditionError(f"It fails whatever is captured: {failed.text}", hint=failed.hint)


def holds(text: str, known: Mapping[str, Scalar]) -> bool:
    """Say whether a condition holds.

    Args:
        text: Checked when it was written.
        known: Captures by name and number, and the built-ins.

    Raises:
        ConditionError: It has no value for these: a text that is no number, a division by zero.
    """
    value = _Evaluator({name_of(name): value for name, value in known.items()}).value(read(text))
    return bool(value)


def _trial(sample: str, captures: Collection[str]) -> dict[str, Scalar]:
    built: dict[str, Scalar] = {name: (sample if kind is str else kind(1)) for name, kind in BUILT_IN.items()}
    return {**built, **{name_of(name): sample for name in captures}}


_Numbers = int | float
_operator = cast("Any", operator)  # its functions are typed in part only
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[_Numbers, _Numbers], _Numbers]]] = {
    ast.Add: _operator.add,
    ast.Sub: _operator.sub,
    ast.Mult: _operator.mul,
    ast.Div: _operator.truediv,
    ast.FloorDiv: _operator.floordiv,
    ast.Mod: _operator.mod,
}
_ORDER: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: _operator.eq,
    ast.NotEq: _operator.ne,
    ast.Lt: _operator.lt,
    ast.LtE: _operator.le,
    ast.Gt: _operator.gt,
    ast.GtE: _operator.ge,
}


class _Evaluator:
    """Gives the value of a tree that `Checker` took; what it did not take raises here, too."""

    def __init__(self, names: Mapping[str, Scalar]) -> None:
        self._names = names

    def value(self, node: ast.expr) -> Value:
        try:
            return bounded(self._value(node))
        except ConditionError:
            raise
        except (ArithmeticError, ValueError, TypeError) as error:
            raise ConditionError(f"{type(error).__name__}: {str(error)[:120]}.") from error

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=str() | bool() | int() | float() as value):
                return value
            case ast.Name(id=name) if name in self._names:
                return self._names[name]
            case ast.UnaryOp() | ast.BoolOp():
                return self._joined(node)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(name, [self.value(one) for one in args])
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return tuple(self._scalar(one) for one in items)
            case _:
                raise ConditionError(f"{type(node).__name__} cannot be used here.")

    def _joined(self, node: ast.UnaryOp | ast.BoolOp) -> Value:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                number = self._number(operand)
                return -number if isinstance(op, ast.USub) else number
            case ast.BoolOp(op=op, values=values):
                both = isinstance(op, ast.And)
                return all(map(self.value, values)) if both else any(map(self.value, values))
            case _:
                raise ConditionError("This cannot be used here.")

    def _scalar(self, node: ast.expr) -> Scalar:
        value = self.value(node)
        if isinstance(value, tuple):
            raise ConditionError("A list within a list.")
        return value

    def _number(self, node: ast.expr) -> _Numbers:
        value = self.value(node)
        if isinstance(value, str | tuple):
            raise ConditionError("A text is no number.")
        return value

    def _arithmetic(self, node: ast.BinOp) -> Value:
        if isinstance(node.op, ast.Add):
            left, right = self.value(node.left), self.value(node.right)
            if isinstance(left, str) and isinstance(right, str):
                return left + right
        work = _ARITHMETIC.get(type(node.op))
        if work is None:
            raise ConditionError(f"{type(node.op).__name__} cannot be used here.")
        return work(self._number(node.left), self._number(node.right))

    def _comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            if not _compared(op, left, right):
                return False
            left = right
        return True

    def _call(self, name: str, args: list[Value]) -> Value:
        work = _WORK.get(name)
        if work is None:
            raise ConditionError(f"{name[:20]}() cannot be used here.")
        value: Value = work(*args)
        return value


def _compared(op: ast.cmpop, left: Value, right: Value) -> bool:
    if isinstance(op, ast.In | ast.NotIn):
        if isinstance(right, str) and isinstance(left, str):
            return (left in right) is isinstance(op, ast.In)
        if isinstance(right, tuple):
            return (left in right) is isinstance(op, ast.In)
        raise ConditionError("`in` looks for a text in a text, or for a value in a list.")
    if isinstance(left, str) is not isinstance(right, str) or isinstance(left, tuple) or isinstance(right, tuple):
        raise ConditionError("A text is compared with a number.")
    work = _ORDER.get(type(op))
    if work is None:
        raise ConditionError(f"{type(op).__name__} cannot be used here.")
    return work(left, right)


def _rounded(number: _Numbers, places: _Numbers | None = None) -> _Numbers:
    if places is None:
        return round(number)
    if not isinstance(places, int) or not -_PLACES <= places <= _PLACES:
        raise ConditionError(f"round() takes at most {_PLACES} digits.")
    return round(number, places)


_PLACES = 15
# What each takes, `Checker` has seen to.
_WORK: Final[Mapping[str, Callable[..., Any]]] = {
    "float": float,
    "int": int,
    "str": str,
    "len": len,
    "abs": abs,
    "min": min,
    "max": max,
    "round": _rounded,
    "isnan": math.isnan,
    "isinf": math.isinf,
    "lower": str.lower,
}
