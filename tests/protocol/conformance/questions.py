"""What the conformance suites are asked in return: elicitation, sampling and roots, in both eras.

Up to 2025-11-25 a tool sends a request to the client; from 2026-07-28 on it answers with what it needs, and the
client calls again.
"""

from __future__ import annotations

import json
from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

Ctx = Context[Any, Any]
Answer = str | InputRequiredResult


def add_questions(server: MCPServer[Any]) -> None:
    """Add these fixtures to a server."""
    for tool in (sampling, elicitation, elicitation_sep1034_defaults, elicitation_sep1330_enums):
        server.add_tool(tool, name=f"test_{tool.__name__}", structured_output=False)
    server.add_tool(missing_capability, name="test_missing_capability", structured_output=False)
    server.add_tool(ask_name, name="test_streaming_elicitation", structured_output=False)
    for ask, name in (
        (ask_name, "elicitation"),
        (ask_model, "sampling"),
        (ask_roots, "list_roots"),
        (ask_with_state, "request_state"),
        (ask_with_state, "tampered_state"),
        (ask_all, "multiple_inputs"),
        (ask_twice, "multi_round"),
        (ask_what_it_can, "capabilities"),
    ):
        server.add_tool(ask, name=f"test_input_required_result_{name}", structured_output=False)
    server.prompt(name="test_input_required_result_prompt")(prompt_with_question)


# -- requests to the client (up to 2025-11-25)


async def sampling(ctx: Ctx, prompt: str) -> str:
    """Ask the client's model."""
    metadata = ServerMessageMetadata(related_request_id=ctx.request_id)
    result = await ctx.session.send_request(_sampling(prompt), CreateMessageResult, metadata=metadata)
    text = result.content.text if isinstance(result.content, TextContent) else ""
    return f"LLM response: {text}"


async def elicitation(ctx: Ctx, message: str) -> str:
    """Ask the user for a name and an address."""
    described = {"username": "User's response", "email": "User's email address"}
    properties = {name: {"type": "string", "description": text} for name, text in described.items()}
    result = await _elicit(ctx, message, {"properties": properties, "required": list(described)})
    return f"User response: action={result.action}, content={json.dumps(result.content)}"


async def elicitation_sep1034_defaults(ctx: Ctx) -> str:
    """Ask with defaults."""
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    result = await _elicit(ctx, "Please review", {"properties": properties, "required": []})
    return f"Elicitation completed: action={result.action}, content={json.dumps(result.content)}"


async def elicitation_sep1330_enums(ctx: Ctx) -> str:
    """Ask with every kind of choice."""
    values = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    choices = [
        {"const": f"value{n}", "title": f"{word} Choice"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    plain = {"type": "string", "enum": ["option1", "option2", "option3"]}
    properties = {
        "untitledSingle": plain,
        "titledSingle": {"type": "string", "oneOf": values},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": plain},
        "titledMulti": {"type": "array", "items": {"anyOf": choices}},
    }
    result = await _elicit(ctx, "Please choose", {"properties": properties, "required": []})
    return f"Elicitation completed: action={result.action}, content={json.dumps(result.content)}"


async def _elicit(ctx: Ctx, message: str, schema: dict[str, Any]) -> ElicitResult:
    whole = {"type": "object", **schema}
    result: ElicitResult = await ctx.session.elicit_form(message, whole, related_request_id=ctx.request_id)
    return result


# -- answers that ask (from 2026-07-28 on)


async def missing_capability(ctx: Ctx) -> str:
    """Need sampling."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="sampling is needed",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "ok"


async def ask_name(ctx: Ctx) -> Answer:
    """Ask for a name."""
    answer = _answer(ctx, "user_name")
    if answer is None or "name" not in answer:
        return InputRequiredResult(input_requests={"user_name": _form("What is your name?", name="string")})
    return f"Hello, {answer['name']}!"


async def ask_model(ctx: Ctx) -> Answer:
    """Ask the client's model."""
    if "capital" not in (ctx.input_responses or {}):
        return InputRequiredResult(input_requests={"capital": _sampling("What is the capital of France?")})
    return "thank you"


async def ask_roots(ctx: Ctx) -> Answer:
    """Ask for the client's roots."""
    if "roots" not in (ctx.input_responses or {}):
        return InputRequiredResult(input_requests={"roots": ListRootsRequest()})
    return "thank you"


async def ask_with_state(ctx: Ctx) -> Answer:
    """Ask, and recognise one's own state."""
    if _answer(ctx, "confirm") is None:
        return InputRequiredResult(input_requests={"confirm": _form("Please confirm", ok="boolean")}, request_state="1")
    if ctx.request_state != "1":
        raise ToolError("not my state")
    return "state-ok"


async def ask_all(ctx: Ctx) -> Answer:
    """Ask three things at once."""
    asked: dict[str, InputRequest] = {
        "user_name": _form("What is your name?", name="string"),
        "greeting": _sampling("Generate a greeting", most=50),
        "client_roots": ListRootsRequest(),
    }
    if not asked.keys() <= (ctx.input_responses or {}).keys():
        return InputRequiredResult(input_requests=asked, request_state="all")
    return "thank you"


async def ask_twice(ctx: Ctx) -> Answer:
    """Ask one thing after another."""
    if ctx.request_state == "second" and _answer(ctx, "step2") is not None:
        return "thank you"
    if ctx.request_state == "first" and _answer(ctx, "step1") is not None:
        question = _form("Step 2: What is your favorite color?", color="string")
        return InputRequiredResult(input_requests={"step2": question}, request_state="second")
    question = _form("Step 1: What is your name?", name="string")
    return InputRequiredResult(input_requests={"step1": question}, request_state="first")


async def ask_what_it_can(ctx: Ctx) -> Answer:
    """Ask only what the client can answer."""
    can = ctx.client_capabilities
    asked: dict[str, InputRequest] = {}
    if can is not None and can.sampling is not None:
        asked["greeting"] = _sampling("Generate a greeting")
    if can is not None and can.elicitation is not None:
        asked["user_name"] = _form("What is your name?", name="string")
    return InputRequiredResult(input_requests=asked) if asked else "nothing to ask"


async def prompt_with_question(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
    """Ask before saying anything."""
    answer = _answer(ctx, "user_context")
    if answer is None:
        question = _form("What context should the prompt use?", context="string")
        return InputRequiredResult(input_requests={"user_context": question})
    return [UserMessage(f"Context: {answer.get('context')}")]


def _answer(ctx: Ctx, key: str) -> dict[str, Any] | None:
    given = (ctx.input_responses or {}).get(key)
    if not isinstance(given, ElicitResult) or given.action != "accept" or given.content is None:
        return None
    return dict(given.content)


def _form(message: str, **properties: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(prompt: str, most: int = 100) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most))
