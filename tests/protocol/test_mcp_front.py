"""What answers before the SDK is loaded: as the SDK would, each message once and in order; all else is left to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from jobwarden.mcp_server.app import JobwardenServer, build_server
from jobwarden.mcp_server.front import Answers, Front, baked
from jobwarden.mcp_server.takeover import WithoutSaidBefore
from protocol.fake_service import FakeService, find_caller
from support.baking import FILE, MADE_WITH, VERSIONS, Message, answered, bake, listening, opening

ROOT = Path(__file__).parents[2]
SOON_S = 60.0
MODERN = VERSIONS[-1]
AGAIN = "python bench/bench_tools_list.py --write-golden writes it anew"
CLAUDE: Message = {
    "roots": {"listChanged": True},
    "elicitation": {"form": {}, "url": {}},
    "extensions": {"io.modelcontextprotocol/tasks": {}},
}
CODEX: Message = {"elicitation": {"form": {}, "url": {}}, "experimental": {"codex/auth-change": {}}}


@pytest.fixture
def server() -> JobwardenServer:
    return build_server(FakeService(), find_caller=find_caller)


@pytest.fixture
def answers() -> Answers:
    made = baked()
    if made is None:
        pytest.skip("made with other versions than those installed here: there is no front")
    return made


# -- the file


def test_the_file_was_made_with_the_locked_versions() -> None:
    """Else there would be no front where the lock is used, and nobody would notice."""
    if not (ROOT / "uv.lock").exists():
        pytest.skip("no sources here: the installed wheel is tested")
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    versions = {each["name"].replace("-", "_"): each["version"] for each in locked}
    assert json.loads(FILE.read_bytes())["of"] == {name: versions[name] for name in MADE_WITH}, AGAIN


@pytest.mark.usefixtures("answers")
async def test_the_file_holds_what_the_sdk_answers() -> None:
    """Drift: a tool, a text, a capability, or the SDK has changed."""
    assert await bake() == json.loads(FILE.read_bytes()), AGAIN


@pytest.mark.parametrize("capabilities", [{}, CLAUDE, CODEX], ids=["none", "claude", "codex"])
@pytest.mark.parametrize("protocol", VERSIONS)
async def test_what_a_client_is_able_to_do_changes_no_answer(
    server: JobwardenServer, answers: Answers, protocol: str, capabilities: Mapping[str, Any]
) -> None:
    """If this ever fails, the front must leave such clients to the SDK."""
    messages = opening(protocol, capabilities)
    told = await answered(server, messages)
    for message in messages:
        if "id" in message and message["method"] in answers[protocol]:
            assert told[message["id"]]["result"] == answers[protocol][message["method"]], message["method"]


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"of": {"mcp": "0.0.1"}, "answers": {}}', '{"of": 1, "answers": {}}']
)
def test_without_a_file_of_these_versions_there_is_no_front(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "front.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert baked(file) is None


# -- the front alone, on pipes


class _Pipes:
    """A front between two pipes, read by a thread as the lifeline does."""

    def __init__(self, answers: Answers) -> None:
        self._source, self._sink = os.pipe()
        self._reads, out = os.pipe()
        self.front = Front(answers, out)
        os.close(out)
        self._passed: list[bytes] = []
        self._answered: list[bytes] = []
        self._threads = [threading.Thread(target=job) for job in (self._pump, self._hear)]
        for thread in self._threads:
            thread.start()

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._sink, data) :]

    def finish(self) -> tuple[list[bytes], list[Message]]:
        """Close the input; gives the lines for the SDK, and the answers."""
        os.close(self._sink)
        for thread in self._threads:
            thread.join(SOON_S)
            assert not thread.is_alive()
        os.close(self._reads)
        told = b"".join(self._answered).splitlines()
        return b"".join(self._passed).splitlines(keepends=True), [json.loads(line) for line in told]

    def _pump(self) -> None:
        self._passed += self.front.pass_on(self._source)
        while piece := os.read(self._source, 65536):
            self._passed.append(piece)
        os.close(self._source)

    def _hear(self) -> None:
        while piece := os.read(self._reads, 65536):
            self._answered.append(piece)


def _lines(messages: Sequence[Message | str]) -> list[bytes]:
    """Write messages as lines; a text stands as it is."""
    return [(each if isinstance(each, str) else json.dumps(each)).encode() + b"\n" for each in messages]


STATUS: Message = {"jsonrpc": "2.0", "id": "status", "method": "tools/call", "params": {"name": "check_status"}}
ENVELOPE = opening(MODERN)[0]["params"]
OLD, NEW = opening("2025-06-18"), opening(MODERN)
ACKNOWLEDGED: Message = {
    "jsonrpc": "2.0",
    "method": "notifications/subscriptions/acknowledged",
    "params": {
        "_meta": {"io.modelcontextprotocol/subscriptionId": 9},
        "notifications": listening()["params"]["notifications"],
    },
}
CALL: Message = {"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "x" * 70_000}}
CANCELLED: Message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
OTHERS = [
    listening(),
    CALL,
    CANCELLED,
    "no JSON",
    "",
    "[]",
    '{"jsonrpc": "2.0", "id": null, "method": "ping"}',
    '{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}',
]


@settings(max_examples=60, deadline=None)
@given(
    protocol=st.sampled_from(VERSIONS),
    more=st.lists(st.sampled_from(OTHERS), max_size=4),
    order=st.randoms(use_true_random=False),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    handed=st.integers(0, 9),
    tail=st.sampled_from([b"", b'{"half": ']),
)
def test_however_it_is_cut_each_message_is_answered_or_passed_on_once_and_in_order(
    protocol: str, more: list[Message | str], order: Any, cuts: list[float], handed: int, tail: bytes
) -> None:
    answers = json.loads(FILE.read_bytes())["answers"]
    first = opening(protocol)[0]
    rest: list[Message | str] = [*opening(protocol)[1:], *more]
    order.shuffle(rest)
    lines = _lines([first, *rest])
    data = b"".join(lines) + tail
    at = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    pipes = _Pipes(answers)
    for number, (begin, end) in enumerate(pairwise(at)):
        if number == handed:
            pipes.front.hand_over()
        pipes.send(data[begin:end])
    if handed >= len(at) - 1:
        pipes.front.hand_over()
    passed, told = pipes.finish()

    acknowledged = [told.pop(at) for at, answer in enumerate(told) if "id" not in answer]
    assert acknowledged in ([], [ACKNOWLEDGED])
    ids = [answer["id"] for answer in told]
    assert len(ids) == len(set(ids)), "nothing is answered twice"
    for answer in told:
        asked = next(json.loads(line) for line in lines if _id(line) == answer["id"])
        assert answer == {"jsonrpc": "2.0", "id": asked["id"], "result": answers[protocol][asked["method"]]}
    expected = [line for line in lines if _id(line) not in ids] + ([tail] if tail else [])
    if ids:
        assert ids[0] == 0, "the opening is the first to be answered"
        replayed = json.loads(passed.pop(0))
        assert replayed == {**first, "id": pipes.front.replayed}
    assert passed == expected


def _id(line: bytes) -> object:
    try:
        message = json.loads(line)
    except ValueError:
        return line
    found: object = cast("Message", message).get("id") if isinstance(message, dict) else None
    return line if found is None else found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = {
    "jsonrpc": st.just("2.0") | _JSON,
    "id": st.integers() | st.text() | _JSON,
    "method": st.sampled_from(["initialize", "server/discover", "ping", "tools/list"]) | _JSON,
    "params": st.fixed_dictionaries({}, optional={"_meta": _JSON, "capabilities": _JSON, "clientInfo": _JSON}) | _JSON,
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=_MEMBERS) | _JSON, min_size=1, max_size=4), st.booleans())
def test_no_message_is_lost_whatever_it_is(messages: list[Any], ascii_only: bool) -> None:
    answers = json.loads(FILE.read_bytes())["answers"]
    lines = [json.dumps(each, ensure_ascii=ascii_only).encode(errors="replace") + b"\n" for each in [OLD[0], *messages]]
    pipes = _Pipes(answers)
    pipes.send(b"".join(lines))
    late = threading.Timer(0.002, pipes.front.hand_over)
    late.start()
    late.join()
    passed, told = pipes.finish()
    if told:
        del passed[0]  # the opening, again
    for line in passed:
        lines.remove(line)
    assert [_id(line) for line in lines] == [answer["id"] for answer in told]


def test_after_the_hand_over_nothing_is_answered_even_of_what_was_read_before(answers: Answers) -> None:
    """One piece may hold many lines; the SDK may be writing when the second of them is looked at."""
    with Path(os.devnull).open("wb") as out:
        front = Front(answers, out.fileno())
    first, second, third = _lines(NEW[:3])
    assert front.take(first) != first
    assert front.take(second) == b""
    front.hand_over()
    assert front.take(third) == third


def test_more_than_is_kept_waits_for_the_sdk_and_is_whole(answers: Answers) -> None:
    pipes = _Pipes(answers)
    lines = _lines([NEW[0], listening(), *NEW[1:], *[{**CALL, "id": f"call-{number}"} for number in range(100)]])
    sender = threading.Thread(target=pipes.send, args=(b"".join(lines),))
    sender.start()
    sender.join(0.5)
    assert sender.is_alive(), "7 MB are not all taken in"
    pipes.front.hand_over()
    sender.join(SOON_S)
    passed, told = pipes.finish()
    assert [_id(line) for line in passed] == [pipes.front.replayed, 9, 5, *[f"call-{number}" for number in range(100)]]
    assert [answer.get("id", "acknowledged") for answer in told] == [0, "acknowledged", 1, 2, 3, 4]


# -- the front and the SDK, against the SDK alone


async def _spoken(server: JobwardenServer, lines: Sequence[bytes], fronted: Answers | None) -> dict[str, list[Message]]:
    """Say this to a server, with a front that answers all it can or without; gives every answer, by id."""
    told: list[Message] = []
    leave, known = "-", None
    if fronted is not None:
        pipes = _Pipes(fronted)
        pipes.send(b"".join(lines))
        late = threading.Timer(0.05, pipes.front.hand_over)
        late.start()
        lines, told = await anyio.to_thread.run_sync(pipes.finish)
        late.join()
        leave, known = pipes.front.replayed, pipes.front.acknowledged
    into, reads = anyio.create_memory_object_stream[SessionMessage | Exception](len(lines))
    writes, out = anyio.create_memory_object_stream[SessionMessage](100)
    low = server.lowlevel
    waiting = sum(b'"id"' in line and line[:1] == b"{" and b"/listen" not in line for line in lines)
    waiting -= leave != "-" and bool(told)
    with anyio.fail_after(SOON_S):
        async with anyio.create_task_group() as tasks, into, out:
            tasks.start_soon(
                low.run, reads, WithoutSaidBefore(writes, leave, known), low.create_initialization_options()
            )
            for line in lines:
                await into.send(_read(line))
            while waiting > 0 or out.statistics().current_buffer_used:
                message = (await out.receive()).message
                told.append(json.loads(message.model_dump_json(by_alias=True, exclude_unset=True)))
                waiting -= "id" in told[-1]
                await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    by_id: dict[str, list[Message]] = {}
    for answer in told:
        by_id.setdefault(json.dumps(answer.get("id", answer.get("method"))), []).append(answer)
    return by_id


def _read(line: bytes) -> SessionMessage | Exception:
    try:
        message: JSONRPCMessage = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError as error:
        return error
    return SessionMessage(message)


def _but(messages: Sequence[Message], number: int, **changes: object) -> list[Message]:
    """Change one of them; None takes a member away."""
    made = {key: value for key, value in {**messages[number], **changes}.items() if value is not None}
    return [*messages[:number], made, *messages[number + 1 :]]


TALKS: Mapping[str, Sequence[Message | str]] = {
    "legacy": [*OLD, STATUS],
    "modern": [*NEW, {**STATUS, "params": {**STATUS["params"], **ENVELOPE}}],
    "another version": opening("2024-11-05"),
    "a version that nobody knows": opening("2031-01-01"),
    "no version": _but(OLD, 0, params={"capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}),
    "capabilities that cannot be": _but(OLD, 0, params={**OLD[0]["params"], "capabilities": {"roots": 5}}),
    "a client without a name": _but(OLD, 0, params={**OLD[0]["params"], "clientInfo": {"version": "1"}}),
    "initialize twice": [*OLD, {**OLD[0], "id": "again"}, {**OLD[2], "id": "after"}],
    "initialize after discover": [*NEW, {**OLD[0], "id": "old"}, {**NEW[1], "id": "after"}],
    "discover after initialize": [*OLD, {**NEW[0], "id": "new"}, {**OLD[2], "id": "after"}],
    "a list before all else": [OLD[2], *OLD],
    "no envelope on a modern connection": [*NEW, {**OLD[2], "id": "bare"}, {**NEW[1], "id": "after"}],
    "it listens": [NEW[0], listening(), *NEW[1:]],
    "it listens twice": [NEW[0], listening(), {**listening(), "id": "more"}, *NEW[1:]],
    "it listens first": [listening(), *NEW],
    "it listens to less": [
        NEW[0],
        {**listening(), "params": {**ENVELOPE, "notifications": {"toolsListChanged": True}}},
        *NEW[1:],
    ],
    "half an envelope": [*_but(NEW, 1, params={"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}})],
    "a cursor": [*OLD, {**OLD[2], "id": "page", "params": {"cursor": "2"}}],
    "an unknown method": [*NEW, {**NEW[0], "id": "what", "method": "what/ever"}],
    "an unknown member": _but(NEW, 0, more=1),
    "a notification first": [OLD[1], *OLD],
    "ids that are words": [{**each, "id": f"id-{each['id']} é"} if "id" in each else each for each in OLD],
    "no JSON between": [*NEW[:2], "{", *NEW[2:]],
    "cancelled what was answered": [*OLD[:4], CANCELLED, *OLD[4:], STATUS],
}


@pytest.mark.parametrize("talk", TALKS)
async def test_with_the_front_a_client_gets_the_very_answers_that_the_sdk_gives(
    server: JobwardenServer, answers: Answers, talk: str
) -> None:
    lines = _lines(TALKS[talk])
    assert await _spoken(server, lines, answers) == await _spoken(server, lines, None)


# -- real processes

SERVER = [str(Path(sys.executable).with_name("jobwarden")), "serve"]
WATCHING_IMPORTS = """
import os, sys, threading
sys.argv[1:] = ["serve"]
real, seen = os.write, []
def write(fd, data):
    seen.append([name for name in ("click", "pydantic", "mcp", "anyio") if name in sys.modules])
    print(seen[0], file=sys.stderr, flush=True)
    return real(fd, data)
