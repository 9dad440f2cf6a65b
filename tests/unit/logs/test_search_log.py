from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobwarden.logs import search
from jobwarden.logs.pattern import Pattern, PatternError
from jobwarden.logs.position import Position
from jobwarden.logs.search import Hits, Query, search_file
from support.file_transport import FileTransport

HF = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"


async def grep(
    path: Path,
    pattern: str,
    *,
    context: int = 0,
    lines: int = 80,
    max_chars: int = 10_000,
    since: Position | None = None,
    transport: FileTransport | None = None,
) -> Hits:
    query = Query(Pattern(pattern), context, lines, max_chars)
    start = since or Position(str(path))
    return await search_file(transport or FileTransport(), start, query, now=lambda: 0.0)


@pytest.mark.parametrize("pattern", ["(", "a)(b", r"(a)\1", "(?=a)", "(?<!a)b", "a{5000}", "", "x" * 1001, "\ud800"])
def test_a_pattern_that_cannot_be_searched_for_in_linear_time_is_an_error_that_says_why(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern(pattern)
    assert caught.value.code == "log.bad_pattern"


async def test_hits_come_with_their_line_numbers_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"step {n}: {'ERROR' if n % 100 == 7 else 'fine'}\n" for n in range(1, 1001)))
    got = await grep(path, "ERROR$", lines=3)
    assert got.text == "707: step 707: ERROR\n807: step 807: ERROR\n907: step 907: ERROR"
    assert (got.count, got.shown) == (10, 3)
    assert got.searched_bytes == got.wanted_bytes == path.stat().st_size


async def test_context_stands_around_a_hit_and_gaps_are_marked(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\nb\nHIT\nc\nd\ne\nf\nHIT\nHIT\ng")
    got = await grep(tmp_path / "log", "HIT", context=1)
    assert got.text == "2- b\n3: HIT\n4- c\n--\n7- f\n8: HIT\n9: HIT\n10- g"


async def test_a_pattern_that_takes_for_ever_elsewhere_is_searched_for_at_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a" * 200_000 + "!\n")
    assert (await grep(tmp_path / "log", "^(a+)+$")).count == 0


async def test_lines_are_cleaned_before_they_are_searched_and_masked_before_they_are_shown(tmp_path: Path) -> None:
    bar = "".join(f"\r{n}% done" for n in range(101))
    (tmp_path / "log").write_text(f"\x1b[31mER\x1b[0mROR one\n{bar}\nlogin with {HF}\r\n")
    assert (await grep(tmp_path / "log", "^ERROR one$")).count == 1
    assert (await grep(tmp_path / "log", "done")).text == "2: 100% done"
    assert (await grep(tmp_path / "log", "7% done")).count == 0
    assert (await grep(tmp_path / "log", "login")).text == "3: login with hf_[masked]"


async def test_a_hit_within_a_private_key_is_masked(tmp_path: Path) -> None:
    body = ["MIIEpAIBAAKCAQEA" + f"abcdEFGH{n:04}0123+/" * 2 for n in range(50)]
    lines = ["-----BEGIN RSA PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----", "done"]
    (tmp_path / "log").write_text("\n".join(lines))
    got = await grep(tmp_path / "log", "EFGH0030|done")
    assert got.text == "32: [masked]\n53: done"


async def test_what_is_binary_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(range(256)) * 100)
    got = await grep(tmp_path / "log", "a")
    assert got.note is not None
    assert "binary" in got.note


async def test_only_what_is_new_is_searched_from_a_position(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("ERROR one\nfine\n" * 50_000)
    first = await grep(path, "ERROR")
    assert first.count == 50_000
    assert first.position is not None
    with path.open("a") as stream:
        stream.write("ERROR two\nERROR thr")
    transport = FileTransport()
    got = await grep(path, "ERROR", since=first.position, transport=transport)
    assert (got.text, got.count) == ("ERROR two\nERROR thr", 2)
    assert transport.read_bytes < 300_000
    assert got.position is not None
    with path.open("a") as stream:
        stream.write("ee\n")
    assert (await grep(path, "ERROR", since=got.position)).text == "ERROR three"
    path.write_text("ERROR anew\n")
    again = await grep(path, "ERROR", since=got.position)
    assert (again.text, again.happened) == ("1: ERROR anew", "truncated")


async def test_a_search_of_a_huge_file_stops_when_there_is_enough_and_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_COUNTED_BYTES", 8 * 1024 * 1024)
    path = tmp_path / "log"
    with path.open("wb") as stream:
        stream.truncate(20 * 1024**3)  # a hole: it takes no space
        stream.seek(0, 2)
        stream.write(b"\n" + b"some line of a log\nan ERROR\n" * 500_000)
    tracemalloc.start()
    got = await grep(path, "ERROR")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.text == "\n".join(["an ERROR"] * 80)
    assert 8 * 1024 * 1024 <= got.searched_bytes <= 16 * 1024 * 1024
    assert got.wanted_bytes == path.stat().st_size
    assert peak < 64 * 1024**2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(
    text=st.text(alphabet="aab\n", max_size=120),
    block=st.integers(1, 20),
    context=st.integers(0, 3),
    lines=st.integers(1, 200),
)
async def test_a_search_in_blocks_of_any_size_finds_what_a_search_of_the_whole_does(
    tmp_path: Path, text: str, block: int, context: int, lines: int
) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_FIRST_BYTES", block)
        patch.setattr(search, "_BLOCK_BYTES", block)
        got = await grep(path, "b+a", context=context, lines=lines)
    rows = text.removesuffix("\n").split("\n") if text else []
    hits = [n for n, row in enumerate(rows) if re.search("b+a", row)]
    assert got.count == len(hits)
    near = sorted({n for hit in hits for n in range(hit - context, hit + context + 1) if 0 <= n < len(rows)})
    expected: list[str] = []
    for at, n in enumerate(near):
        if context and at and n > near[at - 1] + 1:
            expected.append("--")
        expected.append(f"{n + 1}{':' if n in hits else '-'} {rows[n]}")
    shown = got.text.split("\n") if got.text else []
    if len(expected) <= lines:
        assert shown == expected
    else:
        assert len(shown) <= lines
        assert shown[-1:] == expected[-1:]
        assert shown == expected[len(expected) - len(shown) :]
