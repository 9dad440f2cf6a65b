"""What a growing log gives a person to read: every line once, in order, and nothing that harms a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobwarden.logs.clean import render
from jobwarden.logs.follow import ROW_CHARS, Feed

SGR = re.compile(r"\x1b\[0(?:;[0-9:;]+)?m|\x1b\[0m")
# What logs are made of, and what they should not be made of.
PIECES = st.sampled_from(
    [b"a", b"line", b" ", b"\n", b"\r\n", b"\r", b"\b", b"\t", b"\0", b"\x1b", b"[", b"31", b";", b"m", b"\x1b[1;32m",
     b"\x1b[0m", b"\x1b[2K", b"\x1b]0;title", b"\x07", b"\x1b\\", b"\xc2", b"\x9b", b"\xe2\x96\x88", b"\xff", b"\x0c"]
)  # fmt: skip
LOGS = st.lists(PIECES | st.binary(max_size=4), max_size=60).map(b"".join)
UPS = st.lists(PIECES | st.sampled_from([b"\x1b[A", b"\x1b[2A", b"\x1b[B", b"\x1b[F", b"\n"]), max_size=60).map(
    b"".join
)
CUTS = st.lists(st.integers(0, 400), max_size=12)
MOVES_UP = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[AFBE]")


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    return [
        data[start:end]
        for start, end in pairwise(sorted({0, len(data), *(place for place in at if place < len(data))}))
    ]


def fed(pieces: Sequence[bytes], *, peek: bool = False) -> list[str]:
    feed = Feed()
    lines: list[str] = []
    for piece in pieces:
        lines += [line.coloured for line in feed.take(piece)]
        if peek:
            feed.pending()
    return lines + [line.coloured for line in feed.settle()]


def plain(data: bytes) -> list[str]:
    return [SGR.sub("", line) for line in fed([data])]


@given(LOGS | UPS, CUTS)
@example("é\x1b[31mré\n".encode(), list(range(20)))
@example("é\x1b[31mré\x1b[0m\r\n".encode(), list(range(20)))
def test_the_lines_are_the_same_whatever_pieces_the_log_comes_in(data: bytes, at: list[int]) -> None:
    assert fed(cut(data, at), peek=True) == fed([data])


@given(st.lists(st.text("abc é█\t", max_size=8), max_size=30), CUTS)
def test_each_line_comes_once_and_in_order(lines: list[str], at: list[int]) -> None:
    numbered = [f"{number} {line}" for number, line in enumerate(lines)]
    data = "".join(f"{line}\n" for line in numbered).encode()
    assert fed(cut(data, at)) == numbered


@given(LOGS)
def test_a_followed_log_reads_as_the_same_log_does_in_an_answer(data: bytes) -> None:
    if MOVES_UP.search(data.decode("utf-8", "surrogateescape")):
        return  # an answer has the whole log before it, and need not decide what has settled
    lines = [line.rstrip() for line in plain(data)]
    while lines and not lines[-1]:
        lines.pop()
    assert lines == [row.text for row in render(data)]


@given(LOGS | UPS)
def test_nothing_but_text_and_colours_reaches_a_terminal(data: bytes) -> None:
    feed = Feed()
    half = len(data) // 2
    shown = [*feed.take(data[:half]), *feed.pending(), *feed.take(data[half:]), *feed.pending(), *feed.settle()]
    for line in shown:
        rest = SGR.sub("", line.coloured)
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", rest), line
        assert line.text == rest
        assert SGR.findall(line.coloured)[-1:] in ([], ["\x1b[0m"])  # the next line begins plainly


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m plain\n", ["\x1b[0;31mred\x1b[0m plain"]),
        (b"\x1b[1;38;5;208mx\x1b[22my\x1b[39mz\n", ["\x1b[0;1;38;5;208mx\x1b[0;38;5;208my\x1b[0mz"]),
        (b"\x1b[48;2;1;2;3;4:3mx\x1b[m\n", ["\x1b[0;48;2;1;2;3;4:3mx\x1b[0m"]),
        (b"\x1b[32mover\nlines\x1b[0m\n", ["\x1b[0;32mover\x1b[0m", "\x1b[0;32mlines\x1b[0m"]),
        (b"\x1b[8mhidden\x1b[5mblink\x1b[38;2mx\x1b[>4;1my\x1b[?25mz\n", ["hiddenblinkxyz"]),
        (b"\x1b[2J\x1b[10;10Hno\x1b[3C\x1bcreset\x1b]52;c;aGk=\x07 clip\x1b[6n", ["noreset clip"]),
        (b"\r 10%\r 20%\r100%\ndone\n", ["100%", "done"]),
        (b"no newline", ["no newline"]),
        (b"\n\na\n", ["", "", "a"]),
        (b"torn \xe2\x96", ["torn \ufffd\ufffd"]),
    ],
)
def test_colours_are_kept_and_all_else_is_not(raw: bytes, shown: list[str]) -> None:
    assert fed([raw]) == shown


def test_a_bar_is_pending_until_its_line_ends() -> None:
    feed = Feed()
    for percent in range(100):
        assert feed.take(b"\r%d%%" % percent) == []
        assert [line.text for line in feed.pending()] == [f"{percent}%"]
    assert [line.text for line in feed.take(b"\r100%\nnext")] == ["100%"]
    assert [line.text for line in feed.pending()] == ["next"]


def test_nested_bars_are_pending_until_they_scroll_away_and_do_not_flood() -> None:
    """As tqdm 4.67 writes `position=1` bars: down, bar, up again."""
    feed, settled = Feed(), list[str]()
    for outer in range(50):
        settled += [line.text for line in feed.take(b"\router %d" % outer)]
        for inner in range(50):
            settled += [line.text for line in feed.take(b"\n\rinner %d\x1b[A" % inner)]
    assert settled == ["outer 0"]  # that it would be written again was not to be known
    assert [line.text for line in feed.pending()] == ["outer 49", "inner 49"]
    assert [line.text for line in feed.take(b"\n\n" + b"".join(b"line %d\n" % number for number in range(40)))] == [
        "outer 49",
        "inner 49",
        *(f"line {number}" for number in range(40)),
    ]


def test_what_is_printed_above_a_live_display_comes_once() -> None:
    """As rich 14 writes `console.print` under a `Live` of two rows: up, the line, the rows again."""
    feed, settled = Feed(), list[str]()
    settled += [line.text for line in feed.take(b"row a 0\nrow b 0")]
    for number in range(1, 30):
        again = b"\r\x1b[2K\x1b[1A\x1b[2Kline %d\nrow a %d\nrow b %d" % (number, number, number)
        settled += [line.text for line in feed.take(again)]
    assert settled == ["row a 0", *(f"line {number}" for number in range(1, 30))]
    assert [line.text for line in feed.settle()] == ["row a 29", "row b 29"]


def test_a_line_without_end_is_broken_and_held_in_bounded_memory() -> None:
    feed, lines = Feed(), list[str]()
    for _ in range(40):
        lines += [line.text for line in feed.take("é".encode() * 10_000)]
    lines += [line.text for line in feed.settle()]
    assert "".join(lines) == "é" * 400_000
    assert [len(line) for line in lines[:-1]] == [ROW_CHARS] * (400_000 // ROW_CHARS)


def test_a_secret_is_masked_whatever_colours_and_pieces_it_comes_in() -> None:
    token = b"hf_" + b"a1B2" * 8
    feed = Feed()
    assert feed.take(b"\x1b[32mlogin with \x1b[31m" + token[:10]) == []
    (line,) = feed.take(token[10:] + b"\x1b[0m done\n")
    assert line.text == "login with hf_[masked] done"
    assert line.coloured.startswith("\x1b[0;32mlogin with \x1b[0;31mhf_")
    assert "a1B2" not in line.coloured


def test_a_private_key_is_masked_over_many_pieces_and_ends() -> None:
    feed = Feed()
    key = [b"-----BEGIN RSA PRIVATE KEY-----", *[b"MIIEpAIBAAKCAQEA" * 4] * 30, b"-----END RSA PRIVATE KEY-----"]
    shown = [line.text for part in (*key, b"ok", b"word") for line in feed.take(part + b"\n")]
    assert set(shown[:-2]) == {"[masked]"}
    assert shown[-2:] == ["ok", "word"]
