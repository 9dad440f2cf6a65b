"""stdio with real processes: the server speaks only the protocol, and ends with its client, whatever kills that."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

SERVER = [str(Path(sys.executable).with_name("jobwarden")), "serve"]
SOON_S = 20.0
"""For a start and an end on a busy machine; each takes about a second."""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def _wait_call(timeout_s: float) -> dict[str, Any]:
    arguments = {"timeout_s": timeout_s}
    return {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "wait_for_change", "arguments": arguments},
    }


def _say(pipe: IO[bytes], *messages: dict[str, Any]) -> None:
    pipe.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    pipe.flush()


def _hear(pipe: IO[bytes]) -> dict[str, Any]:
    ready, _, _ = select.select([pipe], [], [], SOON_S)
    assert ready, "no answer"
    answer: dict[str, Any] = json.loads(pipe.readline())
    return answer


@contextmanager
def _served() -> Generator[subprocess.Popen[bytes]]:
    """A server that has answered `initialize`."""
    process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        _say(process.stdin, INITIALIZE)
        assert _hear(process.stdout)["result"]["serverInfo"]["name"] == "jobwarden"
        _say(process.stdin, INITIALIZED)
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()


def _ends(pid: int) -> bool:
    """Whether a process that need not be our child ends soon."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], SOON_S)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_of_either_era_is_served(mode: str) -> None:
    parameters = StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=dict(os.environ))
    async with Client(parameters, mode=mode) as client:
        assert "register_job" in {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("check_status", {})
        assert not result.is_error
        (block,) = result.content
        assert isinstance(block, TextContent)
        assert "register a job first" in block.text


def test_the_server_ends_cleanly_at_the_end_of_its_input_and_says_nothing_else() -> None:
    with _served() as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SOON_S) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.stderr is not None
        assert process.stderr.read() == b"", "no traceback, no chatter"


def test_the_server_ends_at_the_end_of_input_though_a_call_is_still_waiting() -> None:
    with _served() as process:
        assert process.stdin is not None
        _say(process.stdin, _wait_call(1000))
        process.stdin.close()
        assert process.wait(SOON_S) == 0


def test_the_server_ends_when_nobody_reads_it_any_more_though_its_input_stays_open() -> None:
    with _served() as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(SOON_S) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_an_answer_into_a_broken_pipe_ends_the_server_without_a_traceback() -> None:
    with _served() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        _say(process.stdin, _wait_call(0.2))
        process.stdout.close()
        assert process.wait(SOON_S) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_cleanly(number: signal.Signals) -> None:
    with _served() as process:
        process.send_signal(number)
        assert process.wait(SOON_S) == 0


CLIENT = """
import json, os, signal, subprocess, sys
argv, initialize = json.loads(sys.argv[1])
server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
server.stdin.write(json.dumps(initialize).encode() + b"\\n")
answer = server.stdout.readline()
ends = [server.stdin.fileno(), server.stdout.fileno()]
holder = subprocess.Popen(["sleep", "600"], pass_fds=ends, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(json.dumps([holder.pid, "jobwarden" in answer.decode()]), flush=True)
signal.pause()
"""


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _descendant_called(pid: int, words: str) -> int:
    for child in _children(pid):
        if words in Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode() and not _children(child):
            return child
        with suppress(LookupError):
            return _descendant_called(child, words)
    raise LookupError(words)


@pytest.mark.parametrize(
    "argv",
    [SERVER, ["sh", "-c", '"$@"; exit 0', "sh", *SERVER], ["sh", "-c", 'timeout 500 "$@"; :', "sh", *SERVER]],
    ids=["itself", "under a shell", "under a shell and timeout"],
)
def test_no_server_outlives_a_killed_client_though_a_grandchild_holds_the_pipes(argv: list[str]) -> None:
    """kill -9 lets the client close nothing; and what it started keeps its ends of the pipes open."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, json.dumps([argv, INITIALIZE])], stdout=subprocess.PIPE, bufsize=0
    )
    assert client.stdout is not None
    holder, answered = json.loads(client.stdout.readline())
    try:
        assert answered
        server = _descendant_called(client.pid, " ".join(SERVER))
        client.kill()
        client.wait()
        assert _ends(server)
        assert Path(f"/proc/{holder}").exists(), "the pipes were held open all the time"
    finally:
        client.kill()
        client.stdout.close()
        os.kill(holder, signal.SIGKILL)
