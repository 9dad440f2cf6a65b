"""Making `front.json`: what the SDK answers to a client's first questions, in both protocol eras."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCResponse, jsonrpc_message_adapter
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from jobwarden.mcp_server import front
from jobwarden.mcp_server.app import JobwardenServer, build_server
from protocol.fake_service import FakeService, find_caller

FILE = Path(front.__file__).with_name("front.json")
VERSIONS = ("2025-06-18", "2025-11-25", *MODERN_PROTOCOL_VERSIONS)
"""Those that clients open with: Codex 0.169 the first, Claude Code 2.1.328 the last, most others the second."""
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping")
MADE_WITH = ("jobwarden", "mcp", "mcp_types")
"""Of each, another version may answer otherwise."""
CLIENT = {"name": "claude-code", "version": "2.1.328"}

Message = dict[str, Any]


def opening(protocol: str, capabilities: Mapping[str, Any] | None = None) -> list[Message]:
    """Give what a client asks at once in this version, each request with an id of its own."""
    able = dict(capabilities or {})
    if protocol in MODERN_PROTOCOL_VERSIONS:
        meta: Message = {"protocolVersion": protocol, "clientCapabilities": able, "clientInfo": CLIENT}
        params = {"_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}}
        return [_request(number, method, params) for number, method in enumerate(("server/discover", *LISTS))]
    shake: Message = {"protocolVersion": protocol, "capabilities": able, "clientInfo": CLIENT}
    requests = [_request(number, method) for number, method in enumerate(LISTS, 1)]
    return [_request(0, "initialize", shake), {"jsonrpc": "2.0", "method": "notifications/initialized"}, *requests]


def _request(number: int, method: str, params: Mapping[str, Any] | None = None) -> Message:
    return {"jsonrpc": "2.0", "id": number, "method": method} | ({"params": dict(params)} if params else {})


def listening(protocol: str = MODERN_PROTOCOL_VERSIONS[-1]) -> Message:
    """Give what Claude Code 2.1.328 sends after its first request; it asks no further before that is acknowledged."""
    wanted = dict.fromkeys(("toolsListChanged", "promptsListChanged", "resourcesListChanged"), True)
    return _request(9, front.LISTEN, {**opening(protocol)[0]["params"], "notifications": wanted})


async def answered(server: JobwardenServer, messages: Sequence[Message]) -> dict[int | str, Message]:
    """Let a server answer these, one after the other; gives result or error by id, as on the wire."""
    into, reads = anyio.create_memory_object_stream[SessionMessage | Exception](len(messages))
    writes, out = anyio.create_memory_object_stream[SessionMessage](len(messages))
    answers: dict[int | str, Message] = {}
    low = server.lowlevel
    async with anyio.create_task_group() as tasks, into, out:
        tasks.start_soon(low.run, reads, writes, low.create_initialization_options())
        for message in messages:
            await into.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))
            if "id" in message:
                answer = (await out.receive()).message
                if isinstance(answer, JSONRPCNotification):  # the one acknowledgement
                    noted: Message = answer.params or {}
                    answers[message["id"]] = {"result": {"notifications": noted["notifications"]}}
                    continue
                assert isinstance(answer, JSONRPCResponse | JSONRPCError)
                answers[message["id"]] = json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True))
        tasks.cancel_scope.cancel()
    return answers


async def bake() -> dict[str, Any]:
    """Make the content of the file with what is installed now."""
    server = build_server(FakeService(), find_caller=find_caller)
    answers: dict[str, Message] = {}
    for protocol in VERSIONS:
        messages = opening(protocol) + ([listening()] if protocol in MODERN_PROTOCOL_VERSIONS else [])
        given = await answered(server, messages)
        results = {each["method"]: given[each["id"]].get("result") for each in messages if "id" in each}
        answers[protocol] = {method: result for method, result in results.items() if result is not None}
    return {"of": {name: version(name) for name in MADE_WITH}, "answers": answers}


def write() -> None:
    """Write the file anew."""
    made = anyio.run(bake)
    lines = [json.dumps(made["of"])]
    for protocol, results in made["answers"].items():
        rows = [f"{json.dumps(method)}:{json.dumps(result, ensure_ascii=False)}" for method, result in results.items()]
        lines.append(f"{json.dumps(protocol)}:{{\n" + ",\n".join(rows) + "\n}")
    text = f'{{"of":{lines[0]},"answers":{{\n' + ",\n".join(lines[1:]) + "\n}}\n"
    FILE.write_text(text, encoding="utf-8")
