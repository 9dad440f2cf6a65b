from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwarden.logs.cursor import Cursor
from jobwarden.logs.merge import in_order
from jobwarden.logs.position import CursorError, Position

PLACE = Position("/home/a/log", "2049:5231", 73400320, "8d0c1f2a")
CURSOR = Cursor("0123456789ab", 1763719200, "stdout", "7", (PLACE.encode(),))


def test_a_cursor_holds_all_that_the_next_call_needs_and_is_short() -> None:
    told = Cursor.decode(CURSOR.encode(), "0123456789ab")
    assert told == CURSOR
    assert told.position("/home/a/log") == PLACE
    assert told.position("/home/a/other") is None
    assert len(CURSOR.encode()) < 80


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_stream_and_task_survive(stream: str, task: str) -> None:
    cursor = Cursor("uid", 0, stream, task, (PLACE.encode(), PLACE.encode()))
    assert Cursor.decode(f" {cursor.encode()}\n", "uid") == cursor
    assert cursor.encode().isascii()


@pytest.mark.parametrize("at", range(len(CURSOR.encode())))
def test_a_cursor_that_was_changed_on_the_way_is_refused(at: int) -> None:
    text = CURSOR.encode()
    changed = text[:at] + ("8" if text[at] != "8" else "9") + text[at + 1 :]
    with pytest.raises(CursorError):
        Cursor.decode(changed, "0123456789ab")


@given(st.text(max_size=100))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        Cursor.decode(text, "uid")


def test_a_cursor_of_another_job_is_refused_and_said_to_be_one() -> None:
    with pytest.raises(CursorError, match="another job"):
        Cursor.decode(CURSOR.encode(), "ba9876543210")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-11-20 10:00:0{}", "2026-11-20 10:00:0{}"),
        ("2026-11-20T10:00:0{}.5Z ", "[2026-11-20 10:00:0{}Z]"),
        ("[2026/11/20 10:00:0{},123]", "2026-11-20 10:00:0{}.123 INFO"),
        ("10:00:0{} ", "10:00:0{} "),
        ("I1120 10:00:0{}.1 x.cc:1]", "W1120 10:00:0{}.1 x.cc:1]"),
    ],
)
def test_lines_of_two_logs_come_in_the_order_of_their_times(first: str, second: str) -> None:
    out = ["banner", first.format(1), "  more of it", first.format(5)]
    err = [second.format(3), "Traceback", second.format(7)]
    merged = in_order(out, err)
    assert merged == [(0, out[0]), (0, out[1]), (0, out[2]), (1, err[0]), (1, err[1]), (0, out[3]), (1, err[2])]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("no time", "10:00:00 x"),
        ("2026-11-20 10:00:00 x", "10:00:00 x"),
        ("2026-11-20 10:00:00Z", "2026-11-20 10:00:00"),
    ],
)
def test_logs_that_do_not_both_tell_the_time_in_one_way_are_not_mixed(first: str, second: str) -> None:
    assert in_order([first], [second]) is None


@given(st.lists(st.sampled_from(["10:00:01 a", "10:00:02 b", "c", ""])), st.lists(st.sampled_from(["10:00:01 x", "y"])))
def test_each_log_keeps_its_own_order(first: list[str], second: list[str]) -> None:
    merged = in_order(first, second)
    if merged is not None:
        assert [line for which, line in merged if which == 0] == first
        assert [line for which, line in merged if which == 1] == second
