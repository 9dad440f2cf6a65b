from __future__ import annotations

import tracemalloc
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobwarden.logs.position import Position
from jobwarden.logs.tail import MOST_BYTES, Tail, tail_file, tail_since
from support.file_transport import FileTransport


async def tail(path: Path, **more: int) -> Tail:
    asked = {"lines": 80, "max_chars": 10_000, **more}
    return await tail_file(FileTransport(), PurePosixPath(path), **asked)


async def since(
    before: Tail,
    *,
    transport: FileTransport | None = None,
    lines: int = 80,
    max_chars: int = 10_000,
    whole: bool = False,
) -> Tail:
    """Read on, from what a later server would know."""
    assert before.position is not None
    position = Position.decode(before.position.encode(), before.position.path)
    return await tail_since(transport or FileTransport(), position, lines=lines, max_chars=max_chars, whole=whole)


def add(path: Path, text: str) -> None:
    with path.open("a", newline="") as stream:
        stream.write(text)


async def test_only_what_is_new_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "".join(f"line {n}\n" for n in range(100_000)))
    first = await tail(path)
    add(path, "new one\nnew two\n")
    transport = FileTransport()
    got = await since(first, transport=transport)
    assert (got.text, got.omitted_bytes, got.partial) == ("new one\nnew two", 0, False)
    assert (transport.requests, transport.read_bytes) == (1, 64 + len("new one\nnew two\n"))
    nothing = await since(got)
    assert (nothing.text, nothing.note, nothing.position) == ("", "Nothing new.", got.position)


async def test_a_last_line_without_an_end_is_said_to_be_one_and_comes_again_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "one\nloss: 0.")
    first = await tail(path)
    assert (first.text, first.partial) == ("one\nloss: 0.", True)
    add(path, "53\nthree")
    second = await since(first)
    assert (second.text, second.partial) == ("loss: 0.53\nthree", True)
    last = await since(second, whole=True)
    assert (last.text, last.partial) == ("three", False)
    assert (await since(last, whole=True)).text == ""


@pytest.mark.parametrize("style", ["\r{}%|###", "{}%|###\r"])
async def test_of_a_progress_bar_only_the_state_now_is_shown_and_its_past_is_not_read_again(
    tmp_path: Path, style: str
) -> None:
    path = tmp_path / "log"
    add(path, "start\n" + "".join(style.format(n) for n in range(40)))
    first = await tail(path)
    assert first.text == "start\n39%|###"
    add(path, "".join(style.format(n) for n in range(40, 60)))
    transport = FileTransport()
    got = await since(first, transport=transport)
    assert got.text == "59%|###"
    assert transport.read_bytes < 64 + 21 * 9
    add(path, "\ndone\n")
    assert (await since(got)).text in ("59%|###\ndone", "done")


async def test_of_much_that_is_new_the_end_is_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "old\n")
    first = await tail(path)
    add(path, "".join(f"{n:09}\n" for n in range(2000)))
    few = await since(first, lines=3)
    assert few.text == "000001997\n000001998\n000001999"
    assert (few.omitted_bytes, few.omitted_lines) == (1997 * 10, 1997)
    add(path, "".join(f"{n:09}\n" for n in range(1_000_000)))
    transport = FileTransport()
    many = await since(few, transport=transport, lines=2)
    assert many.text == "000999998\n000999999"
    assert (many.omitted_bytes, many.omitted_lines) == (999_998 * 10, None)
    assert transport.read_bytes <= 3 * 65536
    assert (await since(many)).text == ""


async def test_what_was_read_before_is_never_shown_to_fill_up_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "old\n" * 50_000)
    first = await tail(path)
    add(path, "waiting\n" * 20_000)
    got = await since(first)
    assert got.text == "waiting\n… 20000 times"
    assert got.omitted_bytes == 0


async def test_a_line_that_never_ends_is_shown_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "." * 100_000)
    first = await tail(path)
    assert not first.partial
    add(path, "!" * 10 + "\nnext\n")
    got = await since(first)
    assert got.text == "…!!!!!!!!!!\nnext"


@pytest.mark.parametrize("how", ["truncated", "replaced"])
async def test_a_file_that_is_written_anew_is_shown_from_its_beginning_and_said_so(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    add(path, "of the first run\n")
    first = await tail(path)
    if how == "replaced":
        path.rename(tmp_path / "log.1")
    path.write_text("second\n")
    got = await since(first)
    assert (got.text, got.happened) == ("second", how)
    assert (await since(got)).happened == ""


async def test_a_file_that_is_gone_is_said_to_be_gone_and_not_to_be_missing_yet(tmp_path: Path) -> None:
    path = tmp_path / "log"
    got = await since(await tail(path))
    assert got.note == f"There is no file {path} yet."
    add(path, "one\n")
    first = await since(got)
    assert first.text == "one"
    path.unlink()
    gone = await since(first)
    assert gone.note == f"The file {path} is not there any more."
    assert gone.position == first.position


async def test_new_text_of_many_gigabytes_costs_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "one\n")
    first = await tail(path)
    with path.open("ab") as stream:
        stream.truncate(20 * 1024**3)  # a hole: it takes no space
        stream.seek(0, 2)
        stream.write(b"\n" + b"some line of a log\nanother\n" * 4000)
    transport = FileTransport()
    tracemalloc.start()
    got = await since(first, transport=transport)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.text.endswith("some line of a log\nanother")
    assert transport.read_bytes <= MOST_BYTES
    assert peak < 16 * 1024**2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(st.text(alphabet="ab\n", max_size=12), max_size=12), st.integers(0, 5))
async def test_whatever_is_appended_each_whole_line_is_shown_once_and_none_twice(
    tmp_path: Path, pieces: list[str], first: int
) -> None:
    path = tmp_path / "log"
    path.write_text("")
    number = 0
    shown: list[str] = []

    def take(got: Tail) -> None:
        rows = got.text.split("\n") if got.text else []
        shown.extend(rows[:-1] if got.partial and rows else rows)

    got = await tail(path, lines=1000)
    for at, piece in enumerate(pieces):
        # Every line is another, so that equal ones are not folded.
        for letter in piece:
            add(path, f"{letter}{number}" if letter != "\n" else "\n")
            number += 1
        if at >= first:
            got = await since(got, lines=1000)
            take(got)
    take(await since(got, lines=1000, whole=True))
    assert [row for row in shown if row] == [line for line in path.read_text().split("\n") if line]
