"""A file that is read on and on while it grows (`jobwarden.logs.growing`)."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.logs.growing import GrowingFile, Grown
from jobwarden.transport.base import Chunk
from support.file_transport import FileTransport

pytestmark = pytest.mark.anyio


def texts(grown: Grown) -> list[str]:
    return [line.text for line in grown.lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def write(log: Path, text: str) -> None:
    log.write_text(text, encoding="utf-8")


def growing(log: Path) -> GrowingFile:
    return GrowingFile(FileTransport(), PurePosixPath(log))


@pytest.mark.parametrize(
    ("written", "lines", "shown", "pending"),
    [
        ("", 3, [], []),
        ("a\nb\nc\nd\n", 2, ["c", "d"], []),
        ("a\nb\nc\nd", 2, ["c"], ["d"]),
        ("a\nb\nc\nd", 1, [], ["d"]),
        ("a\nb\n", 5, ["a", "b"], []),
        ("".join(f"{n:07d} {'x' * 992}\n" for n in range(1000)), 400, [f"{n:07d}" for n in range(600, 1000)], []),
        ("".join(f"\r{n}%" for n in range(100_000)), 5, [], ["99999%"]),
    ],
)
async def test_it_begins_with_the_last_lines(
    log: Path, written: str, lines: int, shown: list[str], pending: list[str]
) -> None:
    write(log, written)
    grown = await growing(log).begin(lines)
    assert [text[:7] for text in texts(grown)] == shown
    assert [line.text for line in grown.pending] == pending


@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([b"line\n", b"\r\n", b"\xe2\x96\x88\n", b"50%\r"]), max_size=20)
)
async def test_what_is_appended_comes_once_however_it_falls_between_the_looks(parts: list[bytes]) -> None:
    whole, found = await followed(parts), await followed([b"".join(parts)])
    assert whole == found


async def followed(parts: list[bytes]) -> list[str]:
    transport = _Grows()
    file = GrowingFile(transport, PurePosixPath("/log"))
    found = texts(await file.begin(None))
    for part in parts:
        transport.data += part
        found += texts(await file.look())
    return found + [line.text for line in await file.settle()]


class _Grows(FileTransport):
    """A file in memory."""

    data = b""

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:  # noqa: ARG002 -- the contract's
        at = max(0, len(self.data) + start) if start < 0 else min(start, len(self.data))
        return Chunk(self.data[at : at + max_bytes], at, len(self.data), "1:1")


async def test_a_file_that_was_not_there_is_not_taken_before_somebody_has_looked_what_it_is(log: Path) -> None:
    file = growing(log)
    assert (await file.begin(5)).change == "missing"
    assert (await file.look()).change == "missing"
    write(log, "secret?\n")
    assert await file.look() == Grown(change="appeared")
    assert texts(await growing(log).begin(None)) == ["secret?"]


async def test_nothing_is_taken_of_a_file_that_is_another_one_now(log: Path) -> None:
    write(log, "one\n")
    file = growing(log)
    assert texts(await file.begin(5)) == ["one"]
    os.rename(log, log.with_name("old"))  # noqa: PTH104 -- in an async function
    assert (await file.look()).change == "missing"
    write(log, "another\n")
    assert await file.look() == Grown(change="replaced")


async def test_a_file_that_was_cut_is_told(log: Path) -> None:
    write(log, "one\ntwo\n")
    file = growing(log)
    await file.begin(5)
    write(log, "3\n")
    assert await file.look() == Grown(change="truncated")


async def test_a_long_backlog_is_read_in_bounded_pieces(log: Path) -> None:
    write(log, "")
    file = growing(log)
    await file.begin(5)
    write(log, "".join(f"{number:06d}\n" for number in range(200_000)))
    looks = [await file.look()]
    while looks[-1].more:
        looks.append(await file.look())
    assert len(looks) > 1
    assert [text for look in looks for text in texts(look)] == [f"{number:06d}" for number in range(200_000)]
