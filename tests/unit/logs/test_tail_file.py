from __future__ import annotations

import tracemalloc
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobwarden.logs.tail import MOST_BYTES, Tail, tail_file
from jobwarden.transport.base import Chunk
from support.file_transport import FileTransport

HF = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"


async def tail(path: Path, lines: int = 80, max_chars: int = 10_000, transport: FileTransport | None = None) -> Tail:
    return await tail_file(transport or FileTransport(), PurePosixPath(path), lines=lines, max_chars=max_chars)


async def test_a_file_that_is_not_there_yet_is_said_so_with_its_path(tmp_path: Path) -> None:
    got = await tail(tmp_path / "later.log")
    assert (got.text, got.size_bytes) == ("", None)
    assert got.note is not None
    assert str(tmp_path / "later.log") in got.note


async def test_an_empty_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    got = await tail(tmp_path / "log")
    assert (got.text, got.size_bytes, got.note) == ("", 0, "It is empty.")


async def test_the_last_lines_are_shown_and_what_stands_before_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n} ä\n" for n in range(100_000)))
    got = await tail(path, lines=3)
    assert got.text == "line 99997 ä\nline 99998 ä\nline 99999 ä"
    assert got.size_bytes == path.stat().st_size
    assert path.read_bytes()[got.omitted_bytes :].decode() == got.text + "\n"
    assert got.note is None


async def test_a_last_line_that_is_not_complete_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\nthr")
    assert (await tail(tmp_path / "log", lines=2)).text == "two\nthr"


async def test_a_limit_cuts_the_beginning_and_never_the_last_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{n:09}\n" for n in range(1000)) + "the very last")
    got = await tail(tmp_path / "log", lines=80, max_chars=100)
    assert len(got.text) <= 100
    assert got.text.endswith("000000999\nthe very last")
    assert got.text.startswith("000000992\n")


@pytest.mark.parametrize("max_chars", [1, 10, 50, 200, 10_000])
async def test_even_one_endless_line_stays_within_the_limit_and_keeps_its_end(tmp_path: Path, max_chars: int) -> None:
    (tmp_path / "log").write_text("x" * 300_000 + "THE END")
    got = await tail(tmp_path / "log", max_chars=max_chars)
    assert 0 < len(got.text) <= max_chars
    assert got.text.endswith("THE END"[max(0, 8 - max_chars) :])


async def test_a_progress_bar_of_many_megabytes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("start\n" + "".join(f"\r{n}%|####" for n in range(2_000_000)) + "\ndone\n")
    transport = FileTransport()
    got = await tail(path, transport=transport)
    assert got.text == "1999999%|####\ndone"
    assert transport.read_bytes <= MOST_BYTES
    assert got.note == f"Only the last {MOST_BYTES} bytes were looked at."


async def test_of_a_huge_file_only_the_end_is_read_into_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as stream:
        stream.truncate(20 * 1024**3)  # a hole: it takes no space
        stream.seek(0, 2)
        stream.write(b"\n" + b"some line of a log\nanother\n" * 4000)
    transport = FileTransport()
    tracemalloc.start()
    got = await tail(path, transport=transport)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.text.endswith("some line of a log\nanother")
    assert len(got.text.splitlines()) == 80
    assert (transport.requests, transport.read_bytes) == (1, 65536)
    assert peak < 16 * 1024**2


async def test_folded_lines_are_made_up_for_by_reading_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\nsecond\n" + "waiting for the others\n" * 20_000 + "last\n")
    got = await tail(path, lines=10)
    assert got.text == "first\nsecond\nwaiting for the others\n… 20000 times\nlast"
    assert got.omitted_bytes == 0


async def test_binary_is_said_to_be_binary_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(range(256)) * 100)
    got = await tail(tmp_path / "log")
    assert got.text == ""
    assert got.note is not None
    assert "binary (25600 bytes)" in got.note


async def test_secrets_are_masked_wherever_the_line_is_cut(tmp_path: Path) -> None:
    for before in range(400, 700, 20):
        (tmp_path / "log").write_text(f"token {'x' * before} {HF} and {'y' * 5000} {HF}\n{HF}")
        got = await tail(tmp_path / "log")
        assert not any(HF[at : at + 12] in got.text for at in range(3, len(HF) - 12))


async def test_a_private_key_that_begins_above_what_is_shown_is_masked(tmp_path: Path) -> None:
    body = ["MIIEpAIBAAKCAQEA" + f"abcdEFGH{n:04}0123+/" * 2 for n in range(50)]
    lines = ["-----BEGIN RSA PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----", "done"]
    (tmp_path / "log").write_text("\n".join(lines))
    for shown in (3, 30):
        got = await tail(tmp_path / "log", lines=shown)
        assert "abcdEFGH" not in got.text
        assert got.text.endswith("done")
    (tmp_path / "log").write_text("\n".join(lines[:30]))
    assert "abcdEFGH" not in (await tail(tmp_path / "log", lines=5)).text


class Replaced(FileTransport):
    """The file is another one at every look."""

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        chunk = await super().read(path, start=start, max_bytes=max_bytes)
        return None if chunk is None else Chunk(chunk.data, chunk.start, chunk.size_bytes, f"1:{self.requests}")


async def test_a_file_that_is_replaced_meanwhile_is_not_mixed_with_its_successor(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 50 + "\n" + "waiting\n" * 20_000)
    got = await tail(tmp_path / "log", transport=Replaced())
    assert got.text == f"waiting\n… {65536 // 8 - 1} times"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.binary(max_size=2000), st.integers(1, 30), st.integers(1, 500))
async def test_any_file_gives_an_answer_within_its_limits(
    tmp_path: Path, data: bytes, lines: int, max_chars: int
) -> None:
    (tmp_path / "log").write_bytes(data)
    got = await tail(tmp_path / "log", lines, max_chars)
    assert len(got.text) <= max_chars
    assert len(got.text.split("\n")) <= lines
    assert 0 <= got.omitted_bytes <= len(data)
