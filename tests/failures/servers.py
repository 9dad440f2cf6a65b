"""Small bad servers on loopback for jobs to meet; the standard library alone.

`servers.py http PORT RULES [CERT KEY]` answers by a JSON list of [path prefix, status, headers, body];
`reset PORT` accepts and resets, `silent PORT` accepts and says nothing, `cut PORT` ends in the middle of an answer,
`dns` says on port 53 that no name exists. Each goes on until its machine ends.
"""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path
from typing import Any

Rule = tuple[str, int, dict[str, str], str]


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers by rules."""

    rules: list[Rule] = []  # noqa: RUF012 -- set once, before it serves
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer any request."""
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        fitting = [rule for rule in self.rules if self.path.startswith(rule[0])]
        _, status, headers, body = fitting[0] if fitting else ("", 404, {}, "not found\n")
        data = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 -- the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


def serve_http(port: int, rules: str, cert: str = "", key: str = "") -> None:
    """Serve the rules of a file."""
    Answers.rules = json.loads(Path(rules).read_text("utf-8"))
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Answers)
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def serve_badly(port: int, how: str) -> None:
    """Accept, and then be bad."""
    held: list[socket.socket] = []
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            one, _ = server.accept()
            held.append(one)
            if how != "silent":
                threading.Thread(target=_end_badly, args=(one, how), daemon=True).start()


def _end_badly(one: socket.socket, how: str) -> None:
    one.recv(65536)
    if how == "cut":
        one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 70_000)
        one.shutdown(socket.SHUT_RDWR)
    else:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def serve_no_names() -> None:
    """Answer NXDOMAIN to every question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            question, who = server.recvfrom(2048)
            server.sendto(question[:2] + b"\x81\x83" + question[4:6] + b"\0\0\0\0\0\0" + question[12:], who)


def main(words: list[str]) -> None:
    """Be the server that the words ask for."""
    match words:
        case ["http", port, *more]:
            serve_http(int(port), *more)
        case ["dns"]:
            serve_no_names()
        case [how, port]:
            serve_badly(int(port), how)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
