"""A stand-in for the real Codex's model: answers the Responses API on loopback by a script, and keeps what it was sent.

Codex takes it as a model provider without a login (`model_providers.*`, `wire_api = "responses"`; Codex 0.169.0). There
is no model: each answer is the next move of the script, whatever the request says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, cast

Item = dict[str, Any]
NAMESPACE = "mcp__jobwarden"


@dataclass(frozen=True)
class Request:
    """What Codex sent for one answer."""

    body: Mapping[str, Any]

    @property
    def items(self) -> Sequence[Item]:
        return cast("Sequence[Item]", self.body["input"])

    @property
    def offered(self) -> set[str]:
        """Give the names of the tools, and of the servers that have some."""
        return {str(one.get("name")) for one in cast("Sequence[Item]", self.body.get("tools", ()))}

    @property
    def since_own_words(self) -> Sequence[Item]:
        """What has come in since the model's last move: outputs of its calls, hooks' lines, a prompt."""
        theirs = {"function_call_output", "custom_tool_call_output"}
        mine = [
            at
            for at, item in enumerate(self.items)
            if item.get("role") == "assistant"
            or (item.get("type") not in theirs and str(item.get("type", "")).endswith("_call"))
        ]
        return self.items[mine[-1] + 1 :] if mine else self.items

    def says(self, role: str) -> str:
        """Give all the text of one role that is new in this request."""
        return "\n".join(text for item in self.since_own_words if item.get("role") == role for text in _texts(item))

    @property
    def is_pause(self) -> bool:
        """Whether this came after a pause, and holds no more than that it is over."""
        last = [item for item in self.items if item.get("type") == "function_call"][-1:]
        return any("until the server has started" in str(item.get("arguments")) for item in last)

    @property
    def answers(self) -> str:
        """Give what the model's last calls came to."""
        found = [item for item in self.since_own_words if str(item.get("type", "")).endswith("_call_output")]
        return "\n".join(text for item in found for text in _texts(item))

    @property
    def new_text(self) -> str:
        """Give all that is new in this request, whoever said it."""
        return "\n".join(text for item in self.since_own_words for text in _texts(item))


Move = Callable[[Request], Item]


def say(text: str) -> Move:
    """End the turn with these words."""
    content: list[Item] = [{"type": "output_text", "text": text, "annotations": []}]
    return lambda _request: {"type": "message", "role": "assistant", "status": "completed", "content": content}


def call(name: str, arguments: Mapping[str, Any], *, namespace: str = "") -> Move:
    """Call one of the client's own tools."""
    item = {"type": "function_call", "name": name, "arguments": json.dumps(arguments), "status": "completed"}
    return lambda _request: {**item, **({"namespace": namespace} if namespace else {})}


def shell(command: str) -> Move:
    """Run a shell command, and wait for it."""
    return call("exec_command", {"cmd": command, "yield_time_ms": 30000})


PAUSE = shell("sleep 0.3; : until the server has started")


def tool(name: str, **arguments: Any) -> Move:
    """Call one of jobwarden's tools.

    Codex begins a turn without waiting for its servers, and offers their tools as soon as these have started; the
    stand-in passes the time until then in a shell.
    """
    asked = call(name, arguments, namespace=NAMESPACE)

    def move(request: Request) -> Item:
        return asked(request) if NAMESPACE in request.offered else {**PAUSE(request), "again": move}

    return move


@dataclass
class StandIn:
    """The server, its script and its memory.

    Attributes:
        url: Where it answers.
        requests: All that Codex sent, in order.
        moves: What is left of the script.
    """

    url: str
    requests: list[Request] = field(default_factory=list[Request])
    moves: list[Move] = field(default_factory=list[Move])
    _others: dict[str, list[Move]] = field(default_factory=dict[str, list[Move]])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def will(self, *moves: Move) -> None:
        """Append to the script; after its end each answer is a word that ends the turn."""
        with self._lock:
            self.moves += moves

    def whoever_reads(self, mark: str, *moves: Move) -> None:
        """Give a script of their own to the conversations whose first prompts have this mark: sub-agents."""
        with self._lock:
            self._others[mark] = list(moves)

    def answer(self, body: Mapping[str, Any]) -> Item:
        """Make the next move."""
        request = Request(body)
        with self._lock:
            self.requests.append(request)
            prompts = "\n".join(
                text
                for item in request.items
                if item.get("role") == "user" or item.get("type") == "agent_message"
                for text in _texts(item)
            )
            own = next((moves for mark, moves in self._others.items() if mark in prompts), self.moves)
            item = (own.pop(0) if own else say("Nothing more."))(request)
            if "again" in item:
                own.insert(0, item.pop("again"))
            number = next(self._numbers)
        return {**item, "id": f"item_{number}", **({"call_id": f"call_{number}"} if "arguments" in item else {})}


def _texts(item: Item) -> list[str]:
    given = item.get("content") or item.get("output") or ""
    parts = cast("list[Item]", given) if isinstance(given, list) else [{"text": given}]
    return [str(part.get("text", "")) for part in parts]


@contextmanager
def stand_in() -> Generator[StandIn]:
    """Run one on a free port of loopback."""
    held: list[StandIn] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            item = held[0].answer(body)
            usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            response = {"id": f"resp_{item['id']}", "status": "completed", "output": [item], "usage": usage}
            events = (
                {"type": "response.created", "response": {"id": response["id"]}},
                {"type": "response.output_item.done", "output_index": 0, "item": item},
                {"type": "response.completed", "response": response},
            )
            sent = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held.append(StandIn(f"http://127.0.0.1:{server.server_address[1]}/v1"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
