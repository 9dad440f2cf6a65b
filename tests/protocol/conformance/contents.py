"""What the conformance suites read: tools with simple content, resources and prompts.

Names and texts are the suites' own (@modelcontextprotocol/conformance 0.1.16 and 0.2.0-alpha.12).
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
).decode()
PAUSE_S = 0.05
Ctx = Context[Any, Any]


def add_contents(server: MCPServer[Any]) -> None:
    """Add these fixtures to a server."""
    for tool in (simple_text, image, audio, embedded, mixed, logging, error, progress, missing_file, headers):
        server.add_tool(tool, name=f"test_{_NAMES[tool.__name__]}", structured_output=False)
    server.add_tool(logging, name="test_logging_tool", structured_output=False)
    server.add_tool(tool_change, name="test_trigger_tool_change", structured_output=False)
    server.add_tool(prompt_change, name="test_trigger_prompt_change", structured_output=False)
    _add_resources(server)
    _add_prompts(server)


_NAMES = {
    "simple_text": "simple_text",
    "image": "image_content",
    "audio": "audio_content",
    "embedded": "embedded_resource",
    "mixed": "multiple_content_types",
    "logging": "tool_with_logging",
    "error": "error_handling",
    "progress": "tool_with_progress",
    "missing_file": "missing_file",
    "headers": "custom_headers",
}


async def simple_text() -> str:
    """Answer in text."""
    return "This is a simple text response for testing."


async def image() -> CallToolResult:
    """Answer with an image."""
    return CallToolResult(content=[ImageContent(type="image", data=PNG, mime_type="image/png")])


async def audio() -> CallToolResult:
    """Answer with sound."""
    return CallToolResult(content=[AudioContent(type="audio", data=WAV, mime_type="audio/wav")])


async def embedded() -> CallToolResult:
    """Answer with an embedded resource."""
    return CallToolResult(
        content=[_embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
    )


async def mixed() -> CallToolResult:
    """Answer with three kinds of content."""
    return CallToolResult(
        content=[
            TextContent(type="text", text="Multiple content types test:"),
            ImageContent(type="image", data=PNG, mime_type="image/png"),
            _embedded("test://mixed-content-resource", "application/json", json.dumps({"test": "data", "value": 123})),
        ]
    )


async def logging(ctx: Ctx) -> str:
    """Log three times."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        if ctx.protocol_version != "2026-07-28":  # there, only for a request that asked for it
            message = LoggingMessageNotificationParams(level="info", data=text)
            await ctx.session.send_notification(
                LoggingMessageNotification(params=message), related_request_id=ctx.request_id
            )
        await anyio.sleep(PAUSE_S)
    return "logged"


async def error() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


async def progress(ctx: Ctx) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await anyio.sleep(PAUSE_S)
    return "done"


async def missing_file() -> str:
    """Crash, as no tool should."""
    raise FileNotFoundError("/etc/secret")


async def headers(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    priority: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Priority"})] = 0,
    query: str = "",
) -> str:
    """Take an argument that is mirrored in a header."""
    return f"{region} {priority} {query}"


async def tool_change(ctx: Ctx) -> str:
    """Say that the tools changed."""
    await ctx.notify_tools_changed()
    return "changed"


async def prompt_change(ctx: Ctx) -> str:
    """Say that the prompts changed."""
    await ctx.notify_prompts_changed()
    return "changed"


def schema_tool() -> Tool:
    """Give the tool whose schema uses JSON Schema 2020-12, which must come through as it is."""

    async def anything() -> str:
        """Have a schema."""
        return "ok"

    tool = Tool.from_function(anything, name="json_schema_2020_12_tool", structured_output=False)
    address = {
        "$anchor": "addressDef",
        "type": "object",
        "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
    }
    tool.parameters = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": address},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
    return tool


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _add_resources(server: MCPServer[Any]) -> None:
    def static_text() -> str:
        return "This is the content of the static text resource."

    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    def watched() -> str:
        return "watched"

    def data(id: str) -> str:  # noqa: A002 -- the suite's name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    about = "For the conformance suite"
    server.resource("test://static-text", mime_type="text/plain", description=about)(static_text)
    server.resource("test://static-binary", mime_type="image/png", description=about)(static_binary)
    server.resource("test://watched-resource", mime_type="text/plain", description=about)(watched)
    server.resource("test://template/{id}/data", mime_type="application/json", description=about)(data)


def _add_prompts(server: MCPServer[Any]) -> None:
    def simple() -> str:
        """Say something simple."""
        return "This is a simple prompt for testing."

    def arguments(arg1: str, arg2: str) -> str:
        """Say two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    def resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 -- the suite's name
        """Embed a resource."""
        block = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(block), UserMessage("Please process the embedded resource above.")]

    def image_prompt() -> list[UserMessage]:
        """Show an image."""
        block = ImageContent(type="image", data=PNG, mime_type="image/png")
        return [UserMessage(block), UserMessage("Please analyze the image above.")]

    server.prompt(name="test_simple_prompt")(simple)
    server.prompt(name="test_prompt_with_arguments")(arguments)
    server.prompt(name="test_prompt_with_embedded_resource")(resource)
    server.prompt(name="test_prompt_with_image")(image_prompt)
