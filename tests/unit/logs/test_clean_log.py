from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.logs.clean import Row, clean, fold, is_binary, render, shorten


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (b"", ""),
        (b"plain\ntext\n", "plain\ntext"),
        (b"no newline at the end", "no newline at the end"),
        (b"dos\r\nlines\r\n", "dos\nlines"),
        (b"worse\r\r\nlines", "worse\nlines"),
        (b"\x1b[1;31mred\x1b[0m and \x1b[38;2;1;2;3mtrue\x1b[m colour", "red and true colour"),
        (b"\x1b]8;;https://a.b/c\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07text", "link text"),
        (b"\x1bPq#0;2;0;0;0\x1b\\sixel \x1b(Bcharset \x1b7\x1b8\x1b=", "sixel charset"),
        (b"nul\0 \0bel\x07 vt\x7f", "nul bel vt"),
        ("tab\tänd ünïcode 🦜 日本".encode(), "tab\tänd ünïcode 🦜 日本"),
        (b"bad \xff\xc3( utf-8 \xe2\x82", "bad �(" + " utf-8 �"),
        ("abc\u202egnp.exe\u2066x\ufeff\U000e0041y".encode(), "abcgnp.exexy"),
        ("next\u0085line\u2028sep".encode(), "nextline sep"),
        (b"trailing   \t\n\n\n\n", "trailing"),
        (b"a\n\n\n\nb", "a\n\nb"),
        (b"page\x0cbreak", "page\nbreak"),
        (b"_\bU_\bn and spin |\b/\b-\b\\\bdone", "Un and spin done"),
        (b"\b\b\bx", "x"),
    ],
)
def test_a_reader_sees_the_text_alone(raw: bytes, seen: str) -> None:
    got = clean(raw)
    assert got.replace("\ufffd\ufffd", "\ufffd") == seen


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (b" 10%|#   |\r 50%|##  |\r100%|####|\ndone\n", "100%|####|\ndone"),
        (b"\r 10%\r 20%\r 30%", " 30%"),
        (b"100%|####|\r          \r", "100%|####|"),
        (b"100%|####|\r          \rdone\n", "done"),
        (b"\x1b[2K\x1b[1Gstep 1\x1b[2K\x1b[1Gstep 2\x1b[2K\x1b[0Gstep 3", "step 3"),
        (b"\r\x1b[32m 10%\x1b[0m of it\r\x1b[32m 20%\x1b[0m of it\n", " 20% of it"),
    ],
)
def test_a_progress_bar_shows_its_last_state(raw: bytes, seen: str) -> None:
    assert clean(raw) == seen


def test_nested_bars_of_tqdm_collapse_to_one_row_each() -> None:
    """As tqdm 4.67 writes `position=1` bars: down, bar, up again."""
    raw = b"outer:   0%"
    for outer in range(3):
        for inner in (0, 50, 100):
            raw += b"\n\rinner: %3d%%\x1b[A" % inner
        raw += b"\router: %3d%%" % (outer * 50)
    assert clean(raw + b"\n\n") == "outer: 100%\ninner: 100%"


def test_a_live_display_of_rich_shows_its_last_frame() -> None:
    raw = b"start\n"
    for step in range(20):
        raw += (b"\r\x1b[2K\x1b[1A\x1b[2K" if step else b"") + b"download %d\ncompile %d" % (step, step)
    assert clean(raw + b"\n") == "start\ndownload 19\ncompile 19"


def test_a_torn_control_string_swallows_nothing_that_follows() -> None:
    assert clean(b"\x1b]0;never ended\nnext\n\x1bPalso not\nlast\x1b[") == "0;never ended\nnext\nalso not\nlast"


def test_equal_lines_are_folded_with_their_count() -> None:
    assert clean(b"a\n" + b"retrying\n" * 37 + b"b\nc\nc\n") == "a\nretrying\n… 37 times\nb\nc\nc"


