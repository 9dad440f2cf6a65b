from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobwarden.logs.position import Advance, CursorError, Position, advance, position_in
from support.file_transport import FileTransport

MUCH = 1_000_000


async def go_on(position: Position, max_bytes: int = MUCH, transport: FileTransport | None = None) -> Advance:
    """Read on, from what a later server would know."""
    told = Position.decode(position.encode(), position.path)
    assert told == position
    return await advance(transport or FileTransport(), told, max_bytes=max_bytes)


def put(path: Path, data: bytes) -> Position:
    """Write a file, and give the position at its beginning."""
    path.write_bytes(data)
    return Position(str(path))


async def after(path: Path, data: bytes) -> Position:
    """Give the position behind what is written there."""
    return (await go_on(put(path, data))).position


async def test_only_what_is_new_is_read_in_one_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "log"
    position = await after(path, b"x" * 100_000 + b"\n")
    transport = FileTransport()
    with path.open("ab") as stream:
        stream.write(b"new\n")
    got = await go_on(position, transport=transport)
    assert (got.data, got.happened, got.size_bytes) == (b"new\n", "", 100_005)
    assert (transport.requests, transport.read_bytes) == (1, 64 + 4)
    again = await go_on(got.position)
    assert (again.data, again.happened, again.position) == (b"", "", got.position)


async def test_more_than_was_asked_for_comes_the_next_time(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"abcdef")
    first = await go_on(Position(str(tmp_path / "log")), max_bytes=4)
    assert (first.data, first.size_bytes) == (b"abcd", 6)
    assert (await go_on(first.position, max_bytes=4)).data == b"ef"


async def test_a_file_that_does_not_exist_yet_is_read_from_its_beginning_when_it_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    got = await go_on(Position(str(path)))
    assert got == Advance(b"", Position(str(path)), "missing", None)
    path.write_bytes(b"one\n")
    assert (await go_on(got.position)).data == b"one\n"


async def test_a_file_that_is_gone_for_a_while_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "log"
    position = await after(path, b"one\n")
    path.rename(tmp_path / "aside")
    got = await go_on(position)
    assert (got.happened, got.position) == ("missing", position)
    (tmp_path / "aside").rename(path)
    with path.open("ab") as stream:
        stream.write(b"two\n")
    assert (await go_on(got.position)).data == b"two\n"


@pytest.mark.parametrize("anew", [b"", b"fresh\n", b"other\n", b"fresh and longer than what stood there before\n"])
async def test_a_file_that_was_cut_is_read_from_its_beginning(tmp_path: Path, anew: bytes) -> None:
    path = tmp_path / "log"
    position = await after(path, b"first\n")
    path.write_bytes(anew)
    got = await go_on(position)
    assert (got.data, got.happened, got.size_bytes) == (anew, "truncated", len(anew))
    with path.open("ab") as stream:
        stream.write(b"more\n")
    assert (await go_on(got.position)).data == b"more\n"


async def test_a_hole_that_a_writer_left_in_a_file_that_was_cut_is_no_continuation(tmp_path: Path) -> None:
    """A writer that does not append goes on at its own offset, behind a hole of NULs."""
    path = tmp_path / "log"
    position = await after(path, b"0123456789\n")
    with path.open("r+b") as stream:
        stream.truncate(0)
        stream.seek(11)
        stream.write(b"new\n")
    got = await go_on(position)
    assert (got.data, got.happened) == (b"\0" * 11 + b"new\n", "truncated")


@pytest.mark.parametrize("anew", [b"", b"first\n", b"first\nsecond\n"])
async def test_another_file_of_that_name_is_read_from_its_beginning(tmp_path: Path, anew: bytes) -> None:
    path = tmp_path / "log"
    position = await after(path, b"first\n")
    path.rename(tmp_path / "log.1")
    path.write_bytes(anew)
    got = await go_on(position)
    assert (got.data, got.happened) == (anew, "replaced")
    assert (await go_on(got.position)).happened == ""


async def test_a_file_seen_from_another_node_of_the_cluster_is_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    position = await after(path, b"first\n")
    elsewhere = replace(position, file_id="99:" + position.file_id.rpartition(":")[2])
    assert (await go_on(elsewhere)).happened == ""
    path.write_bytes(b"other\nfile\n")
    got = await go_on(elsewhere)
    assert (got.data, got.happened) == (b"other\nfile\n", "replaced")


async def test_the_position_at_the_end_of_a_file_needs_only_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    known = await after(path, bytes(range(256)) * 10)
    chunk = await FileTransport().read(PurePosixPath(path), start=-64, max_bytes=64)
    assert chunk is not None
    assert position_in(chunk, str(path)) == known


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "-1....", "9" * 40 + ".1:2.ab.cd", "\u0661.1:2.ab.cd", "1.1:2.ab.cd.ef"]
)
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(CursorError) as caught:
        Position.decode(text, "/log")
    assert caught.value.code == "log.bad_cursor"


def test_a_position_in_another_file_is_refused() -> None:
    with pytest.raises(CursorError):
        Position.decode(Position("/a/log", "1:2", 3, "ab").encode(), "/b/log")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["append", "cut", "replace"]), st.integers(0, 60)),
        st.tuples(st.just("read"), st.integers(1, 150)),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(STEPS)
async def test_whatever_happens_to_a_file_each_byte_of_each_is_read_once_and_none_twice(
    tmp_path: Path, steps: list[tuple[str, int]]
) -> None:
    """What was written after the last look and before a cut is gone; all else comes, in order."""
    path, spare = tmp_path / "log", tmp_path / "spare"
    path.write_bytes(b"")
    position, seen = Position(str(path)), b""
    for number, (action, count) in enumerate([*steps, ("read", MUCH)]):
        # What is written is unlike all before: bytes that recur cannot be told apart, and need not be.
        data = f"<{number}>".encode() * (min(count, 60) + 1)
        if action == "read":
            got = await go_on(position, count)
            seen = got.data if got.happened else seen + got.data
            position = got.position
        elif action == "append":
            with path.open("ab") as stream:
                stream.write(data)
        elif action == "cut":
            path.write_bytes(data)
        else:
            spare.write_bytes(data)
            spare.rename(path)
    assert seen == path.read_bytes()
    assert position.offset == path.stat().st_size
