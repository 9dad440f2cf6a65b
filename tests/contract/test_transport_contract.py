"""One suite for every kind of transport: this machine, asyncssh, OpenSSH's client, a master connection."""

from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath

import anyio
import pytest

from jobwarden.transport.base import Chunk, Completed, Transport
from jobwarden.transport.errors import LocalSetupError, OutcomeUnknownError, TransportError
from support.sshd import wait_until
from support.transports import kinds

SHOW = ["/usr/bin/env", "printf", r"%s\0"]

HOSTILE = [
    "'",
    '"',
    'it\'s "quoted"',
    "$HOME",
    "${HOME}",
    "`id`",
    "$(id)",
    "a\nb",
    "\n",
    "trailing\n",
    "a\rb\tc",
    "-n",
    "--",
    "--help",
    "",
    " ",
    "a  b",
    "*",
    "/etc/*",
    "[a-z]?",
    "{a,b}",
    "~",
    "~root",
    "=ls",
    "!!",
    "hi!there",
    "\\",
    "\\\\",
    "\\n",
    "a\\",
    "a\\'b",
    "#c",
    ";echo x",
    "a&b|c>d<e",
    "%s%n",
    "été 漢字 🙂",
    "\udcff\udc80",
    "\x01\x07\x1b[31m",
    "x" * 100_000,
]
ALONE = ["'", "$HOME", "a\nb", "-n", "", " ", "\\", "\udcff\udc80", "x" * 100_000]


async def ask(transport: Transport, *argv: str, stdin: bytes = b"", timeout_s: float = 20) -> Completed:
    return await transport.run(argv, timeout_s=timeout_s, stdin=stdin)


async def test_every_word_arrives_as_it_is(transport: Transport) -> None:
    short = [word for word in HOSTILE if len(word) < 1000]
    answer = await ask(transport, *SHOW, *short)
    assert answer.stdout.split(b"\0")[:-1] == [word.encode("utf-8", "surrogateescape") for word in short]


@kinds("local", "asyncssh", "master")
async def test_each_hostile_word_arrives_alone(transport: Transport) -> None:
    for word in ALONE:
        answer = await ask(transport, *SHOW, word)
        assert answer == Completed(0, word.encode("utf-8", "surrogateescape") + b"\0", b""), word


async def test_a_hostile_word_is_no_program(transport: Transport) -> None:
    for program in ("-n", "exit", "no such program", ""):
        assert (await ask(transport, program, "0")).status == 127


async def test_a_word_with_a_nul_is_refused_before_anything_runs(transport: Transport) -> None:
    with pytest.raises(LocalSetupError) as caught:
        await ask(transport, "echo", "a\0b")
    assert caught.value.code == "transport.bad_words"


async def test_a_command_longer_than_a_shell_takes_is_refused_and_harms_nobody(transport: Transport) -> None:
    with pytest.raises(LocalSetupError) as caught:
        await ask(transport, "echo", "x" * 300_000)
    assert caught.value.code == "transport.too_long"
    assert (await ask(transport, "echo", "fine")).stdout == b"fine\n"


@pytest.mark.parametrize("status", [0, 1, 2, 77, 124, 127, 255])
async def test_the_exit_status_is_data(transport: Transport, status: int) -> None:
    answer = await ask(transport, "sh", "-c", f"echo out; echo err >&2; exit {status}")
    assert answer == Completed(status, b"out\n", b"err\n")


async def test_a_signal_is_a_negative_status(transport: Transport) -> None:
    for number in (9, 15):
        assert (await ask(transport, "sh", "-c", f"kill -{number} $$")).status == -number


async def test_without_stdin_a_reader_meets_the_end_at_once(transport: Transport) -> None:
    assert await ask(transport, "cat", timeout_s=10) == Completed(0, b"", b"")


async def test_stdin_arrives_whole_and_ends(transport: Transport) -> None:
    data = bytes(range(256)) * 8000
    assert (await ask(transport, "cat", stdin=data)).stdout == data


