"""What may stand in a condition, and of which type each part of it is."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from jobwarden.rules.condition_reading import HINT, ConditionError, bounded

ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
ORDER: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ITEMS = 50
_FUNCTIONS: Final = ("float", "int", "str", "len", "abs", "min", "max", "round", "isnan", "isinf", "lower")


class Checker:
    """Finds the type of every part, and refuses what has none: `str`, `float` (any number, a truth too) or `tuple`."""

    def __init__(self, names: Mapping[str, type]) -> None:
        self._names = names

    def check(self, node: ast.expr) -> type:
        """Give the type of a part.

        Raises:
            ConditionError: It has none, or may not stand here.
        """
        match node:
            case ast.Constant(value=str() as text):
                return _text_type(text)
            case ast.Constant(value=bool() | int() | float() as number):
                bounded(number)
                return float
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp() | ast.BoolOp():
                return self._joined(node)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return self._items(items)
            case _:
                raise self._refused(node)

    def _joined(self, node: ast.UnaryOp | ast.BoolOp) -> type:
        match node:
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                return self._number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.check(operand)
            case ast.BoolOp(values=values):
                for value in values:
                    self.check(value)
            case _:
                raise self._refused(node)
        return float

    def _refused(self, node: ast.AST) -> ConditionError:
        what = _SAID.get(type(node), type(node).__name__)
        functions = ", ".join(_FUNCTIONS)
        return ConditionError(
            f"{what} cannot be used here.",
            hint=f"There are comparisons, + - * / // %, and, or, not, in, and the functions {functions}. {HINT}",
        )

    def _name(self, name: str) -> type:
        if name not in self._names:
            shown = name.replace("_group_", "$")
            known = ", ".join(sorted(one.replace("_group_", "$") for one in self._names))
            raise ConditionError(f"There is no {shown!r}.", hint=f"There is: {known}.")
        return str if self._names[name] is str else float

    def _number(self, node: ast.expr) -> type:
        if self.check(node) is not float:
            raise ConditionError("A text is no number.", hint=f"Write float(...) around it. {HINT}")
        return float

    def _arithmetic(self, node: ast.BinOp) -> type:
        if type(node.op) not in ARITHMETIC:
            raise self._refused(node.op)
        if isinstance(node.op, ast.Add) and self.check(node.left) is str and self.check(node.right) is str:
            return str
        self._number(node.left)
        return self._number(node.right)

    def _comparison(self, node: ast.Compare) -> type:
        left = self.check(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.check(right_node)
            if isinstance(op, ast.In | ast.NotIn):
                if right is float or (right is str and left is not str) or left is tuple:
                    raise ConditionError("`in` looks for a text in a text, or for a value in a list.", hint=HINT)
            elif type(op) not in ORDER:
                raise self._refused(op)
            elif left is not right or left is tuple:
                raise ConditionError("A text is compared with a number.", hint=f"Write float(...) around it. {HINT}")
            left = right
        return float

    def _call(self, node: ast.Call) -> type:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS or node.keywords:
            raise self._refused(node)
        types = [self.check(one) for one in node.args]
        least, most = (1, 2) if name == "round" else (2, 10) if name in ("min", "max") else (1, 1)
        if not least <= len(types) <= most:
            raise ConditionError(f"{name}() has {least} to {most} arguments.", hint=HINT)
        if tuple in types or (name in ("abs", "round", "isnan", "isinf") and str in types):
            raise ConditionError(f"{name}() takes no such argument.", hint=f"Write float(...) around it. {HINT}")
        if name in ("len", "lower") and types[0] is not str:
            raise ConditionError(f"{name}() takes a text.", hint=HINT)
        if name in ("min", "max") and len(set(types)) > 1:
            raise ConditionError("A text is compared with a number.", hint=f"Write float(...) around it. {HINT}")
        return str if name in ("str", "lower") else types[0] if name in ("min", "max") else float

    def _items(self, items: list[ast.expr]) -> type:
        if len(items) > _ITEMS or any(self.check(one) is tuple for one in items):
            raise ConditionError(f"A list has at most {_ITEMS} texts or numbers.")
        return tuple


_SAID: Final[Mapping[type[ast.AST], str]] = {
    ast.Attribute: "What stands after a dot",
    ast.Call: "This call",
    ast.Subscript: "What stands in square brackets after a value",
    ast.Lambda: "A function of one's own",
    ast.Pow: "A power (write x * x)",
    ast.JoinedStr: "A text with values in it",
    ast.Constant: "This constant",
    ast.NamedExpr: "An assignment",
}


def _text_type(text: str) -> type:
    bounded(text)
    return str
