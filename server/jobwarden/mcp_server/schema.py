"""Tools as the MCP SDK takes them, with what mcp 2.3.0 does not do by itself.

It ignores arguments that a tool does not have, even where its schema forbids them; and its schemas repeat every
argument's name as a title and write `X or null` for an argument that may be left out, a quarter of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import ValidationError


def strict_tool(
    fn: Callable[..., Any], *, title: str, annotations: ToolAnnotations, meta: Mapping[str, Any] | None = None
) -> Tool:
    """Make a tool that answers in text, refuses unknown arguments, and has a slim schema.

    Name, description and arguments are the function's own.
    """
    tool = Tool.from_function(
        fn,
        title=title,
        annotations=annotations,
        description=_one_line(fn.__doc__ or ""),
        meta=dict(meta or {}),
        structured_output=False,
    )
    model = tool.fn_metadata.arg_model
    model.model_config["extra"] = "forbid"
    model.model_rebuild(force=True)
    tool.parameters = slim(model.model_json_schema(by_alias=True))
    return tool


def slim(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a schema says twice: titles, `or null`, and defaults that mean "left out"."""
    optional = _without_null(schema)
    kept: dict[str, Any] = {}
    for key, value in optional.items():
        if key == "title" or (key == "default" and value in (None, [], "", False)):
            continue
        if key == "properties":
            kept[key] = {name: slim(part) for name, part in cast("Mapping[str, Any]", value).items()}
        elif isinstance(value, dict):
            kept[key] = slim(cast("dict[str, Any]", value))
        else:
            kept[key] = value
    return kept


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    choices = cast("list[dict[str, Any]]", schema.get("anyOf", []))
    real = [choice for choice in choices if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if not choices:
        return rest
    return {**real[0], **rest} if len(real) == 1 else {**rest, "anyOf": real}


def argument_text(error: ValidationError, known: Mapping[str, Any]) -> str:
    """Say which arguments are wrong, and which there are."""
    wrong: list[str] = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in detail["loc"])[:80]
        what = "is not an argument" if detail["type"] == "extra_forbidden" else detail["msg"]
        wrong.append(f"`{where}`: {what}")
    shown = "; ".join(wrong[:8])
    return f"[arguments.invalid; not retryable] {shown}. Arguments: {', '.join(known)}."


def _one_line(doc: str) -> str:
    return " ".join(doc.split())