async def test_a_command_need_not_read_its_stdin(transport: Transport) -> None:
    assert (await ask(transport, "true", stdin=b"x" * 3_000_000)).status == 0


async def test_output_that_is_no_text_arrives_as_it_is(transport: Transport) -> None:
    answer = await ask(transport, "sh", "-c", r"printf '\377\000\376'; printf '\200' >&2")
    assert (answer.stdout, answer.stderr) == (b"\xff\0\xfe", b"\x80")


async def test_large_output_on_both_streams_arrives_whole(transport: Transport) -> None:
    answer = await ask(transport, "sh", "-c", "head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2")
    assert (len(answer.stdout), len(answer.stderr)) == (5_000_000, 3_000_000)


@kinds("local", "asyncssh", "master")
async def test_a_command_that_never_stops_printing_is_ended(transport: Transport) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        await ask(transport, "sh", "-c", "exec cat /dev/zero")
    assert caught.value.code == "transport.too_much"


async def test_a_command_has_no_terminal(transport: Transport) -> None:
    assert (await ask(transport, "tty")).stdout == b"not a tty\n"


async def test_a_command_out_of_time_is_an_unknown_outcome_and_leaves_no_process(
    transport: Transport, kind: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = 'sleep 300 & echo "$$ $!" > "$0.new"; mv "$0.new" "$0"; wait'
    with pytest.raises(OutcomeUnknownError) as caught:
        await ask(transport, "sh", "-c", script, str(pids), timeout_s=1)
    assert caught.value.code == "ssh.timeout"
    family = [int(pid) for pid in pids.read_text().split()]
    # OpenSSH's client cannot send a signal: there the far side's own limit ends it, two seconds later.
    limit_s = 8.0 if kind in {"openssh", "master"} else 1.0
    wait_until(lambda: not any(alive(pid) for pid in family), lambda: f"{family} live on", limit_s=limit_s)


@kinds("local")
async def test_every_process_of_a_command_out_of_time_is_told_before_it_is_killed(
    transport: Transport, tmp_path: Path
) -> None:
    ready, told = tmp_path / "ready", tmp_path / "told"
    slow = """trap 'sleep 0.2; touch "$1"; exit' TERM; touch "$0"; while :; do sleep 0.05; done"""
    with pytest.raises(OutcomeUnknownError):
        await ask(transport, "sh", "-c", 'sh -c "$2" "$0" "$1" & wait', str(ready), str(told), slow, timeout_s=1)
    assert exists(ready)
    assert exists(told)


@kinds("local", "asyncssh")  # for the others `timeout -k` does it on the far side, seven seconds later
async def test_a_command_that_ignores_sigterm_is_killed(transport: Transport, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = 'trap "" TERM; echo $$ > "$0.new"; mv "$0.new" "$0"; while :; do sleep 1; done'
    with pytest.raises(OutcomeUnknownError):
        await ask(transport, "sh", "-c", script, str(pid), timeout_s=1)
    wait_until(lambda: not alive(int(pid.read_text())), lambda: "it lives on")


async def test_a_cancelled_caller_leaves_no_process_and_hurts_no_other(
    transport: Transport, kind: str, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask(transport, "sh", "-c", 'echo $$ > "$0"; exec sleep 30', str(pid)))
        while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 -- another process writes it
            await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    if kind not in {"openssh", "master"}:
        wait_until(lambda: not alive(int(pid.read_text())), lambda: "it lives on")
    assert (await ask(transport, "echo", "next")).stdout == b"next\n"


async def test_twenty_callers_at_once_are_all_served(transport: Transport) -> None:
    answers: dict[int, bytes] = {}

    async def one(number: int) -> None:
        answers[number] = (await ask(transport, "echo", str(number), timeout_s=60)).stdout

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, number)
    assert answers == {number: f"{number}\n".encode() for number in range(20)}


# -- read


async def look(transport: Transport, path: Path, start: int = 0, max_bytes: int = 100) -> Chunk | None:
    return await transport.read(PurePosixPath(path), start=start, max_bytes=max_bytes)


def exists(path: Path) -> bool:
    return path.exists()


def fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def identity(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_dev}:{facts.st_ino}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a log's $name\n*"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize(
    ("start", "max_bytes", "data", "begins"),
    [
        (0, 100, b"0123456789", 0),
        (0, 4, b"0123", 0),
        (4, 3, b"456", 4),
        (9, 5, b"9", 9),
        (10, 5, b"", 10),
        (50, 5, b"", 10),
        (-3, 100, b"789", 7),
        (-3, 1, b"7", 7),
        (-50, 4, b"0123", 0),
        (0, 0, b"", 0),
    ],
)
async def test_a_range_of_bytes_is_read(
    transport: Transport, log: Path, start: int, max_bytes: int, data: bytes, begins: int
) -> None:
    assert await look(transport, log, start, max_bytes) == Chunk(data, begins, 10, identity(log))


