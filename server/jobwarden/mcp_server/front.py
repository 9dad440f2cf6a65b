"""Answering a client's first questions while the SDK, whose import takes most of a second, is still being loaded.

What a client asks at once is always answered the same: who this server is, and what it offers. Those answers stand in
`front.json`, as the SDK itself gave them (`tests/support/baking.py` writes the file, a test holds the two equal). All
else is kept, in order, until the SDK reads. It also gets the opening request, under an id of ours, so that it knows the
client, and the one by which Claude Code listens for changed lists, for whose acknowledgement that waits before it asks
further; what it says to these two is dropped (`takeover.py`). The standard library alone is imported here.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, TypeGuard

_FILE = Path(__file__).with_name("front.json")
_MODERN = "io.modelcontextprotocol/"
_PIECE = 65536
_MOST_READ = 4 << 20
"""After so many bytes nothing more is read until the SDK does."""
_ENVELOPE = frozenset({"protocolVersion", "clientCapabilities", "clientInfo"})
_CAPABILITIES = frozenset({"roots", "sampling", "elicitation", "experimental", "extensions"})
LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_FILTER = "notifications"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_NOBODY = {"name": "", "version": ""}

Answers = Mapping[str, Mapping[str, Any]]
"""Results by protocol version and method."""


def baked(file: Path = _FILE) -> Answers | None:
    """Give the answers that were made with what is installed; None when there are none."""
    try:
        made = json.loads(file.read_bytes())
        with_these = all(
            any(Path(folder, f"{name}-{version}.dist-info").is_dir() for folder in sys.path)
            for name, version in made["of"].items()
        )
        answers: Answers = made["answers"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return answers if with_these else None


class Front:
    """Stands between the client and an SDK that is not there yet.

    Args:
        answers: What is answered.
        out: A file descriptor that the client reads.

    Attributes:
        replayed: The id of the request that the client did not send and must see no answer to.
        acknowledged: The id of the request to listen that was acknowledged; None: there was none.
    """

    def __init__(self, answers: Answers, out: int = 1) -> None:
        self.replayed = f"jobwarden-front-{os.urandom(8).hex()}"
        self.acknowledged: int | str | None = None
        self._answers = answers
        self._out = os.dup(out)  # the SDK moves 1 elsewhere while it serves
        self._version: str | None = None
        self._open = True
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._woken, self._wake = os.pipe()

    def hand_over(self) -> None:
        """Answer nothing from now on: the SDK reads. No answer is being written any more when this comes back. Once."""
        with self._writing:
            self._over.set()
        os.close(self._wake)

    def pass_on(self, source: int) -> Iterator[bytes]:
        """Read what the client sends and answer what can be; give all else, from the moment of `hand_over` on.

        It ends then, with whatever has been read of a line that is not whole; the rest is the caller's to read.
        """
        kept: list[bytes] = []
        rest, size = b"", 0
        poll = select.poll()
        for each in (source, self._woken):
            poll.register(each, select.POLLIN)
        while not self._over.is_set() and self._woken not in dict(poll.poll()):
            piece = os.read(source, _PIECE)
            *lines, rest = (rest + piece).split(b"\n")
            kept += [self.take(line + b"\n") for line in lines]
            size += len(piece)
            if not piece or size > _MOST_READ:
                self._over.wait()
        for each in (self._out, self._woken):
            os.close(each)
        yield b"".join(kept) + rest

    def take(self, line: bytes) -> bytes:
        """Give what the SDK must read for this line: nothing, when it was answered."""
        with self._writing:
            if not self._open or self._over.is_set():
                return line
            opening = self._version is None
            message = _understood(line)
            version = self._version_of(message) if message is not None else None
            if message is None or version is None or version != (self._version or version):
                self._open = False
                return line
            answer = self._answer(message, version)
            if answer is None:
                self._open = not opening  # the SDK shall see itself how a conversation begins
                return line
            self._version = version
            again = _line({**message, "id": self.replayed}) if opening else b""
            self._write(_line(answer))
            return line if message["method"] == LISTEN else again

    def _answer(self, message: Mapping[str, Any], version: str) -> dict[str, Any] | None:
        known = self._answers[version].get(message["method"]) if "id" in message else None
        if known is None or message["method"] != LISTEN:
            return None if known is None else {"jsonrpc": "2.0", "id": message["id"], "result": known}
        if self._version is None or self.acknowledged is not None or message["params"].get(_FILTER) != known[_FILTER]:
            return None
        self.acknowledged = message["id"]
        return {"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": {"_meta": {SUBSCRIPTION: message["id"]}, **known}}

    def _version_of(self, message: Mapping[str, Any]) -> str | None:
        """Give the version in which a message is to be answered; None: the SDK shall say."""
        params, method = message.get("params", {}), message["method"]
        if method == "initialize":
            version = _handshake(params) if self._version is None else None
        elif "id" not in message:
            return self._version  # it is passed on, whatever it says
        else:
            version = _enveloped(params, {"_meta", _FILTER} if method == LISTEN else {"_meta"})
            if version == "" and "initialize" in self._answers.get(self._version or "", ()):
                return self._version
        return version if version in self._answers else None

    def _write(self, line: bytes) -> None:
        while line:
            select.select([], [self._out], [])  # a client's pipe may be one that does not block
            line = line[os.write(self._out, line) :]


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


# -- what is nothing out of the ordinary; the SDK shall say what it thinks of all else


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _understood(line: bytes) -> dict[str, Any] | None:
    """Read a request or a notification."""
    try:
        message = None if b"\r" in line or b"\\u" in line else json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not _is_object(message) or not message.keys() <= {"jsonrpc", "id", "method", "params"}:
        return None
    well = message.get("jsonrpc") == "2.0" and isinstance(message.get("method"), str)
    return message if well and type(message.get("id", 0)) in (int, str) else None


def _handshake(params: object) -> str | None:
    """Give the version that `initialize` asks for."""
    if not _is_object(params) or params.keys() != {"protocolVersion", "capabilities", "clientInfo"}:
        return None
    return _version(params["protocolVersion"], params["clientInfo"], params["capabilities"])


def _enveloped(params: object, members: Set[str]) -> str | None:
    """Give the version that a request with at most these members says; "": none."""
    meta = params.get("_meta", {}) if _is_object(params) and params.keys() <= members else None
    if not _is_object(meta):
        return None
    ours = {key.removeprefix(_MODERN): value for key, value in meta.items() if key.startswith(_MODERN)}
    if not ours:
        return ""
    if not {"protocolVersion", "clientCapabilities"} <= ours.keys() <= _ENVELOPE:
        return None
    return _version(ours["protocolVersion"], ours.get("clientInfo", _NOBODY), ours["clientCapabilities"])


def _version(version: object, info: object, capabilities: object) -> str | None:
    """Give the version, of a client that describes itself as clients do."""
    if not isinstance(version, str) or not _is_object(info) or not _is_object(capabilities):
        return None
    named = {"name", "version"} <= info.keys() and all(isinstance(each, str) for each in info.values())
    able = capabilities.keys() <= _CAPABILITIES and all(_is_object(each) for each in capabilities.values())
    return version if named and able else None