def test_a_log_that_counts_repeats_itself_is_folded_to_the_end() -> None:
    assert clean("a\na\na\n… 3 times\n… 3 times\n".encode()) == "a\n… 3 times\n… 3 times"


def test_a_long_line_loses_its_middle_and_says_how_much() -> None:
    got = clean(b"HEAD" + b"x" * 5000 + b"TAIL", line_chars=200)
    assert len(got) <= 200
    assert got.startswith("HEAD")
    assert got.endswith("TAIL")
    left_out = int(got.split("[… ")[1].split()[0])
    assert left_out + got.count("x") - "characters".count("x") + 8 == 5008


@pytest.mark.parametrize("most", range(70))
def test_a_line_is_never_longer_than_asked_for(most: int) -> None:
    assert len(shorten("y" * 500, most)) <= most


def test_rows_know_where_they_begin_in_bytes() -> None:
    data = "äöü\n\xff\n".encode() + b"\xff\xfe\nlast"
    rows = render(data)
    assert [data[row.start :].split(b"\n")[0] for row in rows] == [
        b"\xc3\xa4\xc3\xb6\xc3\xbc",
        b"\xc3\xbf",
        b"\xff\xfe",
        b"last",
    ]


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"", False),
        (b"plain text\n" * 100, False),
        ("日本語のログ\n".encode() * 100, False),
        ("naïve café".encode("latin-1") * 100, False),
        (b"\x1b[32mok\x1b[0m\r" * 100, False),
        (b"\0" * 4096 + b"after a hole\n" * 10, False),
        ("wide\n".encode("utf-16-le") * 100, False),
        (b"\0" * 100, True),
        (bytes(range(256)) * 64, True),
        (b"\x7fELF\x02\x01\x01" + bytes(range(128, 256)) * 8, True),
    ],
)
def test_binary_is_told_from_text(data: bytes, binary: bool) -> None:
    assert is_binary(data) is binary


_PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\x1b[A", b"\x1b[2K", b"\x1b[3B", b"\x1b[1G", b"\x1b]8;;u\x07", b"\x1b[", b"\x1b"]
    + [b"\b\b", b"\0", b"\x9b", b"\xff", b"a", b"ab cd", b"a\n", b" ", b"x" * 300]
    + [text.encode() for text in ("\x9b31m", "\x90", "… 3 times\n", "\u202e")]
)


@given(st.one_of(st.binary(max_size=400), st.lists(_PIECES, max_size=60).map(b"".join)), st.integers(64, 300))
def test_any_bytes_become_printable_text_within_bounds_and_stay_so(data: bytes, line_chars: int) -> None:
    text = clean(data, line_chars=line_chars)
    assert all(letter in "\n\t" or letter.isprintable() or ord(letter) > 0x9F for letter in text)
    assert all(len(line) <= line_chars for line in text.split("\n"))
    assert clean(text.encode(), line_chars=line_chars) == text


@given(st.lists(st.sampled_from(["a", "b", "", "… 3 times"]), max_size=40))
def test_folding_loses_no_kind_of_line_and_is_done_once(lines: list[str]) -> None:
    folded = fold([Row(line, index) for index, line in enumerate(lines)])
    assert {line for line in lines if not line.startswith("…")} <= {row.text for row in folded}
    assert fold(folded) == folded
    assert [row.start for row in folded] == sorted(row.start for row in folded)


@pytest.mark.parametrize(
    "piece",
    [
        b"\x1b]",
        b"\x1b[",
        b"\x1bP",
        b"\x1b[1;",
        b"a\b\b",
        b"\r",
        b"\x1b[A",
        b"\x1b[500B",
        b"\xc2\x9d",
        b"ab\b\b\b",
        b"\n\x1b[A",
    ],
)
def test_no_dirt_makes_cleaning_slow(piece: bytes) -> None:
    data = b"x" * 1_500_000 + piece * (600_000 // len(piece))
    before = time.process_time()
    clean(data)
    assert time.process_time() - before < 5
