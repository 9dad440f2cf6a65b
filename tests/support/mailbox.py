"""A mail server and a webhook on this machine, which keep what they were given."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from aiosmtpd.controller import Controller

PASSWORD = "correct-horse"


@dataclass
class Letters:
    """What an SMTP server was given.

    Attributes:
        taken: Recipients and message, each.
        answer: What it says instead of taking one.
    """

    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list[tuple[list[str], EmailMessage]])
    answer: str = ""

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802, ARG002 -- aiosmtpd's name
        """See aiosmtpd."""
        if self.answer:
            return self.answer
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), mail))
        return "250 taken"


class AnyPort(Controller):
    """aiosmtpd's controller on a port that is free."""

    port: int

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types there


@dataclass
class Hook:
    """What a webhook was given."""

    url: str
    bodies: list[dict[str, Any]]
    status: list[int]


@contextmanager
def mail_server(letters: Letters) -> Generator[str]:
    """Lend a real SMTP server; gives its address."""
    controller = AnyPort(letters, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


@contextmanager
def webhook() -> Generator[Hook]:
    """Lend a real HTTP server that takes what Apprise's json:// posts."""
    made = Hook("", [], [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if made.status[0] == 200:
                made.bodies.append(json.loads(body))
            self.send_response(made.status[0])
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.url = f"json://127.0.0.1:{server.server_port}/{PASSWORD}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
