"""Lists and tables out of what was parsed, for the type checkers."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a table: TOML and JSON have texts as keys."""
    return isinstance(value, dict)