async def test_bytes_that_are_no_text_are_read_as_they_are(transport: Transport, log: Path) -> None:
    data = bytes(range(256)) * 300 + b"\n\n"
    fill(log, data)
    chunk = await look(transport, log, 0, 1_000_000)
    assert chunk is not None
    assert chunk.data == data


async def test_an_empty_file_is_there(transport: Transport, log: Path) -> None:
    fill(log, b"")
    chunk = await look(transport, log, -5)
    assert chunk is not None
    assert (chunk.data, chunk.start, chunk.size_bytes) == (b"", 0, 0)


async def test_a_link_is_followed_and_a_replaced_file_is_another(transport: Transport, log: Path) -> None:
    link = log.with_name("link")
    link.symlink_to(log)
    first = await look(transport, link)
    other = log.with_name("other")
    other.write_bytes(b"0123456789")
    other.replace(log)
    second = await look(transport, link)
    assert first is not None
    assert second is not None
    assert first.data == second.data == b"0123456789"
    assert first.file_id != second.file_id


async def test_no_file_of_that_name_is_none(transport: Transport, log: Path) -> None:
    dangling = log.with_name("dangling")
    dangling.symlink_to("nowhere")
    for path in (log.with_name("none"), log.with_name("no") / "folder", log / "below a file", dangling):
        assert await look(transport, path) is None


async def test_what_is_there_but_no_readable_file_is_an_error(transport: Transport, log: Path, tmp_path: Path) -> None:
    pipe = log.with_name("pipe")
    os.mkfifo(pipe)
    loop = log.with_name("loop")
    loop.symlink_to(loop)
    for path in (tmp_path, pipe, Path("/dev/null"), loop):
        with pytest.raises(TransportError) as caught:
            await look(transport, path)
        assert caught.value.code == "file.unreadable", path
        assert not caught.value.retryable, path


async def test_a_path_that_is_not_absolute_is_refused(transport: Transport) -> None:
    for path in ("etc/hostname", "-n", "/etc\0/hostname"):
        with pytest.raises(TransportError) as caught:
            await transport.read(PurePosixPath(path), start=0, max_bytes=1)
        assert caught.value.code == "file.unreadable"


async def test_the_end_of_a_huge_file_is_read_without_the_rest(transport: Transport, tmp_path: Path) -> None:
    path = tmp_path / "huge"
    size = 300 * 1024**3
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - 4)
        file.write(b"end\n")
    started = time.monotonic()
    chunk = await look(transport, path, -6, 100)
    assert chunk is not None
    assert (chunk.data, chunk.size_bytes) == (b"\0\0end\n", size)
    middle = await look(transport, path, size // 2, 1000)
    assert middle is not None
    assert middle.data == bytes(1000)
    assert time.monotonic() - started < 10  # at 3 GB/s the whole would take 100 s


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
