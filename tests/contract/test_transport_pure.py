"""The parts of the transports that touch nothing: quoting, framing, reading answers, and the words of ssh."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.config.clocks import Clocks
from jobwarden.transport.base import Chunk, Completed
from jobwarden.transport.errors import (
    AuthRejectedError,
    ConnectError,
    HostKeyChangedError,
    HostKeyUnknownError,
    LocalSetupError,
    OutcomeUnknownError,
    TransportError,
)
from jobwarden.transport.framing import Frame, frame_for, signal_status
from jobwarden.transport.kept import Kept
from jobwarden.transport.openssh import translate
from jobwarden.transport.quoting import command_line, encode_words
from jobwarden.transport.reading import read_answer
from jobwarden.transport.settings import SshPlace, SshSettings, find_place, read_settings

words = st.lists(st.binary(max_size=30).filter(lambda word: b"\0" not in word), min_size=1, max_size=6)


@given(words)
@settings(max_examples=40, deadline=None)
def test_a_shell_gives_back_every_word_that_was_quoted(argv: list[bytes]) -> None:
    line = b"printf '%s\\0' " + command_line(argv)
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert done.stdout == b"".join(word + b"\0" for word in argv)


@given(st.text().filter(lambda word: "\0" not in word))
def test_words_become_bytes_and_their_undecodable_bytes_themselves(word: str) -> None:
    try:
        expected = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no text at all, and Python makes none from bytes
    assert encode_words([word]) == [expected]


def test_half_a_surrogate_pair_is_refused_as_a_bad_word() -> None:
    with pytest.raises(LocalSetupError) as caught:
        encode_words(["\ud800"])
    assert caught.value.code == "transport.bad_words"


def test_no_words_at_all_are_refused() -> None:
    with pytest.raises(LocalSetupError):
        encode_words([])


def test_a_line_that_quoting_makes_too_long_is_refused() -> None:
    with pytest.raises(LocalSetupError) as caught:
        command_line([b"'" * 100_000])
    assert caught.value.code == "transport.too_long"


# -- frames

FRAME = Frame(limit_s=1, mark=b"MARK")
NOISE = b"Welcome\nok 1:1 2 3\n"


@pytest.mark.parametrize(("said", "status"), [(b"0", 0), (b"3", 3), (b"255", 255), (b"137", -9), (b"143", -15)])
def test_the_reported_status_is_read_and_the_noise_cut_away(said: bytes, status: int) -> None:
    stderr = b"banner\nMARK 77\nerr\n\nMARK " + said + b"\n" + b"Connection closed.\n"
    assert FRAME.reported(NOISE + b"MARK\nout", stderr) == Completed(status, b"out", b"err\n")


@given(st.integers(min_value=0, max_value=29))
def test_a_report_that_is_torn_anywhere_is_no_report(length: int) -> None:
    whole = b"banner\nMARK 77\nerr\n\nMARK 0\n"
    assert FRAME.reported(b"MARK\n", whole) is not None
    assert FRAME.reported(b"MARK\n", whole[: min(length, len(whole) - 1)]) is None


def test_a_command_that_never_started_shows_no_mark() -> None:
    assert not FRAME.started(NOISE, b"nologin")
    assert FRAME.started(NOISE, b"MARK 7\n")
    assert (FRAME.pid(b"x\nMARK 7\n"), FRAME.pid(b"x\nMARK 7"), FRAME.pid(b"")) == (7, None, None)


def test_each_command_has_a_mark_of_its_own_and_a_limit_beyond_ours() -> None:
    one, other = frame_for(1.2), frame_for(1.2)
    assert one.mark != other.mark
    assert one.limit_s > 1.2


def test_signal_names_become_numbers() -> None:
    assert (signal_status("KILL"), signal_status("TERM"), signal_status("SIG@openssh.com")) == (-9, -15, -128)


# -- answers to reading a file

PATH = PurePosixPath("/log")


@given(st.binary(max_size=60), st.integers(min_value=-9, max_value=255))
def test_any_answer_is_a_range_or_no_file_or_an_error(stdout: bytes, status: int) -> None:
    try:
        chunk = read_answer(PATH, Completed(status, stdout, b""))
    except TransportError:
        return
    assert chunk is None or stdout.endswith(chunk.data)


@given(st.integers(min_value=0, max_value=21))
def test_a_torn_answer_is_never_taken_for_the_file(length: int) -> None:
    whole = b"ok 1:2 10 0 5\nabcde"
    assert read_answer(PATH, Completed(0, whole, b"")) == Chunk(b"abcde", 0, 10, "1:2")
    with pytest.raises(TransportError):
        read_answer(PATH, Completed(0, whole[: min(length, len(whole) - 1)], b""))


def test_only_an_answer_that_says_so_means_that_there_is_no_file() -> None:
    assert read_answer(PATH, Completed(0, b"absent\n", b"")) is None
    for stdout in (b"", b"absent", b"gone\n", b"absent\nx"):
        with pytest.raises(TransportError):
            read_answer(PATH, Completed(0, stdout, b""))
    for status in (1, 124, 127, -9):
        with pytest.raises(TransportError):
            read_answer(PATH, Completed(status, b"absent\n", b""))


def test_a_permission_that_is_missing_is_not_a_missing_file() -> None:
    with pytest.raises(TransportError) as caught:
        read_answer(PATH, Completed(0, b"denied\nstat: cannot statx '/log': Permission denied\n", b""))
    assert (caught.value.code, caught.value.retryable) == ("file.unreadable", False)


# -- the words of ssh


def place(tmp_path: Path) -> SshPlace:
    return find_place({"HOME": str(tmp_path), "PATH": "/usr/bin", "SSH_AUTH_SOCK": "/agent"}, Clocks())


def some_settings(tmp_path: Path, text: str = "") -> SshSettings:
    return read_settings(f"host far\nuser alice\nhostname far.org\nport 22\n{text}", alias="far", place=place(tmp_path))


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("alice@far: Permission denied (publickey).\n", AuthRejectedError, "ssh.auth_rejected"),
        ("Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\n", AuthRejectedError, None),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            HostKeyChangedError,
            None,
        ),
        ("No ED25519 host key is known for far\nHost key verification failed.\r\n", HostKeyUnknownError, None),
        ("Host key verification failed.\r\n", HostKeyUnknownError, "ssh.host_unknown"),
        ("ssh: Could not resolve hostname far: Name or service not known", ConnectError, "ssh.unresolved"),
        ("ssh: connect to host far port 22: Connection refused\r\n", ConnectError, "ssh.refused"),
        ("ssh: connect to host far port 22: Connection timed out\r\n", ConnectError, "ssh.timeout"),
        ("Connection timed out during banner exchange\r\n", ConnectError, "ssh.timeout"),
        ("ssh: connect to host far port 22: No route to host\r\n", ConnectError, "ssh.unreachable"),
        ("kex_exchange_identification: read: Connection reset by peer\r\n", ConnectError, "ssh.dropped"),
        (
            "Unable to negotiate with 1.2.3.4 port 22: no matching cipher found.",
            LocalSetupError,
            "ssh.no_common_algorithm",
        ),
        ("Bad owner or permissions on /home/a/.ssh/config\r\n", LocalSetupError, "ssh.local_setup"),
        ("command-line: line 0: Bad configuration option: foo\n", LocalSetupError, "ssh.local_setup"),
        ("client_loop: send disconnect: Broken pipe\r\n", OutcomeUnknownError, "ssh.dropped"),
        ("Connection to far closed by remote host.\r\n", OutcomeUnknownError, "ssh.dropped"),
        ("Connection closed by 1.2.3.4 port 22\r\n", OutcomeUnknownError, "ssh.dropped"),
        ("", OutcomeUnknownError, "ssh.dropped"),
        ("something new in OpenSSH 12", OutcomeUnknownError, "ssh.dropped"),
    ],
)
def test_what_ssh_says_is_told_apart_and_the_rest_is_an_unknown_outcome(
    tmp_path: Path, said: str, kind: type[TransportError], code: str | None
) -> None:
    error = translate(said, some_settings(tmp_path), through_master=False)
    assert type(error) is kind
    assert code is None or error.code == code


def test_a_dead_master_is_never_a_refused_login(tmp_path: Path) -> None:
    for said in ("alice@far: Permission denied (publickey).", "kex_exchange_identification: Connection closed"):
        error = translate(said, some_settings(tmp_path), through_master=True)
        assert (type(error), error.code) == (ConnectError, "ssh.dropped")


def test_what_ssh_g_prints_is_read(tmp_path: Path) -> None:
    found = some_settings(
        tmp_path,
        "identityfile ~/.ssh/id_ed25519\nidentityfile /keys/%r@%h-%p%%\ncertificatefile none\nidentitiesonly yes\n"
        "userknownhostsfile ~/.ssh/known_hosts /etc/known\nglobalknownhostsfile /dev/null\nproxyjump none\n"
        "proxycommand nc %h %p\nstricthostkeychecking ask\ncontrolpath none\nhostkeyalias other\n",
    )
    assert found.identity_files == (tmp_path / ".ssh/id_ed25519", Path("/keys/alice@far.org-22%"))
    assert found.known_hosts == (tmp_path / ".ssh/known_hosts", Path("/etc/known"), Path("/dev/null"))
    assert (found.certificate_files, found.identities_only, found.agent) == ((), True, "/agent")
    assert (found.proxy_jump, found.proxy_command, found.strict) == ("", "nc far.org 22", True)
    assert (found.key, found.key_name) == ("alice@far.org:22", "other")
    assert found.control_path.startswith(str(tmp_path))


@pytest.mark.parametrize("text", ["", "user alice\n", "hostname far\nuser alice\nport many\n"])
def test_an_answer_of_ssh_g_without_the_essentials_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalSetupError):
        read_settings(text, alias="far", place=place(tmp_path))


@pytest.mark.parametrize(
    ("agent", "socket"),
    [("none", ""), ("SSH_AUTH_SOCK", "/agent"), ("${SSH_AUTH_SOCK}", "/agent"), ("/run/other", "/run/other")],
)
def test_the_agent_is_the_one_that_the_configuration_names(tmp_path: Path, agent: str, socket: str) -> None:
    assert some_settings(tmp_path, f"identityagent {agent}\n").agent == socket


# -- things kept open


class Door:
    """Something that can be opened, slowly, or not."""

    def __init__(self) -> None:
        self.openings = 0
        self.closed: list[int] = []
        self.dead: set[int] = set()
        self.error: TransportError | None = None
        self.gate = anyio.Event()

    async def open(self) -> int:
        self.openings += 1
        number = self.openings
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return number

    async def close(self, number: int) -> None:
        self.closed.append(number)

    def kept(self) -> Kept[int]:
        return Kept(self.open, lambda number: number not in self.dead, self.close)


async def gather(kept: Kept[int], door: Door, callers: int) -> list[int | TransportError]:
    got: list[int | TransportError] = []

    async def one() -> None:
        try:
            got.append(await kept.get())
        except TransportError as error:
            got.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        door.gate.set()
    return got


async def test_many_who_need_it_open_it_once() -> None:
    door = Door()
    assert await gather(door.kept(), door, 5) == [1] * 5


async def test_an_opening_that_fails_fails_for_all_who_waited_and_once() -> None:
    door = Door()
    door.error = ConnectError("no", code="ssh.refused", hint="mend it")
    got = await gather(door.kept(), door, 5)
    assert [(type(error), str(error)) for error in got] == [(ConnectError, "no mend it")] * 5
    assert len({id(error) for error in got}) == 5, "one error object raised in several tasks garbles their traces"
    assert door.openings == 1


async def test_what_has_died_is_closed_and_opened_again() -> None:
    door = Door()
    door.gate.set()
    kept = door.kept()
    assert await kept.get() == 1
    door.dead.add(1)
    assert await kept.get() == 2
    await kept.drop()
    await kept.drop()
    assert door.closed == [1, 2]


async def test_an_opener_who_gives_up_leaves_it_to_the_next() -> None:
    door = Door()
    kept = door.kept()
    got: list[int] = []

    async def patient() -> None:
        got.append(await kept.get())

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as hasty:
            async with anyio.create_task_group() as inner:
                inner.start_soon(kept.get)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(patient)
                await anyio.wait_all_tasks_blocked()
                hasty.cancel()
        door.gate.set()
    assert got == [2]
