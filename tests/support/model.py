"""A stand-in for the Anthropic API on loopback: answers Claude Code by a script, and keeps what it was asked.

It speaks as much of the Messages API as Claude Code 2.1.328 needs: streamed text and tool calls. No model is behind it,
no key is looked at.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Json = dict[str, Any]
Step = Sequence[Json] | Callable[["Asked"], Sequence[Json]]
"""The blocks of one answer, or what makes them of what was asked."""


def text(words: str) -> Json:
    """Say something; without a tool call beside it the turn ends."""
    return {"type": "text", "text": words}


def call(tool: str, **arguments: object) -> Json:
    """Call a tool."""
    return {"type": "tool_use", "name": tool, "input": arguments}


@dataclass(frozen=True)
class Asked:
    """One request for an answer."""

    body: Json

    @property
    def new(self) -> str:
        """What the model sees for the first time: all that came after its last answer."""
        fresh: list[str] = []
        for message in reversed(self.body["messages"]):
            if message["role"] == "assistant":
                break
            fresh[:0] = _texts(message["content"])
        return "\n".join(fresh)

    @property
    def tools(self) -> set[str]:
        return {str(tool["name"]) for tool in self.body.get("tools", [])}


@dataclass
class Model:
    """What answers, one step of the script a request; when the script is over it says so and nothing else."""

    url: str = ""
    steps: list[Step] = field(default_factory=list[Step])
    asked: list[Asked] = field(default_factory=list[Asked])
    trouble: list[str] = field(default_factory=list[str])
    """What a step raised; a test looks here first."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seen(self) -> str:
        """All that the model was shown, each part once."""
        with self.lock:
            return "\n".join(one.new for one in self.asked)

    def then(self, *steps: Step) -> None:
        """Go on with these."""
        with self.lock:
            self.steps += steps

    def answer(self, body: Json) -> tuple[int, Sequence[Json]]:
        """Give the next answer, and its number."""
        with self.lock:
            if not body.get("tools"):
                return 0, [text("nothing")]
            asked = Asked(body)
            self.asked.append(asked)
            step = self.steps.pop(0) if self.steps else [text("The script is over.")]
            number = len(self.asked)
        try:
            blocks = step(asked) if callable(step) else step
        except Exception as error:  # noqa: BLE001 - a thread of the server's: the test fails by it, at its own place
            self.trouble.append(f"request {number}: {error!r}")
            blocks = [text("The script went wrong.")]
        return number, [{"id": f"toolu_{number:03}_{at}", **one} for at, one in enumerate(blocks)]


@contextmanager
def standing_in() -> Generator[Model]:
    """Lend a model that listens on loopback."""
    model = Model()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(model))
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

        def do_HEAD(self) -> None:
            self._send(200, "text/plain", b"")

        def do_GET(self) -> None:
            self._send(404, "text/plain", b"")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if not self.path.partition("?")[0].endswith("/v1/messages"):
                self._send(200, "application/json", b'{"input_tokens": 1}')
                return
            events = _stream(str(body.get("model")), *model.answer(body))
            lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
            self._send(200, "text/event-stream", "".join(lines).encode())

        def _send(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _stream(name: str, number: int, blocks: Sequence[Json]) -> Generator[Json]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: Json = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": name,
        "content": [],
        "usage": usage,
    }
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}}
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            opening: Json = {"type": "text", "text": ""}
            delta: Json = {"type": "text_delta", "text": block["text"]}
        else:
            opening = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    why = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


def _texts(content: object) -> list[str]:
    """Give the texts of a message's content, those of tool results too."""
    if isinstance(content, str):
        return [content]
    blocks = cast("list[Json]", content) if isinstance(content, list) else []
    return [word for one in blocks for word in ([str(one["text"])] if "text" in one else _texts(one.get("content")))]