os.write = write
class Never:
    def find_spec(self, name, path=None, target=None):
        if name in ("click", "anyio"):
            threading.Event().wait()  # the whole import waits: what answers now does so without it
sys.meta_path.insert(0, Never())
from jobwarden.__main__ import main
main()
"""


@contextmanager
def _started(argv: Sequence[str]) -> Generator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(SOON_S, process.kill)
        late.start()
        try:
            yield process, process.stdin, process.stdout
        finally:
            late.cancel()
            process.kill()


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize("protocol", VERSIONS)
def test_the_first_answers_need_nothing_that_is_slow_to_import(protocol: str) -> None:
    first, *lists = opening(protocol)
    with _started([sys.executable, "-c", WATCHING_IMPORTS]) as (process, into, out):
        into.write(b"".join(_lines([first, listening(), *lists] if protocol == MODERN else [first, *lists])))
        into.flush()
        assert json.loads(out.readline())["result"]["instructions"].startswith("jobwarden")
        if protocol == MODERN:
            assert json.loads(out.readline()) == ACKNOWLEDGED
        assert len(json.loads(out.readline())["result"]["tools"]) >= 7
        assert process.stderr is not None
        assert process.stderr.readline().strip() == b"[]"


@pytest.mark.parametrize("protocol", [VERSIONS[0], MODERN])
def test_what_is_written_at_once_is_answered_whole_and_once_by_the_real_server(protocol: str) -> None:
    """The call is among the first words, when the SDK is not there, and larger than what pipes hold."""
    envelope: Message = ENVELOPE if protocol == MODERN else {}
    call: Message = {**CALL, "params": {"name": "check_status", "arguments": {"jobs": ["9" * 200_000]}, **envelope}}
    messages: list[Message] = [*opening(protocol), call, {**STATUS, "params": {**STATUS["params"], **envelope}}]
    with _started(SERVER) as (process, into, out):
        into.write(b"".join(_lines(messages)))
        into.flush()
        told = [json.loads(out.readline()) for message in messages if "id" in message]
        into.close()
        assert out.read() == b""
        assert process.wait(SOON_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert sorted(str(answer["id"]) for answer in told) == sorted(str(each["id"]) for each in messages if "id" in each)
    assert (
        "register a job first"
        in next(answer for answer in told if answer["id"] == "status")["result"]["content"][0]["text"]
    )


def test_a_client_that_asks_and_leaves_at_once_is_answered_and_the_server_ends() -> None:
    with _started(SERVER) as (process, into, out):
        into.write(b"".join(_lines(OLD)))
        into.close()
        told = [json.loads(line) for line in out.read().splitlines()]
        assert process.wait(SOON_S) == 0
    assert [answer["id"] for answer in told] == [0, 1, 2, 3, 4, 5]
